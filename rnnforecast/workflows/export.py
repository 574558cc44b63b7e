"""`models export`: the networks of a stored model as an ONNX file, compared with the NumPy engine before it is written."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.data.files.overwrite import check_outputs
from rnnforecast.errors import ResourceError, UsageError, first_line, missing_extra
from rnnforecast.forecasting import Ensemble, combine_members
from rnnforecast.members import ENSEMBLE, PretrainedSettings
from rnnforecast.model_io.base import BASE
from rnnforecast.model_io.pack import unpack_ensemble
from rnnforecast.store.files import replace_bytes
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.registry import Registry
from rnnforecast.workflows.choose_model import open_model
from rnnforecast.workflows.models import row_of
from rnnforecast.workflows.results import ModelsResult

#: Windows that both are asked for, and the largest difference between them, relative to the size of the forecasts.
NUM_WINDOWS, MAX_DIFFERENCE = 8, 1e-5


def export_model(spec: str | None = None, *, onnx: str | Path, store: str | Path | None = None) -> ModelsResult:
    """Write the networks of a model as an ONNX file whose forecasts are those of `predict` before bounds and rounding.

    Raises UsageError for a model that ONNX cannot express, ResourceError without the extra `onnx` or where the graph
    gives other numbers than the NumPy engine, OutputError.
    """
    _check_extra()
    if Path(onnx).suffix != ".onnx":
        raise UsageError(
            f"`{onnx}` does not end with .onnx", hint=f"--onnx {Path(onnx).stem}.onnx", code="E_RUN_OUTPUT"
        )
    if spec == BASE:
        raise _not_expressible(BASE, "its members are weighted anew for each series")
    registry = Registry(store)
    stored = registry.resolve(spec)
    check_outputs({"--onnx": onnx}, [("the store", registry.store)])
    file = open_model(stored, reading=None)
    ensemble, manifest = unpack_ensemble(file), file.manifest
    _check_expressible(ensemble, manifest)
    from rnnforecast.training.onnx_graph import graph_inputs, write_graph

    horizon = manifest.horizon
    shapes = graph_inputs(ensemble, horizon)
    try:
        graph = write_graph(ensemble, horizon=horizon)
    except RuntimeError as error:
        raise _not_expressible(stored.label, first_line(error)) from error
    difference = largest_difference(ensemble, graph, shapes, horizon)
    if not difference <= MAX_DIFFERENCE:
        raise ResourceError(
            f"the ONNX file of {stored.label} was not written: it differs from the NumPy engine by {difference:.1e}, at most "
            f"{MAX_DIFFERENCE:.0e} is allowed",
            hint="install another version of onnxruntime",
            code="E_EXPORT_DIFFERS",
        )

    replace_bytes(Path(onnx), graph)
    inputs = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
    levels = ", ".join(f"{level:g}" for level in ensemble.quantile_levels)
    return ModelsResult(
        str(registry.store),
        "export",
        (row_of(stored),),
        notes=(
            f"{len(graph):,} bytes written to {onnx}",
            f"inputs: {inputs}; output: quantiles {[1, horizon, len(ensemble.quantile_levels)]} at {levels}",
            f"differs from the NumPy engine by at most {difference:.1e} of the forecast, on {NUM_WINDOWS} windows",
        ),
    )


def _check_extra() -> None:
    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise missing_extra("an ONNX file needs", missing[0], "onnx")


def _check_expressible(ensemble: Ensemble, manifest: Manifest) -> None:
    """Raise UsageError for a model that has other members than networks over one window of numbers."""
    label, members = manifest.label, ensemble.members
    if manifest.served != ENSEMBLE:
        raise _not_expressible(label, f"`{manifest.served}` is served in place of its networks")
    if ensemble.zero_shot_group is not None:
        raise _not_expressible(
            label, "members without training have a weight, and regressions are fitted to each series"
        )
    if ensemble.theta_weight:
        raise _not_expressible(label, f"the Theta method has {100 * ensemble.theta_weight:.0f} % of its weight")
    short = [member for member in members if member.horizon < manifest.horizon]
    if short:
        raise _not_expressible(label, "a network forecasts fewer steps in one pass than the horizon")
    kinds = {isinstance(member, PretrainedSettings) for member in members}
    if len(kinds) > 1 and manifest.roles.past + manifest.roles.future + manifest.roles.static:
        raise _not_expressible(label, "only some of its networks read covariates")


def _not_expressible(label: str, why: str) -> UsageError:
    message = f"{label} cannot be an ONNX file: {why}"
    hint = "train networks alone: `rnnforecast train DATA --from scratch --theta-weight 0`"
    return UsageError(message, hint=hint, code="E_EXPORT_MODEL")


def largest_difference(ensemble: Ensemble, graph: bytes, shapes: dict[str, tuple[int, ...]], horizon: int) -> float:
    """Return by how much onnxruntime and the NumPy engine differ on made windows, relative to the size of the forecast."""
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    generator, largest = np.random.default_rng(0), 0.0
    for number in range(NUM_WINDOWS):
        given: dict[str, np.ndarray] = {
            name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()
        }
        level = 10.0 ** (number - 2)
        steps = np.cumsum(generator.normal(size=shapes["past_target"]), axis=1)
        given["past_target"] = level * (30 + steps)
        given["past_observed"] = generator.random(shapes["past_observed"]) > number / 20
        expected = _forecast(ensemble, given, horizon)
        found = np.asarray(session.run(["quantiles"], given)[0])
        largest = max(largest, float(np.abs(found - expected).max() / np.abs(expected).max()))
    return largest


def _forecast(ensemble: Ensemble, given: dict[str, np.ndarray], horizon: int) -> Float64Array:
    from rnnforecast.training.onnx_graph import window_of

    found = []
    for member, weights in zip(ensemble.members, ensemble.weights, strict=True):
        batch = window_of(np, given, member.context_length, horizon)
        found.append(ensemble.engine(member, weights, batch)[:, :horizon])
    quantiles = np.sort(combine_members(np.stack(found), ensemble.groups, ensemble.group_weights), axis=-1)
    return quantiles if ensemble.calibration is None else ensemble.calibration.apply(quantiles)
