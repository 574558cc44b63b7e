from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnforecast.errors import UsageError
from rnnforecast.workflows.forecasts.table import check_shape, shaped

FRAME = pd.DataFrame({"day": ["a", "b"], "forecast": [1.2345, 2.5], "q0.9": [3.14159, 4.0], "method": ["m", "m"]})


def test_a_column_with_a_comma_in_its_name_is_one() -> None:
    frame = FRAME.assign(**{"sales, net": 1.0})
    found = shaped(frame, decimals=None, columns=("day,sales, net,q0.9",))
    assert list(found.columns) == ["day", "sales, net", "q0.9"]


def test_columns_are_written_in_the_order_they_are_named() -> None:
    found = shaped(FRAME, decimals=None, columns=("q0.9", "day"))
    assert found.to_dict("list") == {"q0.9": [3.14159, 4.0], "day": ["a", "b"]}


def test_numbers_are_rounded_and_the_table_itself_is_not_changed() -> None:
    found = shaped(FRAME, decimals=2, columns=())
    assert (found["forecast"].tolist(), found["q0.9"].tolist()) == ([1.23, 2.5], [3.14, 4.0])
    assert FRAME["forecast"].tolist() == [1.2345, 2.5]


def test_a_column_that_is_not_there_is_rejected_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"a forecast has no column `q0\.5`") as caught:
        shaped(FRAME, decimals=None, columns=("day", "q0.5"))
    assert caught.value.hint == "its columns are `day`, `forecast`, `q0.9`, `method`"
    with pytest.raises(UsageError, match="no column `Day`, did you mean `day`\\?"):
        shaped(FRAME, decimals=None, columns=("Day",))


@pytest.mark.parametrize(
    ("output", "decimals", "columns", "words"),
    [
        (None, 2, (), "--round without effect: no file is written"),
        (None, 2, ("day",), "--round and --columns without effect"),
        ("sqlite:///x.db#f", None, ("day",), "--columns without effect: a table of a database"),
    ],
)
def test_a_shape_without_effect_is_rejected(
    output: str | None, decimals: int | None, columns: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        check_shape(output, decimals=decimals, columns=columns)


@pytest.mark.parametrize("decimals", [15, 300, 400, 10**9])
def test_more_decimals_than_numbers_have_change_none(decimals: int) -> None:
    frame = pd.DataFrame({"forecast": [1.5, 1e12, -1e300, 1e-320, np.nan]})
    found = shaped(frame, decimals=decimals, columns=())
    assert found["forecast"].tolist()[:3] == [1.5, 1e12, -1e300]
    assert np.isnan(found["forecast"][4])
