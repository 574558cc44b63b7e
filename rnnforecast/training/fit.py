"""Choose a recipe, fit it, weight its groups and calibrate: shared by train, compare and backtests with refit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.config import Settings
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import FlatSeries, Windows
from rnnforecast.findings import plural
from rnnforecast.forecasting import Ensemble, forecast_theta_in_context, split_groups
from rnnforecast.frozen import dataclass
from rnnforecast.inference.season_classes import network_seasons
from rnnforecast.members import Member, PretrainedSettings
from rnnforecast.mixture.trained import KeptForecasts, TrainedForecaster
from rnnforecast.mixture.zero_shot import zero_shot_season
from rnnforecast.model_io.base import read_base
from rnnforecast.store.record import FitCurve
from rnnforecast.training.ensemble_weights import EnsembleWeights, ValidationActuals, choose_weights, subsample
from rnnforecast.training.fit_result import Fit, curve_of
from rnnforecast.training.initial_weights import (
    FINE_TUNED,
    SCRATCH,
    THETA,
    ZERO_SHOT,
    choose_plan,
    usual_weights,
    with_pretrained,
)
from rnnforecast.training.judge import calibrate
from rnnforecast.training.recipe import DataFacts, Recipe, choose_recipe, gather_facts

if TYPE_CHECKING:
    from rnnforecast.training.context import FitContext
    from rnnforecast.training.warm_start import WarmStart


@dataclass(frozen=True)
class Fitted:
    """A recipe with its networks of some weight.

    `ensemble` has group weights and is calibrated on the validation windows.
    """

    recipe: Recipe
    ensemble: Ensemble
    fits: tuple[Fit, ...]
    notes: tuple[str, ...] = ()  # what stopped early
    curves: tuple[FitCurve, ...] = ()  # of all networks that were fitted, also of those without a weight


def fit_train_rows(
    train_series: SeriesSet,
    settings: Settings,
    *,
    horizon: int,
    validation: Windows,
    context: FitContext,
    warm: WarmStart | None = None,
    kept: KeptForecasts | None = None,
) -> Fitted:
    """Choose and fit a recipe on the rows before the `validation` windows, and choose weights and intervals on those.

    `warm` takes recipe and weights from a stored model; forecasts without training are `kept` for the caller. Raises
    ResourceError for a missing device, even where nothing is fitted.
    """
    if settings.training.device not in ("auto", "cpu"):
        from rnnforecast.training.ensemble import choose_device  # imports torch

        choose_device(settings.training.device)
    facts, kept = gather_facts(train_series, horizon=horizon), kept or KeptForecasts()
    if warm is None:
        fitted, found = _fit_anew(train_series, facts, settings, context=context, validation=validation, kept=kept)
    else:
        fitted, found = _fit_from(warm, train_series, facts, settings, context=context, validation=validation)
    return _complete(fitted, found, train_series, facts, settings, validation=validation, kept=kept)


def _complete(
    fitted: Fitted,
    found: _Found,
    train_series: SeriesSet,
    facts: DataFacts,
    settings: Settings,
    *,
    validation: Windows,
    kept: KeptForecasts,
) -> Fitted:
    horizon = facts.horizon
    chosen = _choose_weights(
        fitted.ensemble,
        train_series,
        validation,
        horizon=horizon,
        usual=found.usual,
        theta_weight=settings.training.theta_weight,
        kept=kept,
    )
    fitted, reason = _with_weights(fitted, chosen), found.reason
    if found.fits and not any(fit.num_steps for fit in fitted.fits):
        reason += "; none of what was trained is used: it was no better on the validation rows"
    readers = (SCRATCH, ZERO_SHOT) if facts.num_covariates > facts.num_past_texts else (SCRATCH,)
    if facts.num_covariates and not any(chosen.weights.get(name) for name in readers):
        reason += "; what reads the covariates got no weight, so no forecast depends on them"
    reasons = {**fitted.recipe.reasons, "from": reason}
    if len(chosen.weights) > 1:
        reasons["theta_weight"] = chosen.sentence()
    ensemble = calibrate(fitted.ensemble, train_series, [validation], horizon=horizon, kept=kept)
    curves = _curves(found.fits, fitted.fits)
    return replace(fitted, recipe=replace(fitted.recipe, reasons=reasons), ensemble=ensemble, curves=curves)


@dataclass(frozen=True)
class _Found:
    """What a first fit leaves besides its networks."""

    usual: dict[str, float]  # the weights of the groups before validation
    reason: str  # why training starts where it does
    fits: list[tuple[Member, Fit]]  # all of them, also those that are not used


def _fit_anew(
    series: SeriesSet,
    facts: DataFacts,
    settings: Settings,
    *,
    context: FitContext,
    validation: Windows,
    kept: KeptForecasts,
) -> tuple[Fitted, _Found]:
    plan, reason = choose_plan(facts, settings)
    if plan == "scratch":
        settings.data.reject_longer_seasons("a network from scratch")
    recipe = choose_recipe(facts, settings)
    pretrained: Ensemble | None = None
    if plan != "scratch":
        pretrained = read_base().ensemble(series.season_length)
        member = read_base().member(series.season_length)
        recipe = with_pretrained(recipe, member, plan, training=settings.training)
    season = zero_shot_season(series, is_given=bool(settings.data.season_length))
    fits: list[tuple[Member, Fit]] = []
    if pretrained is not None and plan == "zero-shot":
        fitted = _add_zero_shot(None, recipe, season, series.other_seasons)
    else:
        start, rival = None, None
        if pretrained is not None:
            start = pretrained.weights[0]
            if recipe.fit.far_behind and len(validation):
                alone = _add_zero_shot(None, recipe, season, series.other_seasons).ensemble
                rival = TrainedForecaster(alone, series, kept)(validation, facts.horizon)
        fitted = _fit(series, recipe, settings, context=context, validation=validation, start=start, rival=rival)
        notes, fits = _stopped(fitted), _pairs(fitted)
        if pretrained is not None:
            fitted = _add_zero_shot(fitted, fitted.recipe, season, series.other_seasons)
        fitted = replace(_without_unused(fitted), notes=notes)
    left = {_group_of(*pair) for pair in _pairs(fitted)}
    usual = usual_weights(facts, plan, settings, without={SCRATCH, FINE_TUNED} - left)
    return fitted, _Found(usual, reason, fits)


def _fit_from(
    warm: WarmStart,
    series: SeriesSet,
    facts: DataFacts,
    settings: Settings,
    *,
    context: FitContext,
    validation: Windows,
) -> tuple[Fitted, _Found]:
    fitted = _fit(series, warm.recipe(facts, settings), settings, context=context, validation=validation)
    notes, fits = _stopped(fitted), _pairs(fitted)
    season = warm.zero_shot_season
    if season is not None:
        fitted = _add_zero_shot(fitted, fitted.recipe, season, series.other_seasons)
    if warm.ensemble.calibration is not None:
        # where no window is left to calibrate on, intervals stay as wide as they were
        fitted = replace(fitted, ensemble=replace(fitted.ensemble, calibration=warm.ensemble.calibration))
    reason = f"given (--from): {plural(len(warm.fitted), 'network')} of {warm.label}, trained further"
    return replace(fitted, notes=notes), _Found(warm.usual_weights(settings.training.theta_weight), reason, fits)


def _zero_shot_fit(pretrained: Ensemble) -> Fit:
    """Return the weights of the pretrained network as a fit of no steps."""
    return Fit(
        weights={name: np.asarray(tensor) for name, tensor in pretrained.weights[0].items()},
        best_step=0,
        num_steps=0,
        best_score=None,
        losses=(),
        clipped_fraction=0.0,
        num_rollbacks=0,
        seconds=0.0,
    )


def _add_zero_shot(fitted: Fitted | None, recipe: Recipe, season: int, others: Sequence[int]) -> Fitted:
    """Return a fitted recipe, or none, with the zero-shot ensemble as one more group: `base` for all its seasons.

    These are the season of the panel, those that its members ask for, and `others` that some series have instead.
    """
    lengths = dict.fromkeys((*network_seasons(season), *others))
    added = [read_base().ensemble(length) for length in lengths]
    members = tuple(each.members[0] for each in added)
    weights = tuple(each.weights[0] for each in added)
    fits = tuple(_zero_shot_fit(each) for each in added)
    if fitted is None:
        recipe = replace(recipe, members=members, groups=())
        return Fitted(recipe, Ensemble(members, weights, zero_shot_group=0), fits)
    groups = recipe.groups or (0,) * len(recipe.members)
    number = max(groups) + 1
    recipe = replace(
        recipe,
        members=(*recipe.members, *members),
        groups=(*groups, *(number for _ in members)),
        starts=(*recipe.starts, *(None for _ in members)) if recipe.starts else (),
    )
    ensemble = replace(
        fitted.ensemble,
        members=recipe.members,
        weights=(*fitted.ensemble.weights, *weights),
        groups=recipe.groups,
        zero_shot_group=number,
    )
    return Fitted(recipe, ensemble, (*fitted.fits, *fits))


def _pairs(fitted: Fitted) -> list[tuple[Member, Fit]]:
    return list(zip(fitted.recipe.members, fitted.fits, strict=True))


def _curves(fits: Sequence[tuple[Member, Fit]], used: Sequence[Fit]) -> tuple[FitCurve, ...]:
    return tuple(curve_of(fit, name=_name(member), is_used=any(fit is other for other in used)) for member, fit in fits)


def _name(member: Member) -> str:
    """Return a network in a few words: `gru, 48 steps`, those that it reads."""
    kind = "base, fine-tuned" if isinstance(member, PretrainedSettings) else member.cell
    return f"{kind}, {member.context_length} steps"


def _group_of(member: Member, fit: Fit) -> str:
    if not isinstance(member, PretrainedSettings):
        return SCRATCH
    return FINE_TUNED if fit.best_step > 0 else ZERO_SHOT


def _stopped(fitted: Fitted) -> tuple[str, ...]:
    """Say which fits ended early, and where fine-tuning improved nothing."""
    notes = []
    stopped = [(fit, fitted.recipe.fit_of(member).num_steps) for member, fit in _pairs(fitted) if fit.is_stopped]
    behind = [(fit, steps) for fit, steps in stopped if fit.is_behind]
    for fits, why in (
        (behind, "they were far behind the forecasts without training on the validation rows, which are used instead"),
        ([each for each in stopped if not each[0].is_behind], "the validation score no longer improved"),
    ):
        if fits:
            done, planned = sum(fit.num_steps for fit, _ in fits), sum(steps for _, steps in fits)
            notes.append(
                f"{len(fits)} of {len(fitted.fits)} networks stopped early, after {done} of {planned} steps in all: {why} "
                "(`--effort best` fits all to the end)"
            )
    unchanged = sum(fit.best_step == 0 for fit in fitted.fits)
    if fitted.recipe.starts and unchanged:
        notes.append(
            f"{unchanged} of {len(fitted.fits)} networks did not improve on the validation rows: they stay as they were"
        )
    elif any(
        isinstance(member, PretrainedSettings) and fit.best_step == 0 and not fit.is_behind
        for member, fit in _pairs(fitted)
    ):
        notes.append(
            "fine-tuning did not improve the pretrained network on the validation rows: it is used without training"
        )
    return tuple(notes)


def _without_unused(fitted: Fitted) -> Fitted:
    """Drop networks far behind the members without training, and a pretrained one that fine-tuning did not improve.

    That one is among the members without training already.

    Where half of the networks from scratch are far behind, all are dropped: that the others were not may be chance.
    """
    scratch = [fit.is_behind for member, fit in _pairs(fitted) if not isinstance(member, PretrainedSettings)]
    all_behind = 2 * sum(scratch) >= len(scratch)
    index = [
        number
        for number, (member, fit) in enumerate(_pairs(fitted))
        if not fit.is_behind
        and not (fit.num_steps > 0 and fit.best_step == 0 if isinstance(member, PretrainedSettings) else all_behind)
    ]
    return fitted if len(index) == len(fitted.fits) else _select(fitted, index)


def _select(fitted: Fitted, index: Sequence[int]) -> Fitted:
    """Return a fitted recipe with these members alone; what is left of the groups is numbered anew."""
    groups = fitted.ensemble.groups or (0,) * len(fitted.ensemble.members)
    kept = sorted({groups[i] for i in index})
    renumbered = tuple(kept.index(groups[i]) for i in index) if len(kept) > 1 else ()
    ensemble = replace(
        fitted.ensemble,
        members=tuple(fitted.ensemble.members[i] for i in index),
        weights=tuple(fitted.ensemble.weights[i] for i in index),
        groups=renumbered,
        zero_shot_group=kept.index(number) if (number := fitted.ensemble.zero_shot_group) in kept else None,
    )
    fits = tuple(fitted.fits[i] for i in index)
    return replace(fitted, recipe=fitted.recipe.select(index, groups=renumbered), ensemble=ensemble, fits=fits)


def _choose_weights(
    ensemble: Ensemble,
    train_series: SeriesSet,
    validation: Windows,
    *,
    horizon: int,
    usual: Mapping[str, float],
    theta_weight: float | None,
    kept: KeptForecasts,
) -> EnsembleWeights:
    """Choose the weight of every group on the validation windows; `usual` lists the groups by their numbers."""
    if not len(validation) or len(usual) - (usual.get(THETA) == 0) < 2:
        weights = {name: weight for name, weight in usual.items() if weight}
        return EnsembleWeights(weights=weights, losses={}, combined_loss=None)
    windows = subsample(validation)
    plain = replace(ensemble, calibration=None, group_weights=(), theta_weight=0.0)
    zero_shot = TrainedForecaster(plain, train_series).zero_shot
    if zero_shot is not None:
        kept.forecast(zero_shot, validation, horizon)  # all at once: intervals need those beyond the sample too
    forecasts = {
        name: TrainedForecaster(part, train_series, kept)(windows, horizon)
        for name, part in zip((n for n in usual if n != THETA), split_groups(plain), strict=True)
    }
    if usual.get(THETA):
        flat = FlatSeries.from_series(train_series)
        forecasts[THETA] = forecast_theta_in_context(ensemble, flat, windows, horizon=horizon)
    return choose_weights(
        forecasts,
        ValidationActuals.of(train_series, windows, horizon=horizon),
        usual={name: usual[name] for name in forecasts},
        levels=ensemble.quantile_levels,
        theta_weight=theta_weight,
    )


def _with_weights(fitted: Fitted, chosen: EnsembleWeights) -> Fitted:
    """Return a fitted recipe with the chosen group weights; networks of groups without weight are dropped."""
    theta = chosen.weights.get(THETA, 0.0)
    weights = [weight for name, weight in chosen.weights.items() if name != THETA]
    groups = fitted.ensemble.groups or (0,) * len(fitted.ensemble.members)
    numbers = sorted(set(groups))
    kept = [number for number, weight in zip(numbers, weights, strict=True) if weight > 0]
    fitted = _select(fitted, [i for i, group in enumerate(groups) if group in kept])
    total = sum(weight for weight in weights if weight > 0)
    ensemble = replace(
        fitted.ensemble,
        group_weights=tuple(weight / total for weight in weights if weight > 0) if len(kept) > 1 else (),
        theta_weight=theta,
    )
    fit = fitted.recipe.fit_of(ensemble.members[0])
    if not any(each.num_steps for each in fitted.fits):
        fit = replace(fit, num_steps=0)
    return replace(fitted, recipe=replace(fitted.recipe, fit=fit), ensemble=ensemble)


def fit_again(series: SeriesSet, fitted: Fitted, settings: Settings, *, context: FitContext) -> Fitted:
    """Fit the same recipe on more rows, each network for the number of steps that was best before.

    Zero-shot networks do not change, and every group keeps its weight.
    """
    index = [i for i, fit in enumerate(fitted.fits) if fit.best_step > 0]
    if not index:
        return fitted
    recipe = fitted.recipe.select(index)
    start = None
    if any(isinstance(member, PretrainedSettings) for member in recipe.members):
        start = read_base().weights(series.season_length)
    steps = [fitted.fits[i].best_step for i in index]
    again = _fit(series, recipe, settings, context=context, num_steps=steps, start=start)
    weights, fits = list(fitted.ensemble.weights), list(fitted.fits)
    for place, new, fit in zip(index, again.ensemble.weights, again.fits, strict=True):
        weights[place], fits[place] = new, fit
    return replace(fitted, ensemble=replace(fitted.ensemble, weights=tuple(weights)), fits=tuple(fits))


def _fit(
    series: SeriesSet,
    recipe: Recipe,
    settings: Settings,
    *,
    context: FitContext,
    validation: Windows | None = None,
    num_steps: Sequence[int] | None = None,
    start: Mapping[str, np.ndarray] | None = None,
    rival: Float64Array | None = None,
) -> Fitted:
    from rnnforecast.training.ensemble import fit_ensemble  # imports torch

    ensemble, fits = fit_ensemble(
        series,
        recipe,
        validation=validation,
        training=settings.training,
        context=context,
        num_steps=num_steps,
        start=start,
        rival=rival,
    )
    return Fitted(recipe=recipe, ensemble=ensemble, fits=fits)
