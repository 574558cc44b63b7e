"""Choose a recipe, fit it, weigh its voices and calibrate: what train, compare and refits share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.data.windows import FlatSeries
from rnnforecast.forecasting import forecast_theta_beside, split_voices
from rnnforecast.members import PretrainedSettings
from rnnforecast.model_io.base import read_base
from rnnforecast.training.budget import TimeBudget
from rnnforecast.training.checkpoints import Checkpoints, Conduct
from rnnforecast.training.ensemble import choose_device, fit_ensemble
from rnnforecast.training.ensemble_weights import HeldOut, Shares, choose_shares, thin
from rnnforecast.training.initial_weights import SCRATCH, THETA, choose_plan, usual_shares, with_pretrained
from rnnforecast.training.judge import calibrate
from rnnforecast.training.recipe import Recipe, choose_recipe, gather_facts
from rnnforecast.training.state import Fit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rnnforecast.config import Settings
    from rnnforecast.data.series import SeriesSet
    from rnnforecast.data.windows import Windows
    from rnnforecast.forecasting import Ensemble
    from rnnforecast.progress import Progress


@dataclass(frozen=True)
class Fitted:
    """A recipe with its fitted networks; `ensemble` has the shares of its voices and is calibrated on validation."""

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
    limit = settings.training.time_budget
    budget = TimeBudget(None if limit is None else limit.seconds, rounds)
    if pretrained is not None and plan == "as it is":
        fitted = Fitted(recipe=recipe, ensemble=pretrained, fits=(_unfitted(pretrained),))
    else:
        start = None if pretrained is None else pretrained.weights[0]
        conduct = Conduct(budget, progress, checkpoints)
        fitted = _fit(known, recipe, settings, conduct=conduct, validation=validation, start=start)
        if pretrained is not None:
            fitted = _beside(fitted, pretrained)
    shares = _choose_shares(
        fitted.ensemble,
        known,
        validation,
        horizon=horizon,
        usual=usual_shares(facts, plan, settings),
        theta_share=settings.training.theta_share,
    )
    fitted = _with_shares(fitted, shares)
    if facts.num_covariates and not shares.shares.get(SCRATCH, 0.0):
        reason += "; those held too little to have a share, so that no forecast depends on a covariate"
    reasons = {**fitted.recipe.reasons, "from": reason}
    if len(shares.shares) > 1:
        reasons["theta_share"] = shares.sentence()
    ensemble = calibrate(fitted.ensemble, known, [validation], horizon=horizon)
    return replace(fitted, recipe=replace(fitted.recipe, reasons=reasons), ensemble=ensemble), budget


def _unfitted(pretrained: Ensemble) -> Fit:
    """Return the weights of the pretrained network as if they had been fitted for no step."""
    return Fit(
        weights={name: np.asarray(tensor) for name, tensor in pretrained.weights[0].items()},
        best_step=0,
        num_steps=0,
        best_score=None,
        losses=(),
        clipped_share=0.0,
        num_rollbacks=0,
        seconds=0.0,
    )


def _beside(fitted: Fitted, pretrained: Ensemble) -> Fitted:
    """Return a fitted recipe with the pretrained network as it is beside what was fitted, in a group of its own."""
    groups = fitted.recipe.groups or (0,) * len(fitted.recipe.members)
    recipe = replace(
        fitted.recipe,
        members=(*fitted.recipe.members, *pretrained.members),
        groups=(*groups, max(groups) + 1),
    )
    ensemble = replace(
        fitted.ensemble,
        members=recipe.members,
        weights=(*fitted.ensemble.weights, *pretrained.weights),
        groups=recipe.groups,
    )
    return Fitted(recipe=recipe, ensemble=ensemble, fits=(*fitted.fits, _unfitted(pretrained)))


def _choose_shares(
    ensemble: Ensemble,
    known: SeriesSet,
    validation: Windows,
    *,
    horizon: int,
    usual: Mapping[str, float],
    theta_share: float | None,
) -> Shares:
    """Choose the share of every voice on the validation origins; voices stand in the order of their groups."""
    if len(usual) - (usual.get(THETA) == 0) < 2:
        return Shares(shares={name: share for name, share in usual.items() if share}, losses={}, together=None)
    windows, flat = thin(validation), FlatSeries.from_series(known)
    plain = replace(ensemble, calibration=None, shares=(), theta_share=0.0)
    voices = {
        name: part.forecast(flat, windows, horizon=horizon, series=known)
        for name, part in zip((n for n in usual if n != THETA), split_voices(plain), strict=True)
    }
    if usual.get(THETA):
        voices[THETA] = forecast_theta_beside(ensemble, flat, windows, horizon=horizon)
    return choose_shares(
        voices,
        HeldOut.of(known, windows, horizon=horizon),
        usual={name: usual[name] for name in voices},
        levels=ensemble.quantile_levels,
        theta_share=theta_share,
    )


def _with_shares(fitted: Fitted, shares: Shares) -> Fitted:
    """Return a fitted recipe whose voices count as chosen; networks of voices that have no share are dropped."""
    theta = shares.shares.get(THETA, 0.0)
    voices = [share for name, share in shares.shares.items() if name != THETA]
    groups = fitted.ensemble.groups or (0,) * len(fitted.ensemble.members)
    numbers = sorted(set(groups))
    kept = [number for number, share in zip(numbers, voices, strict=True) if share > 0]
    index = [i for i, group in enumerate(groups) if group in kept]
    several = len(kept) > 1
    renumbered = tuple(kept.index(groups[i]) for i in index) if several else ()
    total = sum(share for share in voices if share > 0)
    ensemble = replace(
        fitted.ensemble,
        members=tuple(fitted.ensemble.members[i] for i in index),
        weights=tuple(fitted.ensemble.weights[i] for i in index),
        groups=renumbered,
        shares=tuple(share / total for share in voices if share > 0) if several else (),
        theta_share=theta,
    )
    fits = tuple(fitted.fits[i] for i in index)
    fit = fitted.recipe.fit_of(ensemble.members[0])
    if not any(each.num_steps for each in fits):
        fit = replace(fit, num_steps=0)
    recipe = replace(fitted.recipe, members=ensemble.members, groups=renumbered, fit=fit)
    return Fitted(recipe=recipe, ensemble=ensemble, fits=fits)


def fit_again(
    series: SeriesSet,
    fitted: Fitted,
    settings: Settings,
    *,
    budget: TimeBudget,
    progress: Progress,
    checkpoints: Checkpoints | None = None,
) -> Fitted:
    """Fit the same recipe on more rows, each network for the number of steps that was best before.

    Networks that were not fitted stay as they are, and every voice keeps its share.
    """
    index = [i for i, fit in enumerate(fitted.fits) if fit.best_step > 0]
    if not index:
        return fitted
    members = tuple(fitted.recipe.members[i] for i in index)
    start = None
    if any(isinstance(member, PretrainedSettings) for member in members):
        start = read_base().weights(series.season_length)
    conduct = Conduct(budget, progress, checkpoints)
    steps = [fitted.fits[i].best_step for i in index]
    recipe = replace(fitted.recipe, members=members, groups=())
    again = _fit(series, recipe, settings, conduct=conduct, num_steps=steps, start=start)
    weights, fits = list(fitted.ensemble.weights), list(fitted.fits)
    for place, new, fit in zip(index, again.ensemble.weights, again.fits, strict=True):
        weights[place], fits[place] = new, fit
    return replace(fitted, ensemble=replace(fitted.ensemble, weights=tuple(weights)), fits=tuple(fits))


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
