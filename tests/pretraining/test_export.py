"""From averaged weights to the shipped file and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from pretraining.export import export_base, read_weights
from pretraining.loop import build_networks
from pretraining.settings import PretrainingSettings, read_settings
from pretraining.widths import as_tables
from rnnforecast.errors import DivergedError, ModelFileError
from rnnforecast.inference.engine import forecast_windows
from rnnforecast.inference.season_classes import SEASON_CLASSES, pretrained_settings
from rnnforecast.model_io.base import BaseNetwork
from rnnforecast.model_io.pack import check_shapes
from rnnforecast.networks import engine
from rnnforecast.store.model_file import ModelFile, read_model, write_model
from tests.inference.pretrained_samples import make_pretrained_batch
from tests.inference.samples import make_member
from tests.pretraining.toy import tiny_settings

SEASONS = (1, 3, 7, 12, 24, 40, 60, 80, 96, 1000)


@pytest.fixture
def exported(tmp_path: Path) -> BaseNetwork:
    """Return the tiny networks as they are read back from a file."""
    settings = tiny_settings()
    export_base(build_networks(settings), settings, tmp_path / "base.safetensors")
    return BaseNetwork(read_model(tmp_path / "base.safetensors", check_shapes=check_shapes))


def test_exported_weights_are_read_back_to_begin_a_run_with(tmp_path: Path) -> None:
    settings = tiny_settings()
    networks = build_networks(settings)
    export_base(networks, settings, tmp_path / "base.safetensors", widths=as_tables({"year": 1.3}))
    for name, tensor in read_weights(tmp_path / "base.safetensors").items():
        torch.testing.assert_close(tensor, networks.state_dict()[name], rtol=1e-3, atol=1e-3)


def test_the_weights_of_the_package_are_those_of_its_settings() -> None:
    found = build_networks(read_settings()).load_state_dict(read_weights(None), strict=False)
    assert (found.missing_keys, found.unexpected_keys) == ([], [])


def test_every_weight_is_stored_in_half_precision(exported: BaseNetwork) -> None:
    assert {tensor.dtype for tensor in exported.file.tensors.values()} == {np.dtype(np.float16)}


def test_the_trunk_is_stored_once(exported: BaseNetwork) -> None:
    names = [name for name in exported.file.tensors if "trunk" in name]
    assert names
    assert all(name.startswith("shared.trunk.") for name in names)


def test_the_file_is_an_ordinary_safetensors_file(tmp_path: Path, exported: BaseNetwork) -> None:
    loaded = load_file(tmp_path / "base.safetensors")
    assert set(loaded) == set(exported.file.tensors)


@pytest.mark.parametrize("season_length", SEASONS)
def test_weights_read_back_are_those_of_the_class_rounded_to_half_precision(
    exported: BaseNetwork, season_length: int
) -> None:
    member = exported.member(season_length)
    wanted = build_networks(tiny_settings())[member.season_class].state_dict()
    found = exported.weights(season_length)
    assert set(found) == set(wanted)
    for name, tensor in wanted.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], tensor.numpy().astype(np.float16).astype(np.float32), err_msg=name)


@pytest.mark.parametrize("season_length", SEASONS)
def test_both_engines_forecast_every_season_length_with_what_is_read_back(
    exported: BaseNetwork, season_length: int
) -> None:
    member, tensors = exported.member(season_length), exported.weights(season_length)
    batch = make_pretrained_batch(member, missing=0.1)
    ours, theirs = forecast_windows(member, tensors, batch), engine.forecast_windows(member, tensors, batch)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_width_factors_given_are_stored_with_their_class(tmp_path: Path) -> None:
    settings = tiny_settings()
    width = np.full((24, len(pretrained_settings(12, hidden_size=8, num_layers=1).quantile_levels)), 1.25)
    export_base(build_networks(settings), settings, tmp_path / "base.safetensors", widths={"year": width})
    base = BaseNetwork(read_model(tmp_path / "base.safetensors", check_shapes=check_shapes))
    np.testing.assert_array_equal(base.weights(12)["head.width"], width)
    assert (base.weights(4)["head.width"] == 1).all()


def test_width_factors_of_a_wrong_shape_are_rejected(tmp_path: Path) -> None:
    settings = tiny_settings()
    with pytest.raises(ModelFileError, match=r"`members\.3\.head\.width` has shape"):
        export_base(
            build_networks(settings), settings, tmp_path / "base.safetensors", widths={"year": np.ones((2, 13))}
        )
    assert not (tmp_path / "base.safetensors").exists()


def test_weights_that_do_not_fit_in_half_precision_are_rejected(tmp_path: Path) -> None:
    settings = tiny_settings()
    networks = build_networks(settings)
    with torch.no_grad():
        networks["none"].get_parameter("input.bias")[0] = 1e6
    with np.errstate(over="ignore"), pytest.raises(DivergedError, match=r"`members\.0\.input\.bias` is not finite"):
        export_base(networks, settings, tmp_path / "base.safetensors")


def test_a_tensor_of_a_wrong_shape_in_a_file_is_rejected_as_a_model_that_does_not_fit(
    tmp_path: Path, exported: BaseNetwork
) -> None:
    tensors = dict(exported.file.tensors)
    tensors["members.2.input.weight"] = tensors["members.2.input.weight"][:, :-1].copy()
    write_model(tmp_path / "bad.safetensors", ModelFile(exported.file.manifest, tensors))
    with pytest.raises(ModelFileError, match=r"`members\.2\.input\.weight` has shape \(8, \d+\)") as caught:
        read_model(tmp_path / "bad.safetensors", check_shapes=check_shapes)
    assert (caught.value.exit_code, caught.value.code) == (12, "E_MODEL_SHAPE")


def test_a_missing_and_a_foreign_tensor_are_rejected(tmp_path: Path, exported: BaseNetwork) -> None:
    for change in ("shared.trunk.norm.bias", "members.0.more"):
        tensors = dict(exported.file.tensors)
        if tensors.pop(change, None) is None:
            tensors[change] = np.ones(3, dtype=np.float16)
        write_model(tmp_path / "bad.safetensors", ModelFile(exported.file.manifest, tensors))
        named = change.removeprefix("shared.").replace(".", r"\.")
        with pytest.raises(ModelFileError, match=f"{named}` has shape"):
            read_model(tmp_path / "bad.safetensors", check_shapes=check_shapes)


def test_every_class_is_a_member_of_the_file(exported: BaseNetwork) -> None:
    members = exported.file.manifest.members
    assert [getattr(member, "season_class", None) for member in members] == [entry.name for entry in SEASON_CLASSES]


def test_the_pretrained_sizes_stay_below_five_megabytes(tmp_path: Path) -> None:
    shipped: PretrainingSettings = read_settings()
    export_base(build_networks(shipped), shipped, tmp_path / "base.safetensors")
    assert (tmp_path / "base.safetensors").stat().st_size < 5_000_000


def test_a_file_of_another_network_is_not_a_base(exported: BaseNetwork) -> None:
    manifest = exported.file.manifest.model_copy(update={"members": (make_member(),)})
    with pytest.raises(TypeError, match="holds no pretrained network"):
        BaseNetwork(ModelFile(manifest, exported.file.tensors)).member(7)
