from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest

from rnnforecast.store.registry import Registry
from tests.cli.conftest import RunCommand
from tests.cli.schemas import problems
from tests.cli.test_text import Terminal
from tests.store.builders import sound_model


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a store of `prices@1` and `prices@2` that the environment names."""
    for _ in range(2):
        Registry(tmp_path).add(sound_model("prices"))
    monkeypatch.setenv("RNNFORECAST_STORE", str(tmp_path))
    return tmp_path


def _spoil(store: Path) -> None:
    path = Registry(store).resolve("prices@2").path
    content = bytearray(path.read_bytes())
    content[-1] ^= 0xFF
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("words", "schema"),
    [
        (("models", "list"), "models"),
        (("models", "verify"), "models"),
        (("models", "verify", "prices@1"), "models"),
        (("models", "show"), "models show"),
        (("models", "promote", "prices@1"), "models"),
        (("models", "rollback", "prices"), "models"),
        (("models", "prune", "--keep", "1"), "models"),
        (("models", "remove", "prices@1", "--yes"), "models"),
        (("doctor",), "doctor"),
    ],
)
@pytest.mark.usefixtures("store")
def test_json_is_one_document_of_the_documented_schema(run: RunCommand, words: tuple[str, ...], schema: str) -> None:
    ended = run(*words, "--format", "json")
    assert ended.code == 0
    document = json.loads(ended.out)
    assert problems(document, schema) == []
    assert ended.err == "".join(f"note: {note}\n" for note in document.get("notes", []))


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("options", [(), ("--format", "json"), ("--quiet",)])
def test_models_without_a_command_lists(run: RunCommand, options: tuple[str, ...]) -> None:
    assert run("models", *options) == run("models", "list", *options)


def test_models_help_shows_its_commands(run: RunCommand) -> None:
    assert "rollback" in run("models", "--help").out


@pytest.mark.usefixtures("store")
def test_list_shows_every_version(run: RunCommand) -> None:
    shown = run("models", "list").out
    assert all(label in shown for label in ("2 models stored", "prices@1", "prices@2"))


def test_an_empty_store_says_what_to_do(run: RunCommand, tmp_path: Path) -> None:
    assert "train one with `rnnforecast train DATA`" in run("models", "list", "--store", str(tmp_path)).out


def test_verify_ends_with_code_12_when_a_byte_has_changed(run: RunCommand, store: Path) -> None:
    _spoil(store)
    ended = run("models", "verify")
    assert ended.code == 12
    assert "prices@2  damaged" in ended.out


@pytest.mark.usefixtures("store")
def test_promote_and_rollback_say_what_a_name_means_now(run: RunCommand) -> None:
    ended = run("models", "promote", "prices@1")
    assert (ended.code, ended.err) == (0, "note: `prices` now means prices@1, before it was prices@2\n")
    assert "prices@1  active" in ended.out
    assert run("models", "promote", "prices@1").err == "note: prices@1 was active already\n"
    assert run("models", "rollback", "prices").err == "note: `prices` now means prices@2, before it was prices@1\n"


@pytest.mark.usefixtures("store")
def test_list_marks_the_active_version_alone(run: RunCommand) -> None:
    lines = run("models", "list").out.splitlines()
    assert [("active" in line) for line in lines if "prices@" in line] == [False, True]


def test_list_names_a_pointer_that_nobody_can_read(run: RunCommand, store: Path) -> None:
    (store / "models" / "prices" / "active").write_text("?")
    ended = run("models", "list")
    assert ended.code == 0
    assert "the active version is unknown" in ended.err
    assert run("models", "show", "prices").code == 12


@pytest.mark.usefixtures("store")
def test_prune_shows_what_would_go_before_anything_does(run: RunCommand) -> None:
    dry = run("models", "prune", "prices", "--keep", "1", "--dry-run")
    assert "1 model pruned" in dry.out
    assert dry.err == "note: nothing was removed: this was a dry run\n"
    assert "prices@1" in run("models", "prune", "prices", "--keep", "1").out
    assert "there are no older versions" in run("models", "prune", "--keep", "1").out


@pytest.mark.usefixtures("store")
def test_prune_needs_to_be_told_how_many_to_keep(run: RunCommand) -> None:
    assert run("models", "prune").code == 2
    assert "would leave nothing" in run("models", "prune", "--keep", "0").err


def test_remove_needs_yes_where_nobody_can_be_asked(run: RunCommand, store: Path) -> None:
    ended = run("models", "remove", "prices")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error: prices@1, prices@2: cannot ask for confirmation without a terminal, nothing was removed\nhint: add --yes\n"
    )
    assert len(Registry(store).list()) == 2


@pytest.mark.parametrize(("answer", "left"), [("y\n", 1), ("n\n", 2), ("\n", 2)])
def test_remove_asks_on_a_terminal_and_takes_only_yes_for_yes(
    run: RunCommand, store: Path, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    ended = run("models", "remove", "prices@1")
    assert ended.code == 0
    assert "remove prices@1? [y/N]" in ended.err + ended.out
    assert ("nothing was removed" in ended.err) is (left == 2)
    assert len(Registry(store).list()) == left


def test_remove_with_yes_says_what_is_gone(run: RunCommand, store: Path) -> None:
    ended = run("models", "remove", "prices@1", "--yes")
    assert (ended.code, "1 model removed" in ended.out) == (0, True)
    assert [stored.label for stored in Registry(store).list()] == ["prices@2"]


@pytest.mark.usefixtures("store")
def test_an_unknown_model_ends_with_code_12_and_names_those_there_are(run: RunCommand) -> None:
    ended = run("models", "show", "price")
    assert ended.code == 12
    assert "did you mean `prices`?" in ended.err


def test_doctor_ends_with_code_1_when_a_check_fails(run: RunCommand, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = run("doctor", "--store", str(tmp_path / "file" / "store"))
    assert (ended.code, ended.out.startswith("Some checks failed")) == (1, True)


def test_a_sound_file_that_is_another_than_expected_is_rejected_by_its_digest(run: RunCommand, store: Path) -> None:
    path = Registry(store).resolve("prices@1").path
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    assert run("models", "verify", "prices@1", "--expect-digest", right.upper()).code == 0
    assert run("models", "verify", str(path), "--expect-digest", right).code == 0
    forged = run("models", "verify", "prices@2", "--expect-digest", right, "--format", "json")
    has = hashlib.sha256(Registry(store).resolve("prices@2").path.read_bytes()).hexdigest()
    (model,) = json.loads(forged.out)["models"]
    assert (forged.code, model["problem"]) == (12, f"another file than expected: its SHA-256 is {has}")


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("prices@1", "--expect-digest", "abc"), "`abc` is not a SHA-256 digest"),
        (("--expect-digest", "0" * 64), "one digest was given for 2 models"),
    ],
)
def test_a_digest_is_of_one_model_and_has_64_digits(run: RunCommand, words: tuple[str, ...], message: str) -> None:
    ended = run("models", "verify", *words)
    assert ended.code == 2
    assert message in ended.err
