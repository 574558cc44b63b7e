"""The health of recurrent networks on some rows: gradients while they are fitted, and how far back they remember.

T segments of a window, B windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from rnnforecast.arrays import Float64Array
from rnnforecast.config import MemberSettings
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import FlatSeries, Windows, gather
from rnnforecast.evaluation.scales import seasonal_scales
from rnnforecast.frozen import dataclass
from rnnforecast.networks.cells import CellWeights, Recurrence
from rnnforecast.networks.forecaster import RecurrentForecaster, build_network
from rnnforecast.networks.jacobians import LayerMemory, measure_memory
from rnnforecast.options import Cell
from rnnforecast.progress import Progress
from rnnforecast.training.ensemble import move_to_device
from rnnforecast.training.loop import TrainWindows, fit_network, one_thread
from rnnforecast.training.recipe import FitSettings
from rnnforecast.training.sampling import make_sampler

#: The cells that are fitted for comparison, the oldest first.
REFERENCE_CELLS: tuple[Cell, ...] = ("rnn", "lstm", "gru")
NUM_STEPS, BATCH_SIZE, LEARNING_RATE, GRADIENT_CLIP = 60, 16, 3e-3, 1.0
#: Longest window of a reference network, in steps: Jacobians of each step are multiplied.
MAX_CONTEXT = 96
MAX_REFERENCE_SIZE = 32
NUM_WINDOWS = 4
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Health:
    """One network: what its gradients did, and what its state remembers after k steps."""

    cell: Cell
    hidden_size: int
    context_length: int
    segment_length: int
    norms: Float64Array  # [T] geometric mean over windows of the norm of d s_T / d s_(T-k), k = 1 ... T
    saturated_gates: float | None
    saturated_units: float
    gradient_norms: tuple[float, ...] = ()  # before clipping; empty for a network that was not fitted here
    losses: tuple[float, ...] = ()

    @property
    def clipped_fraction(self) -> float | None:
        """Fraction of the gradient steps that were clipped; None where none was taken here."""
        return float((np.array(self.gradient_norms) > GRADIENT_CLIP).mean()) if self.gradient_norms else None


@one_thread()
def reference_health(
    series: SeriesSet, cell: Cell, *, hidden_size: int, context_length: int, progress: Progress
) -> Health:
    """Fit a one-layer network of a cell for a short while, step by step, and measure it."""
    context = min(context_length, MAX_CONTEXT)
    horizon = int(max(1, min(8, series.lengths.max() - context - 2)))
    member = MemberSettings(
        cell=cell, num_layers=1, hidden_size=min(hidden_size, MAX_REFERENCE_SIZE), residual=False,
        context_length=context, horizon=horizon, season_length=series.season_length,
    )  # fmt: skip
    series = _without_covariates(series)
    network = build_network(member, seed=0)
    flat = move_to_device(FlatSeries.from_series(series, seasonal_scales(series).mase), _CPU)
    fit = FitSettings(NUM_STEPS, BATCH_SIZE, LEARNING_RATE, 0.0, GRADIENT_CLIP, 0.0)
    windows = TrainWindows(flat, make_sampler(series.lengths, member))
    result = fit_network(network, windows, fit, validation_windows=None, seed=0, budget_seconds=None, progress=progress)
    memory = _layer_memory(network, member, series)
    return _health(member, memory, gradient_norms=result.norms, losses=result.losses)


def member_health(series: SeriesSet, member: MemberSettings, weights: Mapping[str, np.ndarray]) -> Health:
    """Measure the top recurrent layer of a stored network on the last windows of its rows."""
    network = build_network(member)
    network.load_state_dict({name: torch.from_numpy(np.array(tensor)) for name, tensor in weights.items()})
    return _health(member, _layer_memory(network, member, series))


def _health(member: MemberSettings, memory: LayerMemory, **fitted: Any) -> Health:
    logs = torch.log(memory.norms.double().clamp_min(1e-30)).mean(0)
    return Health(
        cell=member.cell,
        hidden_size=member.hidden_size,
        context_length=member.context_length,
        segment_length=member.segment_length,
        norms=np.asarray(torch.exp(logs).numpy(), dtype=np.float64),
        saturated_gates=memory.saturated_gates,
        saturated_units=memory.saturated_units,
        **fitted,
    )


@torch.no_grad()
def _layer_memory(network: RecurrentForecaster, member: MemberSettings, series: SeriesSet) -> LayerMemory:
    """Run the network on a few windows and measure its last layer with the inputs that it saw."""
    seen: list[tuple[Recurrence, torch.Tensor]] = []

    def watch(layer: torch.nn.Module, arguments: tuple[Any, ...]) -> None:
        if isinstance(layer, Recurrence):
            reader = arguments[1] if len(arguments) > 1 else None
            seen.append((layer, arguments[0] if reader is None else reader(arguments[0])))

    hooks = [layer.register_forward_pre_hook(watch) for layer in network.encoder.forward_layers]
    flat = move_to_device(FlatSeries.from_series(series), _CPU)
    lengths = {"context_length": member.context_length, "horizon": network.training_horizon}
    batch = gather(flat, _last_windows(series, member), **lengths, xp=torch)
    network.eval()
    network.forecast(batch)
    for hook in hooks:
        hook.remove()
    layer, inputs = seen[len(network.encoder.forward_layers) - 1]
    tensors = (layer.weight_ih_l0, layer.bias_ih_l0, layer.weight_hh_l0, layer.bias_hh_l0)
    input_weight, input_bias, weight, bias = (None if each is None else each.double() for each in tensors)
    if input_weight is None or input_bias is None:
        raise ValueError("a recurrent layer reads inputs")
    return measure_memory(member.cell, inputs.double(), CellWeights(input_weight, input_bias, weight, bias))


def _last_windows(series: SeriesSet, member: MemberSettings) -> Windows:
    """Return a few windows: the ends of the longest series, and earlier cutoffs where there are few series."""
    order = np.argsort(-series.lengths, kind="stable")[:NUM_WINDOWS]
    each = -(-NUM_WINDOWS // len(order))
    back = np.arange(each, dtype=np.int64) * max(member.horizon, 1)
    cutoffs = np.maximum(series.lengths[order][:, None] - back, 1).ravel()
    return Windows(series=torch.from_numpy(np.repeat(order, each)), cutoffs=torch.from_numpy(cutoffs))


def _without_covariates(series: SeriesSet) -> SeriesSet:
    return replace(
        series,
        past_covariates=series.past_covariates[:, :0],
        future_covariates=series.future_covariates[:, :0],
        static_covariates=series.static_covariates[:, :0],
        past_names=(), future_names=(), static_names=(), categories={},
    )  # fmt: skip
