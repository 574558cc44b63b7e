"""What the screens of reading and judging say in words, and which columns they leave out."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from rnnforecast.cli.render import render
from tests.cli import examples


def _inspected(freq: str) -> str:
    result = examples.inspect_result()
    return render(replace(result, assumptions={**result.assumptions, "freq": freq}), stream=io.StringIO())


@pytest.mark.parametrize(
    ("alias", "words"),
    [
        ("5min[1111100 07:00-21:00]", "5min, Mon to Fri, 07:00 to 21:00"),
        ("h[1111111 08:30-17:30]", "h, every day, 08:30 to 17:30"),
        ("B[1010001]", "B, Mon, Wed, Sun"),
        ("W-SUN", "W-SUN"),
    ],
)
def test_open_days_and_hours_are_shown_in_words(alias: str, words: str) -> None:
    shown = _inspected(alias)
    assert f"  {words}  " in shown
    assert "[" not in shown


def test_the_fix_stands_below_its_finding_and_long_names_of_columns_are_shortened() -> None:
    result = examples.inspect_result()
    name = "a column with a very long name that would fill the screen"
    found = tuple(replace(one, column=name, fix="`--freq D` keeps weekends") for one in result.findings)
    lines = render(replace(result, findings=found), stream=io.StringIO(), width=80).splitlines()
    start = next(place for place, line in enumerate(lines) if line.endswith("finding, and its fix"))
    shown = lines[start + 1 :]
    column = lines[start].index("finding")
    assert any("\u2026" in line[:column] for line in shown)
    assert any(line[column:] == "`--freq D` keeps weekends" and not line[:column].strip() for line in shown)
    assert 80 - column >= 40


@pytest.mark.parametrize(("num_leads", "num_shown"), [(9, 9), (12, 12), (13, 8)])
def test_up_to_twelve_lead_times_are_all_shown(num_leads: int, num_shown: int) -> None:
    result = examples.evaluate_result()
    rows = tuple(
        {"method": name, "lead": lead, "mase": 1.0}
        for name in ("ensemble", "naive")
        for lead in range(1, num_leads + 1)
    )
    block = render(replace(result, per_lead=rows), stream=io.StringIO()).split("MASE by lead time")[1]
    lines = block.split("\n\n")[0].strip("\n").split("\n")
    assert len(lines) == num_shown + 1
