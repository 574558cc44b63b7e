"""The bar of `train`: its loss curve has a constant width, and needs an encoding with blocks."""

from __future__ import annotations

import pytest

from rnnforecast.cli.render.progress import LossCurve


def test_the_curve_of_a_long_fit_shows_all_of_it() -> None:
    curve = LossCurve(width=8)
    assert curve.drawn() == ""
    for step in range(10_000):
        curve.add(1.0 / (1 + step / 500))
    drawn = curve.drawn()
    assert (len(drawn), drawn[0], drawn[-1]) == (8, "█", "▁")
    assert list(drawn) == sorted(drawn, reverse=True)


@pytest.mark.parametrize("count", [1, 3, 16, 17])
def test_the_curve_grows_with_the_steps(count: int) -> None:
    curve = LossCurve(width=8)
    for step in range(count):
        curve.add(float(-step))
    assert len(curve.drawn()) == (0 if count < 3 else min(count, 8))
