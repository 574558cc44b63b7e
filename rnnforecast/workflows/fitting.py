"""Choose a recipe, fit it and calibrate its intervals on one set of rows; what train, compare and refits share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rnnforecast.training.budget import TimeBudget, parse_duration
from rnnforecast.training.ensemble import fit_ensemble
from rnnforecast.training.recipe import Recipe, choose_recipe, gather_facts
from rnnforecast.workflows.judging import calibrate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnnforecast.config import Settings
    from rnnforecast.data.series import SeriesSet
    from rnnforecast.data.windows import Windows
    from rnnforecast.forecasting import Ensemble
    from rnnforecast.progress import Progress
    from rnnforecast.training.loop import Fit


@dataclass(frozen=True)
class Fitted:
    """A recipe with its fitted networks; `ensemble` is calibrated on the validation origins."""

    recipe: Recipe
    ensemble: Ensemble
    fits: tuple[Fit, ...]


def fit_known(
    known: SeriesSet,
    settings: Settings,
    *,
    horizon: int,
    validation: Windows,
    progress: Progress,
    rounds: int = 1,
) -> tuple[Fitted, TimeBudget]:
    """Choose and fit on `known`, stopping at the best weights on `validation`; nothing else is looked at.

    `rounds` is how many fits of the whole recipe the time budget must pay for; what is left of it is returned.
    """
    recipe = choose_recipe(gather_facts(known, horizon=horizon), settings)
    text = settings.training.time_budget
    budget = TimeBudget(None if text is None else parse_duration(text), rounds)
    fitted = _fit(known, recipe, settings, budget=budget, progress=progress, validation=validation)
    return replace(fitted, ensemble=calibrate(fitted.ensemble, known, [validation])), budget


def fit_again(
    series: SeriesSet,
    fitted: Fitted,
    settings: Settings,
    *,
    budget: TimeBudget,
    progress: Progress,
) -> Fitted:
    """Fit the same recipe on more rows, each network for the number of steps that was best before."""
    steps = [fit.best_step for fit in fitted.fits]
    return _fit(series, fitted.recipe, settings, budget=budget, progress=progress, num_steps=steps)


def _fit(
    series: SeriesSet,
    recipe: Recipe,
    settings: Settings,
    *,
    budget: TimeBudget,
    progress: Progress,
    validation: Windows | None = None,
    num_steps: Sequence[int] | None = None,
) -> Fitted:
    ensemble, fits = fit_ensemble(
        series,
        recipe,
        validation=validation,
        training=settings.training,
        budget=budget,
        progress=progress,
        num_steps=num_steps,
    )
    return Fitted(recipe=recipe, ensemble=ensemble, fits=fits)
