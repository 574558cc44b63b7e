"""Level and scale of windows: masks, extremes, and the same numbers from numpy and torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rnnforecast.inference.normalisation import Normalised, WindowNormaliser
from tests.inference.samples import make_member

KINDS = ("window", "last", "season", "causal", "global")
ONES = (np.ones(1), np.ones(1))


def _normalise(past: object, observed: object = None, **settings: object) -> Normalised:
    target = np.atleast_2d(np.asarray(past, dtype=np.float64))
    mask = np.ones_like(target, dtype=bool) if observed is None else np.atleast_2d(np.asarray(observed, dtype=bool))
    member = make_member(**{"context_length": target.shape[1], "segment_length": 2, "season_length": 2} | settings)
    return WindowNormaliser.of(member).normalise(np, target, mask, global_scaling=ONES)


def test_window_takes_mean_and_standard_deviation() -> None:
    normalised = _normalise([1, 2, 3, 4], normalisation="window")
    assert normalised.level[0, 0] == 2.5
    assert normalised.scale[0, 0] == pytest.approx(np.std([1, 2, 3, 4]))


def test_last_takes_last_value_and_thrice_the_mean_step() -> None:
    normalised = _normalise([1, 2, 4, 3], normalisation="last")
    assert normalised.level[0, 0] == 3
    assert normalised.scale[0, 0] == pytest.approx(3 * (1 + 2 + 1) / 3)


def test_last_steps_over_missing_values() -> None:
    normalised = _normalise([1, 99, 4, 99], [True, False, True, False], normalisation="last")
    assert normalised.level[0, 0] == 4
    assert normalised.scale[0, 0] == pytest.approx(9)


def test_season_takes_the_mean_of_the_last_season() -> None:
    normalised = _normalise([1, 2, 5, 7], normalisation="season")
    assert normalised.level[0, 0] == 6
    assert normalised.scale[0, 0] == pytest.approx(np.std([1, 2, 5, 7]))


def test_season_in_logarithms_has_a_fixed_scale() -> None:
    normalised = _normalise([1, 2, 5, 7], normalisation="season", log=True)
    assert normalised.level[0, 0] == pytest.approx(np.log([5, 7]).mean())
    assert normalised.scale[0, 0] == 0.1


def test_causal_follows_level_and_scale_segment_by_segment() -> None:
    member = make_member(context_length=4, segment_length=2, season_length=2, normalisation="causal")
    target = np.array([[1.0, 3.0, 6.0, 8.0]])
    normalised = WindowNormaliser.of(member).normalise(
        np, target, np.ones_like(target, dtype=bool), positions=np.array([0, 1])
    )
    np.testing.assert_allclose(normalised.level, [[2, 7]])
    # spread of each segment is 1, half the step of the level is 2.5
    np.testing.assert_allclose(normalised.scale, [[1, (0.85 * 1 + 1 + 2.5) / 1.85]])


def test_causal_segments_do_not_see_what_comes_after_them() -> None:
    member = make_member(context_length=8, segment_length=2, season_length=2, normalisation="causal")
    normaliser = WindowNormaliser.of(member)
    target = np.random.default_rng(0).normal(size=(1, 8))
    seen = np.ones_like(target, dtype=bool)
    changed = target.copy()
    changed[:, 4:] += 100
    before, after = normaliser.normalise(np, target, seen), normaliser.normalise(np, changed, seen)
    np.testing.assert_array_equal(before.values[:, :4], after.values[:, :4])
    assert before.features is not None
    assert after.features is not None
    np.testing.assert_array_equal(before.features[:, :2], after.features[:, :2])


@pytest.mark.parametrize("kind", ["window", "last", "season", "causal"])
def test_noise_of_a_thousandth_around_a_billion_survives(kind: str) -> None:
    noise = np.random.default_rng(0).normal(size=24)
    small = _normalise(noise, normalisation=kind)
    large = _normalise(1e9 + 1e-3 * noise, normalisation=kind)
    np.testing.assert_allclose(large.values, small.values, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_without_any_observation_gives_finite_numbers(kind: str) -> None:
    normalised = _normalise(np.zeros(5), np.zeros(5), normalisation=kind, base="season", skip=True)
    for part in (normalised.values, normalised.level, normalised.scale, normalised.base, normalised.recent):
        assert part is not None
        assert np.isfinite(part).all()
    assert (normalised.scale > 0).all()
    assert normalised.known.all() == (kind == "global")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0.0, 5.1, -3e12, 1e-12])
def test_a_constant_window_has_a_scale_above_zero(kind: str, value: float) -> None:
    normalised = _normalise(np.full(7, value), normalisation=kind)
    assert (normalised.scale > 0).all()
    assert np.isfinite(normalised.values).all()


@pytest.mark.parametrize("kind", KINDS)
def test_padding_in_front_counts_for_nothing(kind: str) -> None:
    values = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0])
    whole = _normalise(values, normalisation=kind, base="season")
    padded = _normalise(np.r_[[77.0] * 4, values], [False] * 4 + [True] * 6, normalisation=kind, base="season")
    np.testing.assert_allclose(padded.level, whole.level)
    np.testing.assert_allclose(padded.scale, whole.scale)
    np.testing.assert_allclose(padded.values[:, 4:], whole.values, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(padded.base), np.asarray(whole.base), rtol=1e-6)


def test_season_base_repeats_the_last_season_over_the_horizon() -> None:
    normalised = _normalise([1, 2, 3, 4], normalisation="global", base="season", horizon=5)
    assert normalised.base is not None
    np.testing.assert_allclose(normalised.base[0, 0] + 1, [3, 4, 3, 4, 3])


def test_season_base_takes_a_missing_value_from_the_season_before() -> None:
    normalised = _normalise([1, 2, 99, 4], [True, True, False, True], normalisation="global", base="season", horizon=2)
    assert normalised.base is not None
    np.testing.assert_allclose(normalised.base[0, 0] + 1, [1, 4])


def test_last_base_repeats_the_last_observed_value() -> None:
    normalised = _normalise([1, 2, 3, 99], [True, True, True, False], normalisation="global", base="last", horizon=3)
    assert normalised.base is not None
    np.testing.assert_allclose(normalised.base[0, 0] + 1, [3, 3, 3])


def test_a_season_longer_than_the_window_leaves_the_base_at_the_level() -> None:
    normalised = _normalise([1, 2], normalisation="window", base="season", season_length=4, horizon=4)
    assert normalised.base is not None
    np.testing.assert_allclose(normalised.base[0, 0], [0, 0, -1, 1])


def test_values_at_or_below_zero_count_as_missing_in_logarithms() -> None:
    normalised = _normalise([1.0, 0.0, -2.0, 4.0], normalisation="window", log=True)
    np.testing.assert_array_equal(normalised.observed[0], [1, 0, 0, 1])
    assert normalised.level[0, 0] == pytest.approx(np.log([1, 4]).mean())


def test_outliers_are_held_at_the_limit() -> None:
    quiet = np.r_[np.tile([1.0, 2.0], 8), 1e12, 1.5]
    normalised = _normalise(quiet, normalisation="global")
    assert normalised.values.max() == 100


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("log", [False, True])
def test_torch_and_numpy_give_the_same_numbers(kind: str, log: bool) -> None:
    draw = np.random.default_rng(1)
    target, observed = np.exp(draw.normal(size=(6, 11))), draw.random((6, 11)) > 0.3
    normaliser = WindowNormaliser.of(
        make_member(context_length=11, segment_length=3, normalisation=kind, log=log, base="season", skip=True)
    )
    ours = normaliser.normalise(np, target, observed, global_scaling=ONES)
    theirs = normaliser.normalise(
        torch,
        torch.from_numpy(target),
        torch.from_numpy(observed),
        global_scaling=(torch.ones(1), torch.ones(1)),
    )
    for name in ("values", "observed", "features", "recent", "base", "level", "scale", "known"):
        one, other = getattr(ours, name), getattr(theirs, name)
        if one is not None:
            assert str(other.dtype).removeprefix("torch.") == str(one.dtype)
            np.testing.assert_allclose(other.numpy(), one, rtol=1e-6, atol=1e-7, err_msg=name)


def test_global_without_its_two_numbers_is_rejected() -> None:
    normaliser = WindowNormaliser.of(make_member(context_length=2, normalisation="global"))
    with pytest.raises(ValueError, match="needs `global_scaling`"):
        normaliser.normalise(np, np.zeros((1, 2)), np.ones((1, 2), dtype=bool))
