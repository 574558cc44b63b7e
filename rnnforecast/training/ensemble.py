"""Fit every network of a recipe side by side, on rows that end where the caller says."""

from __future__ import annotations

import hashlib
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from rnnforecast.config import MemberSettings
from rnnforecast.data.ragged import rows_of
from rnnforecast.data.windows import FlatSeries, Windows
from rnnforecast.errors import DataError, ResourceError
from rnnforecast.evaluation.scales import seasonal_scales
from rnnforecast.forecasting import Ensemble
from rnnforecast.networks.engine import Network, make_network
from rnnforecast.networks.forecaster import RecurrentForecaster
from rnnforecast.training.loop import Taught, fit_network
from rnnforecast.training.parallel import JointProgress, run_side_by_side
from rnnforecast.training.precision import has_fast_bfloat16
from rnnforecast.training.sampling import make_sampler, min_past
from rnnforecast.training.state import Fit, Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rnnforecast.config import TrainingSettings
    from rnnforecast.data.series import SeriesSet
    from rnnforecast.members import Member
    from rnnforecast.options import Device
    from rnnforecast.progress import Progress
    from rnnforecast.training.checkpoints import Conduct
    from rnnforecast.training.recipe import FitSettings, Recipe

# validation looks at this many windows at most; more costs time and moves the score little
MAX_VALIDATION_WINDOWS = 512


def fit_ensemble(
    series: SeriesSet,
    recipe: Recipe,
    *,
    validation: Windows | None,
    training: TrainingSettings,
    conduct: Conduct,
    num_steps: Sequence[int] | None = None,
    start: Mapping[str, np.ndarray] | None = None,
) -> tuple[Ensemble, tuple[Fit, ...]]:
    """Fit the networks of `recipe` on all rows of `series` before the validation windows.

    `start` holds the weights that the pretrained network among them begins with. `num_steps` overrides the steps of
    each network, for a second fit on more rows. The same seed gives the same bytes on the same CPU and number of
    threads, also where the fits go on from their checkpoints.

    A GPU that is lost on the way leaves the work to the CPU, and that is noted, unless the user has named it.

    Raises DataError when no series is long enough to cut one training window, ResourceError for a lack of memory and
    for a device that the user has named and that was lost.
    """
    place = choose_device(training.device)
    fit_on = partial(
        _fit_on,
        series=series,
        recipe=recipe,
        validation=validation,
        seed=training.seed,
        conduct=conduct,
        num_steps=num_steps,
        start=start,
    )
    saved = conduct.checkpoints
    try:
        fits = fit_on(place)
    except torch.OutOfMemoryError as error:
        raise _out_of_memory(place, recipe.fit.batch_size) from error
    except torch.AcceleratorError as error:
        if training.device != "auto":
            raise _lost(place, error) from error
        if saved is not None:
            saved.note(
                f"{place} was lost while the networks were fitted ({_cause(error)}); they were fitted on the CPU"
            )
        fits = fit_on(torch.device("cpu"))
    conduct.budget.close_round()
    ensemble = Ensemble(members=recipe.members, weights=tuple(fit.weights for fit in fits), groups=recipe.groups)
    return ensemble, tuple(fits)


def _fit_on(
    place: torch.device,
    *,
    series: SeriesSet,
    recipe: Recipe,
    validation: Windows | None,
    seed: int,
    conduct: Conduct,
    num_steps: Sequence[int] | None,
    start: Mapping[str, np.ndarray] | None,
) -> list[Fit]:
    """Fit the networks on one device, side by side where it is the CPU."""
    lengths = series.lengths.copy()
    if validation is not None and len(validation):
        np.minimum.at(lengths, validation.series, validation.cutoffs)
    learned = series.head(lengths)
    # errors of different series are made comparable by what the network may learn from, nothing later
    flat = move_to_device(FlatSeries.from_series(series, seasonal_scales(learned).mase), place)
    taught = replace(flat, lengths=torch.from_numpy(learned.lengths).to(place))
    steps = num_steps or [recipe.fit_of(member).num_steps for member in recipe.members]
    num_workers = min(torch.get_num_threads(), len(recipe.members)) if place.type == "cpu" else 1
    seconds = conduct.budget.share(num_workers / len(recipe.members))
    saved = conduct.checkpoints
    chosen_on = _thin(validation, place)
    watched = None if chosen_on is None else Watched(flat, chosen_on)

    def make_task(index: int, member: Member) -> Callable[[Progress], Fit]:
        sampler = make_sampler(learned.lengths, member, device=place)
        if not len(sampler.series):
            raise _too_short(learned, member)
        member_seed = seed * 1_000 + index
        network = _make_network(member, learned, seed=member_seed, start=start, place=place)
        # few windows need small batches: the same window many times in one batch teaches nothing
        size = max(8, min(recipe.fit_of(member).batch_size, sampler.num_windows))
        fit = replace(recipe.fit_of(member), num_steps=steps[index], batch_size=size)
        checkpoint = None
        if saved is not None:
            checkpoint = saved.of(_digest_fit(network, member, fit, learned, chosen_on, member_seed))
        job = partial(fit_network, network, Taught(taught, sampler), fit, watched=watched, checkpoint=checkpoint)
        return lambda watcher: job(seed=member_seed, budget_seconds=seconds, progress=watcher)

    tasks = [make_task(index, member) for index, member in enumerate(recipe.members)]
    joint = JointProgress(conduct.progress, "fitting again on all rows" if num_steps else "fitting", steps)
    try:
        with nullcontext() if saved is None else saved.interruptible():
            return run_side_by_side(tasks, joint, num_workers=num_workers)
    finally:
        conduct.progress.finish()


def _out_of_memory(place: torch.device, batch_size: int) -> ResourceError:
    return ResourceError(
        f"{place} ran out of memory at batch size {batch_size}",
        hint="lower `--batch-size` or `--hidden-size`",
        code="E_RUN_MEMORY",
    )


def _lost(place: torch.device, error: torch.AcceleratorError) -> ResourceError:
    return ResourceError(
        f"{place} was lost while the networks were fitted ({_cause(error)})",
        hint="look at the device (`nvidia-smi`) and give the command again: it goes on from its checkpoint; "
        "`--device cpu` does without",
        code="E_RUN_GPU",
    )


def _cause(error: torch.AcceleratorError) -> str:
    """Return the first line of what the driver says; the others are for whoever debugs it."""
    return str(error).strip().partition("\n")[0] or "no cause was given"


def _digest_fit(
    network: Network, member: Member, fit: FitSettings, learned: SeriesSet, chosen_on: Windows | None, seed: int
) -> str:
    """Return the digest of all a fit starts from beside the rows: what is learned, what is watched, first weights."""
    found = hashlib.sha256(f"{member.model_dump_json()} {fit} {seed}".encode())
    found.update(learned.lengths.tobytes())
    if chosen_on is not None:
        found.update(chosen_on.series.cpu().numpy().tobytes())
        found.update(chosen_on.cutoffs.cpu().numpy().tobytes())
    for name, tensor in network.state_dict().items():
        found.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    return found.hexdigest()


def _make_network(
    member: Member,
    learned: SeriesSet,
    *,
    seed: int,
    start: Mapping[str, np.ndarray] | None,
    place: torch.device,
) -> Network:
    """Build a network and set what it begins with: weights of before, constants of the rows that are learned from."""
    network = make_network(member, seed=seed)
    if isinstance(network, RecurrentForecaster):
        if isinstance(member, MemberSettings) and member.normalisation == "global":
            network.set_global(*_global_statistics(learned, log=member.log))
        _set_covariate_scaling(network, learned)
        return network.to(place)
    if start is None:
        raise ValueError("the pretrained network is fitted from its own weights")
    weights = {name: torch.from_numpy(np.array(tensor)) for name, tensor in start.items()}
    # its intervals were as wide as was right for series it had not seen: a fit finds its own width
    network.load_state_dict({**weights, "head.width": torch.ones_like(weights["head.width"])})
    network.uses_bfloat16 = has_fast_bfloat16(place)
    return network.to(place)


def choose_device(device: Device) -> torch.device:
    """Return the device asked for; `auto` takes a GPU where there is one. Raises ResourceError when it is not there."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        # double precision, which levels and scales are computed in, is missing on mps: only when asked for
        return torch.device("cuda" if available["cuda"] else "cpu")
    if not available[device]:
        raise ResourceError(
            f"device `{device}` is not there",
            hint="use `--device auto` or `--device cpu`; `rnnforecast doctor` shows what torch finds",
            code="E_RUN_GPU",
        )
    return torch.device(device)


def move_to_device(flat: FlatSeries, place: torch.device) -> FlatSeries:
    """Copy flat arrays into tensors on one device; on the CPU the memory is shared, not copied."""
    return FlatSeries(**{name: _to_tensor(array).to(place) for name, array in flat.arrays().items()})


def _to_tensor(array: np.ndarray) -> torch.Tensor:
    # torch warns about arrays it may not write to, and nothing here writes
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _too_short(series: SeriesSet, member: Member) -> DataError:
    need, found = min_past(member.season_length) + 1, int(series.lengths.max(initial=0))
    return DataError(
        f"too few rows to train on: the longest series leaves {found} rows, needs {need}",
        hint="lower `--horizon` or `--num-windows`, or bring more rows",
        code="E_SERIES_SHORT",
    )


def _global_statistics(series: SeriesSet, *, log: bool) -> tuple[float, float]:
    values = series.values[series.observed]
    # rows that came after the choice of logarithms may hold what has none; windows count those as missing too
    values = np.log(values[values > 0]) if log else values
    spread = float(values.std())
    return float(values.mean()), spread if spread > 0 else 1.0


def _set_covariate_scaling(network: RecurrentForecaster, learned: SeriesSet) -> None:
    """Standardise covariates by the rows that are learned from; rows known ahead of them count for nothing."""
    ahead = np.diff(learned.future_offsets)
    rows = rows_of(learned.future_offsets[:-1], np.minimum(learned.lengths, ahead))
    covariates = {
        "past": learned.past_covariates,
        "future": learned.future_covariates[rows],
        "static": learned.static_covariates,
    }
    for kind, values in covariates.items():
        if values.shape[1]:
            known = values.astype(np.float64)
            mean, spread = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
            network.set_covariate_scaling(kind, torch.from_numpy(mean), torch.from_numpy(spread))
            network.forget_unseen(kind, torch.from_numpy(known))


def _thin(validation: Windows | None, place: torch.device) -> Windows | None:
    """Keep at most `MAX_VALIDATION_WINDOWS` windows, evenly spread, as tensors on one device."""
    if validation is None or not len(validation):
        return None
    step = -(-len(validation) // MAX_VALIDATION_WINDOWS)
    return Windows(
        series=torch.from_numpy(validation.series[::step].copy()).to(place),
        cutoffs=torch.from_numpy(validation.cutoffs[::step].copy()).to(place),
    )
