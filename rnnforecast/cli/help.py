"""The layout of `--help`: panels of options, an example, the exit codes; plain text, without rich."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand

from rnnforecast.options import ARGUMENTS, OUTPUT, PANELS, Option

MAX_HELP_WIDTH = 100

#: The public exit codes in the words of `--help`; a test compares them with `ExitCode`.
EXIT_CODES = {
    0: "all done",
    1: "internal error (a bug)",
    2: "usage or configuration",
    3: "part of the work done",
    10: "input missing or unreadable",
    11: "locked by another run",
    12: "model file rejected",
    13: "data rejected",
    14: "output not written",
    15: "resources or time",
    16: "training diverged",
    20: "lost to the naive forecast",
    21: "drift",
    22: "stale input",
    23: "coverage broken",
    24: "abnormal rows",
    75: "try again later",
}
_NAME_WIDTH = 24
#: A command with more options shows the common ones, and names the panels of the rest.
_MANY = 20
_EVERYTHING = "all"
_WANTED = "rnnforecast.panel"  # key of the context: the panel whose help is wanted


class PanelCommand(TyperCommand):
    """A command whose help lists its options by panel: `--help` the common ones, `--help PANEL` or `--help all` more."""

    options: Sequence[Option] = ()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Remember the panel after `--help`, and parse the rest."""
        for word, following in itertools.pairwise(args):
            if word in ("--help", "-h") and following.lower() in (*(panel.lower() for panel in PANELS), _EVERYTHING):
                ctx.meta[_WANTED] = following.lower()
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line, `DATA...` for what Typer writes as `{DATA}...`."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, or the usage line and one panel."""
        if ctx.meta.get(_WANTED) in (None, _EVERYTHING):
            super().format_help(ctx, formatter)
        else:
            self.format_usage(ctx, formatter)
            self.format_options(ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one section per panel, and the panels of the options that are left out."""
        wanted = ctx.meta.get(_WANTED)
        is_short = wanted is None and len(self.options) > _MANY
        hidden: list[tuple[str, str]] = []
        for panel, summary in PANELS.items():
            options = [option for option in self.options if option.panel == panel]
            shown = [option for option in options if option.is_common or not is_short or panel == ARGUMENTS]
            if len(shown) < len(options):
                hidden.append((panel.lower(), summary))
            records = [(_name(option), option.full_help) for option in shown]
            if panel == OUTPUT:
                records.append(("--help, -h", "show this message"))
            if records and wanted in (None, _EVERYTHING, panel.lower()):
                with formatter.section(panel):
                    _write_records(formatter, records)
        if hidden:
            with formatter.section(f"More options ({ctx.command_path} --help PANEL)"):
                _write_records(formatter, [*hidden, (_EVERYTHING, "every option")])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the example and the exit codes."""
        write_epilog(formatter, str(self.epilog))


def write_epilog(formatter: Any, example: str) -> None:
    """Write the end of every help: an example, and the exit codes in two columns."""
    with formatter.section("Example"):
        formatter.write(textwrap.indent(example, "  ") + "\n")
    codes = [f"{code:5d}  {words}" for code, words in EXIT_CODES.items()] + ["128+N  ended by signal N"]
    half = (len(codes) + 1) // 2
    with formatter.section("Exit codes"):
        for left, right in zip(codes[:half], [*codes[half:], ""][:half], strict=True):
            formatter.write(f" {left:<38}{right}".rstrip() + "\n")


def _name(option: Option) -> str:
    """Return an option as the help shows it, `--[no-]refit` for a pair of flags."""
    if option.panel == ARGUMENTS:
        return str(option.metavar)
    if option.kind is not bool:
        return f"--{option.word} {option.placeholder}"
    return f"--[no-]{option.word}" if option.has_opposite and not option.opposite else option.flags.replace("/", " / ")


def _write_records(formatter: Any, records: Sequence[tuple[str, str]]) -> None:
    """Write names and help in two columns; values are not broken at hyphens."""
    for name, words in records:
        wrapped = textwrap.wrap(
            words, max(formatter.width - _NAME_WIDTH - 4, 30), break_on_hyphens=False, break_long_words=False
        ) or [""]
        if len(name) > _NAME_WIDTH:
            formatter.write(f"  {name}\n")
            name = ""
        for line in wrapped:
            formatter.write(f"  {name:<{_NAME_WIDTH}}  {line}".rstrip() + "\n")
            name = ""
