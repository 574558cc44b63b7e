"""How `--help` is laid out: panels of options, an example, the exit codes; plain text, so that it costs nothing."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

from rnnforecast.cli.flags import ARGUMENTS, OUTPUT, PANELS

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_HELP_WIDTH = 100

#: The public exit codes in the words of `--help`; a test holds them equal to `ExitCode`.
EXIT_CODES = {
    0: "all done",
    1: "internal error (a bug)",
    2: "usage or configuration",
    3: "part of the work done",
    10: "input missing or unreadable",
    11: "locked by another run",
    12: "model file refused",
    13: "data refused",
    14: "output not written",
    15: "resources or time",
    16: "training diverged",
    20: "lost to the naive forecast",
    21: "drift",
    22: "stale input",
    23: "coverage broken",
    75: "try again later",
}
_NAME_WIDTH = 24


class PanelCommand(TyperCommand):
    """A command whose help lists its options under the headings of their panels."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line, `DATA...` for what Typer writes as `{DATA}...`."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one section a panel; `--help` itself, which has none, stands with the output."""
        panels: dict[str, list[tuple[str, str]]] = {panel: [] for panel in PANELS}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if parameter.param_type_name == "argument":
                panels[ARGUMENTS].append((str(parameter.metavar).strip("[]."), str(getattr(parameter, "help", ""))))
            else:
                panel = getattr(parameter, "rich_help_panel", None) or OUTPUT
                panels[panel].append((_short_form(record[0]), record[1]))
        for panel, records in panels.items():
            if records:
                with formatter.section(panel):
                    _write_records(formatter, records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the example and the exit codes."""
        write_ending(formatter, str(self.epilog))


class PanelGroup(TyperGroup):
    """A group whose help lists its commands without loading any of them."""

    def summarise(self) -> Sequence[tuple[str, str]]:
        """Return name and one line of every command."""
        return ()

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(self.summarise())

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the example and the exit codes."""
        write_ending(formatter, str(self.epilog))


def write_ending(formatter: Any, example: str) -> None:
    """Write what ends every help: a real example, and the exit codes in two columns."""
    with formatter.section("Example"):
        formatter.write(textwrap.indent(example, "  ") + "\n")
    codes = [f"{code:5d}  {words}" for code, words in EXIT_CODES.items()] + ["128+N  ended by signal N"]
    half = (len(codes) + 1) // 2
    with formatter.section("Exit codes"):
        for left, right in zip(codes[:half], [*codes[half:], ""][:half], strict=True):
            formatter.write(f" {left:<38}{right}".rstrip() + "\n")


def _short_form(names: str) -> str:
    """Return `--[no-]refit` for the pair of flags of a choice between on and off."""
    first, slash, second = names.partition(" / ")
    return f"--[no-]{first.removeprefix('--')}" if slash and second.startswith("--no-") else names


def _write_records(formatter: Any, records: Sequence[tuple[str, str]]) -> None:
    """Write names and words in two columns; no value is broken at its hyphens."""
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
