from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from rnnforecast.data.databases.cells import array_of, batches_of, joined

BERLIN = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("values", "kind", "held"),
    [
        ([1, None, 3], pa.int64(), [1, None, 3]),
        ([1, 2.5], pa.float64(), [1.0, 2.5]),
        ([Decimal("1.10"), Decimal("2")], pa.float64(), [1.1, 2.0]),
        ([Decimal("0.1000000000000000055511")], pa.string(), ["0.1000000000000000055511"]),
        ([Decimal("1E+2"), "x"], pa.string(), ["100", "x"]),
        ([2**53 + 1, 0.5], pa.string(), [str(2**53 + 1), "0.5"]),
        ([2**70], pa.string(), [str(2**70)]),
        ([True, None], pa.bool_(), [True, None]),
        ([None, None], pa.null(), [None, None]),
        ([date(2024, 1, 2)], pa.date32(), [date(2024, 1, 2)]),
        ([datetime(2024, 1, 2, 3)], pa.timestamp("us"), [datetime(2024, 1, 2, 3)]),
        ([b"a", memoryview(b"b")], pa.binary(), [b"a", b"b"]),
        ([b"a\xff", "x"], pa.string(), ["a\\xff", "x"]),
        ([timedelta(days=1)], pa.string(), ["1 day, 0:00:00"]),
    ],
)
def test_a_column_has_the_narrowest_type_that_holds_its_values(
    values: list[Any], kind: pa.DataType, held: list[Any]
) -> None:
    found = array_of(values)
    assert (found.type, found.to_pylist()) == (kind, held)


def test_zoned_timestamps_are_kept_in_utc() -> None:
    found = array_of([datetime(2024, 1, 2, 3, tzinfo=BERLIN), None])
    assert found.type == pa.timestamp("us", tz="UTC")
    assert found.cast(pa.int64())[0].as_py() == int(datetime(2024, 1, 2, 2, tzinfo=UTC).timestamp() * 1_000_000)


@pytest.mark.parametrize(
    ("first", "second", "held"),
    [
        ([1], [None], [1, None]),
        ([1], [2.5], [1.0, 2.5]),
        ([2**60 + 1], [2.5], [str(2**60 + 1), "2.5"]),
        ([1], ["x"], ["1", "x"]),
        ([None], [None], [None, None]),
    ],
)
def test_batches_of_different_types_become_one_column_that_loses_nothing(
    first: list[Any], second: list[Any], held: list[Any]
) -> None:
    batches = list(batches_of(["a"], [[(value,) for value in first], [(value,) for value in second]]))
    assert joined(batches)["a"].to_pylist() == held


def test_no_rows_are_columns_without_rows() -> None:
    table = joined(list(batches_of(["a", "b"], [])))
    assert (table.num_rows, table.schema.names) == (0, ["a", "b"])
