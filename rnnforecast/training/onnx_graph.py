"""Write the networks of an ensemble as an ONNX graph that forecasts one window, for programs without this package.

torch traces the networks step by step; nothing of their equations is written a second time. The batch is one window, as
a trace fixes its size.

Axis legend: C longest context_length, H horizon, Q quantiles, M members, F features.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from rnnforecast.data.windows import WindowBatch
from rnnforecast.members import PretrainedSettings
from rnnforecast.networks.cells import Recurrence, run_steps
from rnnforecast.networks.engine import make_network

if TYPE_CHECKING:
    from rnnforecast.forecasting import Ensemble

OPSET = 17


def graph_inputs(ensemble: Ensemble, horizon: int) -> dict[str, tuple[int, ...]]:
    """Return the inputs of the graph with their shapes: those of a window, covariates where a network reads them."""
    first, length = ensemble.members[0], ensemble.context_length
    shapes: dict[str, tuple[int, ...]] = {"past_target": (1, length), "past_observed": (1, length)}
    if isinstance(first, PretrainedSettings):
        return shapes
    covariates = {
        "past_covariates": (1, length, first.num_past_covariates),
        "future_covariates": (1, length + horizon, first.num_future_covariates),
        "static_covariates": (1, first.num_static_covariates),
    }
    return shapes | {name: shape for name, shape in covariates.items() if shape[-1]}


def write_graph(ensemble: Ensemble, *, horizon: int) -> bytes:
    """Return the ONNX file: quantiles [1, H, Q] of one window. Raises what torch raises for an operation it cannot write."""
    shapes = graph_inputs(ensemble, horizon)
    module = _Graph(ensemble, horizon, tuple(shapes)).eval()
    generator = torch.Generator().manual_seed(0)
    inputs = {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}
    inputs["past_target"] = inputs["past_target"].double() + 1.0
    inputs["past_observed"] = inputs["past_observed"] > 0.1
    torch.onnx.register_custom_op_symbolic("aten::addmv", _addmv, OPSET)  # type: ignore[attr-defined]
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the trace fixes sizes, as it should
        torch.onnx.export(
            module, tuple(inputs.values()), file,  # type: ignore[arg-type]
            input_names=list(shapes), output_names=["quantiles"],
            opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    return file.getvalue()


class _Graph(nn.Module):
    """An ensemble over one window: networks, medians within groups, weights of groups, calibration."""

    def __init__(self, ensemble: Ensemble, horizon: int, names: tuple[str, ...]) -> None:
        super().__init__()
        self.members = [make_network(member) for member in ensemble.members]
        self.networks = nn.ModuleList(self.members)
        for network, weights in zip(self.members, ensemble.weights, strict=True):
            network.load_state_dict({name: torch.from_numpy(np.array(tensor)) for name, tensor in weights.items()})
        for layer in self.modules():
            if isinstance(layer, Recurrence):
                layer.run = run_steps  # ONNX has no operation for our kernels
        self.names, self.horizon = names, horizon
        self.groups = ensemble.groups or (0,) * len(ensemble.members)
        numbers = sorted(set(self.groups))
        self.group_weights = ensemble.group_weights or (1.0 / len(numbers),) * len(numbers)
        self.median = min(range(len(ensemble.quantile_levels)), key=lambda at: abs(ensemble.quantile_levels[at] - 0.5))
        self.factors = None
        if ensemble.calibration is not None:
            rows = np.minimum(np.arange(horizon), len(ensemble.calibration.factors) - 1)
            self.factors = torch.from_numpy(np.array(ensemble.calibration.factors)[rows])

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map the inputs in the order of `graph_inputs` to quantiles [1, H, Q], ascending."""
        given = dict(zip(self.names, inputs, strict=True))
        found = [
            network.forecast(window_of(torch, given, network.context_length, self.horizon)) for network in self.members
        ]
        quantiles = torch.zeros_like(found[0][:, : self.horizon])
        for number, weight in zip(sorted(set(self.groups)), self.group_weights, strict=True):
            inside = [one[:, : self.horizon] for one, group in zip(found, self.groups, strict=True) if group == number]
            ordered = torch.sort(torch.stack(inside), dim=0).values
            middle = (ordered[(len(inside) - 1) // 2] + ordered[len(inside) // 2]) / 2
            quantiles = quantiles + weight * middle
        quantiles = torch.sort(quantiles, dim=-1).values
        if self.factors is None:
            return quantiles
        centre = quantiles[..., self.median : self.median + 1]
        return torch.sort(centre + self.factors * (quantiles - centre), dim=-1).values


def window_of(xp: Any, given: Mapping[str, Any], length: int, horizon: int) -> WindowBatch:
    """Return the newest `length` steps of inputs as a network reads them; `xp` is numpy or torch, of which they are."""
    past, observed = given["past_target"][:, -length:], given["past_observed"][:, -length:]
    nothing = xp.zeros((1, length + horizon, 0), dtype=xp.float32)
    return WindowBatch(
        past_target=past,
        past_observed=observed,
        future_target=past[:, :0],
        future_observed=observed[:, :0],
        past_covariates=given.get("past_covariates", nothing)[:, -length:],
        future_covariates=given.get("future_covariates", nothing)[:, -length - horizon :],
        static_covariates=given.get("static_covariates", nothing[:, 0]),
        loss_scale=past[:, 0],
    )


def _addmv(graph: Any, bias: Any, matrix: Any, vector: Any, *_: Any) -> Any:
    return graph.op("Add", bias, graph.op("MatMul", matrix, vector))
