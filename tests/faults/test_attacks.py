"""Files made to harm: what they hold is not told, and no length of it takes the time of anyone."""

from __future__ import annotations

import base64
import random
import re
import sys
from pathlib import Path

import pytest

from rnnforecast.cli.main import main
from rnnforecast.data.write import check_output
from rnnforecast.errors import UsageError
from tests.house import modules, run

DAYS = [f"2024-01-{day:02d}" for day in range(1, 29)]
#: Just below the longest cell that is read at all (128 KiB), and beyond it.
LENGTHS = (120_000, 1_000_000)
#: Seconds of the processor for all files, which need about two; a search in squares takes minutes for one.
_CPU_SECONDS = 30
#: Ends of a text that make careless patterns and parsers try again and again.
LONG_CELLS = {
    "digits": "9",
    "minus signs": "-",
    "brackets": "(",
    "exponent": "1e9",
    "thousands": "1 ",
    "points": "1.",
    "spaces": " ",
    "units": "1 kWh",
    "slashes": "1/",
    "apostrophes": "'",
}


#: Inspects every file given and prints the exit codes; ended by the system when it computes for too long.
_CHILD = f"""
import contextlib, io, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({_CPU_SECONDS}, {_CPU_SECONDS}))
from rnnforecast.cli.main import main
for path in sys.argv[1:]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(["inspect", path])
    print(code, len(said.getvalue()) < 5_000)
"""


def _rows(*, timestamp: str = DAYS[-1], value: str = "28") -> str:
    rows = [f"{day},{number}" for number, day in enumerate(DAYS[:-1], 1)]
    return "\n".join(["date,value", *rows, f"{timestamp},{value}"]) + "\n"


@pytest.mark.parametrize("role", ["value", "timestamp"])
def test_a_cell_of_any_length_is_refused_before_it_costs_time_and_is_not_printed(tmp_path: Path, role: str) -> None:
    paths = []
    for kind, piece in LONG_CELLS.items():
        for length in LENGTHS:
            paths.append(tmp_path / f"{kind}-{length}.csv")
            cell = (piece * length)[: length - 1] + "x"
            paths[-1].write_text(_rows(**{role: cell}), encoding="utf-8")
    ended = run([sys.executable, "-c", _CHILD, *map(str, paths)])
    assert ended.returncode == 0, ended.stderr[-300:]
    assert ended.stdout.splitlines() == ["13 True"] * len(paths)


def _key_file(path: Path) -> list[str]:
    """Write what looks like a private key, and return its lines."""
    noise = base64.b64encode(random.Random(7).randbytes(1_500)).decode()
    lines = [noise[start : start + 70] for start in range(0, len(noise), 70)]
    marks = ("-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----")
    path.write_text("\n".join([marks[0], *lines, marks[1]]) + "\n", encoding="utf-8")
    return lines


@pytest.mark.parametrize("words", [("train",), ("inspect",), ("predict", "--data")], ids=lambda words: words[0])
@pytest.mark.parametrize("flags", [(), ("--no-header",), ("--format", "json")], ids=" ".join)
@pytest.mark.usefixtures("_here")
def test_no_line_of_a_key_that_was_given_as_data_is_told(
    words: tuple[str, ...], flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("id_ed25519", "rows.csv"):
        lines = _key_file(Path(name))
        assert main([*words, name, *flags]) in (2, 13)
        told = "".join(capsys.readouterr())
        assert told
        assert [line for line in lines if line[:12] in told] == []


@pytest.mark.usefixtures("_here")
def test_the_values_of_an_environment_that_was_given_as_data_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    Path("env.csv").write_text("AWS_SECRET_ACCESS_KEY=canary1\nDB_PASSWORD=canary2\nTOKEN=canary3\n")
    assert main(["inspect", "env.csv"]) == 13
    told = "".join(capsys.readouterr())
    assert "AWS_SECRET_ACCESS_KEY=***" in told
    assert "canary" not in told


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_nothing_is_written_as_a_page_that_a_browser_would_run() -> None:
    """A report in HTML has to bring tests of its escapes along before this one may go."""
    for output in ("report.html", "report.htm", "report.svg"):
        with pytest.raises(UsageError, match=r"neither \.csv nor \.parquet"):
            check_output(output)
    shown = [module for module in modules() if module.part in ("cli", "workflows", "data", "evaluation")]
    tag = re.compile(r"</?(html|script|svg|body|table|div)\b(?!\")", re.IGNORECASE)
    assert [module.name for module in shown if tag.search(module.source)] == []
