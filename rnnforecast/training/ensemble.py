"""Fit every network of a recipe, several at once, on rows that end where the caller says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from rnnforecast.arrays import Float64Array
from rnnforecast.config import MemberSettings, TrainingSettings
from rnnforecast.data.ragged import rows_of
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import FlatSeries, Windows
from rnnforecast.errors import DataError, ResourceError
from rnnforecast.evaluation.scales import seasonal_scales
from rnnforecast.forecasting import Ensemble
from rnnforecast.frozen import dataclass
from rnnforecast.members import Member, PretrainedSettings
from rnnforecast.networks import transformer
from rnnforecast.networks.engine import Network, make_network
from rnnforecast.networks.forecaster import RecurrentForecaster
from rnnforecast.options import Device
from rnnforecast.progress import NoProgress, Progress
from rnnforecast.training.cluster import Cluster
from rnnforecast.training.ensemble_weights import Rival
from rnnforecast.training.fit_result import Fit
from rnnforecast.training.loop import TrainWindows, fit_network
from rnnforecast.training.parallel import CancelledError, JointProgress, run_in_threads
from rnnforecast.training.processes import (
    FEWEST_WINDOWS_OF_PART,
    Task,
    can_fork,
    make_team,
    run_apart,
    run_in_processes,
)
from rnnforecast.training.recipe import FitSettings, Recipe
from rnnforecast.training.sampling import make_sampler, min_past
from rnnforecast.training.state import ValidationWindows

if TYPE_CHECKING:
    from rnnforecast.training.checkpoints import Checkpoints
    from rnnforecast.training.context import FitContext, TimeBudget

# validation uses this many windows at most; more take time and hardly change the score
MAX_VALIDATION_WINDOWS = 512


def fit_ensemble(
    series: SeriesSet,
    recipe: Recipe,
    *,
    validation: Windows | None,
    training: TrainingSettings,
    context: FitContext,
    num_steps: Sequence[int] | None = None,
    start: Mapping[str, np.ndarray] | None = None,
    rival: Float64Array | None = None,
) -> tuple[Ensemble, tuple[Fit, ...]]:
    """Fit the networks of `recipe` on all rows of `series` before the validation windows.

    A fit far behind the `rival`, forecasts of the validation windows without training, stops. `start` holds the
    pretrained weights, from which the fine-tuned network among them starts. `num_steps` overrides
    the steps of each network, for a second fit on more rows. The same seed gives the same bytes on the same CPU and
    number of threads, also where fits resume from their checkpoints.

    Where a GPU is lost on the way, the CPU fits the networks, with a note, unless the user has named the GPU.

    Raises DataError when no series is long enough for one training window, ResourceError for a lack of memory and for
    a lost device that the user has named.
    """
    device = torch.device("cpu") if context.cluster else choose_device(training.device)
    fit_on = partial(
        _fit_on,
        series=series,
        recipe=recipe,
        held_out=_HeldOut(validation, rival),
        seed=training.seed,
        context=context,
        num_steps=num_steps,
        start=start,
    )
    try:
        fits = fit_on(device)
    except torch.OutOfMemoryError as error:
        message = f"{device} ran out of memory at batch size {recipe.fit.batch_size}"
        raise ResourceError(message, hint="lower `--batch-size` or `--hidden-size`", code="E_RUN_MEMORY") from error
    except torch.AcceleratorError as error:
        if training.device != "auto":
            raise _lost(device, error) from error
        if context.checkpoints is not None:
            context.checkpoints.note(
                f"{device} was lost while the networks were fitted ({_cause(error)}); they were fitted on the CPU"
            )
        fits = fit_on(torch.device("cpu"))
    context.budget.close_round()
    ensemble = Ensemble(members=recipe.members, weights=tuple(fit.weights for fit in fits), groups=recipe.groups)
    if context.transformer:
        ensemble = replace(ensemble, engine=transformer.forecast_windows)
    return ensemble, tuple(fits)


def _fit_on(
    device: torch.device,
    *,
    series: SeriesSet,
    recipe: Recipe,
    held_out: _HeldOut,
    seed: int,
    context: FitContext,
    num_steps: Sequence[int] | None,
    start: Mapping[str, np.ndarray] | None,
) -> list[Fit]:
    validation, lengths = held_out.windows, series.lengths.copy()
    if validation is not None and len(validation):
        np.minimum.at(lengths, validation.series, validation.cutoffs)
    train_series = series.head(lengths)
    # errors of different series are made comparable by the train rows, nothing later
    flat = move_to_device(FlatSeries.from_series(series, seasonal_scales(train_series).mase), device)
    steps = num_steps or [recipe.fit_of(member).num_steps for member in recipe.members]
    fits = _Fits(
        recipe=recipe,
        steps=steps,
        train_series=train_series,
        train_flat=replace(flat, lengths=torch.from_numpy(train_series.lengths).to(device)),
        validation=held_out.on(device, series, flat, recipe.members[0].quantile_levels),
        seed=seed,
        start=start,
        device=device,
        checkpoints=context.checkpoints,
        transformer=context.transformer,
    )
    joint = JointProgress(context.progress, "fitting again on all rows" if num_steps else "fitting", steps)
    num_workers = torch.get_num_threads() if device.type == "cpu" else 1
    try:
        with nullcontext() if context.checkpoints is None else context.checkpoints.interruptible():
            if context.cluster is not None or (num_workers > 1 and can_fork()):
                return _run_in_processes(fits, joint, context, num_workers=num_workers)
            num_workers = min(num_workers, len(recipe.members))
            seconds = context.budget.part_of_round(num_workers / len(recipe.members))
            tasks = [fits.task(index, seconds).run for index in range(len(recipe.members))]
            return run_in_threads(tasks, joint, num_workers=num_workers)
    finally:
        context.progress.finish()


def _run_in_processes(fits: _Fits, joint: JointProgress, context: FitContext, *, num_workers: int) -> list[Fit]:
    """Fit the networks from scratch side by side, then the pretrained one, far larger, by all processes together.

    A cluster fits those from scratch.
    """
    members = fits.recipe.members
    large = [index for index, member in enumerate(members) if isinstance(member, PretrainedSettings)]
    small = [index for index in range(len(members)) if index not in large]
    found: dict[int, Fit] = {}
    for chosen, is_team in ((small, False), (large, True)):
        if not chosen:
            continue
        # both kinds get half of the time, and the second what the first has left
        part = 0.5 if large and not is_team else 1.0
        if context.cluster is not None and not is_team:
            found |= _fit_on_cluster(context.cluster, fits, chosen, joint, context.budget, part)
            continue
        workers = 1 if is_team else min(num_workers, len(chosen))
        seconds = context.budget.part_of_round(part * workers / len(chosen))
        tasks = [fits.task(index, seconds, team_size=num_workers if is_team else 1) for index in chosen]
        if num_workers > 1 and can_fork():
            results = run_in_processes(tasks, joint, num_workers=num_workers, checkpoints=context.checkpoints)
        else:
            results = [task.run(joint.part(task.index)) for task in tasks]
        found |= dict(zip(chosen, results, strict=True))
    return [found[index] for index in range(len(members))]


def _fit_on_cluster(
    cluster: Cluster, fits: _Fits, chosen: Sequence[int], joint: JointProgress, budget: TimeBudget, part: float
) -> dict[int, Fit]:
    """Fit members as tasks of a cluster, each with one thread, to the bytes that a process of this machine gives.

    A task that is lost begins again: its checkpoints would lie on the lost machine.
    """

    def look() -> None:
        if fits.checkpoints is not None and fits.checkpoints.is_interrupted:
            raise CancelledError

    def run(progress: Progress) -> dict[int, Fit]:
        found: dict[int, Fit] = {}
        with cluster.connected() as workers:
            seconds = budget.part_of_round(part * min(workers.count, len(chosen)) / len(chosen))
            shared = (replace(fits, checkpoints=None), seconds)
            for number, result in workers.each(_fit_member, shared, chosen, look=look):
                found[chosen[number]] = result()
                progress.update(sum(fits.steps[index] for index in found))
        return found

    return run_apart(Task(chosen[0], run), joint, fits.checkpoints)


def _fit_member(shared: tuple[_Fits, float | None], index: int) -> Fit:
    """Fit one member in a process of a cluster."""
    fits, seconds = shared
    return fits.task(index, seconds).run(NoProgress())


@dataclass(frozen=True)
class _Fits:
    """Everything that the fits of an ensemble have in common, and the task of each of them."""

    recipe: Recipe
    steps: Sequence[int]
    train_series: SeriesSet
    train_flat: FlatSeries
    validation: ValidationWindows | None
    seed: int
    start: Mapping[str, np.ndarray] | None
    device: torch.device
    checkpoints: Checkpoints | None
    transformer: bool

    def task(self, index: int, seconds: float | None, *, team_size: int = 1) -> Task[Fit]:
        """Return the fit of one member, by a team where `team_size` and batches allow several parts."""
        member = self.recipe.members[index]
        sampler = make_sampler(self.train_series.lengths, member, device=self.device)
        if not len(sampler.series):
            raise _too_short(self.train_series, member)
        seed = self.seed * 1_000 + index
        first = self._first_network(member, seed=seed)
        start, is_warm = (self.recipe.starts[index], True) if self.recipe.starts else (self.start, False)
        network = _start_network(first, member, self.train_series, start=start, device=self.device, is_warm=is_warm)
        # few windows need small batches: the same window many times in one batch adds nothing
        size = max(8, min(self.recipe.fit_of(member).batch_size, sampler.num_windows))
        fit = replace(self.recipe.fit_of(member), num_steps=self.steps[index], batch_size=size)
        checkpoint = None
        if self.checkpoints is not None:
            windows = None if self.validation is None else self.validation.windows
            checkpoint = self.checkpoints.of(_digest_fit(network, member, fit, self.train_series, windows, seed))
        num_parts = min(team_size, size // FEWEST_WINDOWS_OF_PART)
        team = make_team(num_parts, network) if num_parts > 1 else None
        run = partial(
            fit_network,
            network,
            TrainWindows(self.train_flat, sampler, team),
            fit,
            validation_windows=self.validation,
            seed=seed,
            budget_seconds=seconds,
            checkpoint=checkpoint,
        )
        return Task(index, lambda progress: run(progress=progress), team)

    def _first_network(self, member: Member, *, seed: int) -> Network:
        if self.transformer and isinstance(member, MemberSettings):
            return transformer.build_transformer(member, seed=seed)
        return make_network(member, seed=seed)


def _lost(device: torch.device, error: torch.AcceleratorError) -> ResourceError:
    return ResourceError(
        f"{device} was lost while the networks were fitted ({_cause(error)})",
        hint="look at the device (`nvidia-smi`) and repeat the command: it resumes from its checkpoint; "
        "`--device cpu` needs no GPU",
        code="E_RUN_GPU",
    )


def _cause(error: torch.AcceleratorError) -> str:
    """Return the first line of the driver's message; the others serve debugging."""
    return str(error).strip().partition("\n")[0] or "no cause was given"


def _digest_fit(
    network: Network, member: Member, fit: FitSettings, train_series: SeriesSet, windows: Windows | None, seed: int
) -> str:
    """Return the digest of everything a fit starts from but the values: settings, rows, windows, first weights."""
    found = hashlib.sha256(f"{member.model_dump_json()} {fit} {seed}".encode())
    found.update(train_series.lengths.tobytes())
    if windows is not None:
        found.update(windows.series.cpu().numpy().tobytes())
        found.update(windows.cutoffs.cpu().numpy().tobytes())
    for name, tensor in network.state_dict().items():
        found.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    return found.hexdigest()


def _start_network(
    network: Network,
    member: Member,
    train_series: SeriesSet,
    *,
    start: Mapping[str, np.ndarray] | None,
    device: torch.device,
    is_warm: bool,
) -> Network:
    """Set what a network starts with: pretrained weights, and constants of the train rows.

    A warm start takes both from a stored model: its weights read inputs that were scaled by the rows of their training.
    """
    if isinstance(network, RecurrentForecaster):
        if start is not None and is_warm:
            network.load_state_dict(_tensors(start))
            return network.to(device)
        if isinstance(member, MemberSettings) and member.normalisation == "global":
            network.set_global(*_global_statistics(train_series, log=member.log))
        _set_covariate_scaling(network, train_series)
        return network.to(device)
    if start is None:
        raise ValueError("fine-tuning starts from the pretrained weights")
    weights = _tensors(start)
    if not is_warm:
        # its width factors were chosen for series that it was not trained on: a fit finds its own
        weights["head.width"] = torch.ones_like(weights["head.width"])
    network.load_state_dict(weights)
    network.uses_bfloat16 = has_fast_bfloat16(device)
    return network.to(device)


def _tensors(weights: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(tensor)) for name, tensor in weights.items()}


def choose_device(device: Device) -> torch.device:
    """Return the device asked for; `auto` takes a GPU where there is one. Raises ResourceError for a missing one."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        # levels and scales need double precision, which mps lacks: it is used only on request
        return torch.device("cuda" if available["cuda"] else "cpu")
    if not available[device]:
        message = f"device `{device}` is not available"
        hint = "use `--device auto` or `--device cpu`; `rnnforecast doctor` lists the devices that torch finds"
        raise ResourceError(message, hint=hint, code="E_RUN_GPU")
    return torch.device(device)


def has_fast_bfloat16(device: torch.device) -> bool:
    """Return whether the device has instructions for matrix products in bfloat16; otherwise they are emulated."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    # AVX-512 alone converts every operand: steps of the pretrained network took 1.6 times as long as in float32
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def move_to_device(flat: FlatSeries, device: torch.device) -> FlatSeries:
    """Copy flat arrays into tensors on one device; on the CPU the memory is shared, not copied."""
    return FlatSeries(**{name: _to_tensor(array).to(device) for name, array in flat.arrays().items()})


def _to_tensor(array: np.ndarray) -> torch.Tensor:
    # torch warns about read-only arrays; nothing here writes to them
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _too_short(series: SeriesSet, member: Member) -> DataError:
    need, found = min_past(member.season_length) + 1, int(series.lengths.max(initial=0))
    season = f"`--season-length` ({member.season_length}), " if member.season_length >= found else ""
    message = f"too few rows to train on: the longest series leaves {found} rows, needs {need}"
    hint = f"lower {season}`--horizon` or `--num-windows`, or bring more rows"
    return DataError(message, hint=hint, code="E_SERIES_SHORT")


def _global_statistics(series: SeriesSet, *, log: bool) -> tuple[float, float]:
    values = series.values[series.observed]
    # later rows may have values without a logarithm, which windows count as missing too
    values = np.log(values[values > 0]) if log else values
    spread = float(values.std())
    return float(values.mean()), spread if spread > 0 else 1.0


def _set_covariate_scaling(network: RecurrentForecaster, train_series: SeriesSet) -> None:
    """Standardise covariates by the train rows; rows known ahead do not count."""
    ahead = np.diff(train_series.future_offsets)
    rows = rows_of(train_series.future_offsets[:-1], np.minimum(train_series.lengths, ahead))
    covariates = {
        "past": train_series.past_covariates,
        "future": train_series.future_covariates[rows],
        "static": train_series.static_covariates,
    }
    for kind, values in covariates.items():
        if values.shape[1]:
            known = values.astype(np.float64)
            mean, spread = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
            network.set_covariate_scaling(kind, torch.from_numpy(mean), torch.from_numpy(spread))
            network.zero_unseen_categories(kind, torch.from_numpy(known))


@dataclass(frozen=True)
class _HeldOut:
    """Validation windows, and forecasts of them without training [W, H, Q], where fits are compared with those."""

    windows: Windows | None
    rival: Float64Array | None

    def on(
        self, device: torch.device, series: SeriesSet, flat: FlatSeries, levels: tuple[float, ...]
    ) -> ValidationWindows | None:
        """Return the windows that fits are validated on, as tensors on one device."""
        if self.windows is None or not len(self.windows):
            return None
        chosen = _subsample(self.windows)
        return ValidationWindows(
            flat=flat,
            windows=Windows(
                series=torch.from_numpy(chosen.series.copy()).to(device),
                cutoffs=torch.from_numpy(chosen.cutoffs.copy()).to(device),
            ),
            rival=None if self.rival is None else Rival.of(self.rival[_step(self.windows)], series, chosen, levels),
        )


def _subsample(windows: Windows) -> Windows:
    """Keep at most `MAX_VALIDATION_WINDOWS` windows, evenly spread."""
    return windows.select(_step(windows))


def _step(windows: Windows) -> slice:
    return slice(None, None, -(-len(windows) // MAX_VALIDATION_WINDOWS))
