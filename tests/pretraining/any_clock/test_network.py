from __future__ import annotations

import numpy as np
import pytest
import torch

from pretraining.any_clock.clock import MOST_SEGMENTS, Clock, choose_clock, seasons_of
from pretraining.any_clock.forecast import forecast_batch, forecast_series
from pretraining.any_clock.inputs import SEGMENT_INPUTS, read_past, read_segments
from pretraining.any_clock.leads import LEAD_INPUTS, read_leads
from pretraining.any_clock.network import BaseNetwork, BaseSizes

RNG = np.random.default_rng(3)
SIZES = BaseSizes(hidden_size=16, num_layers=2, head_size=24)
SEASONS = [(), (4.0,), (5.0,), (12.0,), (52.1775,), (7.0, 365.25), (24.0, 168.0), (96.0, 672.0)]


def _tensors(*, seed: int = 1) -> tuple[BaseNetwork, dict[str, np.ndarray]]:
    torch.manual_seed(seed)
    network = BaseNetwork(SIZES).requires_grad_(False)
    tensors = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    return network, {**tensors, "head.width": np.ones(len(SIZES.quantile_levels))}


def _series(count: int, length: int) -> np.ndarray:
    return np.asarray(50 + np.cumsum(RNG.normal(size=(count, length)), axis=1))


@pytest.mark.parametrize("seasons", SEASONS)
def test_both_engines_forecast_the_same(seasons: tuple[float, ...]) -> None:
    network, tensors = _tensors()
    clock = choose_clock(seasons, 300)
    past = _series(4, max(300, clock.read_steps))
    observed = RNG.random(past.shape) > 0.1
    observed[1, :200] = False
    forecast = forecast_batch(tensors, past, observed, clock, 40)

    read = read_past(torch, torch.from_numpy(past), torch.from_numpy(observed))
    reading = read_segments(torch, read, clock)
    last = torch.tensor([clock.num_segments - 1])
    leads = torch.arange(1, 41)[None]
    outputs = network(reading, read_leads(torch, read, clock, reading, last, leads), last, leads, clock)[:, 0]
    level, scale = reading.level[:, -1, None, None], reading.scale[:, -1, None, None]
    expected = (level + scale * outputs) * read.spread[:, None, None] + read.centre[:, None, None]

    np.testing.assert_allclose(forecast, np.sort(expected.numpy(), axis=-1), atol=1e-4)


@pytest.mark.parametrize("seasons", SEASONS)
def test_nothing_after_a_segment_changes_what_is_read_of_it(seasons: tuple[float, ...]) -> None:
    clock = choose_clock(seasons, 300)
    values = _series(3, max(300, clock.read_steps) + 80)
    other = values.copy()
    other[:, -80:] = 1e4
    end = values.shape[1] - 80
    position, leads = np.array([clock.num_segments - 1]), np.arange(1, 60)[None]
    readings = []
    for rows in (values, other):
        past = read_past(np, rows, np.ones(rows.shape, dtype=bool))
        reading = read_segments(np, past, clock, end=end)
        about = read_leads(np, past, clock, reading, position, leads)
        readings.append((reading.inputs, about.leads, about.candidates, about.newest))
    # the two are read in units of their own mean and spread; shares near zero do tell of the offset
    for one, two in zip(*readings, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-3)


def test_the_shapes_of_a_reading_do_not_depend_on_the_clock() -> None:
    for seasons in SEASONS:
        clock = choose_clock(seasons, 200)
        past = read_past(np, _series(2, max(200, clock.read_steps)), np.ones((2, max(200, clock.read_steps)), bool))
        reading = read_segments(np, past, clock)
        about = read_leads(np, past, clock, reading, np.array([0, 1]), np.ones((2, 3), dtype=int))
        assert reading.inputs.shape == (2, clock.num_segments, SEGMENT_INPUTS)
        assert about.leads.shape == (2, 2, 3, LEAD_INPUTS)


@pytest.mark.parametrize("seasons", SEASONS)
def test_scale_and_a_far_offset_change_nothing(seasons: tuple[float, ...]) -> None:
    _, tensors = _tensors()
    past = _series(1, 250)[0] + 1e6
    plain = forecast_series(tensors, [past], seasons, 30)
    moved = forecast_series(tensors, [past * 2 + 3e6], seasons, 30)
    np.testing.assert_allclose((moved - 3e6) / 2, plain, atol=0.02 * past.std())


def test_steps_before_a_series_begins_change_nothing() -> None:
    _, tensors = _tensors()
    past = _series(1, 100)[0]
    padded = np.concatenate([np.full(57, np.nan), past])
    np.testing.assert_array_equal(
        forecast_series(tensors, [padded], (12.0,), 20), forecast_series(tensors, [past], (12.0,), 20)
    )


def test_a_segment_before_the_series_begins_leaves_the_state_alone() -> None:
    _, tensors = _tensors()
    past = _series(2, 96)
    short = Clock((12.0,), 12, 8)
    long = Clock((12.0,), 12, 20)
    wide = np.concatenate([np.full((2, 144), np.nan), past], axis=1)
    one = forecast_batch(tensors, past, np.isfinite(past), short, 10)
    two = forecast_batch(tensors, wide, np.isfinite(wide), long, 10)
    np.testing.assert_allclose(one, two, rtol=1e-6)


def test_a_forecast_does_not_depend_on_its_neighbours() -> None:
    _, tensors = _tensors()
    rows = [_series(1, length)[0] for length in (6, 40, 41, 300)]
    together = forecast_series(tensors, rows, (12.0,), 15)
    alone = np.concatenate([forecast_series(tensors, [row], (12.0,), 15) for row in rows])
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_a_shorter_horizon_is_the_start_of_a_longer_one() -> None:
    _, tensors = _tensors()
    rows = list(_series(2, 120))
    np.testing.assert_allclose(
        forecast_series(tensors, rows, (7.0,), 9), forecast_series(tensors, rows, (7.0,), 300)[:, :9], rtol=1e-6
    )


@pytest.mark.parametrize("seasons", SEASONS)
@pytest.mark.parametrize("length", [4, 11, 60, 999, 3000])
def test_any_history_is_cut_into_few_segments(seasons: tuple[float, ...], length: int) -> None:
    clock = choose_clock(seasons, length)
    assert 1 <= clock.num_segments <= MOST_SEGMENTS
    assert clock.segment_length >= 1


@pytest.mark.parametrize("values", [np.full(30, 5.0), np.zeros(30), np.arange(4.0), np.array([np.nan, 1.0, np.nan, 2])])
def test_odd_histories_have_finite_ascending_forecasts(values: np.ndarray) -> None:
    _, tensors = _tensors()
    for seasons in SEASONS:
        forecast = forecast_series(tensors, [values], seasons, 30)
        assert np.isfinite(forecast).all()
        assert (np.diff(forecast, axis=-1) >= 0).all()


def test_seasons_of_a_clock_have_their_longer_companions() -> None:
    assert seasons_of(1) == ()
    assert seasons_of(7) == (7.0, 365.25)
    assert seasons_of(24) == (24.0, 168.0)
    assert seasons_of(52) == (52.1775,)
    assert seasons_of(17) == (17.0,)
