"""A row at a time with a kept hidden state is the same as reading the whole window, for every cell that can."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest

from rnnforecast.config import MemberSettings
from rnnforecast.data.windows import WindowBatch
from rnnforecast.inference.forecaster import expected_shapes, forecast_windows
from rnnforecast.options import Base, Cell
from rnnforecast.streaming.stepper import Stepper, StepState, can_step

if TYPE_CHECKING:
    from rnnforecast.arrays import Float64Array

ROWS, SERIES = 40, 3


def _member(cell: Cell, **changes: object) -> MemberSettings:
    chosen: dict[str, object] = {
        "cell": cell,
        "mapping": "many-to-many",
        "synchronous": True,
        "segment_length": 1,
        "normalisation": "causal",
        "context_length": ROWS,
        "horizon": 5,
        "season_length": 7,
        "hidden_size": 6,
        "num_layers": 2,
        "base": "season",
        "skip": True,
    }
    return MemberSettings(**{**chosen, **changes})


def _stepper(member: MemberSettings) -> tuple[Stepper, dict[str, np.ndarray]]:
    generator = np.random.default_rng(8)
    shapes = expected_shapes(member)
    tensors = {name: generator.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    return Stepper(member, tensors), tensors


def _values(missing: bool) -> Float64Array:
    generator = np.random.default_rng(2)
    values = 50 + generator.normal(0, 5, (SERIES, ROWS)).cumsum(axis=1) / 4
    if missing:
        values[generator.random(values.shape) < 0.2] = np.nan
    return values


def _whole_window(member: MemberSettings, tensors: dict[str, np.ndarray], values: Float64Array) -> np.ndarray:
    observed = np.isfinite(values)
    nothing = np.zeros((SERIES, ROWS, 0), np.float32)
    batch = WindowBatch(
        past_target=np.nan_to_num(values),
        past_observed=observed,
        future_target=np.zeros((SERIES, member.horizon)),
        future_observed=np.zeros((SERIES, member.horizon), np.bool_),
        past_covariates=nothing,
        future_covariates=np.zeros((SERIES, ROWS + member.horizon, 0), np.float32),
        static_covariates=np.zeros((SERIES, 0), np.float32),
        loss_scale=np.ones(SERIES),
    )
    return forecast_windows(member, tensors, batch)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("cell", get_args(Cell))
def test_step_by_step_equals_the_whole_window(cell: Cell, missing: bool) -> None:
    member = _member(cell)
    stepper, tensors = _stepper(member)
    values, state = _values(missing), stepper.start(SERIES)
    everyone = np.arange(SERIES)
    for row in range(ROWS):
        forecast = stepper.advance(state, everyone, values[:, row : row + 1])
    np.testing.assert_allclose(forecast[:, -1], _whole_window(member, tensors, values), rtol=2e-4, atol=1e-3)


@pytest.mark.parametrize("base", get_args(Base))
@pytest.mark.parametrize(
    "changes", [{"log": True}, {"head": "segment"}, {"skip": False}, {"season_length": 1}, {"residual": False}]
)
def test_every_option_that_can_step_equals_the_whole_window(base: Base, changes: dict[str, object]) -> None:
    member = _member("gru", base=base, **changes)
    stepper, tensors = _stepper(member)
    values, state = _values(missing=False) + 50, stepper.start(SERIES)
    forecast = stepper.advance(state, np.arange(SERIES), values)
    np.testing.assert_allclose(forecast[:, -1], _whole_window(member, tensors, values), rtol=2e-4, atol=1e-3)


def test_any_cut_into_calls_gives_the_same_forecasts() -> None:
    stepper, _ = _stepper(_member("lstm"))
    values, everyone = _values(missing=True), np.arange(SERIES)
    whole = stepper.advance(stepper.start(SERIES), everyone, values)
    state, parts = stepper.start(SERIES), []
    for start, end in ((0, 1), (1, 9), (9, 10), (10, ROWS)):
        parts.append(stepper.advance(state, everyone, values[:, start:end]))
        state = StepState.of(state.arrays())
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=1e-5, atol=1e-5)


def test_a_series_that_is_not_chosen_keeps_its_state() -> None:
    stepper, _ = _stepper(_member("gru"))
    values, state = _values(missing=False), stepper.start(SERIES)
    stepper.advance(state, np.array([0, 2]), values[[0, 2]])
    assert not state.hidden[1].any()
    alone = stepper.advance(state, np.array([1]), values[[1]])
    together = stepper.advance(stepper.start(SERIES), np.arange(SERIES), values)
    np.testing.assert_allclose(alone[0], together[1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"segment_length": 7},
        {"synchronous": False, "normalisation": "window"},
        {"num_past_covariates": 1},
        {"num_static_covariates": 1},
    ],
)
def test_other_networks_cannot_step(changes: dict[str, object]) -> None:
    assert can_step(_member("gru"))
    assert not can_step(_member("gru", **changes))
