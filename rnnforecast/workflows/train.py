"""`train`: read data, split it, fit, test, and store the model."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.config import Settings, TrainingSettings
from rnnforecast.data.bounds import SeriesBounds
from rnnforecast.data.covariates.calendar import is_generated
from rnnforecast.data.files.local import STDIN
from rnnforecast.data.read import Assumptions, ReadResult, read_series
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.sources import stem_of
from rnnforecast.data.tables.in_memory import IN_MEMORY, inputs_of
from rnnforecast.errors import UsageError
from rnnforecast.evaluation.backtest import Forecaster, Spacing
from rnnforecast.findings import JSONValue
from rnnforecast.forecasting import Ensemble
from rnnforecast.frozen import dataclass
from rnnforecast.inference.threads import one_blas_thread
from rnnforecast.members import ENSEMBLE
from rnnforecast.mixture.gains import covariate_gains, gains_note
from rnnforecast.mixture.trained import KeptForecasts, TrainedForecaster
from rnnforecast.model_io.base import BASE, reject_base_name
from rnnforecast.model_io.pack import Record, pack_model
from rnnforecast.options import Activate
from rnnforecast.progress import NoProgress, Progress
from rnnforecast.store.manifest import TestRecord
from rnnforecast.store.names import name_from_stem
from rnnforecast.store.registry import Registry
from rnnforecast.store.versions import StoredModel
from rnnforecast.training.context import FitContext
from rnnforecast.training.initial_weights import names_model
from rnnforecast.training.judge import (
    NETWORKS,
    Judgement,
    baseline_forecasters,
    calibrate,
    choose_rival,
    how_to_test,
    judge_methods,
    pretrained_forecaster,
    squared_error_note,
    statistical_forecasters,
)
from rnnforecast.training.split import Split, fit_horizon, split_for
from rnnforecast.training.usable_rows import check_logarithms, leave_out_short
from rnnforecast.training.warm_start import WarmStart
from rnnforecast.workflows.champion import Challenger, decide
from rnnforecast.workflows.forecasts.explain import regression_notes
from rnnforecast.workflows.forecasts.parts import zero_shot_of
from rnnforecast.workflows.monitoring.freshness import check_age, parse_age
from rnnforecast.workflows.results import TrainResult
from rnnforecast.workflows.warm_start import open_start

if TYPE_CHECKING:
    from rnnforecast.data.tables.in_memory import Data
    from rnnforecast.training.checkpoints import Checkpoints
    from rnnforecast.training.cluster import Cluster
    from rnnforecast.training.fit import Fitted

#: Settings that change nothing where no network is fitted.
HOW_TO_FIT = (
    "num_steps",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "gradient_clip",
    "teacher_forcing",
    "num_members",
    "refit",
)


@dataclass(frozen=True)
class Trained:
    """A trained and tested ensemble before it is stored."""

    ensemble: Ensemble  # intervals calibrated on validation and test windows
    fitted: Fitted  # the fit that was tested
    final: Fitted  # the fit that is stored, on all rows where it was made again
    split: Split
    judgement: Judgement
    horizon: int
    seconds: float
    is_refitted: bool  # fitted again, on all rows

    @property
    def uses_all_rows(self) -> bool:
        """Whether the stored model used the test rows: it was fitted again, or there was nothing to fit."""
        return self.is_refitted or not any(fit.num_steps for fit in self.final.fits)


@one_blas_thread()
def train(
    data: Data,
    settings: Settings | None = None,
    *,
    name: str | None = None,
    store: str | Path | None = None,
    progress: Progress | None = None,
    activate: Activate = "auto",
    max_age: str | None = None,
    cluster: Cluster | None = None,
) -> TrainResult:
    """Train on files, test on held-out windows, and store the model under `name` (default: the file's stem).

    A name that has a model gets a new version, which with `activate` left at `auto` becomes the active one unless it is
    significantly worse than that. `max_age` rejects older rows, e.g. `36h`. Where `from` in the settings names a stored
    model, the training starts from its weights, by default as its next version. A Ray `cluster` fits the networks.

    Raises InputError, DataError, StaleError, UsageError, OutputError, ResourceError, DivergedError. A failure leaves stored
    models unchanged. A training that was stopped resumes when it is started again with the same data and settings.
    """
    settings, data = settings or Settings(), inputs_of(data)
    age, registry = parse_age(max_age) if max_age is not None else None, Registry(store)
    start = open_start(spec, settings, registry) if names_model(spec := settings.training.from_) else None
    settings = settings if start is None else start.settings
    read = read_series(data, settings.data, allow_words=True) if start is None else start.read(data)
    read = replace(read, findings=(*read.findings, *check_age(read.series, age)))
    name = name or (default_name(data, read.paths) if start is None else start.manifest.name)
    reject_base_name(name)
    registry.check_writable(name)
    read = replace(read, assumptions=fit_horizon(read, settings.data))
    assumptions, progress = read.assumptions, progress or NoProgress()
    if read.series.target_categories:
        from rnnforecast.workflows.categorical import train_categories

        if cluster is not None:
            raise UsageError("--on has no effect on categories: one network is trained", hint="leave it out")
        return train_categories(read, settings, name=name, registry=registry, progress=progress, activate=activate)
    read = _usable(read, settings, horizon=assumptions.horizon)
    opened: list[Checkpoints] = []
    trained = train_series(
        read.series,
        settings,
        horizon=assumptions.horizon,
        progress=progress,
        open_checkpoints=partial(_open_checkpoints, opened, registry.store, name, read, settings),
        warm=None if start is None else start.start_on(read.series),
        cluster=cluster,
    )
    served = served_method(trained.judgement, settings)
    decision = decide(registry, name, _challenger(read.series, trained, settings, served=served), activate=activate)
    record = _record(read.series, trained, served=served)
    kept = settings if start is None else start.record
    model = pack_model(read, trained.ensemble, assumptions=assumptions, settings=kept, name=name, record=record)
    stored = registry.add(model, activate=decision.activate, reason=decision.reason)
    for checkpoints in opened:
        checkpoints.remove()
    report = _report(read, trained, settings, assumptions=assumptions, stored=stored, served=served)
    activation = decision.to_dict(model=stored.label, is_active=stored.is_active)
    resumed = [note for checkpoints in opened for note in checkpoints.notes()]
    return replace(report, activation=activation, notes=(*report.notes, *registry.repairs, *resumed))


def _open_checkpoints(
    opened: list[Checkpoints], store: Path, name: str, read: ReadResult, settings: Settings
) -> Checkpoints:
    from rnnforecast.training.resume import open_checkpoints  # imports torch: only where something is fitted

    opened.append(open_checkpoints(store, name, read.series, settings, horizon=read.assumptions.horizon))
    return opened[0]


def _usable(read: ReadResult, settings: Settings, *, horizon: int) -> ReadResult:
    check_logarithms(read.series, log=settings.network.log)
    series, short = leave_out_short(read.series, horizon=horizon, short=settings.data.short)
    return replace(read, series=series, findings=(*read.findings, *short))


def _record(series: SeriesSet, trained: Trained, *, served: str) -> Record:
    return Record(
        metrics=trained.judgement.metrics(),
        verdict=trained.judgement.verdict_dict(),
        served=served,
        seconds=trained.seconds,
        fitted_lengths=series.lengths if trained.uses_all_rows else trained.split.num_past_rows,
        by_lead=trained.judgement.lead_record(),
        curves=trained.fitted.curves,
        test=TestRecord(num_windows=trained.split.num_windows, window_step=trained.split.window_step),
    )


def train_series(
    series: SeriesSet,
    settings: Settings,
    *,
    horizon: int,
    progress: Progress,
    open_checkpoints: Callable[[], Checkpoints] | None = None,
    warm: WarmStart | None = None,
    cluster: Cluster | None = None,
) -> Trained:
    """Fit, test, and where asked fit again on all rows; only that fit sees the test rows. `warm` starts from a stored model."""
    from rnnforecast.training.fit import fit_again, fit_train_rows

    started = time.monotonic()
    split = split_for(series, settings, horizon=horizon, num_seen=None if warm is None else warm.num_seen)
    rounds = settings.training.num_rounds(usual=1 if warm is None else 2)
    context = FitContext.of(settings, progress, rounds=rounds, open_checkpoints=open_checkpoints, cluster=cluster)
    kept = KeptForecasts()
    fitted = fit_train_rows(
        series.head(split.num_past_rows),  # not bound to a name, so that its memory can be freed
        settings,
        horizon=horizon,
        validation=split.validation,
        context=context,
        warm=warm,
        kept=kept,
    )
    judgement = _judge(fitted.ensemble, series, split, settings, horizon=horizon, kept=kept)
    # intervals are calibrated on all windows that the tested networks were not trained on
    unseen = [split.validation, split.test]
    calibration = calibrate(fitted.ensemble, series, unseen, horizon=horizon, kept=kept).calibration
    del kept  # many forecasts
    final = fitted
    if rounds == 2:
        final = fit_again(series, fitted, settings, context=context)
    return Trained(
        ensemble=replace(final.ensemble, calibration=calibration),
        fitted=fitted,
        final=final,
        split=split,
        judgement=judgement,
        horizon=horizon,
        seconds=time.monotonic() - started,
        is_refitted=rounds == 2,
    )


def _challenger(series: SeriesSet, trained: Trained, settings: Settings, *, served: str) -> Challenger:
    return Challenger(
        series=series,
        judgement=trained.judgement,
        served=served,
        horizon=trained.horizon,
        gap=settings.evaluation.gap,
        window_step=trained.split.window_step,
        is_warm=names_model(settings.training.from_),
    )


def default_name(data: Sequence[str | Path], paths: Sequence[str]) -> str:
    """Return the default name: that of a folder that is one table, else the stem of the first file.

    `data` are the user's arguments, `paths` the files found.
    """
    if len(data) == 1 and Path(data[0]).is_dir():
        return name_from_stem(Path(data[0]).resolve().name)
    return {STDIN: "stdin", IN_MEMORY: "dataframe"}.get(paths[0]) or name_from_stem(stem_of(paths[0]))


def served_method(judgement: Judgement, settings: Settings) -> str:
    """Return the method to serve: the network, or with `--on-loss serve-baseline` after a loss the winner.

    With too few test rows for a significance test, a larger error counts as a loss.
    """
    verdict = judgement.verdict
    if verdict is None or settings.evaluation.on_loss != "serve-baseline":
        return ENSEMBLE
    lost = verdict.outcome == "loss" or (verdict.test == "none" and verdict.comparison.statistic > 0)
    return verdict.against if lost else ENSEMBLE


def _judge(
    ensemble: Ensemble, series: SeriesSet, split: Split, settings: Settings, *, horizon: int, kept: KeptForecasts
) -> Judgement:
    shown: dict[str, Forecaster] = {}
    if ensemble.theta_weight:
        shown[NETWORKS] = TrainedForecaster(replace(ensemble, theta_weight=0.0), series, kept)
    if ensemble.uses_pretrained:
        shown[BASE] = pretrained_forecaster(series, bounds=settings.data.bounds, kept=kept)
    shown |= statistical_forecasters(series)
    methods: dict[str, Forecaster] = {
        ENSEMBLE: TrainedForecaster(ensemble, series, kept),
        **shown,
        **baseline_forecasters(series),
    }
    spacing = Spacing(horizon, settings.evaluation.gap, split.window_step)
    return judge_methods(
        methods,
        series,
        split.test,
        spacing=spacing,
        bounds=SeriesBounds.of(series, settings.data),
        rival=choose_rival(series, split.validation, horizon=horizon),
        remedy=how_to_test(series, spacing, num_kept=split.num_kept),
    )


def _report(
    read: ReadResult,
    trained: Trained,
    settings: Settings,
    *,
    assumptions: Assumptions,
    stored: StoredModel,
    served: str,
) -> TrainResult:
    gains = covariate_gains(zero_shot_of(read.series), trained.horizon)
    return TrainResult(
        model=stored.label,
        path=str(stored.path),
        assumptions=assumptions.to_dict(),
        reasons={**assumptions.reasons, **trained.fitted.recipe.reasons},
        findings=read.findings,
        settings=chosen_settings(settings, assumptions, trained),
        members=tuple(_describe(trained)),
        metrics=trained.judgement.metrics(),
        verdict=trained.judgement.verdict_dict(),
        served=served,
        num_windows=trained.split.num_windows,
        seconds=trained.seconds,
        gains=gains,
        notes=(
            *_notes(trained, settings, read.series),
            *gains_note(gains, num_covariates=len(read.series.covariate_names)),
            *regression_notes(TrainedForecaster(trained.ensemble, read.series).zero_shot, trained.horizon),
            *squared_error_note(trained.judgement, read.series),
            *_zero_shot_note(trained.judgement, read.paths[0]),
        ),
    )


def chosen_settings(settings: Settings, assumptions: Assumptions, trained: Trained) -> dict[str, JSONValue]:
    """Return the flat settings, with open ones set to the choices of data and recipe."""
    fitted, recipe = trained.fitted, trained.fitted.recipe
    first = recipe.members[0].model_dump(mode="json")
    chosen: dict[str, JSONValue] = {
        **first,
        **{key: getattr(recipe.fit, key) for key in ("num_steps", "batch_size", "learning_rate")},
        **{key: value for key, value in assumptions.to_dict().items() if not key.startswith("num_")},
        "num_members": len(recipe.members),
        "theta_weight": fitted.ensemble.theta_weight,
        "refit": trained.is_refitted,
    }
    flat = settings.to_flat()
    return {key: chosen.get(key) if value in (None, []) else value for key, value in flat.items()}


def _describe(trained: Trained) -> list[dict[str, JSONValue]]:
    return [
        {
            **member.model_dump(mode="json", exclude={"quantile_levels"}),
            "context_length": member.context_length,
            "mapping": member.mapping,
            "num_steps": fit.num_steps,
            "best_step": fit.best_step,
            "validation_score": fit.best_score,
            "clipped_fraction": fit.clipped_fraction,
            "num_rollbacks": fit.num_rollbacks,
            "seconds": fit.seconds,
        }
        for member, fit in zip(trained.fitted.recipe.members, trained.fitted.fits, strict=True)
    ]


def _zero_shot_note(judgement: Judgement, path: str) -> tuple[str, ...]:
    """Say so where `base`, without training, had a smaller error on the test windows than what was trained."""
    metrics = judgement.metrics()
    if BASE not in metrics:
        return ()
    ours, theirs = (float(str(metrics[method]["mase"])) for method in (ENSEMBLE, BASE))
    if not theirs < ours:
        return ()
    return (
        f"`{BASE}` without training has the smaller error on the test windows (MASE {theirs:.3g}, trained {ours:.3g}): "
        f"`rnnforecast predict {BASE} --data {shlex.quote(path)}` forecasts by it",
    )


def _without_effect(training: TrainingSettings) -> str:
    """Return the flags that say how networks are fitted, as they differ from the defaults."""
    usual = TrainingSettings()
    given = [name for name in HOW_TO_FIT if getattr(training, name) not in (getattr(usual, name), False)]
    return ", ".join(f"`--{name.replace('_', '-')}`" for name in given)


def _notes(trained: Trained, settings: Settings, series: SeriesSet) -> tuple[str, ...]:
    notes = list(trained.fitted.notes)
    if trained.judgement.verdict is None:
        notes.append("too few rows for a test set: no scores, no verdict")
    num_tested_series = trained.split.num_tested_series
    num_tested = len(np.unique(trained.split.test.series))
    if num_tested < num_tested_series:
        notes.append(
            f"scores and verdict are based on {num_tested:,} series, evenly spread over {num_tested_series:,}; "
            "`evaluate` scores all of them"
        )
    unscored = series.num_series - num_tested_series
    if 0 < unscored < series.num_series:
        notes.append(
            f"{unscored} of {series.num_series} series are too short for test rows; all their rows are training rows"
        )
    recipe = trained.fitted.recipe
    wanted = [recipe.fit_of(member).num_steps for member in recipe.members]
    # zero-shot members take no steps
    short = [
        (fit.num_steps, steps)
        for fit, steps in zip(trained.fitted.fits, wanted, strict=True)
        if 0 < fit.num_steps < steps and not fit.is_stopped
    ]
    again = [
        (fit.num_steps, first.best_step)
        for fit, first in zip(trained.final.fits, trained.fitted.fits, strict=True)
        if fit is not first and fit.num_steps < first.best_step
    ]
    if not trained.fitted.curves and (unused := _without_effect(settings.training)):
        notes.append(f"nothing was fitted, so {unused} had no effect (--effort best, --from scratch)")
    if short:
        notes.append(
            f"the time budget {settings.training.time_budget} cut the training "
            f"from {min(short)[1]} to {min(short)[0]} steps"
        )
    if again:
        notes.append(
            f"the time budget {settings.training.time_budget} cut the second fit, on all rows, "
            f"from {again[0][1]} to {again[0][0]} steps"
        )
    known_ahead = int((np.diff(series.future_offsets) - series.lengths).min())
    if series.future_names and known_ahead < trained.horizon:
        names = ", ".join(f"`{name}`" for name in series.future_names if not is_generated(name))
        notes.append(
            f"to forecast {trained.horizon} steps, `predict` needs as many rows after the last target "
            f"with {names} and an empty target; the file has {known_ahead}"
        )
    if any(member.log for member in trained.fitted.recipe.members):
        low = int((series.values[series.observed] <= 0).sum())
        if low:
            notes.append(f"{low} values at or below zero count as missing: the networks use logarithms")
    rolled = sum(fit.num_rollbacks for fit in trained.fitted.fits)
    if rolled:
        notes.append(f"training became non-finite {rolled} times and resumed from the last good weights")
    return tuple(notes)
