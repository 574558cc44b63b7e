"""Specification of the active version: what is served, what follows it, and what is never guessed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rnnforecast.errors import ModelFileError, OutputError, UsageError
from rnnforecast.store import versions as entry_module
from rnnforecast.store.active import Active, read_active, write_active
from rnnforecast.store.promotion import promote, prune, rollback
from rnnforecast.store.registry import Registry
from tests.store.builders import damage, make_model


def _folder(store: Registry) -> Path:
    return store.store / "models" / "prices"


def _fill(store: Registry, count: int) -> None:
    for seed in range(count):
        store.add(make_model(seed=seed))


def test_a_new_version_becomes_the_active_one(store: Registry) -> None:
    _fill(store, 2)
    assert store.resolve("prices").label == "prices@2"
    assert [(stored.version, stored.is_active) for stored in store.list()] == [(1, False), (2, True)]


def test_a_version_that_is_kept_aside_is_stored_and_not_served(store: Registry) -> None:
    _fill(store, 1)
    assert store.add(make_model(seed=1), activate=False).label == "prices@2"
    assert store.resolve("prices").label == "prices@1"
    assert store.resolve("prices@2").label == "prices@2"
    assert store.resolve(None).label == "prices@1"


def test_a_first_version_is_active_even_when_it_was_to_be_kept_aside(store: Registry) -> None:
    assert store.add(make_model(), activate=False).is_active
    assert store.resolve("prices").label == "prices@1"


def test_without_a_pointer_the_newest_version_is_active(store: Registry) -> None:
    _fill(store, 3)
    (_folder(store) / "active").unlink()
    assert store.resolve("prices").label == "prices@3"


def test_keeping_aside_in_a_store_without_a_pointer_keeps_serving_what_was_newest(store: Registry) -> None:
    _fill(store, 2)
    (_folder(store) / "active").unlink()
    store.add(make_model(seed=9), activate=False)
    assert store.resolve("prices").label == "prices@2"


@pytest.mark.parametrize(
    "content",
    [b"", b"3", b"{", b"[]", b'{"version":0}', b'{"version":true}', b'{"version":"2"}',
     b'{"version":1,"previous":[0]}', b'{"version":1,"previous":3}', b'{"version":1,"served":"../x"}',
     b'{"version":1,"served":7}', b"\xff\xfe", b"[" * 50_000, b"x" * 70_000],
)  # fmt: skip
def test_a_damaged_pointer_is_rejected_with_the_command_that_writes_it_anew(store: Registry, content: bytes) -> None:
    _fill(store, 2)
    (_folder(store) / "active").write_bytes(content)
    for spec in ("prices", None):
        with pytest.raises(ModelFileError, match="the active version is unknown") as caught:
            store.resolve(spec)
        assert "models promote NAME@VERSION" in str(caught.value.hint)
    with pytest.raises(ModelFileError, match="the active version is unknown"):
        store.check_writable("prices")
    assert store.resolve("prices@1").label == "prices@1"
    assert [stored.is_active for stored in store.list()] == [False, False]
    promote(store, "prices@1")
    assert "the record of the active version of `prices` was replaced: " in store.repairs[0]
    assert store.resolve("prices").label == "prices@1"


def test_a_pointer_to_a_version_that_is_gone_is_rejected_with_the_fix(store: Registry) -> None:
    _fill(store, 2)
    (_folder(store) / "2.safetensors").unlink()
    with pytest.raises(ModelFileError, match="version 2 of `prices` is the active one, and its file is gone") as caught:
        store.resolve("prices")
    assert "`rnnforecast models promote prices@1`" in str(caught.value.hint)
    promote(store, "prices@1")
    assert store.resolve("prices").label == "prices@1"


def test_a_pointer_that_cannot_be_read_is_rejected(store: Registry) -> None:
    _fill(store, 1)
    (_folder(store) / "active").unlink()
    (_folder(store) / "active").mkdir()
    with pytest.raises(ModelFileError, match="the active version is unknown: is a directory"):
        store.resolve("prices")


def test_promoting_a_version_makes_it_the_one_that_is_served(store: Registry) -> None:
    _fill(store, 3)
    change = promote(store, "prices@1", reason="better in spring")
    assert (change.active.label, change.before) == ("prices@1", 3)
    assert store.resolve("prices").label == "prices@1"
    active = read_active(_folder(store))
    assert active is not None
    assert (active.version, active.previous, active.reason) == (1, (1, 2, 3), "better in spring")


def test_promoting_a_bare_name_takes_its_newest_version(store: Registry) -> None:
    _fill(store, 2)
    promote(store, "prices@1")
    assert promote(store, "prices").active.label == "prices@2"


def test_a_damaged_version_is_never_promoted(store: Registry) -> None:
    _fill(store, 2)
    path = _folder(store) / "1.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelFileError, match="is damaged"):
        promote(store, "prices@1")
    assert store.resolve("prices").label == "prices@2"


def test_what_is_not_there_cannot_be_promoted(store: Registry) -> None:
    _fill(store, 1)
    with pytest.raises(ModelFileError, match="has no version 7"):
        promote(store, "prices@7")
    with pytest.raises(UsageError, match="is a file, models are promoted by name"):
        promote(store, "x.safetensors")


def test_a_stand_in_is_served_until_another_promotion(store: Registry) -> None:
    _fill(store, 1)
    promote(store, "prices@1", stand_in="seasonal-naive", reason="drift")
    assert store.resolve("prices").stand_in == "seasonal-naive"
    assert store.resolve("prices@1").stand_in is None
    promote(store, "prices@1")
    assert store.resolve("prices").stand_in is None


def test_a_stand_in_ends_with_a_new_active_version(store: Registry) -> None:
    _fill(store, 1)
    promote(store, "prices@1", stand_in="naive")
    store.add(make_model(seed=1))
    assert store.resolve("prices").stand_in is None


def test_rolling_back_goes_to_what_was_active_before_step_by_step(store: Registry) -> None:
    _fill(store, 3)
    promote(store, "prices@1")
    assert [rollback(store, "prices").active.version for _ in range(3)] == [3, 2, 1]
    with pytest.raises(ModelFileError, match="no earlier version of `prices` to go back to: only version 1 was active"):
        rollback(store, "prices")


def test_rolling_back_without_a_memory_goes_to_the_next_older_version(store: Registry) -> None:
    _fill(store, 3)
    (_folder(store) / "active").unlink()
    change = rollback(store, "prices")
    assert (change.active.label, change.before) == ("prices@2", 3)


def test_rolling_back_passes_over_versions_that_were_removed(store: Registry) -> None:
    _fill(store, 3)
    store.remove("prices@2")
    assert rollback(store, "prices").active.label == "prices@1"


def test_rolling_back_never_goes_to_a_damaged_version(store: Registry) -> None:
    _fill(store, 2)
    damage(_folder(store) / "1.safetensors")
    with pytest.raises(ModelFileError, match=r"1.safetensors` is damaged"):
        rollback(store, "prices")
    assert store.resolve("prices").label == "prices@2"


def test_a_version_cannot_be_rolled_back_only_a_name(store: Registry) -> None:
    _fill(store, 2)
    with pytest.raises(UsageError, match="`prices@1` is not a bare name"):
        rollback(store, "prices@1")


def test_pruning_keeps_the_newest_and_the_active_one(store: Registry) -> None:
    _fill(store, 5)
    promote(store, "prices@2")
    assert [stored.label for stored in prune(store, keep=2)] == ["prices@1", "prices@3"]
    assert [stored.label for stored in store.list()] == ["prices@2", "prices@4", "prices@5"]
    assert store.resolve("prices").label == "prices@2"


def test_a_dry_run_of_pruning_removes_nothing(store: Registry) -> None:
    _fill(store, 3)
    assert [stored.label for stored in prune(store, ["prices"], keep=1, dry_run=True)] == ["prices@1", "prices@2"]
    assert len(store.list()) == 3


def test_pruning_looks_at_every_name_unless_some_are_named(store: Registry) -> None:
    for name in ("a", "b"):
        for seed in range(2):
            store.add(make_model(name, seed=seed))
    assert [stored.label for stored in prune(store, ["b"], keep=1)] == ["b@1"]
    assert [stored.label for stored in prune(store, keep=1)] == ["a@1"]
    assert prune(store, keep=1) == []


def test_pruning_everything_is_rejected(store: Registry) -> None:
    with pytest.raises(UsageError, match="`--keep 0` would leave nothing"):
        prune(store, keep=0)


def test_pruning_with_a_damaged_pointer_removes_nothing(store: Registry) -> None:
    _fill(store, 3)
    (_folder(store) / "active").write_text("?")
    with pytest.raises(ModelFileError, match="the active version is unknown"):
        prune(store, keep=1)
    assert len(store.list()) == 3


def test_a_pruned_version_is_never_given_again(store: Registry) -> None:
    _fill(store, 2)
    promote(store, "prices@1")
    store.remove("prices@2")
    assert store.add(make_model()).label == "prices@3"


def test_removing_the_active_version_serves_the_one_that_was_active_before(store: Registry) -> None:
    _fill(store, 3)
    promote(store, "prices@1")
    store.remove("prices@1")
    assert store.resolve("prices").label == "prices@3"


def test_removing_a_name_leaves_no_pointer_behind(store: Registry) -> None:
    _fill(store, 2)
    store.remove("prices")
    store.add(make_model())
    assert store.resolve("prices").label == "prices@3"


def test_a_pointer_that_cannot_be_written_leaves_the_old_one(store: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(store, 2)
    before = (_folder(store) / "active").read_bytes()

    def refuse(*_: object) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr(entry_module, "write_active", refuse)
    with pytest.raises(OutputError):
        store.remove("prices@2")
    assert (_folder(store) / "active").read_bytes() == before
    assert len(store.list()) == 2


def test_the_pointer_is_plain_json(tmp_path: Path) -> None:
    write_active(tmp_path, Active(2, (1,), "naive", "a \u2028 reason"))
    text = (tmp_path / "active").read_text("ascii")
    assert json.loads(text) == {"version": 2, "previous": [1], "served": "naive", "reason": "a \u2028 reason"}
    assert text.count("\n") == 1
    assert read_active(tmp_path) == Active(2, (1,), "naive", "a \u2028 reason")


def test_the_model_that_fits_data_is_the_active_one_of_its_name(store: Registry) -> None:
    _fill(store, 2)
    promote(store, "prices@1")
    found = store.find_for_data("/elsewhere/prices.csv", columns=("Close", "Date"))
    assert found is not None
    assert found.label == "prices@1"
