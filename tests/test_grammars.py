from __future__ import annotations

import sys

import pytest

from rnnforecast.config import Settings
from rnnforecast.errors import UsageError
from rnnforecast.grammars import Duration, parse_size


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


@pytest.mark.parametrize("size", ["9" * 310 + "T", "9" * 40, "1000001T"])
def test_a_size_beyond_every_disk_is_rejected(size: str) -> None:
    with pytest.raises(UsageError, match="is too large"):
        parse_size(size)
    with pytest.raises(UsageError, match=r"`max_bytes`.*is too large"):
        Settings.from_flat({"max_bytes": size})


@pytest.mark.parametrize("key", ["time_budget", "wait"])
def test_settings_name_an_invalid_duration_with_its_key(key: str) -> None:
    with pytest.raises(UsageError, match=f"`{key}`: invalid duration `90`; use e.g. `90s`"):
        Settings.from_flat({key: "90"})


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("freq", "foo", "unknown frequency `foo`; use one of s, min, h"),
        ("freq", "0h", "invalid frequency `0h`: the multiple is at least 1"),
        ("freq", "MS-40", "invalid frequency `MS-40`: the multiple is at least 1 and the day 1 to 31"),
        ("freq", "2B", "invalid frequency `2B`: B has no multiples; use `--freq D`"),
        ("freq", "W-JAN", "invalid frequency `W-JAN`: a week takes one of MON, TUE"),
        ("freq", "D-MON", "invalid frequency `D-MON`: a day takes no suffix"),
        ("freq", "B[0000000]", "no day of the week is open"),
        ("freq", "h[1111100 25:00-26:00]", "unknown frequency"),
        ("resample", "zz", "unknown frequency `zz`"),
        ("resample", "step", "invalid length of time `step`; use e.g. `15min`"),
        ("tz", "Nowhere/X", "unknown time zone `Nowhere/X`"),
        ("tz", "+99:00", "unknown time zone `\\+99:00`; use a name such as Europe/Berlin"),
        ("date_format", "%Q", "invalid date format `%Q`: 'Q' is a bad directive"),
        ("date_format", "%Y %", "invalid date format `%Y %`: stray %"),
        ("date_format", "%Y %Y", "invalid date format `%Y %Y`: a directive is repeated"),
        ("date_format", "YYYY-MM-DD", "it has no directive such as %Y; use %Y %m %d"),
        ("calendar", "XXXX", "unknown calendar `XXXX`"),
        ("calendar", "nyse", "did you mean `NYSE`"),
        ("country", "Bavaria", "unknown calendar `Bavaria`"),
        ("max_bytes", "5 apples", "invalid size `5 apples`; use e.g. `500MB`"),
    ],
)
def test_settings_reject_a_value_outside_its_grammar(key: str, value: str, problem: str) -> None:
    with pytest.raises(UsageError, match=f"`{key}`: .*{problem}"):
        Settings.from_flat({key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [("freq", "15min"), ("freq", "h[1111100 07:00-21:00]"), ("resample", "MS"), ("tz", "+01:00"), ("tz", "Europe/Berlin"),
     ("date_format", "%d.%m.%Y %H:%M"), ("calendar", "learned"), ("calendar", "XNYS"), ("country", "DE-BY"),
     ("max_bytes", "2 GiB")],
)  # fmt: skip
def test_settings_accept_values_of_the_grammar(key: str, value: str) -> None:
    assert Settings.from_flat({key: value}).to_flat()[key] == value


@pytest.mark.parametrize(
    ("text", "num_bytes"), [("500", 500), ("2kB", 2_000), ("1.5 MiB", 1_572_864), ("3g", 3 * 10**9)]
)
def test_a_size_is_a_number_of_bytes(text: str, num_bytes: int) -> None:
    assert parse_size(text) == num_bytes


def test_a_calendar_is_not_checked_without_the_package_that_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)
    assert Settings.from_flat({"calendar": "XXXX"}).data.calendar == "XXXX"
