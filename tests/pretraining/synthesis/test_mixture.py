from __future__ import annotations

import numpy as np
import pytest

from pretraining.synthesis.families import FAMILIES, Draft, waves
from pretraining.synthesis.mixture import Wish, draw_batch

SEASONS: list[tuple[float, ...]] = [(), (12.0,), (7.0, 365.25), (24.0, 168.0), (52.1775,)]


def _wish(season_length: int, long_season_length: int = 1, *, corpus_share: float = 0.5) -> Wish:
    return Wish(season_length, long_season_length, 200, "any", corpus_share)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("seasons", SEASONS)
def test_every_family_gives_finite_rows_of_any_clock(name: str, seasons: tuple[float, ...]) -> None:
    for seed in range(8):
        paths = FAMILIES[name](Draft(np.random.default_rng(seed), 5, 90, seasons))
        assert paths.shape == (5, 90)
        assert np.isfinite(paths).all()


@pytest.mark.parametrize("seasons", [(1, 1), (12, 1), (24, 168)])
def test_a_batch_is_the_same_for_the_same_seed_alone(seasons: tuple[int, int]) -> None:
    one, same, other = (draw_batch(_wish(*seasons), 40, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.values, same.values)
    np.testing.assert_array_equal(one.observed, same.observed)
    assert not np.array_equal(one.values, other.values)


def test_a_batch_holds_finite_rows_of_which_something_is_seen() -> None:
    for seed in range(5):
        batch = draw_batch(_wish(24, 168), 60, seed)
        assert np.isfinite(batch.values).all()
        assert batch.observed.any(axis=1).mean() > 0.98


def test_a_share_of_none_leaves_the_corpus_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the corpus was drawn from")

    whole = draw_batch(_wish(12, corpus_share=1.0), 30, 1)
    monkeypatch.setattr("pretraining.synthesis.mixture.synthesise", refuse)
    assert draw_batch(_wish(12, corpus_share=0.0), 30, 1).values.shape == whole.values.shape == (30, 200)
    with pytest.raises(AssertionError, match="drawn from"):
        draw_batch(_wish(12, corpus_share=1.0), 30, 1)


def test_a_season_repeats_itself() -> None:
    paths = waves(Draft(np.random.default_rng(1), 4, 120, (12.0,)), np.full((4, 1), 12.0, dtype=np.float32))
    np.testing.assert_allclose(paths[:, 12:], paths[:, :-12], atol=1e-3)


def test_counts_are_whole_and_not_negative() -> None:
    paths = FAMILIES["promoted"](Draft(np.random.default_rng(1), 20, 100, (7.0,)))
    assert (paths >= 0).all()
    np.testing.assert_array_equal(paths, np.round(paths))
