from __future__ import annotations

import pytest

from rnnforecast.config import Settings
from rnnforecast.durations import Duration
from rnnforecast.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1_800), ("30min", 1_800), ("30 min", 1_800), ("1.5h", 5_400), ("1 H", 3_600),
     ("1d", 86_400), ("2w", 1_209_600), (" 10m ", 600)],
)  # fmt: skip
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert Duration.parse(text, option="--wait").seconds == seconds


@pytest.mark.parametrize(
    "text", ["", "90", "soon", "s", "0s", "-5m", "1e3s", "nan", "5 days", "2 months", "1d2h", "999999999w", 30, None]
)
def test_anything_else_is_rejected_with_examples(text: object) -> None:
    with pytest.raises(UsageError, match=f"invalid duration `{text}` for `--timeout`") as caught:
        Duration.parse(text, option="--timeout")
    assert caught.value.hint == "use e.g. `90s`, `10m`, `1h`, `2d`"


def test_zero_is_a_duration_where_nothing_has_to_take_time() -> None:
    assert Duration.parse("0s", option="--wait", allow_zero=True).seconds == 0


def test_settings_keep_the_text_of_a_duration() -> None:
    settings = Settings.from_flat({"time_budget": "5 min", "wait": "0s"})
    assert settings.training.time_budget == Duration("5 min", 300.0)
    assert (settings.to_flat()["time_budget"], settings.to_flat()["wait"]) == ("5 min", "0s")
    assert Settings.from_flat(settings.to_flat()) == settings


@pytest.mark.parametrize("key", ["time_budget", "wait"])
def test_settings_name_an_invalid_duration_with_its_key(key: str) -> None:
    with pytest.raises(UsageError, match=f"`{key}` = '90': invalid duration; use e.g. `90s`"):
        Settings.from_flat({key: "90"})
