"""`models export`: the graph gives the numbers of the NumPy engine, and what is no graph is rejected by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rnnforecast
from rnnforecast.config import MemberSettings, Settings
from rnnforecast.errors import ResourceError, UsageError
from rnnforecast.evaluation.calibration import Calibration
from rnnforecast.forecasting import Ensemble
from rnnforecast.networks.engine import make_network
from rnnforecast.workflows import export
from rnnforecast.workflows.export import export_model, largest_difference

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from rnnforecast.training.onnx_graph import graph_inputs, write_graph  # noqa: E402 - it needs the packages


def ensemble_of(*members: MemberSettings, groups: tuple[int, ...] = (), weights: tuple[float, ...] = ()) -> Ensemble:
    tensors = []
    for seed, member in enumerate(members):
        state = make_network(member, seed=seed).state_dict()
        tensors.append({name: tensor.numpy().copy() for name, tensor in state.items()})
    return Ensemble(members, tuple(tensors), groups=groups, group_weights=weights)


def member(**values: object) -> MemberSettings:
    sizes = {"context_length": 14, "horizon": 4, "hidden_size": 6, "num_layers": 1}
    return MemberSettings.model_validate({**sizes, **values})


@pytest.mark.parametrize(
    "settings",
    [
        {"cell": "lstm", "mapping": "encoder-decoder", "attention": "additive"},
        {
            "normalisation": "causal",
            "base": "season",
            "season_length": 7,
            "skip": True,
            "segment_length": 7,
            "head": "segment",
        },
        {"cell": "minlstm", "normalisation": "last", "base": "last", "bidirectional": True},
        {"cell": "rnn", "mapping": "many-to-one"},
        {"num_past_covariates": 2, "num_future_covariates": 1, "num_static_covariates": 2, "static_categories": (0, 3)},
    ],
)
def test_a_graph_gives_the_forecasts_of_the_numpy_engine(settings: dict[str, object]) -> None:
    ensemble = ensemble_of(member(**settings))
    graph = write_graph(ensemble, horizon=4)

    assert largest_difference(ensemble, graph, graph_inputs(ensemble, 4), 4) < 1e-6


def test_groups_weights_and_calibration_are_part_of_the_graph() -> None:
    members = (member(), member(context_length=7), member(cell="mingru"))
    ensemble = ensemble_of(*members, groups=(0, 0, 1), weights=(0.3, 0.7))
    factors = np.linspace(0.5, 2.0, 4 * 13).reshape(4, 13)
    ensemble = replace(ensemble, calibration=Calibration(factors, ensemble.quantile_levels))

    graph = write_graph(ensemble, horizon=4)

    assert largest_difference(ensemble, graph, graph_inputs(ensemble, 4), 4) < 1e-6


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    values = 10 + np.sin(np.arange(80) * 2 * np.pi / 7) + np.random.default_rng(0).normal(size=80) / 5
    path = folder / "week.csv"
    pd.DataFrame({"date": pd.date_range("2024-01-01", periods=80), "value": values}).to_csv(path, index=False)
    small = {"horizon": 4, "num_steps": 3, "hidden_size": 4, "num_members": 1, "num_layers": 1, "context_length": 14}
    for name, theta in (("week", 0.0), ("theta", 0.2)):
        settings = Settings.from_flat({**small, "from": "scratch", "theta_weight": theta})
        rnnforecast.train([path], settings, name=name, store=folder / "store")
    return folder / "store"


def test_a_model_becomes_a_file_with_named_inputs(store: Path, tmp_path: Path) -> None:
    result = export_model("week", onnx=tmp_path / "week.onnx", store=store)

    session = onnxruntime.InferenceSession(str(tmp_path / "week.onnx"))
    assert {one.name: one.shape for one in session.get_inputs()} == {"past_target": [1, 14], "past_observed": [1, 14]}
    assert [one.shape for one in session.get_outputs()] == [[1, 4, 13]]
    assert result.action == "export"
    assert "differs from the NumPy engine by at most" in result.notes[-1]


@pytest.mark.parametrize(
    ("name", "why"),
    [("theta", "the Theta method has 20 % of its weight"), ("base", "its members are weighted anew for each series")],
)
def test_what_is_no_graph_is_rejected_by_name(store: Path, tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"cannot be an ONNX file: {why}"):
        export_model(name, onnx=tmp_path / "x.onnx", store=store)
    assert not list(tmp_path.iterdir())


def test_a_graph_that_differs_is_not_written(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "largest_difference", lambda *_: 2e-5)
    with pytest.raises(ResourceError, match=r"week@1 was not written: it differs from the NumPy engine by 2\.0e-05"):
        export_model("week", onnx=tmp_path / "week.onnx", store=store)
    assert not list(tmp_path.iterdir())


def test_another_suffix_and_a_missing_package_are_named(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"does not end with \.onnx"):
        export_model("week", onnx=tmp_path / "week.bin", store=store)
    monkeypatch.setattr(export, "find_spec", lambda _: None)
    with pytest.raises(ResourceError, match="the package onnx, which is not installed"):
        export_model("week", onnx=tmp_path / "week.onnx", store=store)
