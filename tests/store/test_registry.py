"""Specification of the store: names, versions, the newest, the damaged, and two writers at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnforecast.errors import LockedError, ModelFileError, OutputError, UsageError
from rnnforecast.findings import JSONValue
from rnnforecast.store import registry as registry_module
from rnnforecast.store.files import lock
from rnnforecast.store.model_file import write_model
from rnnforecast.store.registry import Registry, default_store
from tests.store.builders import COLUMNS, make_model

FREQ: dict[str, JSONValue] = {"unit": "day", "multiple": 1}


@pytest.fixture
def store(tmp_path: Path) -> Registry:
    return Registry(tmp_path / ".rnnforecast")


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)


def snapshot(store: Registry) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in store.store.rglob("*.safetensors")}


def test_versions_count_from_one(store: Registry) -> None:
    assert [store.add(make_model()).label for _ in range(3)] == ["prices@1", "prices@2", "prices@3"]


def test_a_stored_model_lies_under_name_and_version(store: Registry) -> None:
    assert store.add(make_model()).path == store.store / "models" / "prices" / "1.safetensors"


def test_a_stored_model_is_loaded_as_it_was_given(store: Registry) -> None:
    store.add(make_model(seed=5))
    model = store.resolve("prices").load()
    assert model.manifest.seed == 5
    assert model.tensors["members.0.weight"].tolist() == make_model(seed=5).tensors["members.0.weight"].tolist()


def test_the_store_gives_version_and_time(store: Registry) -> None:
    manifest = store.add(make_model()).manifest
    assert manifest is not None
    assert manifest.version == 1
    assert manifest.created.endswith("+00:00")


def test_a_removed_version_is_never_given_again(store: Registry) -> None:
    store.add(make_model())
    store.add(make_model())
    store.remove("prices@2")
    assert store.add(make_model()).label == "prices@3"
    store.remove("prices")
    assert store.add(make_model()).label == "prices@4"


def test_a_version_removed_by_hand_is_never_given_again(store: Registry) -> None:
    store.add(make_model()).path.unlink()
    assert store.add(make_model()).label == "prices@2"


def test_a_store_copied_without_its_counter_goes_on_after_the_highest_version(store: Registry) -> None:
    stored = store.add(make_model())
    (stored.path.parent / "last-version").unlink()
    assert store.add(make_model()).label == "prices@2"


def test_a_counter_that_is_no_number_is_refused_by_its_path(store: Registry) -> None:
    stored = store.add(make_model())
    (stored.path.parent / "last-version").write_text("many")
    with pytest.raises(ModelFileError, match="last-version` does not hold the number of the last version"):
        store.add(make_model())


@pytest.mark.parametrize("name", ["../x", "CON", "a/b", "Zürich", "x" * 200, "nul.txt", ".hidden", "Prices", "~"])
def test_a_hostile_name_is_stored_found_and_removed_inside_the_store(store: Registry, name: str) -> None:
    stored = store.add(make_model(name))
    assert store.store.resolve() in stored.path.resolve().parents
    assert store.names() == [name]
    assert store.resolve(f"{name}@1").label == f"{name}@1"
    assert store.remove(name) == [stored.path]


@pytest.mark.parametrize("name", ["", "a@3", "a\nb"])
def test_a_name_that_cannot_be_typed_is_refused_before_anything_is_made(store: Registry, name: str) -> None:
    with pytest.raises(UsageError):
        store.add(make_model(name))
    assert not store.store.exists()


# ---- finding ----


def test_nothing_named_is_the_newest_of_all(store: Registry) -> None:
    store.add(make_model("a"))
    store.add(make_model("b"))
    store.add(make_model("a"))
    assert store.resolve().label == "a@2"


def test_a_bare_name_is_its_highest_version(store: Registry) -> None:
    for _ in range(11):
        store.add(make_model())
    assert store.resolve("prices").label == "prices@11"


def test_a_version_is_found_by_name(store: Registry) -> None:
    store.add(make_model())
    store.add(make_model())
    assert store.resolve("prices@1").label == "prices@1"


def test_a_path_is_a_model_too(store: Registry, tmp_path: Path) -> None:
    write_model(tmp_path / "copy.safetensors", make_model("elsewhere"))
    stored = store.resolve(str(tmp_path / "copy.safetensors"))
    assert stored.label == "elsewhere"
    assert stored.load().manifest.name == "elsewhere"


def test_a_path_that_is_not_there_is_refused(store: Registry) -> None:
    with pytest.raises(ModelFileError, match=r"gone.safetensors` cannot be read"):
        store.resolve("gone.safetensors")


def test_an_unknown_name_is_answered_with_the_nearest_and_all_others(store: Registry) -> None:
    store.add(make_model("prices"))
    store.add(make_model("retail"))
    with pytest.raises(
        ModelFileError, match=r"no model named `pricse` .*, did you mean `prices`. there are: `prices`, `r"
    ):
        store.resolve("pricse")


def test_an_unknown_name_unlike_any_other_is_answered_with_all(store: Registry) -> None:
    for index in range(10):
        store.add(make_model(f"model{index}"))
    with pytest.raises(
        ModelFileError, match=r"no model named `zzz` in the store `.*`; there are: `model0`, .* and 2 more"
    ):
        store.resolve("zzz")


def test_an_unknown_version_is_answered_with_those_there_are(store: Registry) -> None:
    store.add(make_model())
    store.add(make_model())
    with pytest.raises(ModelFileError, match="model `prices` has no version 9; there are: `1`, `2`"):
        store.resolve("prices@9")


@pytest.mark.parametrize("spec", [None, "prices"])
def test_an_empty_store_is_answered_with_the_command_that_fills_it(store: Registry, spec: str | None) -> None:
    with pytest.raises(ModelFileError, match="no model is stored in") as caught:
        store.resolve(spec)
    assert "rnnforecast train DATA" in (caught.value.hint or "")
    assert not store.store.exists()


def test_names_and_files_of_others_are_no_models(store: Registry) -> None:
    stored = store.add(make_model())
    for name in ("notes.txt", "01.safetensors", "x.safetensors", "2.safetensors.bak", ".rnnforecast-0.tmp"):
        (stored.path.parent / name).touch()
    (stored.path.parent.parent / "file").touch()
    assert [each.label for each in store.list()] == ["prices@1"]


def test_the_store_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RNNFORECAST_STORE", str(tmp_path / "shared"))
    assert Registry().store == tmp_path / "shared"
    monkeypatch.delenv("RNNFORECAST_STORE")
    assert default_store() == Path(".rnnforecast")


# ---- finding by data ----


def test_the_newest_model_of_the_same_file_name_columns_and_frequency_is_found(store: Registry) -> None:
    store.add(make_model("a"))
    store.add(make_model("a"))
    store.add(make_model("other", path="/data/other.csv"))
    found = store.find_for_data("elsewhere/prices.csv", columns=("Close", "Date"), freq=FREQ)
    assert found is not None
    assert found.label == "a@2"


def test_an_older_version_is_found_where_the_newest_was_trained_on_other_data(store: Registry) -> None:
    store.add(make_model("a"))
    store.add(make_model("a", path="/data/other.csv"))
    found = store.find_for_data("prices.csv", columns=COLUMNS, freq=FREQ)
    assert found is not None
    assert found.label == "a@1"


@pytest.mark.parametrize(
    ("path", "columns", "freq"),
    [
        ("price.csv", COLUMNS, FREQ),
        ("prices.csv", (*COLUMNS, "Volume"), FREQ),
        ("prices.csv", ("Date",), FREQ),
        ("prices.csv", COLUMNS, {"unit": "hour", "multiple": 1}),
    ],
)
def test_data_of_another_shape_meet_no_model(
    store: Registry, path: str, columns: tuple[str, ...], freq: dict[str, JSONValue]
) -> None:
    store.add(make_model())
    assert store.find_for_data(path, columns=columns, freq=freq) is None


def test_a_damaged_newer_version_is_not_passed_over_in_silence(store: Registry) -> None:
    store.add(make_model())
    damage(store.add(make_model()).path)
    with pytest.raises(ModelFileError, match=r"2.safetensors` is damaged"):
        store.find_for_data("prices.csv", columns=COLUMNS, freq=FREQ)


# ---- damage ----


def test_a_damaged_file_stands_in_the_list_as_damaged(store: Registry) -> None:
    store.add(make_model("a"))
    damage(store.add(make_model("b")).path)
    problems = {stored.label: stored.problem is not None for stored in store.list()}
    assert problems == {"a@1": False, "b@1": True}


def test_a_damaged_newest_version_is_refused_and_no_older_one_takes_its_place(store: Registry) -> None:
    store.add(make_model())
    damage(store.add(make_model()).path)
    for spec in (None, "prices", "prices@2"):
        with pytest.raises(ModelFileError, match=r"2.safetensors` is damaged"):
            store.resolve(spec)
    assert store.resolve("prices@1").label == "prices@1"


def test_files_that_changed_places_are_refused(store: Registry) -> None:
    first, second = store.add(make_model("a")).path, store.add(make_model("b")).path
    first.write_bytes(second.read_bytes())
    with pytest.raises(ModelFileError, match="holds the model `b@1`: files of the store were swapped"):
        store.resolve("a")


def test_a_damaged_model_with_a_long_name_is_listed_under_the_name_of_its_sound_versions(store: Registry) -> None:
    name = "long " * 40
    store.add(make_model(name.strip()))
    damage(store.add(make_model(name.strip())).path)
    assert [stored.name for stored in store.list()] == [name.strip()] * 2


def test_a_model_that_was_replaced_after_it_was_found_is_refused(store: Registry) -> None:
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


def test_removing_what_is_not_there_is_refused(store: Registry) -> None:
    store.add(make_model())
    with pytest.raises(ModelFileError, match="has no version 2"):
        store.remove("prices@2")


def test_removing_a_path_is_refused(store: Registry) -> None:
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


def test_a_store_that_may_not_be_read_is_refused(store: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_locked_store_is_refused_and_still_readable(store: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add(make_model())
    monkeypatch.setattr(registry_module, "_WAIT_SECONDS", 0.0)
    with lock(store.store / "models.lock"):
        with pytest.raises(LockedError):
            store.add(make_model())
        with pytest.raises(LockedError):
            store.remove("prices")
        assert store.resolve().load().manifest.label == "prices@1"


def test_a_store_below_a_file_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="not a directory"):
        Registry(tmp_path / "file" / "store").check_writable("prices")


def test_a_store_that_is_a_file_is_refused_before_training(tmp_path: Path) -> None:
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
