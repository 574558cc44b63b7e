from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.config import TRAINED_QUANTILE_LEVELS, DataSettings
from rnnforecast.data.bounds import SeriesBounds
from rnnforecast.data.windows import Windows
from rnnforecast.evaluation.backtest import Spacing
from rnnforecast.forecasting import Ensemble
from rnnforecast.members import ENSEMBLE
from rnnforecast.training.judge import (
    Judgement,
    baseline_forecasters,
    calibrate,
    choose_rival,
    how_to_test,
    judge_methods,
)
from tests.inference.samples import make_member, make_network, tensors_of
from tests.training.toy import make_series, wave

HORIZON = 7
SERIES = make_series(wave(80), wave(60, seed=2))
HELD_OUT = Windows(series=np.array([0, 0, 1]), cutoffs=np.array([66, 73, 53]))
NO_WINDOWS = Windows(series=np.array([], dtype=np.int64), cutoffs=np.array([], dtype=np.int64))


def _oracle(windows: Windows, horizon: int) -> np.ndarray:
    """Forecast what came true."""
    rows = SERIES.offsets[windows.series][:, None] + windows.cutoffs[:, None] + np.arange(horizon)
    return np.repeat(SERIES.values[rows][..., None], len(TRAINED_QUANTILE_LEVELS), axis=2)


def _judge(*, gap: int = 0, windows: Windows = HELD_OUT) -> Judgement:
    return judge_methods(
        {ENSEMBLE: _oracle, **baseline_forecasters(SERIES)},
        SERIES,
        windows,
        spacing=Spacing(7 - gap, gap, 7),
        bounds=SeriesBounds.of(SERIES, DataSettings()),
    )


def _ensemble() -> Ensemble:
    member = make_member(quantile_levels=TRAINED_QUANTILE_LEVELS)
    return Ensemble(members=(member,), weights=(tensors_of(make_network(member)),))


def test_a_forecast_of_what_actuals_scores_zero_and_beats_every_baseline() -> None:
    metrics = _judge().metrics()
    assert metrics[ENSEMBLE]["mase"] == 0.0
    assert {method for method, scores in metrics.items() if scores["mase"] == 0.0} == {ENSEMBLE}


def test_the_verdict_is_against_the_best_baseline() -> None:
    judgement = _judge()
    assert judgement.verdict is not None
    metrics = judgement.metrics()
    best = min((name for name in metrics if name != ENSEMBLE), key=lambda name: float(str(metrics[name]["mase"])))
    assert judgement.verdict.against == best


def test_the_rival_is_the_best_naive_forecast_on_the_windows_before() -> None:
    flat = make_series(np.r_[np.tile([1.0, 5, 9, 5, 1, 9, 2], 8), np.full(20, 4.0)], season_length=7)
    before = Windows(series=np.zeros(3, dtype=np.int64), cutoffs=np.array([28, 35, 42]))
    assert choose_rival(flat, before, horizon=7) == "seasonal-naive"
    assert choose_rival(flat, NO_WINDOWS, horizon=7) is None
    judged = judge_methods(
        {ENSEMBLE: baseline_forecasters(flat)["drift"], **baseline_forecasters(flat)},
        flat,
        Windows(series=np.zeros(1, dtype=np.int64), cutoffs=np.array([65])),
        spacing=Spacing(7, 0, 7),
        bounds=SeriesBounds.of(flat, DataSettings()),
        rival="seasonal-naive",
        remedy="`--num-windows 5`",
    )
    assert judged.verdict is not None
    assert judged.verdict.against == "seasonal-naive"
    assert judged.verdict.reason.endswith("(`--num-windows 5`)")


@pytest.mark.parametrize(
    ("rows", "spacing", "num_kept", "words"),
    [
        (144, Spacing(12, 0, 12), 2, "`--num-windows 5`"),
        (60, Spacing(12, 0, 12), 2, "32 more rows, or `--horizon 7`"),
        (91, Spacing(12, 0, 12), 2, "1 more row, or `--horizon 11`"),
        (100, Spacing(12, 0, 24), 2, "`--num-windows 5 --window-step 12`"),
        (144, Spacing(12, 0, 6), 2, "`--num-windows 10`"),
    ],
)
def test_what_would_leave_windows_for_a_test(rows: int, spacing: Spacing, num_kept: int, words: str) -> None:
    series = make_series(wave(rows), season_length=7)
    assert how_to_test(series, spacing, num_kept=num_kept) == words
    if "--horizon" in words:
        fixed = how_to_test(series, spacing, num_kept=num_kept, is_horizon_open=False)
        assert fixed == words.partition(",")[0]


def test_nothing_held_out_gives_no_scores_and_no_verdict() -> None:
    judgement = _judge(windows=NO_WINDOWS)
    assert (judgement.metrics(), judgement.verdict_dict(), judgement.per_lead()) == ({}, None, ())
    assert judgement.per_series(SERIES) == ()


def test_lead_times_count_from_the_cutoff_gap_included() -> None:
    leads = [row["lead"] for row in _judge(gap=3).per_lead() if row["method"] == ENSEMBLE]
    assert leads == [4, 5, 6, 7]


def test_every_series_with_a_window_has_a_row_by_its_name() -> None:
    only_second = HELD_OUT.select(np.array([2]))
    rows = [row["item_id"] for row in _judge(windows=only_second).per_series(SERIES) if row["method"] == ENSEMBLE]
    assert rows == ["s1"]


def test_calibration_on_no_cutoff_leaves_the_ensemble_as_it_is() -> None:
    assert calibrate(_ensemble(), SERIES, [NO_WINDOWS], horizon=HORIZON).calibration is None


def test_calibration_learns_from_all_cutoffs_given() -> None:
    ensemble = _ensemble()
    parts = [HELD_OUT.select(np.array([0])), HELD_OUT.select(np.array([1, 2]))]
    first, whole = (calibrate(ensemble, SERIES, chosen, horizon=HORIZON).calibration for chosen in (parts, [HELD_OUT]))
    assert first is not None
    assert whole is not None
    assert first.factors.shape == (7, 13)
    np.testing.assert_array_equal(first.factors, whole.factors)


def test_calibrating_twice_is_calibrating_once() -> None:
    once = calibrate(_ensemble(), SERIES, [HELD_OUT], horizon=HORIZON)
    twice = calibrate(once, SERIES, [HELD_OUT], horizon=HORIZON)
    assert once.calibration is not None
    assert twice.calibration is not None
    np.testing.assert_array_equal(once.calibration.factors, twice.calibration.factors)
