"""The detector: each kind of fault is found and named, and no row after the row has an effect."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.detection.detector import Timing, detect_rows
from rnnforecast.detection.events import Alarm, find_alarms
from rnnforecast.detection.members import reduced_windows, runs, without_network
from tests.detection.simulated import SEASON, clean_series, detect_without_network

ROWS, START, RATE = 4_000, 3_000, 1 / 672


def _alarms(values: np.ndarray) -> list[Alarm]:
    detection, timing = detect_without_network(values, alarms_a_row=RATE)
    members = tuple(each.name for each in without_network(values, window=timing.window, lag=timing.lag))
    nothing = np.full((1, len(values)), np.nan)
    return find_alarms(detection, values[None], nothing, members=members, window=timing.window, season_length=SEASON)


def _with_fault(fault: str) -> np.ndarray:
    values = clean_series("seasonal", ROWS, seed=7)
    if fault == "spike":
        values[START] += 12
    elif fault == "shift":
        values[START : START + 96] -= 8
    elif fault == "drift":
        values[START : START + 192] += np.linspace(0, 14, 192)
    elif fault == "stuck":
        values[START : START + 60] = values[START]
    elif fault == "gone":
        values[START : START + 40] = np.nan
    elif fault == "shape":
        values[START : START + 96] = -values[START : START + 96]
    return values


@pytest.mark.parametrize(
    ("fault", "kinds", "direction"),
    [
        ("spike", {"point"}, "above"),
        ("shift", {"shift"}, "below"),
        ("drift", {"drift", "shift"}, "above"),
        ("stuck", {"missing signal"}, None),
        ("gone", {"missing signal"}, None),
        ("shape", {"shape", "shift", "drift"}, ...),
    ],
)
def test_a_fault_is_found_and_named(fault: str, kinds: set[str], direction: object) -> None:
    found = [alarm for alarm in _alarms(_with_fault(fault)) if START <= alarm.start < START + 192]
    assert found
    assert found[0].kind in kinds
    assert found[0].score > 1
    if direction is not ...:
        assert found[0].direction == direction


def test_no_later_row_has_an_effect_on_a_score() -> None:
    values = clean_series("seasonal", ROWS, seed=3)
    changed = values.copy()
    changed[START:] = 1e6
    before, _ = detect_without_network(values, alarms_a_row=RATE)
    after, _ = detect_without_network(changed, alarms_a_row=RATE)
    np.testing.assert_array_equal(before.score[:START], after.score[:START])


def test_the_column_with_the_fault_contributes_most() -> None:
    columns = [clean_series("white", ROWS, seed=seed) for seed in range(3)]
    columns[1][START] += 15
    timing = Timing.of(1, ROWS)
    statistics = [without_network(values, window=timing.window, lag=timing.lag) for values in columns]
    detection = detect_rows(statistics, timing, alarms_a_row=RATE)
    assert detection.score[START] > 1
    assert detection.leading(START)[0] == 1


@pytest.mark.parametrize("values", [np.zeros(400), np.full(400, np.nan), np.arange(400.0)])
def test_degenerate_series_have_no_alarm_and_no_nan_score(values: np.ndarray) -> None:
    detection, timing = detect_without_network(values, alarms_a_row=RATE)
    assert not (detection.score > 1).any()
    assert np.isfinite(detection.score[timing.scores + 40 :]).all()


def test_windows_are_means_of_neighbours_that_end_with_the_row() -> None:
    windows = reduced_windows(np.arange(200.0), 64)
    assert windows.shape == (200, 32)
    np.testing.assert_allclose(np.diff(windows[150]), 2.0)
    assert np.isnan(windows[10]).all()


def test_a_run_surprises_by_its_length_unless_runs_are_usual() -> None:
    rare = np.zeros(300, dtype=np.bool_)
    rare[200:210] = True
    usual = np.tile([True] * 9 + [False], 30)
    assert runs(rare)[209] > 4
    assert runs(usual)[208] < 2
