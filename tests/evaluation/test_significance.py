from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from rnnforecast.arrays import Float64Array
from rnnforecast.evaluation.significance import (
    critical_difference,
    diebold_mariano,
    holm,
    log_losses,
    mean_interval,
    mean_ranks,
    median_interval,
    wilcoxon_signed_rank,
)

# one-step errors of ets(WWWusage[1:80]) and auto.arima(WWWusage[1:80]) on WWWusage[81:100], the example of the manual
# page of dm.test in the R package forecast; its p-values are those the tests of HypothesisTests.jl hold against R
ETS = np.array([
    0.002241270, -0.000661906, -1.200002613, -4.000218178, 3.799373533, 3.401005111, -1.199692125, -0.800490048,
    -1.200048999, 3.399847229, 7.000708948, 2.200989241, -4.800165569, -1.201043375, 3.400167556, 3.000709085,
    0.400267950, -6.800169207, -2.401259050, 1.200112198,
])  # fmt: skip
ARIMA = np.array([
    0.1209998, 8.0622269, -0.9189429, -1.7952436, 5.3431277, 2.0459823, -0.6073261, 0.5516816, -0.7633238, 4.1229472,
    5.8785333, 1.2828331, -3.4854233, 1.1971370, 3.1709314, 2.3408457, 0.4962286, -5.9841362, 0.1537114, 0.4207951,
])  # fmt: skip


@pytest.mark.parametrize(("power", "p_value"), [(2, 0.8871), (1, 0.7818)])
def test_diebold_mariano_repeats_the_published_p_values_of_r(power: int, p_value: float) -> None:
    _, found = diebold_mariano(np.abs(ETS) ** power, np.abs(ARIMA) ** power, lag=0)
    assert found == pytest.approx(p_value, abs=5e-5)


def test_diebold_mariano_repeats_a_published_statistic() -> None:
    # test case 1 of the Python package dieboldmariano: squared errors, one step ahead
    statistic, p_value = diebold_mariano(np.arange(6.0) ** 2, np.array([0.0, 2, 3, 3, 5, 6]) ** 2, lag=0)
    assert statistic == pytest.approx(-2.4905, abs=5e-5)
    assert p_value == pytest.approx(0.05513, abs=5e-6)


def test_diebold_mariano_with_lags_is_the_formula_of_harvey_leybourne_and_newbold() -> None:
    d = np.array([1.0, 2.0, 4.0, 3.0, 5.0, 4.0])
    c = d - d.mean()
    gamma_0, gamma_1 = (c**2).sum() / 6, (c[1:] * c[:-1]).sum() / 6
    plain = d.mean() / np.sqrt((gamma_0 + 2 * gamma_1) / 6)
    corrected = plain * np.sqrt((6 + 1 - 2 * 2 + 2 * (2 - 1) / 6) / 6)
    statistic, p_value = diebold_mariano(d, np.zeros(6), lag=1)
    assert statistic == pytest.approx(corrected)
    assert p_value == pytest.approx(2 * stats.t.sf(corrected, 6 / 2 - 1))


def test_without_overlap_diebold_mariano_is_the_paired_t_test() -> None:
    statistic, p_value = diebold_mariano(np.abs(ETS), np.abs(ARIMA), lag=0)
    reference = stats.ttest_rel(np.abs(ETS), np.abs(ARIMA))
    assert statistic == pytest.approx(reference.statistic)
    assert p_value == pytest.approx(reference.pvalue)


def test_a_negative_variance_estimate_is_replaced_by_that_without_lags() -> None:
    losses = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.5])
    zeros = np.zeros(7)
    (without_lags, _), (statistic, p_value) = (diebold_mariano(losses, zeros, lag=lag) for lag in (0, 1))
    assert 0 < statistic < without_lags  # shrunk by the correction for small samples alone
    assert 0.5 < p_value < 1


@pytest.mark.parametrize("lag", [0, 2, 50])
def test_equal_losses_are_not_evidence(lag: int) -> None:
    losses = np.array([0.1, 0.2, 0.7, 0.3])
    assert diebold_mariano(losses, losses * (1 + 1e-12), lag=lag) == (0.0, 1.0)


def test_the_same_gain_in_every_window_is_certain() -> None:
    statistic, p_value = diebold_mariano(np.ones(6), np.full(6, 2.0), lag=0)
    assert (statistic, p_value) == (-np.inf, 0.0)


def moving_sums(generator: np.random.Generator, *, count: int, lag: int) -> Float64Array:
    """Return loss differences without a mean whose neighbours share `lag` steps."""
    steps = generator.standard_normal(count + lag)
    return np.convolve(steps, np.ones(lag + 1), mode="valid")


@pytest.mark.parametrize(("count", "lag"), [(8, 0), (20, 0), (8, 2), (12, 3), (20, 3), (30, 5), (30, 11)])
def test_few_overlapping_windows_reject_a_true_hypothesis_in_about_5_per_cent(count: int, lag: int) -> None:
    generator = np.random.default_rng(11)
    rejected = 0
    for _ in range(500):
        differences = moving_sums(generator, count=count, lag=lag)
        rejected += diebold_mariano(differences, np.zeros(count), lag=lag)[1] < 0.05
    assert rejected / 500 <= 0.08


def test_wilcoxon_repeats_the_heights_of_darwins_maize() -> None:
    # Fisher, The Design of Experiments, table 3: cross- against self-fertilised plants
    differences = np.array([6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75], dtype=np.float64)
    rank_sum, p_value = wilcoxon_signed_rank(differences, np.zeros(15))
    assert (120 - rank_sum) / 2 == 24
    assert p_value == pytest.approx(0.041259765625)


def test_wilcoxon_equals_scipy_on_many_pairs() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.gamma(2, size=200), rng.gamma(2, size=200)
    assert wilcoxon_signed_rank(first, second)[1] == pytest.approx(stats.wilcoxon(first, second).pvalue)


def test_wilcoxon_leaves_equal_pairs_out() -> None:
    assert wilcoxon_signed_rank(np.ones(12), np.ones(12)) == (0.0, 1.0)
    rank_sum, p_value = wilcoxon_signed_rank(np.array([1.0, 1, 1, 2, 3]), np.array([1.0, 1, 1, 1, 1]))
    assert rank_sum == 3
    assert 0 < p_value <= 1


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_never_exceeds_one_and_leaves_a_single_comparison_alone() -> None:
    assert holm([0.7, 0.9]) == [1.0, 1.0]
    assert holm([0.04]) == [0.04]


@pytest.mark.parametrize(("count", "lag", "seed"), [(5, 0, 0), (8, 0, 1), (20, 3, 2), (20, 0, 3), (60, 5, 4)])
def test_the_interval_of_the_mean_excludes_zero_where_the_test_rejects(count: int, lag: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for shift in np.linspace(-1, 1, 21):
        losses = shift + rng.normal(size=count)
        low, high = mean_interval(losses, np.zeros(count), lag=lag, level=0.9)
        assert low < losses.mean() < high
        assert (low > 0 or high < 0) == (diebold_mariano(losses, np.zeros(count), lag=lag)[1] < 0.1)


@pytest.mark.parametrize("count", [6, 12, 49, 200])
def test_the_interval_of_the_median_excludes_zero_where_the_test_rejects(count: int) -> None:
    rng = np.random.default_rng(count)
    for shift in np.linspace(-1, 1, 9):
        losses = shift + rng.normal(size=count)
        middle, low, high = median_interval(losses, np.zeros(count), level=0.9)
        assert low < middle < high
        assert (low > 0 or high < 0) == (wilcoxon_signed_rank(losses, np.zeros(count))[1] < 0.1)


def test_the_median_is_that_of_all_means_of_pairs() -> None:
    losses = np.random.default_rng(0).normal(size=25)
    first, second = np.triu_indices(25)
    expected = np.median((losses[first] + losses[second]) / 2)
    assert median_interval(losses, np.zeros(25), level=0.9)[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("count", "lag"), [(8, 0), (25, 0), (40, 3)])
def test_the_interval_of_the_mean_holds_it_as_often_as_it_says(count: int, lag: int) -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        low, high = mean_interval(1 + moving_sums(rng, count=count, lag=lag), np.zeros(count), lag=lag, level=0.9)
        held += low <= 1 <= high
    assert held / 300 >= 0.86


def test_equal_differences_have_an_interval_of_one_point() -> None:
    assert mean_interval(np.full(6, 1.5), np.ones(6), lag=0, level=0.9) == (0.5, 0.5)
    assert median_interval(np.full(6, 1.5), np.ones(6), level=0.9) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(("num_methods", "published"), [(2, 1.960), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_repeats_the_published_table(num_methods: int, published: float) -> None:
    # q of Nemenyi's test at 5 %: table 5 (a) of Demsar (2006)
    units = 14
    scale = math.sqrt(num_methods * (num_methods + 1) / (6 * units))
    assert critical_difference(num_methods, units) / scale == pytest.approx(published, abs=1e-3)


def test_ranks_are_means_over_units_and_equal_losses_have_equal_ranks() -> None:
    losses = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 3.0], [np.nan, 0.0, 1.0]])
    assert mean_ranks(losses).tolist() == [1.25, 1.75, 3.0]
    assert np.isnan(mean_ranks(losses[2:])).all()
    assert math.isnan(critical_difference(3, 1))


def test_log_losses_give_log_ratios_and_equal_pairs_none() -> None:
    first, second = log_losses(np.array([1.0, 2.0, 0.0, 3.0]), np.array([2.0, 1.0, 0.0, 3.0 * (1 + 1e-12)]))
    assert first[0] - second[0] == pytest.approx(-np.log(2), abs=0.01)
    assert (first - second)[2:].tolist() == [0.0, 0.0]


def test_one_large_loss_decides_no_mean_of_log_ratios() -> None:
    losses, reference = np.full(10, 0.8), np.ones(10)
    losses[0] = 20.0
    assert losses.mean() > reference.mean()
    first, second = log_losses(losses, reference)
    assert first.mean() - second.mean() == pytest.approx(0.9 * np.log(0.8) + 0.1 * np.log(20), abs=0.05)
