"""Print a table and put it, with date, machine, versions and command, into its section of `benchmarks/README.md`."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shlex
import sys
import traceback
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

FOLDER = Path(__file__).resolve().parent
README = FOLDER / "README.md"
PACKAGES = ("rnnforecast", "torch", "numpy", "pandas")
#: Options that name folders of this machine, and what stands for them in the command that is shown.
FOLDERS = {"--data": "DIR", "--beside": "OTHER", "--cache": "CACHE", "--envs": "ENVS"}


def make_parser(description: str, *, needs_data: bool | None) -> argparse.ArgumentParser:
    """Return a parser with what all scripts share; `needs_data` None: the script takes no data folder."""
    parser = argparse.ArgumentParser(description=description)
    if needs_data is not None:
        folder = os.environ.get("RNNFORECAST_BENCHMARK_DATA")
        parser.add_argument(
            "--data",
            type=Path,
            default=None if folder is None else Path(folder),
            required=needs_data and folder is None,
            metavar="DIR",
            help="folder of the benchmark data (or RNNFORECAST_BENCHMARK_DATA)",
        )
    parser.add_argument("--dry-run", action="store_true", help="print only, leave benchmarks/README.md alone")
    return parser


def publish(
    section: str, header: Sequence[str], rows: Sequence[Sequence[object]], *, notes: Sequence[str] = (), dry_run: bool
) -> None:
    """Print a table and replace the section between its two markers; a new section is put at the end."""
    lines = [_line(header), _line(["---"] * len(header)), *(_line(row) for row in rows)]
    lines += [f"\n{note}" for note in notes]
    table = "\n".join(lines)
    print(table)
    if dry_run:
        return
    begin, end = f"<!-- {section}: begin -->", f"<!-- {section}: end -->"
    block = f"{begin}\n{_origin()}\n\n{table}\n{end}"
    text = README.read_text(encoding="utf-8")
    if begin in text:
        before, _, rest = text.partition(begin)
        text = before + block + rest.partition(end)[2]
    else:
        text = f"{text.rstrip()}\n\n{block}\n"
    README.write_text(text, encoding="utf-8")


class Table:
    """Rows that are printed as soon as they are known; a row that fails is a row that says so."""

    def __init__(self, section: str, header: Sequence[str], *, dry_run: bool) -> None:
        self.section = section
        self.header = tuple(header)
        self.dry_run = dry_run
        self.rows: list[tuple[str, ...]] = []
        self.notes: list[str] = []
        self.num_failures = 0
        print(f"\n{section}\n{_line(self.header)}", flush=True)

    def add(self, *cells: object) -> None:
        """Take one row, missing cells at its end empty."""
        row = tuple(str(cell) for cell in cells)
        self.rows.append(row + ("",) * (len(self.header) - len(row)))
        print(_line(self.rows[-1]), flush=True)

    def attempt(self, label: str, make: Callable[[], Iterable[Sequence[object]]]) -> None:
        """Take the rows that `make` gives, or one that names the error it ended with."""
        try:
            for row in make():
                self.add(*row)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # a peer may even leave by SystemExit: the other rows are worth having
            self.num_failures += 1
            traceback.print_exc()
            words = " ".join(str(error).split()).replace("|", "/")
            self.add(label, f"failed: {type(error).__name__}: {words[:120]}")

    def write(self) -> None:
        """Print the whole table and put it into its section, unless it is empty or every row of it failed."""
        dry_run = self.dry_run or len(self.rows) == self.num_failures
        publish(self.section, self.header, self.rows, notes=self.notes, dry_run=dry_run)


def words_of(text: str) -> list[str]:
    """Take apart words that an option joins by commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def chosen(asked: str | None, known: Iterable[str], *, option: str) -> list[str]:
    """Return what an option names of what there is, all without it; ends the script on a word that is none of them."""
    all_of_them = list(known)
    wanted = words_of(asked) if asked else all_of_them
    unknown = [word for word in wanted if word not in all_of_them]
    if unknown:
        raise SystemExit(f"{option}: {', '.join(unknown)} is none of {', '.join(all_of_them)}")
    return wanted


def _origin() -> str:
    """Say when, where, with what and how the figures were measured."""
    day = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *_portable(sys.argv[1:])])
    # what else the machine was doing: seconds measured beside other work are too many
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    machine = f"{_processor()}, {cores} core{'' if cores == 1 else 's'} used, {platform.system()}{load}"
    return f"{day} · {machine} · Python {platform.python_version()}, {versions}\n\n`{command}`"


def _portable(arguments: Sequence[str]) -> list[str]:
    """Write folders by what they are: where they lie says nothing about the figures."""
    return [FOLDERS.get(before, word) for before, word in zip(["", *arguments], arguments, strict=False)]


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
