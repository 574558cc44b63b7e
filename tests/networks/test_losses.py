"""The loss: pinball in units that make series comparable."""

from __future__ import annotations

import pytest
import torch

from rnnforecast.config import LossScale
from rnnforecast.networks.losses import LARGEST_WEIGHT, PinballLoss

LEVELS = (0.1, 0.5, 0.9)


def _loss(
    outputs: torch.Tensor,
    target: list[float],
    *,
    loss_scale: LossScale = "mase",
    log: bool = False,
    level: float = 0.0,
    scale: float = 1.0,
    observed: list[bool] | None = None,
    series_scale: float = 1.0,
) -> float:
    double = torch.float64
    return float(
        PinballLoss(LEVELS, loss_scale=loss_scale, log=log)(
            outputs[None, None],
            torch.tensor([[target]], dtype=double),
            torch.tensor([[observed or [True] * len(target)]]),
            level=torch.tensor([[level]], dtype=double),
            scale=torch.tensor([[scale]], dtype=double),
            loss_scale=torch.tensor([series_scale], dtype=double),
        )
    )


def test_pinball_weighs_misses_by_their_level() -> None:
    outputs = torch.zeros(1, 3)
    # target 2 above every quantile: 0.1 * 2, 0.5 * 2, 0.9 * 2
    assert _loss(outputs, [2.0]) == pytest.approx((0.2 + 1.0 + 1.8) / 3)
    # target 2 below: 0.9 * 2, 0.5 * 2, 0.1 * 2
    assert _loss(outputs, [-2.0]) == pytest.approx((1.8 + 1.0 + 0.2) / 3)
    assert _loss(torch.tensor([[-1.0, 0.0, 3.0]]), [1.0]) == pytest.approx((0.2 + 0.5 + 0.2) / 3)


def test_missing_steps_count_nothing() -> None:
    outputs = torch.zeros(2, 3)
    assert _loss(outputs, [2.0, 99.0], observed=[True, False]) == pytest.approx(_loss(outputs[:1], [2.0]))


def test_a_batch_without_any_target_has_loss_zero() -> None:
    assert _loss(torch.zeros(1, 3), [1.0], observed=[False]) == 0


def test_mase_measures_errors_in_the_scale_of_the_series() -> None:
    outputs = torch.zeros(1, 3)
    assert _loss(outputs, [12.0], level=10.0, scale=4.0, series_scale=2.0) == pytest.approx(1.0 / 2)


def test_mase_in_logarithms_is_in_the_units_of_the_series() -> None:
    outputs = torch.zeros(1, 3)
    level = torch.log(torch.tensor(100.0, dtype=torch.float64))
    small_step = float(torch.log(torch.tensor(101.0, dtype=torch.float64)))
    loss = _loss(outputs, [small_step], log=True, level=float(level), scale=0.05, series_scale=2.0)
    assert loss == pytest.approx(0.5 * 1 / 2, rel=0.01)


def test_unit_measures_errors_as_learned() -> None:
    assert _loss(torch.zeros(1, 3), [3.2], loss_scale="unit", log=True, level=3.0, scale=0.4) == pytest.approx(0.1)


def test_mix_adds_the_relative_error() -> None:
    outputs = torch.zeros(1, 3)
    mase = _loss(outputs, [12.0], level=10.0, scale=4.0)
    mix = _loss(outputs, [12.0], level=10.0, scale=4.0, loss_scale="mix")
    # half the error of 2, against |12| + |10|, ten times
    assert mix - mase == pytest.approx(10 * 1.0 / 22)


def test_mix_stays_finite_at_zero() -> None:
    assert _loss(torch.zeros(1, 3), [0.0], loss_scale="mix", scale=1.0) == 0


@pytest.mark.parametrize("loss_scale", ["unit", "mase"])
def test_one_wild_window_cannot_dominate(loss_scale: LossScale) -> None:
    loss = _loss(torch.zeros(1, 3), [1e6], scale=1e6, loss_scale=loss_scale)
    assert loss == pytest.approx(0.5 * LARGEST_WEIGHT)


def test_a_jump_after_a_constant_window_has_a_finite_loss() -> None:
    assert _loss(torch.zeros(1, 3), [1e9], scale=1e-20) < 1e9
