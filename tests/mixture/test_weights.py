from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.mixture.weights import is_clearly_best, log_ratios, member_weights, pinball, prune

PRIOR = np.array([0.5, 0.3, 0.2])


def test_pinball_is_the_textbook_loss_over_observed_leads() -> None:
    actual = np.array([1.0, np.nan, 4.0])
    quantiles = np.array([[0.0, 2.0], [9.0, 9.0], [5.0, 6.0]])
    levels = np.array([0.1, 0.9])

    expected = np.mean([0.1 * 1.0, 0.1 * 1.0, 0.9 * 1.0, 0.1 * 2.0])

    assert pinball(actual, quantiles, levels) == pytest.approx(expected)


def test_no_observed_lead_gives_no_loss() -> None:
    assert np.isnan(pinball(np.array([np.nan]), np.zeros((1, 1)), np.array([0.5])))


def test_a_member_half_as_wrong_gets_most_of_the_weight() -> None:
    losses = np.repeat(np.array([[[2.0, 1.0, 2.0]]]), 6, axis=1)

    weights, _ = member_weights(log_ratios(losses), np.array([6]), PRIOR)

    assert weights[0, 1] > 0.95


def test_equal_losses_leave_the_prior() -> None:
    weights, panel = member_weights(log_ratios(np.ones((3, 4, 3))), np.array([4, 4, 4]), PRIOR)

    np.testing.assert_allclose(weights, np.tile(PRIOR, (3, 1)))
    np.testing.assert_allclose(panel, PRIOR)


def _losses(seed: int, *, skill: float, shape: tuple[int, int] = (1, 6)) -> np.ndarray:
    """Return losses of three members, the last of which is better by `skill`."""
    drawn = np.random.default_rng(seed).gamma(20, size=(*shape, 3))
    drawn[..., 2] *= 1 - skill
    return drawn


def test_a_member_far_better_on_all_windows_is_clearly_best() -> None:
    assert is_clearly_best(_losses(0, skill=0.8), 2).tolist() == [True]
    assert is_clearly_best(_losses(0, skill=0.8), 1).tolist() == [False]


def test_equal_members_are_rarely_clearly_best() -> None:
    found = [bool(is_clearly_best(_losses(seed, skill=0.0), 2)[0]) for seed in range(300)]
    assert np.mean(found) < 0.05


def test_few_windows_make_no_member_clearly_best() -> None:
    assert not is_clearly_best(_losses(0, skill=0.8, shape=(1, 4)), 2).any()
    assert not is_clearly_best(np.full((1, 6, 3), np.nan), 2).any()


def test_a_panel_is_decided_as_a_whole_and_by_its_series() -> None:
    assert is_clearly_best(_losses(1, skill=0.5, shape=(20, 3)), 2).all()
    assert not is_clearly_best(_losses(1, skill=0.5, shape=(4, 3)), 2).any()


def test_a_member_that_was_scored_on_fewer_windows_is_not_a_rival_alone() -> None:
    losses = _losses(0, skill=0.8)
    losses[:, :3, 1] = np.nan
    assert is_clearly_best(losses, 2).tolist() == [True]
    losses[:, :3, 0] = np.nan
    assert is_clearly_best(losses, 2).tolist() == [False]


def test_one_lucky_window_counts_for_little_in_a_panel() -> None:
    losses = np.ones((50, 6, 2))
    losses[0, 1:] = np.nan
    losses[0, 0] = [1.0, 0.3]

    weights, panel = member_weights(log_ratios(losses), np.array([1] + [6] * 49), np.array([0.5, 0.5]))

    assert weights[0, 1] < 0.85  # 0.99 on its own
    assert panel[1] < 0.6


def test_a_series_that_a_member_forecasts_without_error_says_little_of_the_others() -> None:
    losses = np.ones((20, 6, 2))
    losses[0, :, 1] = 0.0

    weights, panel = member_weights(log_ratios(losses), np.full(20, 6), np.array([0.5, 0.5]))

    assert weights[0, 1] == 1.0
    assert max(weights[1:, 1].max(), panel[1]) < 0.7


def test_a_member_that_nothing_is_known_of_weighs_nothing() -> None:
    losses = np.ones((1, 3, 3))
    losses[..., 2] = np.nan

    weights, panel = member_weights(log_ratios(losses), np.array([3]), PRIOR)

    np.testing.assert_allclose(weights[0], [0.625, 0.375, 0.0])
    np.testing.assert_allclose(panel, [0.625, 0.375, 0.0])


def test_without_any_window_the_first_member_is_alone() -> None:
    weights, panel = member_weights(log_ratios(np.full((2, 3, 3), np.nan)), np.array([0, 0]), PRIOR)

    np.testing.assert_allclose(weights, [[1, 0, 0], [1, 0, 0]])
    np.testing.assert_allclose(panel, [1, 0, 0])


def test_a_history_forecast_without_error_keeps_the_prior() -> None:
    losses = np.zeros((1, 3, 2))
    losses[..., 1] = 1.0

    weights, _ = member_weights(log_ratios(losses), np.array([3]), np.array([0.5, 0.5]))

    np.testing.assert_allclose(weights, [[0.5, 0.5]])


def test_small_weights_are_left_out() -> None:
    np.testing.assert_allclose(prune(np.array([[0.96, 0.04], [0.5, 0.5]])), [[1.0, 0.0], [0.5, 0.5]])
