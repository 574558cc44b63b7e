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


def test_findings_without_a_fix_have_no_column_for_it() -> None:
    result = examples.inspect_result()
    without = replace(result, findings=tuple(replace(one, fix=None) for one in result.findings))
    assert "  fix\n" in render(result, stream=io.StringIO())
    assert "  fix\n" not in render(without, stream=io.StringIO())


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
