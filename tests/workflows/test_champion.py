"""Specification of champion and challenger: what a retrained model must show before it is served."""

from __future__ import annotations

from pathlib import Path

import pytest

import rnnforecast
from rnnforecast.errors import ModelFileError
from rnnforecast.store.promotion import promote
from rnnforecast.store.registry import Registry
from rnnforecast.workflows.results import TrainResult
from tests.workflows.toy import TINY, days, store_of, wave, write_csv, write_days

GOOD: dict[str, object] = {**TINY, "num_steps": 120, "hidden_size": 16, "base": "season", "num_windows": 6}
#: No season and a learning rate that leaves the weights where they began: far worse than `GOOD`.
POOR: dict[str, object] = {**TINY, "num_steps": 1, "base": "none", "learning_rate": 1e-9, "num_windows": 6}


def trained(path: Path, settings: dict[str, object], **words: object) -> TrainResult:
    return rnnforecast.train([path], rnnforecast.Settings.from_flat(settings), store=store_of(path), **words)  # type: ignore[arg-type]


def activation(result: TrainResult) -> dict[str, object]:
    assert result.activation is not None
    return dict(result.activation)


def served(path: Path) -> str:
    return Registry(store_of(path)).resolve("days").label


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of days whose name has a good model of the first 120 of them."""
    file = write_days(tmp_path, 120)
    assert activation(trained(file, GOOD))["basis"] == "first"
    return file


def test_a_first_version_is_active(path: Path) -> None:
    assert served(path) == "days@1"


def test_a_challenger_that_is_clearly_worse_on_rows_neither_saw_is_kept_aside(path: Path) -> None:
    write_days(path.parent, 180)
    found = activation(trained(path, POOR))
    assert (found["activated"], found["active"], found["champion"]) == (False, "days@1", "days@1")
    assert (found["basis"], found["outcome"]) == ("held-out", "loss")
    assert "significantly" in str(found["reason"])
    assert served(path) == "days@1"
    assert Registry(store_of(path)).resolve("days@2").label == "days@2"


def test_a_challenger_as_good_on_rows_neither_saw_becomes_active(path: Path) -> None:
    write_days(path.parent, 180)
    found = activation(trained(path, {**GOOD, "seed": 7}))
    assert (found["activated"], found["active"], found["basis"]) == (True, "days@2", "held-out")
    assert found["outcome"] in ("win", "tie")
    assert served(path) == "days@2"


def test_only_steps_after_the_rows_the_champion_was_fitted_on_are_compared(path: Path) -> None:
    write_days(path.parent, 160)  # six cutoffs of seven days: 42 steps are held out, 40 of them are new
    assert activation(trained(path, GOOD))["num_steps"] == 40


def test_on_the_same_rows_the_records_decide_against_a_loss(path: Path) -> None:
    found = activation(trained(path, POOR))
    assert (found["activated"], found["basis"], found["active"]) == (False, "records", "days@1")
    assert "days@1 was fitted on nearly all held-out rows" in str(found["reason"])
    assert "it loses to" in str(found["reason"])


def test_on_the_same_rows_a_record_that_is_not_a_worse_becomes_active(path: Path) -> None:
    found = activation(trained(path, {**GOOD, "seed": 7}))
    assert (found["activated"], found["basis"], found["active"]) == (True, "records", "days@2")
    assert "is not clearly worse than before" in str(found["reason"])


@pytest.mark.parametrize(("activate", "is_active"), [("always", True), ("never", False)])
def test_a_user_may_decide(path: Path, activate: str, is_active: bool) -> None:
    found = activation(trained(path, POOR, activate=activate))
    assert (found["activated"], found["basis"]) == (is_active, "asked")
    assert served(path) == ("days@2" if is_active else "days@1")


def test_never_still_serves_a_first_version(tmp_path: Path) -> None:
    file = write_days(tmp_path, 90)
    assert activation(trained(file, TINY, activate="never"))["activated"] is True
    assert served(file) == "days@1"


def test_a_champion_of_other_columns_is_not_compared(path: Path) -> None:
    write_csv(path, date=days(120), sales=wave(120))
    found = activation(trained(path, POOR))
    assert (found["activated"], found["basis"]) == (True, "not comparable")
    assert found["reason"] == "days@1 cannot forecast these rows: it was trained on other targets"


def test_a_champion_of_another_frequency_is_not_compared(path: Path) -> None:
    write_csv(path, date=days(120, step=7), value=wave(120))
    assert "its frequency is D, theirs W-MON" in str(activation(trained(path, POOR))["reason"])


def test_a_damaged_champion_is_replaced_with_a_message(path: Path) -> None:
    file = Registry(store_of(path)).resolve("days@1").path
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    found = activation(trained(path, POOR))
    assert (found["activated"], found["basis"]) == (True, "not comparable")
    assert "the active version cannot be used" in str(found["reason"])


def test_a_stand_in_is_compared_on_every_held_out_row(path: Path) -> None:
    promote(Registry(store_of(path)), "days@1", stand_in="seasonal-naive")
    found = activation(trained(path, POOR))
    assert (found["activated"], found["basis"], found["num_steps"]) == (False, "held-out", 42)
    promote(Registry(store_of(path)), "days@1", stand_in="naive")
    again = activation(trained(path, {**GOOD, "seed": 3}))
    assert (again["activated"], again["active"]) == (True, "days@3")
    assert Registry(store_of(path)).resolve("days").stand_in is None


def test_a_pointer_nobody_can_read_is_rejected_before_the_training(path: Path) -> None:
    (store_of(path) / "models" / "days" / "active").write_text("?")
    with pytest.raises(ModelFileError, match="the active version is unknown"):
        trained(path, GOOD)
    assert len(list((store_of(path) / "models" / "days").glob("*.safetensors"))) == 1


def test_the_decision_stands_in_the_pointer(path: Path) -> None:
    assert '"reason": "days@1 was fitted' in _pointer(path, trained(path, {**GOOD, "seed": 7}))


def _pointer(path: Path, result: TrainResult) -> str:
    assert result.model == "days@2"
    return (store_of(path) / "models" / "days" / "active").read_text()
