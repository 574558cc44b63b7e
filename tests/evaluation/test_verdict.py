from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from rnnforecast.arrays import Float64Array
from rnnforecast.evaluation.backtest import Forecaster, make_backtest, place_windows
from rnnforecast.evaluation.baselines import available_baselines, forecast_baseline
from rnnforecast.evaluation.scales import seasonal_scales
from rnnforecast.evaluation.verdict import Verdict, judge, overlap_of, rounds_of
from tests.evaluation.toy import LEVELS, make_series


def one_series(num_windows: int) -> np.ndarray:
    return np.zeros(num_windows, dtype=np.int64)


def noisy_losses(level: float, *, num_windows: int, seed: int, spread: float = 0.1) -> Float64Array:
    """Return losses [W, 4] around a level."""
    return level + spread * np.random.default_rng(seed).uniform(-1, 1, size=(num_windows, 4))


def test_a_clear_gain_on_one_series_is_a_win() -> None:
    losses = {"ensemble": noisy_losses(0.5, num_windows=12, seed=0), "naive": noisy_losses(1, num_windows=12, seed=1)}
    verdict = judge(losses, one_series(12))
    assert (verdict.outcome, verdict.against, verdict.test) == ("win", "naive", "Diebold-Mariano")
    assert verdict.skill == pytest.approx(50, abs=3)
    assert verdict.skill_interval[0] < verdict.skill < verdict.skill_interval[1]
    assert verdict.p_value < 0.001


def test_a_clear_defeat_is_a_loss() -> None:
    losses = {"ensemble": noisy_losses(1.5, num_windows=12, seed=0), "naive": noisy_losses(1, num_windows=12, seed=1)}
    verdict = judge(losses, one_series(12))
    assert verdict.outcome == "loss"
    assert verdict.skill == pytest.approx(-50, abs=9)


def test_no_clear_difference_is_a_tie() -> None:
    losses = {"ensemble": noisy_losses(1, num_windows=12, seed=0), "naive": noisy_losses(1, num_windows=12, seed=1)}
    verdict = judge(losses, one_series(12))
    assert verdict.outcome == "tie"


def test_the_opponent_is_the_naive_forecast_with_the_lowest_mean_loss() -> None:
    losses = {
        "ensemble": noisy_losses(0.9, num_windows=12, seed=0),
        "naive": noisy_losses(2, num_windows=12, seed=1),
        "drift": noisy_losses(1, num_windows=12, seed=2),
        "auto-ets": noisy_losses(0.1, num_windows=12, seed=3),
    }
    verdict = judge(losses, one_series(12))
    assert verdict.against == "drift"
    assert [comparison.against for comparison in verdict.comparisons] == ["naive", "drift"]


def test_p_values_answer_for_the_number_of_comparisons() -> None:
    names = ("naive", "drift", "window-mean")
    losses = {name: noisy_losses(1.05, num_windows=8, seed=index) for index, name in enumerate(names, start=1)}
    losses["ensemble"] = noisy_losses(1.0, num_windows=8, seed=9)
    for comparison in judge(losses, one_series(8)).comparisons:
        assert comparison.p_adjusted >= comparison.p_value


def test_of_several_networks_the_best_is_judged_and_all_count_as_comparisons() -> None:
    losses = {
        "gru": noisy_losses(0.5, num_windows=12, seed=0),
        "lstm": noisy_losses(0.7, num_windows=12, seed=1),
        "naive": noisy_losses(1, num_windows=12, seed=2),
    }
    verdict = judge(losses, one_series(12), methods=("lstm", "gru"))
    assert verdict.method == "gru"
    assert len(verdict.comparisons) == 2


@pytest.mark.parametrize(("num_windows", "overlap"), [(1, 0), (4, 0), (12, 3)])
def test_too_few_windows_are_a_tie_with_its_reason(num_windows: int, overlap: int) -> None:
    losses = {
        "ensemble": noisy_losses(0.1, num_windows=num_windows, seed=0),
        "naive": noisy_losses(1, num_windows=num_windows, seed=1),
    }
    verdict = judge(losses, one_series(num_windows), overlap=overlap)
    assert (verdict.outcome, verdict.p_value, verdict.test) == ("tie", 1.0, "none")
    assert "too few to test: at least 5 without overlap are needed" in verdict.reason
    document = json.loads(json.dumps(verdict.to_dict()))
    assert (document["skill"], document["skill_interval"]) == (None, [None, None])
    assert {comparison["skill"] for comparison in document["comparisons"]} == {None}


def test_what_would_make_a_test_possible_is_in_the_reason() -> None:
    losses = {"ensemble": np.ones((3, 2)), "naive": np.ones((3, 2))}
    verdict = judge(losses, one_series(3), remedy="`--num-windows 5`")
    assert verdict.reason.endswith("at least 5 without overlap are needed (`--num-windows 5`)")


def test_a_rival_that_other_windows_chose_needs_no_correction() -> None:
    names = ("naive", "drift", "window-mean")
    losses = {name: noisy_losses(1.05, num_windows=8, seed=index) for index, name in enumerate(names, start=1)}
    losses["ensemble"] = noisy_losses(1.0, num_windows=8, seed=9)
    verdict = judge(losses, one_series(8), rival="drift")
    assert "; drift was the best naive forecast on the windows before" in verdict.reason
    assert (verdict.against, verdict.skill_level) == ("drift", 0.9)
    assert verdict.p_value == verdict.comparison.p_value
    assert "Holm" not in verdict.reason
    late = judge(losses, one_series(8))
    assert late.p_value >= late.comparison.p_value
    assert late.skill_level == pytest.approx(1 - 0.1 * late.comparison.p_value / late.p_value)
    assert "after Holm's correction for 3 comparisons" in late.reason


def test_a_rival_that_is_not_among_the_losses_is_replaced_by_the_best() -> None:
    losses = {"ensemble": noisy_losses(0.5, num_windows=8, seed=0), "naive": noisy_losses(1, num_windows=8, seed=1)}
    assert judge(losses, one_series(8), rival="seasonal-naive").against == "naive"


def test_a_win_is_one_over_every_naive_forecast() -> None:
    losses = {
        "ensemble": noisy_losses(0.8, num_windows=8, seed=0),
        "naive": noisy_losses(1, num_windows=8, seed=1),
        "drift": noisy_losses(0.6, num_windows=8, seed=2),
    }
    verdict = judge(losses, one_series(8), rival="naive")
    assert (verdict.outcome, verdict.against) == ("tie", "naive")
    assert verdict.reason.endswith("; but drift has the smallest mean error on these windows")
    assert verdict.skill_interval[0] <= 0 <= verdict.skill_interval[1]


@pytest.mark.parametrize("rival", ["naive", None])
@pytest.mark.parametrize("num_series", [1, 8, 15])
def test_word_and_interval_never_disagree(num_series: int, rival: str | None) -> None:
    outcomes = Counter[str]()
    for seed in range(0, 60, 2):
        rng = np.random.default_rng(seed)
        count = num_series * (6 if num_series == 1 else 2)
        losses = {"ensemble": (0.6 + 0.01 * seed) * rng.gamma(6, size=(count, 1))}
        losses |= {name: rng.gamma(6, size=(count, 1)) for name in ("naive", "drift")}
        verdict = judge(losses, np.repeat(np.arange(num_series), count // num_series), rival=rival)
        low, high = verdict.skill_interval
        outcomes[verdict.outcome] += 1
        assert (low > 0) == (verdict.outcome == "win")
        assert (high < 0) == (verdict.outcome == "loss")
        assert low <= verdict.skill <= high
    assert outcomes["win"]
    assert outcomes["tie"]


@pytest.mark.parametrize(
    ("num_windows", "skill", "least", "most"), [(5, 0.2, 0.40, 1), (8, 0.2, 0.60, 1), (8, 0, 0, 0.05)]
)
def test_power(num_windows: int, skill: float, least: float, most: float) -> None:
    # losses of windows are log-normal, with a coefficient of variation of 0.35 and a correlation of 0.7
    rng = np.random.default_rng(num_windows)
    spread, covariance = np.sqrt(np.log(1 + 0.35**2)), 0.7 + 0.3 * np.eye(3)
    wins = 0
    for _ in range(300):
        drawn = np.exp(spread * rng.multivariate_normal(np.zeros(3), covariance, num_windows))
        losses = {"ensemble": (1 - skill) * drawn[:, :1], "naive": drawn[:, 1:2], "drift": 1.1 * drawn[:, 2:]}
        wins += judge(losses, one_series(num_windows), rival="naive").outcome == "win"
    assert least <= wins / 300 <= most


def test_a_panel_is_compared_series_by_series() -> None:
    losses = {"ensemble": noisy_losses(0.8, num_windows=40, seed=0), "naive": noisy_losses(1, num_windows=40, seed=1)}
    verdict = judge(losses, np.repeat(np.arange(20), 2))
    assert (verdict.test, verdict.num_series, verdict.num_windows) == ("Wilcoxon signed-rank", 20, 40)
    assert verdict.outcome == "win"
    assert "over 20 series" in verdict.reason


def test_a_gain_on_most_series_that_is_a_loss_on_average_is_not_a_win() -> None:
    network, naive = np.full((30, 1), 0.9), np.ones((30, 1))
    network += 1e-3 * np.arange(30)[:, None]
    network[:3] = 20.0
    verdict = judge({"ensemble": network, "naive": naive}, np.arange(30))
    assert verdict.outcome == "tie"
    assert verdict.p_value < 0.05
    assert "disagree" in verdict.reason


def test_a_shock_common_to_few_series_counts_once() -> None:
    # four series, six windows: in each window all series gain or lose together
    rng = np.random.default_rng(0)
    shocks = np.tile(rng.normal(size=6), 4)[:, None]
    losses = {"ensemble": 2 + shocks, "naive": 2 + 0 * shocks}
    verdict = judge(losses, np.repeat(np.arange(4), 6))
    assert verdict.test == "Diebold-Mariano"
    assert "over 6 windows, each averaged over up to 4 series" in verdict.reason
    alone = judge({name: loss[:6] for name, loss in losses.items()}, one_series(6))
    assert verdict.p_value == pytest.approx(alone.p_value)


def test_some_series_with_few_windows_are_compared_series_by_series() -> None:
    losses = {"ensemble": noisy_losses(0.5, num_windows=14, seed=0), "naive": noisy_losses(1, num_windows=14, seed=1)}
    verdict = judge(losses, np.repeat(np.arange(7), 2))
    assert (verdict.test, verdict.outcome) == ("Wilcoxon signed-rank", "win")


def test_unobserved_steps_and_windows_are_left_out() -> None:
    network, naive = noisy_losses(0.5, num_windows=9, seed=0), noisy_losses(1, num_windows=9, seed=1)
    full = judge({"ensemble": network[:8], "naive": naive[:8]}, one_series(8))
    network[8], naive[8] = np.nan, np.nan
    assert judge({"ensemble": network, "naive": naive}, one_series(9)).p_value == full.p_value


def test_losses_missing_in_one_method_only_are_an_error() -> None:
    network = np.array([[1.0, np.nan]])
    with pytest.raises(ValueError, match="`naive` has losses at other steps than the other methods"):
        judge({"ensemble": network, "naive": np.ones((1, 2))}, one_series(1))


def test_nothing_observed_is_an_error() -> None:
    nothing = np.full((6, 2), np.nan)
    with pytest.raises(ValueError, match="nothing was observed in any window"):
        judge({"ensemble": nothing, "naive": nothing}, one_series(6))


def test_nothing_to_compare_with_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        judge({"ensemble": np.ones((6, 2))}, one_series(6))


def test_identical_forecasts_are_a_tie_without_skill() -> None:
    losses = noisy_losses(1, num_windows=10, seed=0)
    verdict = judge({"ensemble": losses, "naive": losses.copy()}, one_series(10))
    assert (verdict.outcome, verdict.p_value, verdict.skill) == ("tie", 1.0, 0.0)


def test_a_faultless_naive_forecast_cannot_be_beaten() -> None:
    losses = {"ensemble": noisy_losses(1, num_windows=10, seed=0), "naive": np.zeros((10, 4))}
    verdict = judge(losses, one_series(10))
    assert verdict.outcome == "loss"
    assert verdict.to_dict()["skill"] is None


def test_windows_are_numbered_from_the_newest_back() -> None:
    assert rounds_of(np.array([0, 0, 0, 2, 2, 1])).tolist() == [2, 1, 0, 1, 0, 0]


@pytest.mark.parametrize(("horizon", "step", "overlap"), [(12, 12, 0), (12, 20, 0), (12, 6, 1), (12, 5, 2), (3, 1, 2)])
def test_overlap_counts_the_later_windows_that_share_steps(horizon: int, step: int, overlap: int) -> None:
    assert overlap_of(horizon, step) == overlap


def random_walk_verdict(seed: int, *, num_series: int = 1, window_step: int | None = None) -> Verdict:
    """Judge a forecaster that is the naive forecast with a little noise, on random walks."""
    rng = np.random.default_rng(seed)
    series = make_series(*(100 + rng.normal(size=160).cumsum() for _ in range(num_series)), season_length=5)
    horizon, num_windows = 6, 14 if num_series == 1 else 2
    windows = place_windows(
        series.lengths, horizon=horizon, num_windows=num_windows, window_step=window_step, min_past=40
    )

    def baseline(name: str) -> Float64Array:
        return forecast_baseline(name, series, windows, horizon=horizon, quantile_levels=LEVELS)

    forecasts = {name: baseline(name) for name in available_baselines(5)}
    nudges = rng.normal(0, 0.3, size=(len(windows), horizon, 1))
    forecasts["ensemble"] = forecasts["naive"] + nudges

    def recall(name: str) -> Forecaster:
        return lambda _windows, _steps: forecasts[name]

    backtest = make_backtest(
        series,
        windows,
        {name: recall(name) for name in forecasts},
        scales=seasonal_scales(series),
        quantile_levels=LEVELS,
        horizon=horizon,
    )
    return judge(backtest.scaled_errors(), windows.series, overlap=overlap_of(horizon, window_step or horizon))


@pytest.mark.parametrize(("num_series", "window_step"), [(1, None), (1, 3), (12, None)])
def test_on_random_walks_at_most_5_per_cent_are_wins(num_series: int, window_step: int | None) -> None:
    outcomes = Counter(
        random_walk_verdict(seed, num_series=num_series, window_step=window_step).outcome for seed in range(40)
    )
    assert outcomes["win"] <= 2


def test_the_verdict_counts_windows_and_series() -> None:
    verdict = random_walk_verdict(0)
    assert (verdict.num_windows, verdict.num_series) == (14, 1)
