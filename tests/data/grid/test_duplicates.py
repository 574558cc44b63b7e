from __future__ import annotations

import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import read_series
from rnnforecast.errors import DataError
from rnnforecast.options import Duplicates
from tests.data.conftest import Write

ROWS = "date,y\n2024-01-01,1\n2024-01-02,2\n2024-01-02,6\n2024-01-03,7\n2024-01-03,7\n"


@pytest.mark.parametrize(("how", "value"), [("mean", 4), ("first", 2), ("last", 6)])
def test_rows_of_one_timestamp_become_one_as_asked(write: Write, how: Duplicates, value: float) -> None:
    read = read_series([write(ROWS)], DataSettings(duplicates=how))
    assert read.series.values.tolist() == [1, value, 7]
    repairs = {finding.code: finding.count for finding in read.findings}
    assert repairs == {"W_TIME_DUPLICATE": 2}


def test_rows_that_repeat_exactly_are_dropped_unless_they_are_to_be_joined(write: Write) -> None:
    rows = ROWS.replace(",6", ",2")
    assert read_series([write(rows)]).series.values.tolist() == [1, 2, 7]
    assert read_series([write(rows)], DataSettings(duplicates="sum")).series.values.tolist() == [1, 4, 14]


def test_without_a_word_of_the_user_two_values_are_rejected_with_the_flag(write: Write) -> None:
    with pytest.raises(DataError, match=r"occurs in rows 3, 4 with different values, 2 and 6\n") as caught:
        read_series([write(ROWS)])
    assert "--duplicates sum|mean|first|last" in str(caught.value.hint)


def test_covariates_of_joined_rows_are_not_added_up(write: Write) -> None:
    rows = "date,y,heat\n2024-01-01,1,10\n2024-01-02,2,20\n2024-01-02,6,22\n2024-01-03,7,30\n"
    read = read_series([write(rows)], DataSettings(duplicates="sum", target=("y",), past=("heat",)))
    assert read.series.values.tolist() == [1, 8, 7]
    assert read.series.past_covariates[:, 0].tolist() == [10, 20, 30]


def test_a_missing_value_next_to_a_known_one_leaves_the_known_one(write: Write) -> None:
    rows = "date,y\n2024-01-01,1\n2024-01-02,\n2024-01-02,6\n2024-01-03,7\n"
    for how in ("sum", "mean", "first", "last"):
        assert read_series([write(rows)], DataSettings(duplicates=how)).series.values.tolist() == [1, 6, 7]


def test_only_the_series_that_repeats_is_named(write: Write) -> None:
    rows = "id,date,y\na,2024-01-01,1\na,2024-01-02,2\nb,2024-01-01,1\nb,2024-01-02,2\nb,2024-01-02,3\n"
    with pytest.raises(DataError, match="series `b`: timestamp 2024-01-02"):
        read_series([write(rows)], DataSettings(id=("id",)))
