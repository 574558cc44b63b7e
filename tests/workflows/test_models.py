from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.errors import ModelFileError
from rnnforecast.store.registry import Registry
from rnnforecast.workflows.models import (
    find_models,
    list_models,
    load_model,
    remove_models,
    show_model,
    verify_models,
)
from tests.store.builders import sound_model


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store of `prices@1`, `prices@2` and `sales@1`."""
    registry = Registry(tmp_path)
    for name in ("prices", "prices", "sales"):
        registry.add(sound_model(name))
    return tmp_path


def _names(result: object) -> list[object]:
    models = getattr(result, "models", ())
    return [model["model"] for model in models]


def _damage(store: Path) -> Path:
    path = Registry(store).resolve("prices@2").path
    content = bytearray(path.read_bytes())
    content[-1] ^= 0xFF
    path.write_bytes(bytes(content))
    return path


def test_an_empty_store_lists_nothing(tmp_path: Path) -> None:
    assert list_models(tmp_path).models == ()


def test_every_version_is_listed(store: Path) -> None:
    assert _names(list_models(store)) == ["prices@1", "prices@2", "sales@1"]


def test_a_listed_model_says_what_it_forecasts(store: Path) -> None:
    model = list_models(store).models[0]
    assert model["horizon"] == sound_model("prices").manifest.horizon
    assert (model["ok"], model["problem"], model["served"]) == (True, None, "ensemble")


def test_show_gives_the_whole_manifest_of_the_newest_version(store: Path) -> None:
    shown = show_model("prices", store=store)
    assert (shown.model, shown.manifest["version"]) == ("prices@2", 2)
    assert Path(shown.path).is_file()


def test_load_gives_the_tensors(store: Path) -> None:
    assert load_model("sales", store=store).manifest.label == "sales@1"


def test_verify_finds_a_changed_byte_and_names_its_file(store: Path) -> None:
    _damage(store)
    found = {str(model["model"]): model["ok"] for model in verify_models(store=store).models}
    assert found == {"prices@1": True, "prices@2": False, "sales@1": True}
    assert [model["problem"] for model in verify_models(["sales"], store=store).models] == [None]


def test_remove_takes_one_version(store: Path) -> None:
    assert _names(remove_models(["prices@1"], store=store)) == ["prices@1"]
    assert _names(list_models(store)) == ["prices@2", "sales@1"]


def test_remove_takes_all_versions_of_a_name(store: Path) -> None:
    assert _names(remove_models(["prices"], store=store)) == ["prices@1", "prices@2"]
    assert _names(list_models(store)) == ["sales@1"]


def test_remove_takes_a_name_and_one_of_its_versions_at_once(store: Path) -> None:
    assert _names(remove_models(["prices", "prices@1"], store=store)) == ["prices@1", "prices@2"]


def test_nothing_is_removed_when_one_name_is_unknown(store: Path) -> None:
    with pytest.raises(ModelFileError, match="no model named `price`"):
        remove_models(["sales", "price"], store=store)
    assert len(list_models(store).models) == 3


def test_a_damaged_model_can_be_removed(store: Path) -> None:
    path = _damage(store)
    remove_models(["prices@2"], store=store)
    assert not path.exists()


def test_finding_models_removes_none(store: Path) -> None:
    assert _names(find_models(["prices"], store=store)) == ["prices@1", "prices@2"]
    assert len(list_models(store).models) == 3
