from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from rnnforecast.config import TRAINED_QUANTILE_LEVELS as LEVELS
from rnnforecast.evaluation.distributions import mean_of


@pytest.mark.parametrize("levels", [LEVELS, (0.1, 0.9), (0.3, 0.5)])
def test_the_mean_of_normal_quantiles_is_exact(levels: tuple[float, ...]) -> None:
    quantiles = np.array([[NormalDist(mean, 2.0).inv_cdf(level) for level in levels] for mean in (-1.0, 7.0)])
    np.testing.assert_allclose(mean_of(quantiles, levels), [-1.0, 7.0])


def test_a_single_quantile_is_its_own_mean() -> None:
    assert mean_of(np.array([[4.0]]), (0.5,)).tolist() == [4.0]


def test_the_mean_of_skewed_and_discrete_distributions_is_met_within_3_percent() -> None:
    random = np.random.default_rng(0)
    for sample in (
        random.exponential(1.0, 100_000),
        random.lognormal(0.0, 0.8, 100_000),
        random.poisson(0.6, 100_000),
        random.gamma(0.7, 2.0, 100_000),
    ):
        found = float(mean_of(np.quantile(sample, LEVELS), LEVELS))
        assert found == pytest.approx(sample.mean(), rel=0.03)
