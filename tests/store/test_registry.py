"""Specification of the store: names, versions, the newest, and the model that fits data."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from rnnforecast.errors import ModelFileError, UsageError
from rnnforecast.findings import JSONValue
from rnnforecast.store.model_file import write_model
from rnnforecast.store.registry import Registry, default_store
from tests.store.builders import COLUMNS, damage, make_model

FREQ: dict[str, JSONValue] = {"unit": "day", "multiple": 1}


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


def test_a_store_copied_without_its_counter_continues_after_the_highest_version(store: Registry) -> None:
    stored = store.add(make_model())
    (stored.path.parent / "last-version").unlink()
    assert store.add(make_model()).label == "prices@2"


@pytest.mark.parametrize("content", ["many", "", "-3", "999999999", "1000000000", "9" * 5_000, "7\n8", "\x00"])
def test_a_damaged_counter_is_repaired_with_a_message_and_gives_a_readable_version(
    store: Registry, content: str
) -> None:
    for seed in range(3):
        store.add(make_model(seed=seed))
    store.remove("prices@3")
    counter = store.store / "models" / "prices" / "last-version"
    counter.write_text(content)
    assert store.add(make_model()).label == "prices@3"
    assert store.resolve("prices").version == 3
    assert counter.read_text() == "3\n"
    assert store.repairs == [f"`{counter}` was damaged and is repaired: the last version of `prices` is 2"]


def test_a_damaged_counter_does_not_give_a_version_again_that_was_active_or_forecast(store: Registry) -> None:
    for seed in range(2):
        store.add(make_model(seed=seed))
    folder = store.store / "models" / "prices"
    (folder / "last-version").write_text("?")
    (store.store / "ledger" / "prices").mkdir(parents=True)
    (store.store / "ledger" / "prices" / "6_1704067200.parquet").touch()
    assert store.add(make_model()).label == "prices@7"


def test_without_a_number_left_training_is_rejected_before_it_begins(store: Registry) -> None:
    stored = store.add(make_model())
    stored.path.rename(stored.path.with_name("999999999.safetensors"))
    (stored.path.parent / "active").unlink()
    with pytest.raises(ModelFileError, match="no version number left after 999999999"):
        store.check_writable("prices")
    with pytest.raises(ModelFileError, match="no version number left after 999999999"):
        store.add(make_model())
    assert [path.name for path in stored.path.parent.glob("*.safetensors")] == ["999999999.safetensors"]


def test_a_counter_that_cannot_be_read_is_rejected_by_its_path(store: Registry) -> None:
    stored = store.add(make_model())
    (stored.path.parent / "last-version").unlink()
    (stored.path.parent / "last-version").mkdir()
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
def test_a_name_that_cannot_be_typed_is_rejected_before_anything_is_made(store: Registry, name: str) -> None:
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


def test_a_path_that_is_not_there_is_rejected(store: Registry) -> None:
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


@pytest.mark.parametrize("word", ["prices.csv", "my prices.parquet", "rows.CSV.gz"])
def test_a_word_that_looks_like_a_file_of_rows_is_answered_with_the_flag_that_takes_it(
    store: Registry, word: str
) -> None:
    with pytest.raises(ModelFileError, match="that is a file of rows, or named like one") as caught:
        store.resolve(word)
    assert f"take rows with `--data {shlex.quote(word)}`" in str(caught.value.hint)


def test_a_file_that_is_there_is_answered_as_one_whatever_it_is_called(store: Registry, tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_text("date,close\n")
    store.add(make_model())
    with pytest.raises(ModelFileError, match="that is a file of rows") as caught:
        store.resolve(str(file))
    assert f"--data {file}" in str(caught.value.hint)


def test_a_model_whose_name_ends_like_a_file_is_still_found(store: Registry) -> None:
    store.add(make_model(name="prices.csv"))
    assert store.resolve("prices.csv").label == "prices.csv@1"


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
    assert "rnnforecast predict --data FILE" in (caught.value.hint or "")
    assert not store.store.exists()


def test_names_and_files_of_others_are_not_models(store: Registry) -> None:
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


def test_an_empty_name_of_a_store_is_the_usual_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RNNFORECAST_STORE", raising=False)
    assert Registry("").store == Path(".rnnforecast")
