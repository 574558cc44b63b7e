from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from rnnforecast.data.rows import Rows
from rnnforecast.data.timestamps.timezones import Zone, is_clock_put_back, localise, read_zone, rules_version
from rnnforecast.errors import DataError, UsageError
from rnnforecast.findings import Finding

HOUR = np.timedelta64(1, "h")


def timestamps_of(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


def rows_of(timestamps: np.ndarray, items: Sequence[int] | None = None) -> Rows:
    return Rows(
        items=np.zeros(len(timestamps), dtype=np.int64) if items is None else np.array(items),
        timestamps=timestamps,
        values=np.arange(len(timestamps), dtype=np.float64)[:, None],
        labels=str,
        locate=lambda rows: ("a.csv", tuple(row + 2 for row in rows)),
        time_column="time",
    )


def to_utc(
    timestamps: np.ndarray,
    zone: str = "Europe/Berlin",
    *,
    items: Sequence[int] | None = None,
    ambiguous: str | None = None,
    nonexistent: str | None = None,
) -> tuple[list[str], list[Finding]]:
    findings: list[Finding] = []
    utc, _ = localise(rows_of(timestamps, items), zone, ambiguous=ambiguous, nonexistent=nonexistent, findings=findings)
    return [str(timestamp)[:16] for timestamp in utc], findings


def autumn(minutes: int) -> np.ndarray:
    """The local timestamps of the night in which clocks in Berlin went from 03:00 back to 02:00."""
    first = np.arange(
        timestamps_of("2024-10-27T01:00")[0], timestamps_of("2024-10-27T03:00")[0], np.timedelta64(minutes, "m")
    )
    again = np.arange(
        timestamps_of("2024-10-27T02:00")[0], timestamps_of("2024-10-27T04:00")[0], np.timedelta64(minutes, "m")
    )
    return np.concatenate([first, again])


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])
def test_every_instant_comes_back_from_the_clocks_of_a_zone(zone: str) -> None:
    instants = np.arange(np.datetime64("2023-12-30", "us"), np.datetime64("2025-01-03", "us"), np.timedelta64(15, "m"))
    rules = read_zone(zone, instants)
    earliest, latest, skipped = rules.to_utc(rules.to_local(instants))
    assert not skipped.any()
    assert bool(((earliest == instants) | (latest == instants)).all())


def test_a_year_has_one_day_of_23_hours_and_one_of_25() -> None:
    instants = np.arange(np.datetime64("2024-01-01", "us"), np.datetime64("2025-01-01", "us"), HOUR)
    local = read_zone("Europe/Berlin", instants).to_local(instants)
    days, hours = np.unique(local.astype("datetime64[D]"), return_counts=True)
    assert sorted(set(hours[1:-1].tolist())) == [23, 24, 25]
    days, hours = days[1:-1], hours[1:-1]
    assert days[hours == 23].astype(str).tolist() == ["2024-03-31"]
    assert days[hours == 25].astype(str).tolist() == ["2024-10-27"]


def test_a_repeated_hour_is_rejected_with_rows_zone_and_flag() -> None:
    with pytest.raises(DataError, match=r"2024-10-27 02:00:00 is ambiguous in zone Europe/Berlin") as caught:
        to_utc(autumn(15))
    assert caught.value.findings[0].rows == (6, 7, 8, 9, 10, 11, 12, 13)
    assert "--ambiguous infer" in str(caught.value.hint)


def test_a_repeated_hour_is_inferred_from_the_order_of_rows() -> None:
    utc, findings = to_utc(autumn(30), ambiguous="infer")
    expected = np.arange(
        timestamps_of("2024-10-26T23:00")[0], timestamps_of("2024-10-27T03:00")[0], np.timedelta64(30, "m")
    )
    assert utc == [str(timestamp)[:16] for timestamp in expected]
    assert [finding.code for finding in findings] == ["N_TIME_ZONE", "N_TIME_FOLD"]


def test_a_repeated_hour_is_inferred_in_each_series_and_in_files_with_the_newest_row_first() -> None:
    night = autumn(60)
    forwards, _ = to_utc(night, ambiguous="infer")
    both, _ = to_utc(np.concatenate([night, night]), items=[0] * 4 + [1] * 4, ambiguous="infer")
    backwards, _ = to_utc(night[::-1].copy(), ambiguous="infer")
    assert both == forwards * 2
    assert backwards == forwards[::-1]


def test_a_timestamp_of_a_repeated_hour_goes_by_its_side_of_the_change() -> None:
    night = timestamps_of(
        "2024-10-27T02:10", "2024-10-27T02:40", "2024-10-27T02:20", "2024-10-27T02:50", "2024-10-27T03:30"
    )
    assert to_utc(night, ambiguous="infer")[0][:4] == [
        "2024-10-27T00:10", "2024-10-27T00:40", "2024-10-27T01:20", "2024-10-27T01:50"
    ]  # fmt: skip


def test_one_row_in_a_repeated_hour_cannot_be_inferred() -> None:
    night = timestamps_of("2024-10-27T01:00", "2024-10-27T02:30", "2024-10-27T04:00")
    with pytest.raises(DataError, match=r"row 3: .*and the order of rows does not decide"):
        to_utc(night, ambiguous="infer")
    assert to_utc(night, ambiguous="earliest")[0][1] == "2024-10-27T00:30"
    assert to_utc(night, ambiguous="latest")[0][1] == "2024-10-27T01:30"


def test_a_left_out_hour_is_rejected_with_row_and_zone_and_shifted_when_asked() -> None:
    night = timestamps_of("2024-03-31T01:00", "2024-03-31T02:30", "2024-03-31T04:00")
    with pytest.raises(DataError, match=r"row 3: 2024-03-31 02:30:00 does not exist in zone Europe/Berlin") as caught:
        to_utc(night)
    assert "--nonexistent shift" in str(caught.value.hint)
    utc, findings = to_utc(night, nonexistent="shift")
    assert utc == ["2024-03-31T00:00", "2024-03-31T01:30", "2024-03-31T02:00"]  # read as 03:30 summer time
    assert [(one.code, one.count) for one in findings if one.severity == "warning"] == [("W_TIME_SKIPPED", 1)]


def test_days_need_no_zone() -> None:
    findings: list[Finding] = []
    days = np.arange(np.datetime64("2024-03-29"), np.datetime64("2024-04-03")).astype("datetime64[us]")
    timestamps, zone = localise(rows_of(days), "Europe/Berlin", ambiguous=None, nonexistent=None, findings=findings)
    assert zone is None
    assert np.array_equal(timestamps, days)
    assert "stay dates" in findings[0].message


def test_an_offset_is_a_zone_without_summer_time() -> None:
    utc, _ = to_utc(timestamps_of("2024-01-01T12:00", "2024-07-01T13:00"), "+02:00")
    assert utc == ["2024-01-01T10:00", "2024-07-01T11:00"]


@pytest.mark.parametrize(
    ("name", "near"), [("Europe/Berln", "Europe/Berlin"), ("berlin", "Europe/Berlin"), ("new york", "America/New_York")]
)
def test_an_unknown_zone_is_rejected_with_the_nearest_one(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"unknown time zone `{name}`, did you mean `{near}`"):
        read_zone(name, timestamps_of("2024-01-01"))


def test_the_version_of_the_rules_is_told() -> None:
    assert rules_version() != ""
    _, findings = to_utc(timestamps_of("2024-01-01T12:00", "2024-01-01T13:00"))
    assert findings[0].value == rules_version()


def test_repeats_of_one_autumn_night_look_like_a_clock_put_back() -> None:
    assert is_clock_put_back(timestamps_of("2024-10-27T02:00", "2024-10-27T02:30"))
    assert not is_clock_put_back(timestamps_of("2024-01-09T02:00", "2024-01-09T02:30"))
    assert not is_clock_put_back(timestamps_of("2024-10-27"))
    assert not is_clock_put_back(timestamps_of())


def test_a_zone_without_changes_has_one_offset() -> None:
    zone = read_zone("Asia/Tokyo", timestamps_of("2024-01-01"))
    assert isinstance(zone, Zone)
    assert (len(zone.changes), zone.offsets.tolist()) == (0, [9 * 3_600_000_000])
