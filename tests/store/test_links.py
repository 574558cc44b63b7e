"""Specification: no link inside a store is followed, and nothing goes that is not proven to be a version of its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rnnforecast.errors import ModelFileError
from rnnforecast.store.ledger import Ledger, ledger_names
from rnnforecast.store.promotion import promote, rollback
from rnnforecast.store.registry import Registry
from rnnforecast.workflows.models import list_models, prune_models, remove_models
from tests.store.builders import damage, make_model
from tests.store.test_ledger import make_issued

LINK = "is a symbolic link, and no link inside a store is followed"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def outside(store: Registry, tmp_path: Path) -> Path:
    """Return a folder with two real versions of `link`, to which `models/link` leads."""
    other = Registry(tmp_path / "other")
    for seed in range(2):
        store.add(make_model(seed=seed))
        other.add(make_model("link", seed=seed))
    folder = tmp_path / "other" / "models" / "link"
    (store.store / "models" / "link").symlink_to(folder)
    return folder


def test_pruning_every_name_skips_a_link_with_a_message(store: Registry, outside: Path) -> None:
    before = contents(outside)
    result = prune_models(keep=1, store=store.store)
    assert [row["model"] for row in result.models] == ["prices@1"]
    assert any("models/link` was skipped: it is a symbolic link" in note for note in result.notes)
    assert contents(outside) == before


def test_a_link_cannot_be_pruned_removed_promoted_rolled_back_or_added_to(store: Registry, outside: Path) -> None:
    before = contents(outside)
    changes: tuple[Callable[[], object], ...] = (
        lambda: prune_models(["link"], keep=1, store=store.store),
        lambda: remove_models(["link"], store=store.store),
        lambda: remove_models(["link@1"], store=store.store),
        lambda: store.remove("link@1"),
        lambda: promote(store, "link@1"),
        lambda: rollback(store, "link"),
        lambda: store.check_writable("link"),
        lambda: store.add(make_model("link")),
        lambda: store.resolve("link"),
    )
    for change in changes:
        with pytest.raises(ModelFileError, match=LINK):
            change()
    assert contents(outside) == before


def test_listing_names_the_link_and_no_model_behind_it(store: Registry, outside: Path) -> None:
    result = list_models(store.store)
    assert [row["model"] for row in result.models] == ["prices@1", "prices@2"]
    assert any("models/link` was skipped" in note for note in result.notes)
    assert outside.is_dir()


def test_the_folder_of_all_models_as_a_link_is_rejected(store: Registry, tmp_path: Path) -> None:
    store.add(make_model())
    (store.store / "models").rename(tmp_path / "elsewhere")
    (store.store / "models").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelFileError, match=LINK):
        prune_models(keep=1, store=store.store)
    with pytest.raises(ModelFileError, match=LINK):
        store.remove("prices")
    assert (tmp_path / "elsewhere" / "prices" / "1.safetensors").is_file()


def test_pruning_leaves_what_is_not_proven_to_be_a_version_and_does_not_count_it(store: Registry) -> None:
    for seed in range(4):
        store.add(make_model(seed=seed))
    folder = store.store / "models" / "prices"
    damage(folder / "1.safetensors")
    (folder / "2.safetensors").write_bytes((folder / "3.safetensors").read_bytes())  # of another version
    (folder / "9.safetensors").write_bytes(b"no model at all")
    (folder / "8.safetensors").symlink_to(folder / "3.safetensors")
    result = prune_models(keep=1, store=store.store)
    assert [row["model"] for row in result.models] == ["prices@3"]
    left = [note for note in result.notes if "was left: " in note]
    assert len(left) == 4
    assert sorted(path.name for path in folder.glob("*.safetensors")) == [
        f"{version}.safetensors" for version in (1, 2, 4, 8, 9)
    ]


@pytest.mark.parametrize("kind", ["foreign", "swapped", "link"])
def test_removing_a_name_with_a_file_of_another_removes_nothing(store: Registry, kind: str, tmp_path: Path) -> None:
    for seed in range(2):
        store.add(make_model(seed=seed))
    path = store.store / "models" / "prices" / "1.safetensors"
    foreign = tmp_path / "notes.txt"
    foreign.write_text("mine, and nobody else's")
    content = path.with_name("2.safetensors").read_bytes()
    path.unlink()
    if kind == "foreign":
        path.write_bytes(foreign.read_bytes())
    elif kind == "swapped":
        path.write_bytes(content)
    else:
        path.symlink_to(foreign)
    before = contents(store.store)
    for spec in ("prices", "prices@1"):
        with pytest.raises(ModelFileError, match="is not removed, it is not a version of `prices`"):
            remove_models([spec], store=store.store)
        with pytest.raises(ModelFileError, match="is not removed, it is not a version of `prices`"):
            store.remove(spec)
    assert contents(store.store) == before


def test_a_linked_ledger_is_neither_written_nor_read(tmp_path: Path) -> None:
    (tmp_path / "ledger").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "ledger" / "prices").symlink_to(tmp_path / "outside")
    ledger = Ledger(tmp_path, "prices")
    with pytest.raises(ModelFileError, match=LINK):
        ledger.append(make_issued())
    with pytest.raises(ModelFileError, match=LINK):
        ledger.read()
    assert ledger_names(tmp_path) == []
    assert list((tmp_path / "outside").iterdir()) == []
