"""Specification of the store in trouble: damaged files, removals, rejecting disks, locks, two writers at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnforecast.errors import LockedError, ModelFileError, OutputError, UsageError
from rnnforecast.store import registry as registry_module
from rnnforecast.store.files import lock
from rnnforecast.store.model_file import write_model
from rnnforecast.store.registry import Registry
from tests.store.builders import damage, make_model


def snapshot(store: Registry) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in store.store.rglob("*.safetensors")}


def test_a_damaged_file_stands_in_the_list_as_damaged(store: Registry) -> None:
    store.add(make_model("a"))
    damage(store.add(make_model("b")).path)
    problems = {stored.label: stored.problem is not None for stored in store.list()}
    assert problems == {"a@1": False, "b@1": True}


def test_a_damaged_newest_version_is_rejected_and_no_older_one_takes_its_place(store: Registry) -> None:
    store.add(make_model())
    damage(store.add(make_model()).path)
    for spec in (None, "prices", "prices@2"):
        with pytest.raises(ModelFileError, match=r"2.safetensors` is damaged"):
            store.resolve(spec)
    assert store.resolve("prices@1").label == "prices@1"


def test_files_that_changed_places_are_rejected(store: Registry) -> None:
    first, second = store.add(make_model("a")).path, store.add(make_model("b")).path
    first.write_bytes(second.read_bytes())
    with pytest.raises(ModelFileError, match="holds the model `b@1`: files of the store were swapped"):
        store.resolve("a")


def test_a_damaged_model_with_a_long_name_is_listed_under_the_name_of_its_sound_versions(store: Registry) -> None:
    name = "long " * 40
    store.add(make_model(name.strip()))
    damage(store.add(make_model(name.strip())).path)
    assert [stored.name for stored in store.list()] == [name.strip()] * 2


def test_a_model_that_was_replaced_after_it_was_found_is_rejected(store: Registry) -> None:
    stored = store.add(make_model())
    write_model(stored.path, make_model(seed=1))
    with pytest.raises(ModelFileError, match="changed while it was read"):
        stored.load()


def test_verifying_reads_every_byte_of_every_file(store: Registry) -> None:
    store.add(make_model("a"))
    path = store.add(make_model("b")).path
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert [(stored.label, stored.problem is None) for stored in store.verify()] == [("a@1", True), ("b@1", False)]
    assert all(stored.problem is None for stored in store.list())


def test_verifying_a_name_reads_all_its_versions(store: Registry) -> None:
    store.add(make_model())
    store.add(make_model())
    store.add(make_model("other"))
    assert [stored.label for stored in store.verify("prices")] == ["prices@1", "prices@2"]
    assert [stored.label for stored in store.verify("prices@2")] == ["prices@2"]


def test_verifying_a_path_reads_that_file(store: Registry, tmp_path: Path) -> None:
    write_model(tmp_path / "m.safetensors", make_model())
    assert [stored.problem for stored in store.verify(str(tmp_path / "m.safetensors"))] == [None]


# ---- removing ----


def test_removing_a_version_leaves_the_others(store: Registry) -> None:
    store.add(make_model())
    second = store.add(make_model())
    store.add(make_model("other"))
    assert store.remove("prices@2") == [second.path]
    assert [stored.label for stored in store.list()] == ["other@1", "prices@1"]


def test_removing_a_damaged_model_works(store: Registry) -> None:
    damage(store.add(make_model()).path)
    store.remove("prices@1")
    assert store.list() == []


def test_removing_what_is_not_there_is_rejected(store: Registry) -> None:
    store.add(make_model())
    with pytest.raises(ModelFileError, match="has no version 2"):
        store.remove("prices@2")


def test_removing_a_path_is_rejected(store: Registry) -> None:
    path = store.add(make_model()).path
    with pytest.raises(UsageError, match="is a file, models are removed by name"):
        store.remove(str(path))
    assert path.exists()


def refuse_permission(*_: object, **__: object) -> None:
    raise PermissionError(13, os.strerror(13))


def test_a_file_that_cannot_be_removed_is_named(store: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.add(make_model()).path
    unlink = Path.unlink

    def refuse_models(self: Path, missing_ok: bool = False) -> None:
        if self.suffix == ".safetensors":
            refuse_permission()
        unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse_models)
    with pytest.raises(OutputError, match=r"1.safetensors` was not removed: permission denied"):
        store.remove("prices")
    assert path.exists()


def test_a_store_that_may_not_be_read_is_rejected(store: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add(make_model())
    monkeypatch.setattr(Path, "iterdir", refuse_permission)
    with pytest.raises(ModelFileError, match=r"the store `.*` cannot be read: permission denied"):
        store.resolve()
    with pytest.raises(ModelFileError, match=r"prices` cannot be read: permission denied"):
        store.resolve("prices")


# ---- faults ----


def test_a_disk_that_refuses_leaves_the_stored_models_and_no_stump(
    store: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(make_model())
    before = snapshot(store)

    def fail(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutputError, match="no space left on device"):
        store.add(make_model())
    monkeypatch.undo()
    assert snapshot(store) == before
    assert list(store.store.rglob("*.tmp")) == []
    assert store.resolve().label == "prices@1"


def test_what_a_killed_writer_left_is_swept_by_the_next(store: Registry) -> None:
    folder = store.add(make_model()).path.parent
    (folder / ".rnnforecast-0123456789abcdef.tmp").write_bytes(b"half")
    store.add(make_model())
    assert list(folder.glob(".*")) == []


def test_a_locked_store_is_rejected_and_still_readable(store: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add(make_model())
    monkeypatch.setattr(registry_module, "_WAIT_SECONDS", 0.0)
    with lock(store.store / "models.lock"):
        with pytest.raises(LockedError):
            store.add(make_model())
        with pytest.raises(LockedError):
            store.remove("prices")
        assert store.resolve().load().manifest.label == "prices@1"


def test_a_store_below_a_file_is_rejected_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="not a directory"):
        Registry(tmp_path / "file" / "store").check_writable("prices")


def test_a_store_that_is_a_file_is_rejected_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="not a directory"):
        Registry(tmp_path / "file").check_writable("prices")


def test_the_check_before_training_stores_no_model(store: Registry) -> None:
    store.check_writable("prices")
    assert store.list() == []


def test_writers_at_once_get_versions_of_their_own(store: Registry) -> None:
    script = """
import sys
from rnnforecast.store.registry import Registry
from tests.store.builders import make_model
sys.stdin.readline()
for seed in range(5):
    print(Registry(sys.argv[1]).add(make_model(seed=seed)).version)
"""
    command = [sys.executable, "-c", script, str(store.store)]
    root = Path(__file__).parents[2]
    writers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(4)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    versions = [int(line) for writer in writers for line in writer.communicate(timeout=60)[0].split()]
    assert sorted(versions) == list(range(1, 21))
    assert [stored.problem for stored in store.verify()] == [None] * 20
