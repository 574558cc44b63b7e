"""The pretrained network in NumPy: equal to torch, causal, blind to fillings, free of units."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from rnnforecast.arrays import FloatArray
from rnnforecast.data.windows import FlatSeries, WindowBatch
from rnnforecast.forecasting import Ensemble, forecast_together, last_windows
from rnnforecast.inference.engine import expected_shapes, forecast_windows
from rnnforecast.inference.equations import CellWeights
from rnnforecast.inference.pretrained import widen
from rnnforecast.inference.pretrained_inputs import Reading, input_size, read_series
from rnnforecast.inference.season_classes import SEASON_CLASSES, SeasonClass, pretrained_settings, season_class
from rnnforecast.inference.trunk import FixedTensors, run_trunk
from rnnforecast.members import PretrainedSettings
from rnnforecast.mixture.histories import flat_series
from rnnforecast.model_io.base import base_ensemble
from rnnforecast.networks import engine
from tests.inference.pretrained_samples import (
    UNUSUAL,
    USUAL,
    arrays_of,
    make_pretrained,
    make_pretrained_batch,
    make_pretrained_network,
    seasonal,
    unobserved_before,
)
from tests.training.toy import make_series

ALL_SEASONS = sorted({*USUAL, *UNUSUAL})


def _forecast(member: PretrainedSettings, batch: WindowBatch) -> np.ndarray:
    return forecast_windows(member, arrays_of(make_pretrained_network(member)), batch)


def _disagreement(member: PretrainedSettings, batch: WindowBatch) -> float:
    """Return the largest difference between the engines, in spreads of the forecast."""
    tensors = arrays_of(make_pretrained_network(member))
    ours, theirs = forecast_windows(member, tensors, batch), engine.forecast_windows(member, tensors, batch)
    assert ours.dtype == theirs.dtype == np.float64
    assert ours.shape == (len(batch.past_target), member.horizon, len(member.quantile_levels))
    assert np.isfinite(ours).all()
    spread = (theirs.max(axis=(1, 2)) - theirs.min(axis=(1, 2)))[:, None, None]
    return float((np.abs(ours - theirs) / np.where(spread > 0, spread, 1)).max())


def _read(
    member: PretrainedSettings, past: np.ndarray, observed: np.ndarray | None = None, *, at: int | None = None
) -> Reading:
    observed = np.ones(past.shape, dtype=bool) if observed is None else observed
    return read_series(np, past, observed, member, positions=None if at is None else np.array([at]))


def _arrays(reading: Reading) -> dict[str, np.ndarray]:
    """Return all that a reading says at its positions."""
    found = {"recent": reading.recent, "level": reading.level, "scale": reading.scale, "known": reading.known}
    for name, blocks in (("season", reading.season), ("long season", reading.long_season)):
        if blocks is not None:
            found |= {f"{name} values": blocks.values, f"{name} known": blocks.known}
    return found


@pytest.mark.parametrize("season_length", ALL_SEASONS)
def test_engines_agree_for_every_season_length(season_length: int) -> None:
    member = make_pretrained(season_length)
    assert _disagreement(member, make_pretrained_batch(member, missing=0.15)) < 1e-5


@pytest.mark.parametrize("season_length", USUAL)
def test_engines_agree_for_deep_networks(season_length: int) -> None:
    member = make_pretrained(season_length, num_layers=3)
    assert _disagreement(member, make_pretrained_batch(member)) < 1e-5


@pytest.mark.parametrize("season_length", USUAL)
@pytest.mark.parametrize("left", [1, 2, 5, 40])
def test_engines_agree_for_short_histories(season_length: int, left: int) -> None:
    member = make_pretrained(season_length)
    batch = unobserved_before(make_pretrained_batch(member), member.context_length - left)
    assert _disagreement(member, batch) < 1e-5


@pytest.mark.parametrize("season_length", USUAL)
def test_series_of_different_lengths_are_forecast_next_to_each_other_as_alone(season_length: int) -> None:
    member = make_pretrained(season_length)
    length = member.context_length
    batch = make_pretrained_batch(member, seasonal(length + member.horizon, season_length, num_windows=6))
    for row, begin in enumerate((0, 3, length // 2, length - season_length - 1, length - 1, length)):
        batch.past_observed[row, :begin] = False
    assert _disagreement(member, batch) < 1e-5
    together = _forecast(member, batch)
    for row in range(6):
        arrays = {name: array[row : row + 1] for name, array in vars(batch).items()}
        alone = _forecast(member, WindowBatch(**arrays))
        np.testing.assert_allclose(alone, together[row : row + 1], rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("season_length", USUAL)
def test_a_series_never_observed_has_a_finite_forecast(season_length: int) -> None:
    member = make_pretrained(season_length)
    batch = unobserved_before(make_pretrained_batch(member), member.context_length)
    assert _disagreement(member, batch) < 1e-5
    np.testing.assert_allclose(_forecast(member, batch), 0, atol=1e-12)


@pytest.mark.parametrize("season_length", USUAL)
@pytest.mark.parametrize("value", [0.0, 7.0, -3e8, 1e-12])
def test_a_constant_series_is_forecast_by_its_value(season_length: int, value: float) -> None:
    member = make_pretrained(season_length)
    values = np.full((2, member.context_length + member.horizon), value)
    forecast = _forecast(member, make_pretrained_batch(member, values))
    np.testing.assert_allclose(forecast, value, rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize("season_length", USUAL)
@pytest.mark.parametrize(("level", "noise"), [(1e9, 1e-3), (-1e9, 1e-3), (0.0, 1e-9), (1e-6, 1e-9), (1e12, 1e9)])
def test_engines_agree_at_every_level_and_spread(season_length: int, level: float, noise: float) -> None:
    member = make_pretrained(season_length)
    values = level + noise * (seasonal(member.context_length + member.horizon, season_length) - 10)
    batch = make_pretrained_batch(member, values, missing=0.1)
    # the digits that doubles of this level have left for the noise
    assert _disagreement(member, batch) < 1e-5 + 10 * np.finfo(float).eps * abs(level) / noise
    forecast = _forecast(member, batch)
    assert float(np.abs(forecast - level).max()) < 100 * noise


@pytest.mark.parametrize("season_length", ALL_SEASONS)
@pytest.mark.parametrize("stand_in", [0.0, -1e6, 1e15])
def test_what_stands_in_place_of_a_missing_value_changes_nothing(season_length: int, stand_in: float) -> None:
    member = make_pretrained(season_length)
    batch = make_pretrained_batch(member, missing=0.3)
    other = replace(batch, past_target=np.where(batch.past_observed, batch.past_target, stand_in))
    np.testing.assert_array_equal(_forecast(member, other), _forecast(member, batch))


@pytest.mark.parametrize("season_length", ALL_SEASONS)
def test_steps_after_a_segment_touch_nothing_that_is_read_there(season_length: int) -> None:
    member = make_pretrained(season_length)
    past = seasonal(member.context_length, season_length)
    observed = np.random.default_rng(2).random(past.shape) >= 0.1
    draw = np.random.default_rng(5)
    for at in (0, member.num_segments // 2, member.num_segments - 2):
        end = member.context_length - (member.num_segments - 1 - at) * member.segment_length
        changed, seen = past.copy(), observed.copy()
        changed[:, end:] = 30 * draw.normal(size=changed[:, end:].shape)
        seen[:, end:] = draw.random(seen[:, end:].shape) >= 0.5
        before, after = _read(member, past, observed, at=at), _read(member, changed, seen, at=at)
        for name, array in _arrays(before).items():
            # equal but for the rounding of the mean that sums are taken around
            np.testing.assert_allclose(_arrays(after)[name], array, rtol=1e-5, atol=1e-5, err_msg=f"{name} at {at}")
        np.testing.assert_allclose(
            after.inputs[:, : at + 1], before.inputs[:, : at + 1], rtol=1e-5, atol=1e-5, err_msg=f"inputs at {at}"
        )
        assert not np.allclose(after.inputs[:, at + 1], before.inputs[:, at + 1], atol=1e-3)


@pytest.mark.parametrize("season_length", USUAL)
def test_a_position_reads_what_a_window_that_ends_there_reads(season_length: int) -> None:
    member = make_pretrained(season_length)
    past = seasonal(member.context_length + 2 * member.segment_length, season_length)
    whole = _arrays(_read(member, past, at=member.num_segments - 3))
    early = _arrays(_read(member, past[:, : member.context_length]))
    for name in whole:
        if name not in ("level", "scale"):
            # a scale remembers segments that the later window no longer holds, faded to a hundredth
            np.testing.assert_allclose(whole[name], early[name], rtol=0.15, atol=0.15, err_msg=name)


def _forecast_series(member: PretrainedSettings, values: np.ndarray) -> np.ndarray:
    """Forecast after the last row of one series; NaN is a missing value."""
    series = make_series(values, season_length=member.season_length)
    ensemble = Ensemble(members=(member,), weights=(arrays_of(make_pretrained_network(member)),))
    return ensemble.forecast(FlatSeries.from_series(series), last_windows(series), horizon=member.horizon)


@pytest.mark.parametrize("season_length", USUAL)
def test_a_series_that_begins_later_has_the_same_forecast(season_length: int) -> None:
    member = make_pretrained(season_length)
    values = seasonal(3 * season_length + 5, season_length, num_windows=1)[0]
    empty = np.full(2 * season_length + 3, np.nan)
    forecast = _forecast_series(member, values)
    np.testing.assert_array_equal(_forecast_series(member, np.concatenate([empty, values])), forecast)


@pytest.mark.parametrize("season_length", USUAL)
def test_rows_before_the_context_change_nothing(season_length: int) -> None:
    member = make_pretrained(season_length)
    values = seasonal(member.context_length, season_length, num_windows=1)[0]
    before = 1e6 * np.random.default_rng(6).normal(size=50)
    forecast = _forecast_series(member, values)
    np.testing.assert_array_equal(_forecast_series(member, np.concatenate([before, values])), forecast)


@pytest.mark.parametrize("season_length", ALL_SEASONS)
@pytest.mark.parametrize("factor", [2.0**-20, 2.0, 2.0**30])
def test_a_series_in_units_twice_as_large_has_exactly_half_the_forecast(season_length: int, factor: float) -> None:
    member = make_pretrained(season_length)
    values = seasonal(member.context_length + member.horizon, season_length)
    batch = make_pretrained_batch(member, values, missing=0.1)
    other = make_pretrained_batch(member, factor * values, missing=0.1)
    np.testing.assert_array_equal(_forecast(member, other), factor * _forecast(member, batch))


@pytest.mark.parametrize("season_length", USUAL)
def test_any_positive_unit_rescales_the_forecast(season_length: int) -> None:
    member = make_pretrained(season_length)
    values = seasonal(member.context_length + member.horizon, season_length)
    before = _forecast(member, make_pretrained_batch(member, values))
    after = _forecast(member, make_pretrained_batch(member, 1.234e-5 * values))
    np.testing.assert_allclose(after, 1.234e-5 * before, rtol=1e-4)


@pytest.mark.parametrize("season_length", [length for length in ALL_SEASONS if length > 1])
def test_the_season_of_a_periodic_series_stands_in_its_blocks(season_length: int) -> None:
    member = make_pretrained(season_length)
    shape = np.random.default_rng(4).normal(size=season_length)
    steps = np.arange(member.context_length + member.horizon)
    values = (50 + shape[steps % season_length])[None]
    reading = _read(member, values[:, : member.context_length])
    assert reading.season is not None
    assert reading.season.known.all()
    wanted = (values[0, member.context_length :] - 50 - shape.mean()) / reading.scale[0, 0]
    wanted = np.broadcast_to(np.clip(wanted, -10, 10), (member.num_seasons, member.horizon))
    np.testing.assert_allclose(reading.season.values[0, 0], wanted, rtol=1e-4, atol=1e-4)


def test_the_long_season_of_hours_is_a_week() -> None:
    member = make_pretrained(24)
    steps = np.arange(member.context_length + member.horizon)
    values = np.random.default_rng(4).normal(size=168)[steps % 168][None]
    reading = _read(member, values[:, : member.context_length])
    assert reading.long_season is not None
    assert reading.long_season.known.shape == (1, 1, 4, 48)
    mean = values[0, :168].mean()
    wanted = np.clip((values[0, member.context_length :] - mean) / reading.scale[0, 0], -10, 10)
    np.testing.assert_allclose(reading.long_season.values[0, 0], np.broadcast_to(wanted, (4, 48)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("season_length", [5, 13, 1000])
def test_a_clock_without_a_longer_season_has_no_long_block(season_length: int) -> None:
    member = make_pretrained(season_length)
    reading = _read(member, seasonal(member.context_length, season_length))
    assert member.long_season_length == 1
    assert reading.long_season is None or not reading.long_season.known.any()


def test_seasons_before_the_first_row_are_unknown() -> None:
    member = make_pretrained(12)
    past = seasonal(member.context_length, 12)
    observed = np.ones(past.shape, dtype=bool)
    observed[:, :-30] = False
    reading = _read(member, past, observed)
    assert reading.season is not None
    known = reading.season.known[0, 0]
    assert known[:2].all()
    assert not known[3:].any()
    # thirty steps hold the last half of the third season back
    assert known[2].tolist() == [0.0] * 6 + [1.0] * 6 + [0.0] * 6 + [1.0] * 6
    assert (reading.season.values[0, 0][known == 0] == 0).all()


def test_the_newest_steps_are_read_in_the_units_of_the_last_segment() -> None:
    member = make_pretrained(4)
    past = seasonal(member.context_length, 4)
    reading = _read(member, past)
    assert reading.level[0, 0] == pytest.approx(past[0, -4:].mean())
    wanted = np.clip((past[:, -member.recent_length :] - reading.level) / reading.scale, -10, 10)
    np.testing.assert_allclose(reading.recent[:, 0], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("season_length", ALL_SEASONS)
def test_both_engines_read_the_same(season_length: int) -> None:
    member = make_pretrained(season_length)
    past = seasonal(member.context_length, season_length)
    observed = np.random.default_rng(2).random(past.shape) >= 0.2
    ours = _read(member, past, observed, at=3)
    theirs = read_series(torch, torch.from_numpy(past), torch.from_numpy(observed), member, positions=torch.tensor([3]))
    np.testing.assert_allclose(ours.inputs, theirs.inputs.numpy(), rtol=1e-5, atol=1e-6)
    for name, array in _arrays(theirs).items():
        np.testing.assert_allclose(_arrays(ours)[name], array, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("season_length", ALL_SEASONS)
def test_expected_shapes_are_the_tensors_of_the_network(season_length: int) -> None:
    member = make_pretrained(season_length, num_layers=2)
    tensors = arrays_of(make_pretrained_network(member))
    assert expected_shapes(member) == {name: tensor.shape for name, tensor in tensors.items()}


@pytest.mark.parametrize("entry", SEASON_CLASSES, ids=lambda entry: entry.name)
def test_all_season_lengths_of_a_class_have_the_same_tensors(entry: SeasonClass) -> None:
    members = [make_pretrained(length) for length in (entry.shortest, min(entry.longest, 1_500))]
    shapes = [expected_shapes(member) for member in members]
    assert shapes[0] == shapes[1]
    assert input_size(members[0]) == input_size(members[1])


def test_classes_follow_each_other_without_a_gap() -> None:
    ends = [(entry.shortest, entry.longest) for entry in SEASON_CLASSES]
    assert ends[0][0] == 1
    assert all(before[1] + 1 == after[0] for before, after in itertools.pairwise(ends))
    assert {season_class(length).name for length in ALL_SEASONS} == {entry.name for entry in SEASON_CLASSES}


@pytest.mark.parametrize("season_length", ALL_SEASONS)
def test_the_context_holds_every_segment_and_season(season_length: int) -> None:
    member = pretrained_settings(season_length, hidden_size=8, num_layers=1)
    assert member.context_length >= member.num_segments * member.segment_length
    assert member.context_length >= member.num_seasons * season_length
    assert member.context_length >= member.recent_length


def test_width_factors_stretch_intervals_around_the_median_alone() -> None:
    member = make_pretrained(4)
    quantiles = np.sort(np.random.default_rng(0).normal(size=(2, member.horizon, 3)), axis=-1)
    width = np.linspace(0.5, 2, member.horizon * 3).reshape(member.horizon, 3)
    widened = widen(quantiles, width, member)
    np.testing.assert_array_equal(widened[..., 1], quantiles[..., 1])
    distance = quantiles - quantiles[..., 1:2]
    np.testing.assert_allclose(widened - widened[..., 1:2], width * distance)


@pytest.mark.parametrize("season_length", USUAL)
def test_quantiles_ascend(season_length: int) -> None:
    member = make_pretrained(season_length)
    assert (np.diff(_forecast(member, make_pretrained_batch(member)), axis=-1) >= 0).all()


def test_what_no_input_leaves_is_computed_once_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    member = make_pretrained(7)
    tensors = arrays_of(make_pretrained_network(member))
    batch = unobserved_before(make_pretrained_batch(member), member.context_length - 70)
    expected = forecast_windows(member, tensors, batch)
    fixed = FixedTensors(tensors)
    passes: list[int] = []

    def counted(*arguments: Any) -> tuple[FloatArray, list[FloatArray]]:
        passes.append(len(arguments[2]))
        return run_trunk(*arguments)

    monkeypatch.setattr("rnnforecast.inference.pretrained.run_trunk", counted)

    found = [forecast_windows(member, fixed, batch) for _ in range(2)]

    assert passes == [member.num_segments, 10, 10]
    for forecast in found:
        np.testing.assert_array_equal(forecast, expected)


def test_networks_of_one_trunk_forecast_together_as_alone() -> None:
    ensembles = [base_ensemble(7), base_ensemble(1)]
    asked = []
    for ensemble, lengths in zip(ensembles, ([300, 90, 41, 8], [200, 30, 5]), strict=True):
        histories = [seasonal(length, 7, num_windows=1)[0] for length in lengths]
        asked.append((ensemble, *flat_series(histories)))

    together = forecast_together(asked, horizon=70)

    for found, (ensemble, flat, windows) in zip(together, asked, strict=True):
        alone = ensemble.forecast(flat, windows, horizon=70)
        assert found.shape == alone.shape == (len(windows), 70, len(ensemble.quantile_levels))
        np.testing.assert_allclose(found, alone, rtol=1e-5)


@pytest.mark.parametrize("num_rows", [1, 9, 10, 18, 36, 37])
def test_recurrent_products_in_pieces_equal_whole_ones(num_rows: int) -> None:
    generator = np.random.default_rng(num_rows)
    weight, bias = (generator.normal(size=size).astype(np.float32) for size in ((576, 192), 576))
    hidden = generator.normal(size=(num_rows, 192)).astype(np.float32)
    weights = CellWeights(weight, bias, np.asfortranarray(weight), bias)

    gates = weights.recurrent_gates(hidden)

    assert gates is not None
    np.testing.assert_allclose(gates, np.asarray(hidden @ weight.T + bias), rtol=1e-4, atol=1e-4)
