"""`tune`: search the settings of a network within a time budget, and test the best ones against the default."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.config import Settings
from rnnforecast.data.bounds import SeriesBounds
from rnnforecast.data.files.overwrite import Owned, check_outputs
from rnnforecast.data.read import read_series
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.tables.in_memory import inputs_of
from rnnforecast.data.windows import FlatSeries, Windows
from rnnforecast.errors import DataError, DivergedError, RnnForecastError, UsageError
from rnnforecast.evaluation.backtest import Spacing
from rnnforecast.evaluation.scales import seasonal_scales
from rnnforecast.evaluation.verdict import judge, overlap_of, rounds_of
from rnnforecast.findings import JSONValue
from rnnforecast.forecasting import Ensemble
from rnnforecast.frozen import dataclass
from rnnforecast.inference.threads import one_blas_thread
from rnnforecast.mixture.trained import TrainedForecaster
from rnnforecast.model_io.base import reject_base_name
from rnnforecast.progress import NoProgress, Progress
from rnnforecast.store.files import check_writable, replace_bytes
from rnnforecast.store.names import encode_name
from rnnforecast.store.registry import Registry
from rnnforecast.training.context import FitContext
from rnnforecast.training.ensemble_weights import ValidationActuals, subsample
from rnnforecast.training.fit import fit_train_rows
from rnnforecast.training.judge import Judgement, baseline_forecasters, judge_methods
from rnnforecast.training.parallel import JointProgress
from rnnforecast.training.processes import Task, num_processes, run_apart, run_in_processes
from rnnforecast.training.recipe import choose_recipe, gather_facts
from rnnforecast.training.refit import fit_before, rows_before
from rnnforecast.training.resume import digest_run
from rnnforecast.training.split import Split, cut_validation_windows, fit_horizon, split_rows
from rnnforecast.workflows.results import TuneResult
from rnnforecast.workflows.train import default_name
from rnnforecast.workflows.tuning.study import Space, Study

if TYPE_CHECKING:
    from rnnforecast.data.tables.in_memory import Data
    from rnnforecast.training.cluster import Cluster

#: Rolling windows, before the test rows, that a trial is measured on.
NUM_WINDOWS = 3
DEFAULT_SECONDS = 600.0
#: Part of the time that is kept for the last fits, of the winner and of the default.
KEPT_FRACTION = 0.3
TUNED, DEFAULT = "tuned", "default"
#: What settings lose in a window: None where nothing is known there, an error where the fit fails.
_Loss = float | RnnForecastError | None


@one_blas_thread()
def tune(
    data: Data,
    settings: Settings | None = None,
    *,
    name: str | None = None,
    store: str | Path | None = None,
    output: str | Path | None = None,
    num_trials: int | None = None,
    progress: Progress | None = None,
    cluster: Cluster | None = None,
) -> TuneResult:
    """Search the settings of a network for the time budget (default 10 minutes), each trial on rolling windows.

    The best and the default are then fitted as by `train` and compared on test windows that no trial saw. The trials run
    on a Ray `cluster`, or else in processes of this machine, and are kept as a study `name` (default: the file's stem),
    which another run continues. `output` is a file for `--config`.

    Raises InputError, DataError, UsageError, OutputError, ResourceError.
    """
    started = time.monotonic()
    settings, progress = settings or Settings(), progress or NoProgress()
    registry, data = Registry(store), inputs_of(data)
    owned: list[Owned] = [("the data", each) for each in (*data, *settings.data.future_data)]
    _check_output(output, [*owned, ("the store", registry.store)])
    read = read_series(data, settings.data)
    name = name or default_name(data, read.paths)
    reject_base_name(name)
    registry.check_writable(name)
    assumptions = fit_horizon(read, settings.data)
    series, horizon = read.series, assumptions.horizon
    split = split_rows(series, horizon=horizon, evaluation=settings.evaluation, must_test=True)
    rolling = _Rolling.of(series.head(split.num_past_rows), split, horizon=horizon)
    study = _open_study(registry.store / "tuning" / f"{encode_name(name)}.db", series, rolling, settings)
    seconds = DEFAULT_SECONDS if (limit := settings.training.time_budget) is None else limit.seconds
    until = started + (1 - KEPT_FRACTION) * seconds
    _Search(study, rolling, settings, until, num_trials, cluster).run(progress)
    trials = study.trials()
    chosen = {"from": "scratch", **trials[0].settings}
    both = {TUNED: _with(settings, chosen, seconds=seconds), DEFAULT: _with(settings, {}, seconds=seconds)}
    judgement = _judge(both, series, split, horizon=horizon, progress=progress)
    text = _toml(chosen, name=name, num_trials=len(trials))
    if output is not None:
        replace_bytes(output, text.encode())
    rows = ({"trial": each.number, "state": each.state, "loss": each.loss, **each.settings} for each in trials)
    return TuneResult(
        study=str(study.path),
        assumptions=assumptions.to_dict(),
        reasons=assumptions.reasons,
        findings=read.findings,
        settings=chosen,
        toml=text,
        output=None if output is None else str(output),
        trials=tuple(rows),
        num_trials_before=study.num_before,
        importance=study.importance(),
        metrics=judgement.metrics(),
        verdict=_verdict(judgement, overlap=overlap_of(horizon, split.window_step)),
        num_windows=split.num_windows,
        seconds=time.monotonic() - started,
    )


def _check_output(output: str | Path | None, owned: list[Owned]) -> None:
    """Check that the settings can be written and overwrite nothing. Raises UsageError, OutputError."""
    check_outputs({"--output": output}, owned)
    if output is not None and Path(output).suffix != ".toml":
        raise UsageError(
            f"settings file {output} does not end with .toml", hint="name it so: `tuned.toml`", code="E_RUN_OUTPUT"
        )
    if output is not None:
        check_writable(output)


def _open_study(path: Path, series: SeriesSet, rolling: _Rolling, settings: Settings) -> Study:
    """Open the study of these rows and settings, whatever the time budget, which may differ from run to run."""
    settings.data.reject_longer_seasons("a network from scratch")
    training = settings.training.model_copy(update={"time_budget": None})
    digests = digest_run(series, settings.model_copy(update={"training": training}), horizon=rolling.horizon)
    recipe = choose_recipe(gather_facts(rolling.past, horizon=rolling.horizon), settings)
    space = Space.of(recipe, settings.network, settings.training, longest=rolling.longest)
    return Study(path, space, data=digests.folder_name, seed=settings.training.seed)


@dataclass(frozen=True)
class _Rolling:
    """Rolling windows before the test rows, the oldest first: what a trial is measured on."""

    past: SeriesSet
    rounds: tuple[Windows, ...]
    horizon: int

    @classmethod
    def of(cls, past: SeriesSet, split: Split, *, horizon: int) -> _Rolling:
        """Cut the windows. Raises DataError where there are none."""
        tested = np.zeros(past.num_series, dtype=bool)
        tested[split.test.series] = True
        lengths = np.where(tested, past.lengths, 0)
        windows = cut_validation_windows(
            lengths, horizon=horizon, season_length=past.season_length, num_windows=NUM_WINDOWS
        )
        if not len(windows):
            message = f"too few rows to tune: none are left for a window of {horizon} steps before the test rows"
            hint = "lower `--horizon` or `--num-windows`, or bring more rows"
            raise DataError(message, hint=hint, code="E_SERIES_SHORT")
        numbers = rounds_of(windows.series, windows.cutoffs)
        newest_last = range(int(numbers.max()), -1, -1)
        return cls(
            past, tuple(subsample(windows.select(np.flatnonzero(numbers == each))) for each in newest_last), horizon
        )

    @property
    def longest(self) -> int:
        """Rows of the longest series before the oldest windows: no network may read more."""
        return min(int(rows_before(self.past, windows).max()) for windows in self.rounds)

    def measure(self, settings: Settings, number: int) -> float | None:
        """Return the mean pinball loss of a window in seasonal naive errors, by a network fitted before it.

        None where nothing is known there.
        """
        windows = self.rounds[number]
        known = self.past.head(rows_before(self.past, windows))
        ensemble = fit_before(known, settings, horizon=self.horizon, progress=NoProgress())
        flat = FlatSeries.from_series(self.past)
        forecast = ensemble.forecast(flat, windows, horizon=self.horizon, series=self.past)
        actuals = replace(
            ValidationActuals.of(self.past, windows, horizon=self.horizon),
            scale=seasonal_scales(known).mase[windows.series],
        )
        found = actuals.losses(forecast, np.array(ensemble.quantile_levels))
        return float(np.nanmean(found)) if np.isfinite(found).any() else None


@dataclass(frozen=True)
class _Search:
    """Trials until the time is up or `num_trials` are done; none is started that would probably end too late.

    One trial runs on each processor, of this machine or of a cluster; their number decides which settings come next.
    """

    study: Study
    rolling: _Rolling
    settings: Settings
    until: float
    num_trials: int | None
    cluster: Cluster | None

    def run(self, progress: Progress) -> None:
        """Run trials on the cluster, or in processes of this machine."""
        joint = JointProgress(progress, "searching", [max(1, round(self.until - time.monotonic()))])
        if self.cluster is None:
            self._run(self._in_processes, num_processes(), joint.part(0))
        else:
            run_apart(Task(0, partial(self._run_on, self.cluster)), joint)
        progress.finish()

    def _run_on(self, cluster: Cluster, progress: Progress) -> None:
        with cluster.connected() as workers:

            def on_cluster(settings: Sequence[Settings], window: int) -> list[_Loss]:
                tasks = workers.each(_measure, (self.rolling, window), settings)
                found = {number: result() for number, result in tasks}
                return [found[number] for number in range(len(settings))]

            self._run(on_cluster, workers.count, progress)

    def _in_processes(self, settings: Sequence[Settings], window: int) -> list[_Loss]:
        if num_processes() == 1:
            return [_measure((self.rolling, window), each) for each in settings]
        joint = JointProgress(NoProgress(), "searching", [1] * len(settings))
        runs = [partial(_measure, (self.rolling, window), each) for each in settings]
        tasks = [Task(number, lambda _, run=run: run()) for number, run in enumerate(runs)]  # type: ignore[misc]
        return run_in_processes(tasks, joint, num_workers=len(tasks))

    def _run(
        self, measure: Callable[[Sequence[Settings], int], list[_Loss]], num_at_once: int, progress: Progress
    ) -> None:
        fixed: dict[str, JSONValue] = {"from": "scratch", "num_members": 1, "theta_weight": 0.0}
        began, longest, done = time.monotonic(), 0.0, 0
        while (self.num_trials is None or done < self.num_trials) and (
            done == 0 or time.monotonic() + longest < self.until
        ):
            started = time.monotonic()
            size = num_at_once if self.num_trials is None else min(num_at_once, self.num_trials - done)
            self.study.run(
                lambda found, window: measure(
                    [_with(self.settings, {**fixed, **values}, seconds=None) for values in found], window
                ),
                num_windows=len(self.rolling.rounds),
                size=size,
            )
            longest = max(longest, time.monotonic() - started)
            done += size
            progress.update(round(min(time.monotonic(), self.until) - began))


def _measure(shared: tuple[_Rolling, int], settings: Settings) -> _Loss:
    """Return the loss of settings in a window; a fit that fails says how settings do."""
    rolling, window = shared
    try:
        return rolling.measure(settings, window)
    except (DivergedError, UsageError) as error:
        return error


def _with(settings: Settings, changes: Mapping[str, JSONValue], *, seconds: float | None) -> Settings:
    """Return the settings with changes; `seconds` is the whole budget, of which one last fit gets half of what is kept."""
    budget = None if seconds is None else f"{KEPT_FRACTION * seconds / 2:.3f}s"
    return Settings.from_flat({**settings.to_flat(), **changes, "time_budget": budget}, source="the study")


def _judge(
    both: Mapping[str, Settings], series: SeriesSet, split: Split, *, horizon: int, progress: Progress
) -> Judgement:
    fitted: dict[str, Ensemble] = {}
    for name, settings in both.items():
        found = fit_train_rows(
            series.head(split.num_past_rows),
            settings,
            horizon=horizon,
            validation=split.validation,
            context=FitContext.of(settings, progress),
        )
        fitted[name] = found.ensemble
    forecasters = {name: TrainedForecaster(ensemble, series) for name, ensemble in fitted.items()}
    settings = both[TUNED]
    return judge_methods(
        {**forecasters, **baseline_forecasters(series)},
        series,
        split.test,
        spacing=Spacing(horizon, settings.evaluation.gap, split.window_step),
        bounds=SeriesBounds.of(series, settings.data),
        networks=(TUNED, DEFAULT),
    )


def _verdict(judgement: Judgement, *, overlap: int) -> dict[str, JSONValue] | None:
    """Return the verdict of the winner against the default; None without test windows."""
    backtest = judgement.backtest
    if backtest is None:
        return None
    losses = backtest.scaled_errors()
    return judge(losses, backtest.windows.series, methods=TUNED, against=(DEFAULT,), overlap=overlap).to_dict()


def _toml(settings: Mapping[str, JSONValue], *, name: str, num_trials: int) -> str:
    """Return settings as a file for `--config`; a value of TOML is written as in JSON."""
    lines = [f"# found by `rnnforecast tune` in {num_trials} trials, study {json.dumps(name)}"]
    return "\n".join([*lines, *(f"{key} = {json.dumps(value)}" for key, value in settings.items()), ""])
