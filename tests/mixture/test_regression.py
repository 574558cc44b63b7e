from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.mixture.regression import Design, fit_before, fit_each_before, fourier, trend_pieces


def parts(design: Design, coefficients: np.ndarray, *kinds: str) -> np.ndarray:
    chosen = design.of_kind(*kinds)
    return np.asarray(design.columns[:, chosen] @ coefficients[chosen])


def test_a_season_without_noise_is_found_exactly() -> None:
    step = np.arange(84)
    season = 3 * np.sin(2 * np.pi * step / 12) + np.cos(2 * np.pi * 2 * step / 12)
    design = trend_pieces(84, history=72, num_pieces=2).with_columns(
        fourier(84, 12.0, (1, 2, 3, 4, 5, 6), kind="short")
    )

    fitted = fit_before(design, (season + 0.1 * step)[:72, None], np.ones(72, dtype=bool), [72])

    np.testing.assert_allclose(parts(design, fitted[0, :, 0], "short"), season, atol=0.02)


def test_a_fit_before_a_cutoff_sees_no_later_row() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(60, 1))
    changed = values.copy()
    changed[40:] += 1_000.0
    design = trend_pieces(60, history=60, num_pieces=3).with_columns(fourier(60, 7.0, (1, 2, 3), kind="short"))
    observed = np.ones(60, dtype=bool)

    before = fit_before(design, values, observed, [40, 60])
    after = fit_before(design, changed, observed, [40, 60])

    np.testing.assert_allclose(after[0], before[0], rtol=1e-9, atol=1e-12)
    assert not np.allclose(after[1], before[1])


def test_all_cutoffs_in_one_pass_equal_one_fit_each() -> None:
    generator = np.random.default_rng(1)
    values = generator.normal(size=(80, 3))
    observed = generator.random(80) > 0.2
    target = np.where(observed[:, None], values, 0.0)
    design = fourier(80, 12.0, (1, 2), kind="short")

    together = fit_before(design, target, observed, [40, 60, 80])

    for place, cutoff in enumerate((40, 60, 80)):
        alone = fit_before(design, target[:cutoff], observed[:cutoff], [cutoff])
        np.testing.assert_allclose(together[place], alone[0], rtol=1e-8, atol=1e-10)


def test_the_penalty_of_noise_shrinks_what_it_explains() -> None:
    generator = np.random.default_rng(2)
    noise = generator.normal(size=(60, 1))
    design = fourier(60, 52.0, tuple(range(1, 21)), kind="short")

    fitted = fit_before(design, noise, np.ones(60, dtype=bool), [60])

    assert np.std(design.columns @ fitted[0]) < 0.6 * noise.std()


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_rows_give_no_effect(count: int) -> None:
    observed = np.zeros(20, dtype=bool)
    observed[:count] = True

    fitted = fit_before(fourier(20, 4.0, (1, 2), kind="short"), np.ones((20, 1)) * observed[:, None], observed, [20])

    assert not fitted.any()


def test_a_column_that_never_changes_gets_no_coefficient() -> None:
    design = Design(np.column_stack([np.ones(30), np.arange(30.0)]), ("constant", "trend"))

    fitted = fit_before(design, np.arange(30.0)[:, None], np.ones(30, dtype=bool), [30])

    assert fitted[0, 0, 0] == 0
    assert fitted[0, 1, 0] == pytest.approx(1.0, abs=1e-3)


def test_targets_that_share_a_factorisation_are_fitted_as_alone() -> None:
    generator = np.random.default_rng(3)
    observed = generator.random(80) > 0.2
    targets = [np.where(observed[:, None], generator.normal(size=(80, count)), 0.0) for count in (2, 0, 1)]
    design = fourier(80, 12.0, (1, 2), kind="short")

    together = fit_each_before(design, targets, observed, [1, 60, 80])

    for fitted, target in zip(together, targets, strict=True):
        np.testing.assert_array_equal(fitted, fit_before(design, target, observed, [1, 60, 80]))
