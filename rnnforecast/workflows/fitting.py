"""Choose a recipe, fit it and calibrate its intervals on one set of rows; what train, compare and refits share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.members import PretrainedSettings
from rnnforecast.training.budget import TimeBudget, parse_duration
from rnnforecast.training.checkpoints import Checkpoints, Conduct
from rnnforecast.training.ensemble import choose_device, fit_ensemble
from rnnforecast.training.recipe import Recipe, choose_recipe, gather_facts
from rnnforecast.training.standing import Fit
from rnnforecast.training.starting import choose_plan, with_pretrained
from rnnforecast.workflows.base import read_base
from rnnforecast.workflows.choosing import AS_IT_IS, BOTH, Choice, choose, split_ensemble
from rnnforecast.workflows.judging import calibrate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rnnforecast.config import Settings
    from rnnforecast.data.series import SeriesSet
    from rnnforecast.data.windows import Windows
    from rnnforecast.forecasting import Ensemble
    from rnnforecast.progress import Progress


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
    checkpoints: Checkpoints | None = None,
) -> tuple[Fitted, TimeBudget]:
    """Choose and fit on `known`, stopping at the best weights on `validation`; nothing else is looked at.

    `rounds` is how many fits of the whole recipe the time budget must pay for; what is left of it is returned. With
    `checkpoints` every fit goes on where it was saved, and is saved there.
    """
    choose_device(settings.training.device)  # a device that is not there is refused even where nothing is fitted
    facts = gather_facts(known, horizon=horizon)
    plan, reason = choose_plan(facts, settings)
    recipe = choose_recipe(facts, settings)
    pretrained: Ensemble | None = None
    if plan != "scratch":
        pretrained = read_base().ensemble(known.season_length)
        member = read_base().member(known.season_length)
        recipe = with_pretrained(recipe, member, plan, training=settings.training)
    text = settings.training.time_budget
    budget = TimeBudget(None if text is None else parse_duration(text), rounds)
    if pretrained is not None and plan == "as it is":
        fitted = _unfitted(recipe, pretrained)
    else:
        start = None if pretrained is None else pretrained.weights[0]
        conduct = Conduct(budget, progress, checkpoints)
        fitted = _fit(known, recipe, settings, conduct=conduct, validation=validation, start=start)
    if pretrained is not None and plan in ("tuned", "both"):
        reason = "nothing was held out to choose by (--from)"
        if len(validation):
            choice = choose(fitted.ensemble, pretrained, known, validation, horizon=horizon)
            fitted, reason = _keep(fitted, pretrained, choice), choice.sentence()
    recipe = replace(fitted.recipe, reasons={**fitted.recipe.reasons, "from": reason})
    ensemble = calibrate(fitted.ensemble, known, [validation], horizon=horizon)
    return replace(fitted, recipe=recipe, ensemble=ensemble), budget


def _unfitted(recipe: Recipe, pretrained: Ensemble) -> Fitted:
    """Return the pre-trained network as it is, as if it had been fitted for no step."""
    weights = {name: np.asarray(tensor) for name, tensor in pretrained.weights[0].items()}
    fit = Fit(
        weights=weights,
        best_step=0,
        num_steps=0,
        best_score=None,
        losses=(),
        clipped_share=0.0,
        num_rollbacks=0,
        seconds=0.0,
    )
    member = next(member for member in pretrained.members if isinstance(member, PretrainedSettings))
    return Fitted(recipe=with_pretrained(recipe, member, "as it is"), ensemble=pretrained, fits=(fit,))


def _keep(fitted: Fitted, pretrained: Ensemble, choice: Choice) -> Fitted:
    """Return what was chosen of a fitted recipe."""
    if choice.kept == BOTH:
        return fitted
    if choice.kept == AS_IT_IS:
        return _unfitted(fitted.recipe, pretrained)
    kept = split_ensemble(fitted.ensemble)[choice.kept]
    index = [i for i, member in enumerate(fitted.recipe.members) if member in kept.members]
    fit = fitted.recipe.fit_of(kept.members[0])
    recipe = replace(fitted.recipe, members=kept.members, fit=fit, groups=())
    return Fitted(recipe=recipe, ensemble=kept, fits=tuple(fitted.fits[i] for i in index))


def fit_again(
    series: SeriesSet,
    fitted: Fitted,
    settings: Settings,
    *,
    budget: TimeBudget,
    progress: Progress,
    checkpoints: Checkpoints | None = None,
) -> Fitted:
    """Fit the same recipe on more rows, each network for the number of steps that was best before."""
    steps = [fit.best_step for fit in fitted.fits]
    if not any(steps):
        return fitted
    start = None
    if any(isinstance(member, PretrainedSettings) for member in fitted.recipe.members):
        start = read_base().weights(series.season_length)
    conduct = Conduct(budget, progress, checkpoints)
    return _fit(series, fitted.recipe, settings, conduct=conduct, num_steps=steps, start=start)


def _fit(
    series: SeriesSet,
    recipe: Recipe,
    settings: Settings,
    *,
    conduct: Conduct,
    validation: Windows | None = None,
    num_steps: Sequence[int] | None = None,
    start: Mapping[str, np.ndarray] | None = None,
) -> Fitted:
    ensemble, fits = fit_ensemble(
        series,
        recipe,
        validation=validation,
        training=settings.training,
        conduct=conduct,
        num_steps=num_steps,
        start=start,
    )
    return Fitted(recipe=recipe, ensemble=ensemble, fits=fits)
