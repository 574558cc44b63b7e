"""Generate pages from the program: commands, settings, finding codes, public names, lists of modules, transcripts.

python docs/make_docs.py               the generated pages and tables
python docs/make_docs.py --transcript  the transcripts in README.md and docs/ too (trains networks)
python docs/make_docs.py --pictures    the pictures of the pages, by the commands that the pages show (trains networks)
python docs/make_docs.py --check       exit 1 when a page is stale; writes nothing
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections import Counter
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Literal, get_args, get_origin

import pictures
import reference
import transcripts

from rnnforecast.cli.main import Commands
from rnnforecast.cli.models import ModelCommands
from rnnforecast.config import DataSettings, EvaluationSettings, NetworkSettings, TrainingSettings
from rnnforecast.grammars import Duration
from rnnforecast.options import ARGUMENTS, PANELS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parent.parent
GROUPS: dict[str, type[BaseModel]] = {
    "Data": DataSettings,
    "Network": NetworkSettings,
    "Training": TrainingSettings,
    "Evaluation": EvaluationSettings,
}
PLAIN = {bool: "`true`, `false`", int: "integer", float: "number", str: "text", Duration: "duration"}
#: Settings that stay unset unless the user sets them.
NOT_CHOSEN = (
    *("attention", "time_budget", "past", "future", "static"),
    *("date_format", "dayfirst", "locale", "epoch_unit", "tz", "ambiguous", "nonexistent", "resample", "aggregate"),
    *("comment", "thousands", "strip_units", "missing_values", "sample", "max_bytes", "query", "future_data"),
    *("calendar_features", "country", "mask"),
)
MADE = "<!-- made by `python docs/make_docs.py`, do not edit -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the pages; returns the exit code."""
    parser = argparse.ArgumentParser(description="Generate pages from the program.")
    parser.add_argument("--check", action="store_true", help="exit 1 when a page is stale; write nothing")
    parser.add_argument("--transcript", action="store_true", help="run the commands of all transcripts again")
    parser.add_argument("--pictures", action="store_true", help="make the pictures of all pages again")
    options = parser.parse_args(arguments)
    if options.pictures:
        for name in pictures.draw_all():
            print(f"drawn: {name}")
    pages = {ROOT / "docs" / "commands.md": commands_page(), ROOT / "docs" / "settings.md": settings_page()}
    plan = ROOT / "ARCHITECTURE.md"
    tables = replace_between(plan.read_text(encoding="utf-8"), "layers", reference.layers())
    pages[plan] = replace_between(tables, "modules", reference.modules())
    python = ROOT / "docs" / "python.md"
    names = replace_between(python.read_text(encoding="utf-8"), "names", reference.public_names())
    pages[python] = names
    pages[ROOT / "docs" / "finding-codes.md"] = reference.finding_codes_page()
    if options.transcript:
        for path in (ROOT / name for name in transcripts.PAGES):
            pages[path] = transcripts.rerun(path.read_text(encoding="utf-8"))
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{'stale' if options.check else 'written'}: {path.relative_to(ROOT)}")
        if not options.check:
            path.write_text(pages[path], encoding="utf-8")
    return 1 if options.check and stale else 0


def commands_page() -> str:
    """Return `docs/commands.md`: the `--help` of every command."""
    parts = [
        "# Commands",
        MADE,
        "The output of `--help`. JSON documents: [json.md](json.md); settings: [settings.md](settings.md).",
    ]
    helps = {" ".join(["rnnforecast", *words]): run([*words, "--help"]) for words in commands()}
    common = common_options(helps.values())
    for name, text in helps.items():
        shown, _, codes = text.partition("\n\nExit codes:\n")
        parts.append(f"## {name}\n\n```text\n{without(shown, common)}\n```")
    options = "\n".join(common)
    parts.append(f"## Common options\n\n`--help` of most commands ends with these.\n\n```text\n{options}\n```")
    parts.append(f"## Exit codes\n\n```text\n{codes}\n```")
    parts.append("## Options by panel\n\n`--help` of a command with many options shows the common ones. These are all.")
    for panel in PANELS:
        if panel != ARGUMENTS:
            shown = run(["train", "--help", panel.lower()]).partition("\n\n")[2]
            parts.append(f"### {panel}\n\n```text\n{shown}\n```")
    return "\n\n".join(parts) + "\n"


def common_options(helps: Collection[str]) -> list[str]:
    """Return the lines of options that half of the commands have."""
    counts = Counter(line for text in helps for line in text.splitlines() if line.startswith("  -"))
    return [line for line, count in counts.items() if count >= len(helps) / 2]


def without(text: str, common: Collection[str]) -> str:
    """Return a text of `--help` without common options, and without a panel that holds nothing else."""
    lines = "\n".join(line for line in text.splitlines() if line not in common)
    return re.sub(r"\n[A-Z][a-z]+:\n(?=\n|$)", "", lines)


def commands() -> Iterator[list[str]]:
    """Yield the words of every command, the bare program first."""
    yield []
    for name in Commands.summaries:
        yield [name]
        if name == "models":
            yield from (["models", action] for action in ModelCommands.summaries)


def settings_page() -> str:
    """Return `docs/settings.md`: every setting with its values."""
    parts = [
        "# Settings",
        MADE,
        "A setting has one name as a flag (`--horizon 12`), as a key of a TOML file (`horizon = 12`) and in Python\n"
        '(`Settings.from_flat({"horizon": 12})`). In flags `_` becomes `-`. If the default is *chosen*, the tool chooses\n'
        "from the data and prints its choice.",
        "A TOML file given by `--config` holds the same keys; flags override it, and unknown keys are errors:",
        '```toml\ntarget = "Close"\nhorizon = 20\ncell = "lstm"\nquantiles = [0.1, 0.5, 0.9]\n```',
    ]
    for title, group in GROUPS.items():
        summary = (group.__doc__ or "").strip().splitlines()[0]
        lines = [f"## {title}\n\n{summary}\n", "| key | values | default | meaning |", "|---|---|---|---|"]
        lines += [_setting(name.removesuffix("_"), field) for name, field in group.model_fields.items()]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def replace_between(page: str, section: str, text: str) -> str:
    """Put text between the two markers of a section."""
    begin, end = f"<!-- {section}: begin -->", f"<!-- {section}: end -->"
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}"


def run(words: Sequence[str]) -> str:
    """Run the program and return what it prints, without spaces at the ends of lines."""
    return transcripts.run(shlex.join([sys.executable, "-m", "rnnforecast", *words]), str(ROOT))


def _setting(name: str, field: FieldInfo) -> str:
    return f"| `{name}` | {_values(field)} | {_default(name, field.default)} | {field.description} |"


def _values(field: FieldInfo) -> str:
    """Return the values of a setting, with its bounds."""
    kind = next((part for part in get_args(field.annotation) if part is not NoneType), None)
    kind = kind if NoneType in get_args(field.annotation) else field.annotation
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        part = get_args(kind)[0]
        if part is str:
            return "name or list of names"
        if str in get_args(part):
            return "text or list of texts"
        return "integer ≥ 1, or list of them" if int in get_args(part) else "list of numbers"
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = [
        f"{sign} {getattr(rule, key):,}".replace(",", " ")
        for key, sign in signs.items()
        for rule in field.metadata
        if getattr(rule, key, None) is not None
    ]
    return " ".join([next(words for plain, words in PLAIN.items() if kind is plain), ", ".join(bounds)]).strip()


def _default(name: str, value: object) -> str:
    """Write a default as TOML does."""
    if value is None or value == ():
        return "none" if name in NOT_CHOSEN else "chosen"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(str(item) for item in value)}]`"
    return f"`{value}`"


if __name__ == "__main__":
    sys.exit(main())
