from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from rnnforecast.data.grid.resample import resample
from rnnforecast.data.rows import Rows
from rnnforecast.errors import DataError, UsageError
from rnnforecast.findings import Finding


def rows_of(timestamps: Sequence[str], values: Sequence[Sequence[float]], items: Sequence[int] | None = None) -> Rows:
    return Rows(
        items=np.zeros(len(timestamps), dtype=np.int64) if items is None else np.array(items),
        timestamps=np.array(timestamps, dtype="datetime64[us]"),
        values=np.array(values, dtype=np.float64),
        labels=str,
        locate=lambda rows: ("a.csv", tuple(row + 2 for row in rows)),
        time_column="time",
    )


EVENTS = rows_of(
    ["2024-01-01T09:10", "2024-01-01T11:50", "2024-01-01T09:40", "2024-01-01T11:20"], [[1.0], [8.0], [2.0], [np.nan]]
)


def resampled(rows: Rows, freq: str, how: str, *, labels: tuple[int, ...] = ()) -> tuple[Rows, list[Finding]]:
    findings: list[Finding] = []
    return resample(rows, freq, how, num_targets=1, findings=findings, labels=labels), findings


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("sum", [3.0, 0.0, 8.0]),
        ("count", [2.0, 0.0, 2.0]),
        ("mean", [1.5, 8.0]),
        ("first", [1.0, 8.0]),
        ("last", [2.0, 8.0]),
        ("min", [1.0, 8.0]),
        ("max", [2.0, 8.0]),
    ],
)
def test_the_rows_of_an_hour_become_one(how: str, expected: list[float]) -> None:
    assert resampled(EVENTS, "1h", how)[0].values[:, 0].tolist() == expected


def test_steps_begin_at_full_hours_and_are_as_many_as_hold_rows() -> None:
    rows, findings = resampled(EVENTS, "1h", "mean")
    assert rows.timestamps.astype("datetime64[m]").astype(str).tolist() == ["2024-01-01T09:00", "2024-01-01T11:00"]
    assert [finding.code for finding in findings] == ["N_TIME_RESAMPLED"]
    assert "holds rows up to 2024-01-01 11:50:00" in findings[0].message


def test_steps_without_rows_count_nothing_and_are_told() -> None:
    rows, findings = resampled(EVENTS, "1h", "count")
    assert rows.timestamps.astype("datetime64[h]").astype(str).tolist() == [
        f"2024-01-01T{hour:02d}" for hour in (9, 10, 11)
    ]
    assert (findings[1].code, findings[1].count) == ("N_TIME_ZERO", 1)


def test_series_are_brought_to_the_grid_each_for_itself() -> None:
    timestamps = ["2024-01-01T00:10", "2024-01-01T02:10", "2024-01-01T01:10", "2024-01-01T01:20"]
    rows, _ = resampled(rows_of(timestamps, [[1.0], [2.0], [3.0], [4.0]], items=[0, 0, 1, 1]), "1h", "sum")
    assert rows.items.tolist() == [0, 0, 0, 1]
    assert rows.values[:, 0].tolist() == [1.0, 0.0, 2.0, 7.0]


def test_covariates_are_averaged_where_targets_are_summed_and_labels_stay() -> None:
    rows, _ = resampled(
        rows_of(["2024-01-01T09:10", "2024-01-01T09:40"], [[1.0, 10.0, 7.0], [2.0, 20.0, 7.0]]),
        "1h",
        "sum",
        labels=(2,),
    )
    assert rows.values.tolist() == [[3.0, 15.0, 7.0]]


def test_a_resampled_row_is_found_again_in_its_file() -> None:
    rows, _ = resampled(EVENTS, "1h", "mean")
    assert rows.locate([1]) == ("a.csv", (5,))  # the earliest row of the hour


def test_weeks_begin_on_mondays_and_months_on_their_first_day() -> None:
    days = rows_of(["2024-01-03", "2024-01-08", "2024-02-01"], [[1.0], [2.0], [3.0]])
    weeks, months = resampled(days, "1W", "mean")[0], resampled(days, "MS", "mean")[0]
    assert weeks.timestamps.astype("datetime64[D]").astype(str).tolist() == ["2024-01-01", "2024-01-08", "2024-01-29"]
    assert months.timestamps.astype("datetime64[D]").astype(str).tolist() == ["2024-01-01", "2024-02-01"]


def test_a_grid_far_too_fine_is_rejected() -> None:
    with pytest.raises(DataError, match="resampling would make 315576001 rows of 2"):
        resampled(rows_of(["2014-01-01", "2024-01-01T12:00"], [[1.0], [2.0]]), "1s", "count")


def test_steps_cannot_be_resampled() -> None:
    steps = rows_of([], np.empty((0, 1)).tolist())
    counted = Rows(steps.items, np.arange(0), steps.values, steps.labels, steps.locate, steps.time_column)
    with pytest.raises(UsageError, match="`--resample` needs dates and times"):
        resampled(counted, "1h", "mean")
