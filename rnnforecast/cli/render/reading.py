"""The screen of `inspect`: how the data were read, and the findings; `train` and `compare` use its first block."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text

from rnnforecast.cli.render.blocks import Space, heading, quiet_table, safe, screen, shortened, timestamp_text, under
from rnnforecast.findings import Finding, JSONValue, plural
from rnnforecast.workflows.results import InspectResult
from rnnforecast.workflows.value_profile import profile_words

_FIELDS = {
    "time": "time",
    "target": "target",
    "id": "id",
    "freq": "freq",
    "season_length": "season",
    "horizon": "horizon",
}
_ROLES = ("time", "target", "id", "past", "future", "static")  # unused columns come last
_MAX_NAMES = 6
#: Columns of the screen for the place of a finding, at most: its text keeps 40 of 80.
_MAX_WHERE = 24
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_OPEN = re.compile(r"(?P<step>[^\[]+)\[(?P<days>[01]{7})(?: (?P<first>[\d:.]+)-(?P<last>[\d:.]+))?\]")
_SEVERITY_STYLES = {"note": "dim", "warning": "yellow", "error": "red"}


def assumptions_block(
    assumptions: Mapping[str, JSONValue], reasons: Mapping[str, str], *, title: str = "Data", span: str = ""
) -> RenderableType:
    """Return the table of assumptions with their reasons and the options that override them."""
    table = quiet_table([("", "left"), ("", "fold"), ("", "fold")], header=False)
    roles = [key for key, value in assumptions.items() if key not in _FIELDS and isinstance(value, list) and value]
    for key in (*_FIELDS, *roles):
        if key in assumptions:
            reason = safe(reasons.get(key, ""), "dim")
            table.add_row(Text(_FIELDS.get(key, key), style="dim"), _value(key, assumptions[key]), reason)
    lines = [Text(span, style="dim")] if span else []
    return under(heading(title, _size(assumptions)), *lines, table)


@screen.register(InspectResult)
def _inspect_screen(result: InspectResult, _space: Space) -> list[RenderableType]:
    files = ", ".join(result.paths[:3]) + (f" and {len(result.paths) - 3} more" if len(result.paths) > 3 else "")
    freq = result.assumptions.get("freq")
    span = (
        "" if result.first is None else f"{timestamp_text(result.first, freq)} to {timestamp_text(result.last, freq)}"
    )
    blocks = [assumptions_block(result.assumptions, result.reasons, title=files, span=span)]
    if result.columns:
        blocks.append(_columns_block(result.columns))
    if result.profile:
        blocks.append(_profile_block(result))
    return [*blocks, findings_block(result.findings)]


def _profile_block(result: InspectResult) -> RenderableType:
    table = quiet_table([("", "left"), ("", "fold")], header=False)
    for name, words in profile_words(result.profile).items():
        table.add_row(Text(name, style="dim"), safe(words))
    for place, words in enumerate(result.suggestions):
        table.add_row(Text("" if place else "try", style="dim"), safe(words, "bold"))
    is_panel = result.assumptions.get("num_series") not in (None, 1)
    return under(heading("Values", "of the sum of all series" if is_panel else ""), table)


def findings_block(findings: Sequence[Finding]) -> RenderableType:
    """Return a table of the findings."""
    if not findings:
        return heading("No findings")
    table = quiet_table([("", "left"), ("where", "left"), ("finding, and its fix", "fold")])
    for finding in findings:
        words = safe(finding.message)
        if finding.fix:
            words.append("\n").append_text(safe(finding.fix, "dim"))
        severity = Text(finding.severity, style=_SEVERITY_STYLES[finding.severity])
        table.add_row(severity, safe(_where(finding)), words)
    return under(heading(plural(len(findings), "finding")), table)


def _where(finding: Finding) -> str:
    rows = f"row {finding.rows[0]}" if finding.rows else ""
    more = f" +{finding.count - 1:,}" if finding.rows and finding.count > 1 else ""
    name = shortened(finding.column or "", _MAX_WHERE - len(rows + more))
    return ", ".join(part for part in (name, rows + more) if part)


def _columns_block(columns: Mapping[str, str]) -> RenderableType:
    table = quiet_table([("", "left"), ("", "fold")], header=False)
    by_role: dict[str, list[str]] = {}
    for column, role in columns.items():
        by_role.setdefault(role, []).append(column)
    for role in sorted(by_role, key=lambda role: (_ROLES.index(role) if role in _ROLES else len(_ROLES), role)):
        table.add_row(Text(role, style="dim"), safe(", ".join(by_role[role])))
    return under(heading("Columns"), table)


def _value(key: str, value: JSONValue) -> Text:
    if value is None or value == []:
        return Text("none" if key == "time" else "–", style="dim")
    if isinstance(value, list):
        names = ", ".join(str(each) for each in value[:_MAX_NAMES])
        return safe(names + (f" and {len(value) - _MAX_NAMES} more" if len(value) > _MAX_NAMES else ""))
    if key in ("horizon", "season_length") and isinstance(value, int):
        return Text(plural(value, "step") if key == "horizon" or value > 1 else "none")
    return safe(_freq_in_words(str(value)) if key == "freq" else value)


def _freq_in_words(alias: str) -> str:
    """Return a frequency with its open days and hours in words: `5min, Mon to Fri, 07:00 to 21:00`."""
    found = _OPEN.fullmatch(alias)
    if found is None:
        return alias
    hours = f", {found['first']} to {found['last']}" if found["first"] else ""
    return f"{found['step']}, {_days_in_words(found['days'])}{hours}"


def _days_in_words(weekmask: str) -> str:
    """Return open weekdays, Monday first, as a span where they follow each other: `Mon to Fri`, `Mon, Wed, Sun`."""
    places = [place for place, mark in enumerate(weekmask) if mark == "1"]
    if len(places) == len(_WEEKDAYS):
        return "every day"
    if len(places) > 2 and places[-1] - places[0] == len(places) - 1:
        return f"{_WEEKDAYS[places[0]]} to {_WEEKDAYS[places[-1]]}"
    return ", ".join(_WEEKDAYS[place] for place in places)


def _size(assumptions: Mapping[str, JSONValue]) -> str:
    series, rows = assumptions.get("num_series"), assumptions.get("num_rows")
    if not isinstance(series, int) or not isinstance(rows, int):
        return ""
    return f"{plural(series, 'series', 'series')}, {plural(rows, 'row')}"
