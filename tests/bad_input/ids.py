"""Ids that look like something else, are hostile, or come and go."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tests.bad_input.harness import Case, Make, text_file

DATES = pd.date_range("2024-01-01", periods=6)
ODD = ("NA", "null", "None", "nan", "True", "007", "1e5", "1.0", "123456789012345678901234567890")
HOSTILE = (
    *("../x", "/etc", "a/b", "CON", ".", "x" * 300, "\U0001f600", "\u202eabc", "=1+1", "+1", "-1", "@SUM(A1)"),
    *("$(rm -rf)", "[/red]", "a,b", 'a"b', "<script>"),
)


def panel(ids: Sequence[str], *, header: str = "shop,date,y") -> str:
    """Return six days of each id as CSV, ids in quotes."""
    quoted = ['"' + one.replace('"', '""') + '"' for one in ids]
    rows = [
        f"{one},{day.date()},{place + number}" for place, one in enumerate(quoted) for number, day in enumerate(DATES)
    ]
    return "\n".join([header, *rows]) + "\n"


def parquet_panel(ids: Sequence[str]) -> Make:
    """Return the maker of the same as Parquet."""
    columns = {
        "shop": pa.array([one for one in ids for _ in DATES]),
        "date": pa.array(list(DATES) * len(ids)),
        "y": pa.array([float(place + number) for place in range(len(ids)) for number in range(len(DATES))]),
    }

    def make(folder):  # type: ignore[no-untyped-def]
        path = folder / "rows.parquet"
        pq.write_table(pa.table(columns), path)
        return path

    return make


IDS = {"id": ("shop",)}
COUNT = {"num_series": len(ODD), "id": ["shop"]}

CASES: tuple[Case, ...] = (
    Case("empty id", "ids that look like nothing", text_file(panel(ODD)), "accepted", flags=IDS, reads=COUNT),
    Case("empty id", "ids that look like nothing in parquet", parquet_panel(ODD), "accepted", flags=IDS, reads=COUNT),
    Case(
        "empty id",
        "a blank id",
        text_file(panel(["a", " "])),
        "refused",
        flags=IDS,
        says=("`shop`", "missing id", "rows 8, 9, 10, 11, 12 and 1 more"),
        row=8,
        column="shop",
        fix=text_file(panel(["a", "b"])),
    ),
    Case(
        "empty id",
        "a blank id that nobody named",
        text_file(panel(["a", ""])),
        "refused",
        says=("missing id",),
        column="shop",
    ),
    Case(
        "similar ids",
        "near twins",
        text_file(panel(["a", "a ", "A", "e\u0301", "\u00e9", "b"])),
        "repaired",
        flags=IDS,
        says=("5 ids", "stay separate"),
        column="shop",
        reads={"num_series": 6},
    ),
    Case(
        "hostile id",
        "hostile ids",
        text_file(panel(HOSTILE)),
        "accepted",
        flags=IDS,
        reads={"num_series": len(HOSTILE)},
    ),
    Case(
        "hostile id",
        "an id with a line end",
        text_file(panel(["a\nb", "c"])),
        "accepted",
        flags=IDS,
        reads={"num_series": 2},
    ),
    Case(
        "hostile id",
        "an id with nul",
        text_file(panel(["a\0b", "c"])),
        "refused",
        says=("NUL byte", "row 2"),
        flags=IDS,
    ),
    Case(
        "hostile id",
        "an id with nul in parquet",
        parquet_panel(["a\0b", "c"]),
        "refused",
        flags=IDS,
        says=("NUL", "`shop`"),
        column="shop",
    ),
    Case(
        "formula id",
        "ids that are formulas",
        text_file(panel(["=1+1", "+1", "-1", "@a"])),
        "accepted",
        flags=IDS,
        reads={"num_series": 4},
    ),
)
