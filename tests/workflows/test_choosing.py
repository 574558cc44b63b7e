"""Which candidate is kept: the better one, where chance does not explain it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from rnnforecast.config import TRAINED_QUANTILE_LEVELS
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import WindowBatch, Windows
from rnnforecast.forecasting import Ensemble
from rnnforecast.inference.season_classes import pretrained_settings
from rnnforecast.members import Member, PretrainedSettings
from rnnforecast.workflows.choosing import (
    AS_IT_IS,
    BOTH,
    MAX_WINDOWS,
    SCRATCH,
    TUNED,
    Choice,
    choose,
    split_ensemble,
)
from tests.inference.samples import make_member
from tests.training.toy import make_series

HORIZON = 4
PRETRAINED = pretrained_settings(4, hidden_size=8, num_layers=1)
FROM_SCRATCH = make_member(quantile_levels=TRAINED_QUANTILE_LEVELS, horizon=HORIZON)
#: A season of four steps that never changes, and noise of one.
LEVEL = 50.0


@dataclass(frozen=True)
class _Engine:
    """Forecasts the level plus the error that the `weights` of a member name, with no spread."""

    def __call__(self, member: Member, tensors: object, batch: WindowBatch) -> np.ndarray:
        error = tensors["error"]  # type: ignore[index]
        shape = (len(batch.past_target), member.horizon, len(member.quantile_levels))
        return np.asarray(np.full(shape, LEVEL + error))


def _part(*members: tuple[Member, float], groups: tuple[int, ...] = ()) -> Ensemble:
    return Ensemble(
        members=tuple(member for member, _ in members),
        weights=tuple({"error": np.array(error)} for _, error in members),
        engine=_Engine(),
        groups=groups,
    )


def _series(num_rows: int = 400, *, seed: int = 0, noise: float = 1.0) -> SeriesSet:
    draw = np.random.default_rng(seed).normal(size=num_rows)
    return make_series(LEVEL + noise * draw)


def _origins(count: int, *, num_rows: int = 400) -> Windows:
    cutoffs = num_rows - HORIZON * np.arange(count, 0, -1)
    return Windows(series=np.zeros(count, dtype=np.int64), cutoffs=cutoffs.astype(np.int64))


def _choose(fitted: Ensemble, *, as_it_is: float, num_windows: int = 20, series: SeriesSet | None = None) -> Choice:
    return choose(
        fitted,
        _part((PRETRAINED, as_it_is)),
        _series() if series is None else series,
        _origins(num_windows),
        horizon=HORIZON,
    )


def test_a_fit_that_is_better_by_far_is_kept() -> None:
    choice = _choose(_part((PRETRAINED, 0.0)), as_it_is=5.0)
    assert choice.kept == TUNED
    assert set(choice.losses) == {AS_IT_IS, TUNED}


def test_a_fit_that_is_worse_is_not_kept() -> None:
    assert _choose(_part((PRETRAINED, 5.0)), as_it_is=0.0).kept == AS_IT_IS


def test_a_fit_that_is_the_same_is_not_kept() -> None:
    assert _choose(_part((PRETRAINED, 1.0)), as_it_is=1.0).kept == AS_IT_IS


def test_chance_does_not_unseat_the_network_as_it_is() -> None:
    kept = [
        _choose(_part((PRETRAINED, 0.2)), as_it_is=-0.2, num_windows=5, series=_series(seed=seed)).kept
        for seed in range(40)
    ]
    # either is as good on average: only differences beyond their standard error count, about one in six
    assert kept.count(TUNED) <= 12


def test_one_window_needs_a_gain_of_a_twentieth() -> None:
    series = _series(noise=0.0)
    for error, kept in ((0.96, AS_IT_IS), (0.94, TUNED)):
        assert _choose(_part((PRETRAINED, error)), as_it_is=1.0, num_windows=1, series=series).kept == kept


@pytest.mark.parametrize(
    ("scratch", "tuned", "kept"),
    [(0.0, 4.0, SCRATCH), (4.0, 0.0, TUNED), (3.0, -3.0, BOTH), (9.0, 9.0, AS_IT_IS)],
)
def test_of_both_starts_the_better_is_kept_or_their_mean(scratch: float, tuned: float, kept: str) -> None:
    fitted = _part((FROM_SCRATCH, scratch), (PRETRAINED, tuned), groups=(0, 1))
    choice = _choose(fitted, as_it_is=6.0)
    assert choice.kept == kept
    assert set(choice.losses) == {AS_IT_IS, SCRATCH, TUNED, BOTH}
    assert min(choice.losses, key=lambda name: choice.losses[name]) == kept


def test_the_loss_of_both_is_that_of_the_ensemble_they_make() -> None:
    fitted = _part(
        (FROM_SCRATCH, 3.0), (FROM_SCRATCH, 5.0), (FROM_SCRATCH, 4.0), (PRETRAINED, -4.0), groups=(0, 0, 0, 1)
    )
    alone = _choose(_part((PRETRAINED, 0.0)), as_it_is=6.0)
    assert _choose(fitted, as_it_is=6.0).losses[BOTH] == pytest.approx(alone.losses[TUNED])


def test_windows_without_a_value_count_nothing() -> None:
    series = _series()
    values = series.values.copy()
    values[-HORIZON:] = np.nan
    missing = make_series(values)
    whole = choose(
        _part((PRETRAINED, 0.0)), _part((PRETRAINED, 1.0)), missing, _origins(20).select(slice(0, 19)), horizon=HORIZON
    )
    found = choose(_part((PRETRAINED, 0.0)), _part((PRETRAINED, 1.0)), missing, _origins(20), horizon=HORIZON)
    assert found == whole


def test_nothing_observed_in_any_window_keeps_the_network_as_it_is_and_says_so() -> None:
    values = _series().values.copy()
    values[-2 * HORIZON :] = np.nan
    choice = _choose(_part((PRETRAINED, 0.0)), as_it_is=9.0, num_windows=2, series=make_series(values))
    assert choice.kept == AS_IT_IS
    assert choice.sentence() == "as it is: no held-out row has a value (--from)"


def test_the_sentence_names_the_kept_one_and_every_loss() -> None:
    choice = Choice(kept=TUNED, losses={AS_IT_IS: 0.51234, TUNED: 0.4})
    assert choice.sentence() == "fitted further: held-out loss as it is 0.512, fitted further 0.4 (--from)"


def test_very_many_windows_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnforecast.workflows.choosing.MAX_WINDOWS", 7)
    seen: list[int] = []

    class Counting(_Engine):
        def __call__(self, member: Member, tensors: object, batch: WindowBatch) -> np.ndarray:
            seen.append(len(batch.past_target))
            return super().__call__(member, tensors, batch)

    part = Ensemble(members=(PRETRAINED,), weights=({"error": np.array(0.0)},), engine=Counting())
    choose(part, part, _series(), _origins(20), horizon=HORIZON)
    assert MAX_WINDOWS > 7
    assert seen == [7, 7]


def test_an_ensemble_is_split_by_what_its_members_are() -> None:
    fitted = _part((FROM_SCRATCH, 1.0), (PRETRAINED, 2.0), (FROM_SCRATCH, 3.0), groups=(0, 1, 0))
    parts = split_ensemble(fitted)
    assert {name: len(part.members) for name, part in parts.items()} == {SCRATCH: 2, TUNED: 1}
    assert [float(weights["error"]) for weights in parts[SCRATCH].weights] == [1.0, 3.0]
    assert isinstance(parts[TUNED].members[0], PretrainedSettings)
    assert all(part.groups == () for part in parts.values())
