from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from pretraining.settings import SHIPPED_SETTINGS, read_settings
from rnnforecast.errors import UsageError
from rnnforecast.inference.season_classes import SEASON_CLASSES, season_class
from tests.pretraining.toy import tiny_settings, write_toml


def test_a_file_is_read_back_as_what_it_says(tmp_path: Path) -> None:
    assert read_settings(write_toml(tmp_path / "run.toml")) == tiny_settings()


@pytest.mark.parametrize("line", ["hiden_size = 8", "batch_size = 256"])
def test_an_unknown_key_is_rejected(tmp_path: Path, line: str) -> None:
    path = write_toml(tmp_path / "run.toml")
    path.write_text(f"{line}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    with pytest.raises(UsageError, match=rf"run.toml: `{line.split()[0]}`: extra inputs are not permitted") as caught:
        read_settings(path)
    assert caught.value.hint == "`--settings` takes a file of the form of pretraining/base.toml"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"num_steps = ", "no TOML: invalid value"),
        (b"\xff\xfe", "no text in UTF-8"),
        (b"num_steps = 3", "`clocks`: field required"),
        (b"num_steps = 3\nclocks = []", "`clocks`: tuple should have at least 1 item"),
    ],
)
def test_a_file_that_holds_no_settings_is_rejected_with_the_reason(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "run.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=f"settings .*run.toml: {reason}"):
        read_settings(path)


@pytest.mark.parametrize("season_length", [1, 12, 24])
def test_a_member_has_the_size_of_the_settings_and_the_season_asked_for(season_length: int) -> None:
    member = tiny_settings(hidden_size=16, num_layers=3).member(season_length)
    assert (member.hidden_size, member.num_layers, member.season_length) == (16, 3, season_length)


def test_an_unknown_key_of_a_clock_is_rejected() -> None:
    clock = {"season_class": "none", "season_length": [1], "domain": "yearly", "share": 1, "season": 4}
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        tiny_settings(clocks=[clock])


@pytest.mark.parametrize(
    "changes",
    [{"num_steps": 0}, {"learning_rate": 0}, {"decay_share": 1.5}, {"average_decay": 1}, {"precision": "float16"}],
)
def test_a_value_out_of_bounds_is_rejected(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        tiny_settings(**changes)


@pytest.mark.parametrize("name", ["base.toml", "continued.toml"])
def test_the_pretrained_settings_train_every_season_class_and_name_it_rightly(name: str) -> None:
    clocks = read_settings(SHIPPED_SETTINGS.with_name(name)).clocks
    assert {clock.season_class for clock in clocks} == {entry.name for entry in SEASON_CLASSES}
    for clock in clocks:
        assert {season_class(length).name for length in clock.season_length} == {clock.season_class}
