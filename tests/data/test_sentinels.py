"""Which numbers look like a word for "no value"; they are noted, never changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from rnnforecast.data.errors import ColumnRef
from rnnforecast.data.values.numbers import note_sentinels
from rnnforecast.findings import Finding

NOISE = np.random.default_rng(1).uniform(2, 1500, 400).round()


def _noted(values: Sequence[float] | np.ndarray) -> list[Finding]:
    column = np.array(values, dtype=np.float64)
    return note_sentinels(column, ColumnRef.in_file("y", "a.csv", lambda rows: [row + 2 for row in rows]))


def test_a_round_number_that_repeats_far_outside_the_rest_is_noted_with_its_count_and_the_fix() -> None:
    (found,) = _noted([*[-200.0] * 1200, *np.linspace(0.2, 2.2, 1300)])
    assert (found.code, found.severity, found.value, found.count) == ("N_VALUE_SENTINEL", "note", "-200", 1200)
    assert "-200 looks like a missing-value marker (1,200 times); read as a number" in found.message
    assert found.fix == "if it means missing: --missing-values -200"


@pytest.mark.parametrize("sentinel", [-200.0, -999.0, -9999.0])
def test_one_negative_number_below_values_that_are_none_is_noted_however_far_those_spread(sentinel: float) -> None:
    (found,) = _noted([*[sentinel] * 6, *NOISE])
    assert found.value == f"{sentinel:g}"


@pytest.mark.parametrize(
    "values",
    [
        [*[-200.0] * 4, *np.linspace(0.2, 2.2, 100)],  # too seldom
        [*[-207.0] * 9, *np.linspace(0.2, 2.2, 100)],  # not round
        [*[-10.0] * 9, *np.linspace(0.2, 2.2, 100)],  # small
        [*[-200.0] * 9, *NOISE - 700],  # among other negative ones
        [*[2000.0] * 9, *NOISE],  # a limit that values reach
        [*[-200.0] * 200, *np.linspace(0.2, 2.2, 100)],  # more often than anything else
    ],
)
def test_other_numbers_are_taken_for_measurements(values: Sequence[float]) -> None:
    assert _noted(values) == []
