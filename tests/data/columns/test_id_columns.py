from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.columns.id_columns import choose_ids, join_codes
from rnnforecast.data.read import read_series
from rnnforecast.errors import DataError
from tests.data.conftest import Write


def choose(columns: dict[str, list[str]], timestamps: list[int] | None) -> tuple[str, ...]:
    array = None if timestamps is None else np.array(timestamps)
    return choose_ids(pd.DataFrame(columns, dtype=object), array, list(columns))[0]


def test_one_column_that_makes_repeated_timestamps_unique_is_the_id() -> None:
    assert choose({"note": list("xxxx"), "shop": list("aabb")}, [1, 2, 1, 2]) == ("shop",)


def test_two_columns_are_taken_where_none_alone_is_enough() -> None:
    stores, depts = list("aaaabbbb"), list("xxyyxxyy")
    assert choose({"store": stores, "dept": depts}, [1, 2] * 4) == ("store", "dept")


def test_the_shortest_list_of_columns_is_taken() -> None:
    columns = {"state": list("aabb"), "series id": list("pqrs")}
    assert choose(columns, [1, 1, 1, 1]) == ("series id",)


def test_a_column_that_merely_differs_where_timestamps_repeat_is_not_an_id() -> None:
    # an hourly series with ten kinds of weather, two of them noted in some hours
    hours = sorted([*range(200), *range(0, 200, 10)])
    weather = [str(number % 10) for number in range(220)]
    assert choose({"weather": weather}, hours) == ()


def test_unique_timestamps_are_one_series_whatever_text_stands_next_to_them() -> None:
    assert choose({"weekday": list("abcab")}, [1, 2, 3, 4, 5]) == ()


def test_a_constant_id_is_kept_as_the_id_of_one_series() -> None:
    assert choose({"unique_id": list("aaa")}, [1, 2, 3]) == ("unique_id",)


def test_series_one_after_the_other_need_not_share_a_timestamp() -> None:
    assert choose({"unique_id": list("aabb")}, [5, 6, 1, 2]) == ("unique_id",)


def test_exact_repetitions_of_rows_do_not_hide_the_id() -> None:
    assert choose({"item": list("aaabbb")}, [1, 2, 2, 1, 2, 3]) == ("item",)


def test_without_timestamps_only_a_name_tells_the_id() -> None:
    assert choose({"colour": list("aabb")}, None) == ()
    assert choose({"item": list("aabb")}, None) == ("item",)


def test_joined_codes_are_numbered_in_order_of_appearance() -> None:
    assert join_codes([np.array([1, 1, 0, 1]), np.array([0, 1, 0, 0])]).tolist() == [0, 1, 2, 0]


def test_of_columns_with_one_name_none_is_taken_for_the_name_of_a_series(write: Write) -> None:
    rows = [
        f"2024-01-{day:02d},{name},x,{value + day}" for name, value in (("a", 10), ("b", 50)) for day in range(1, 13)
    ]
    with pytest.raises(DataError, match=r"timestamp 2024-01-01 occurs in rows 2, 14"):
        read_series([write("\n".join(["date,g,g,y", *rows]))])
