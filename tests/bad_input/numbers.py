"""Values that are no plain numbers, or odd ones."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tests.bad_input.harness import Case, Make, daily, parquet_file, text_file

NAN = float("nan")
DATES = pd.date_range("2024-01-01", periods=12)


def column(*cells: object, length: int = 12) -> Make:
    """Return the maker of a daily file whose first cells are given and quoted, plain numbers after them."""
    rest = [*cells, *range(100, 100 + length - len(cells))]
    return text_file(daily([f'"{cell}"' if isinstance(cell, str) else cell for cell in rest]))


def values(*first: float, length: int = 12) -> list[float]:
    """Return what such a file reads as."""
    return [*first, *(float(number) for number in range(100, 100 + length - len(first)))]


def parquet(cells: Sequence[object]) -> Make:
    """Return the maker of the same as Parquet, cells of one type."""
    return parquet_file({"date": DATES[: len(cells)], "y": cells})


COMMA = text_file(daily([f'"{number},5"' for number in range(12)]))
COMMA_VALUES = [number + 0.5 for number in range(12)]
MIXED = column("1,5", "2.5")
TWO_READINGS = text_file(daily(['"1,234"', '"5,678"', *range(10)]))
TWO_READINGS_OF_POINTS = text_file(daily(["1.234", "5.678", *range(10)]).replace(",", ";"))

CASES: tuple[Case, ...] = (
    Case("decimal comma", "decimal commas", COMMA, "accepted", says=("decimal commas", "`y`"), values=COMMA_VALUES),
    Case(
        "decimal comma",
        "commas and points",
        MIXED,
        "refused",
        says=("`1,5`", "`2.5`", "one decimal mark"),
        row=2,
        column="y",
        fix=column("1.5", "2.5"),
        fixed_values=values(1.5, 2.5),
    ),
    Case(
        "decimal comma",
        "commas and points, the mark named",
        column("1.234,5", "2,5"),
        "accepted",
        flags={"decimal": ","},
        values=values(1234.5, 2.5),
    ),
    Case(
        "thousands separator",
        "thousands or decimal",
        TWO_READINGS,
        "refused",
        says=("1234", "1.234", "--thousands"),
        row=2,
        column="y",
        fix={"thousands": ","},
        fixed_values=[1234, 5678, *range(10)],
    ),
    Case(
        "thousands separator",
        "thousands or decimal, decimal meant",
        TWO_READINGS,
        "accepted",
        flags={"decimal": ","},
        values=[1.234, 5.678, *range(10)],
    ),
    Case(
        "thousands separator",
        "points between thousands or decimal",
        TWO_READINGS_OF_POINTS,
        "refused",
        says=("1234", "1.234", "--thousands"),
        row=2,
        column="y",
        fix={"thousands": "."},
        fixed_values=[1234, 5678, *range(10)],
    ),
    Case(
        "thousands separator",
        "points between thousands or decimal, decimal meant",
        TWO_READINGS_OF_POINTS,
        "accepted",
        flags={"decimal": "."},
        values=[1.234, 5.678, *range(10)],
    ),
    Case(
        "thousands separator",
        "points between thousands",
        column("1.234.567"),
        "accepted",
        says=("between thousands",),
        values=values(1234567),
    ),
    Case(
        "missing value",
        "no value at the end",
        column(*range(10), "", ""),
        "accepted",
        says=("end with missing values",),
        values=[*map(float, range(10)), NAN, NAN],
    ),
    Case(
        "missing value",
        "no value inside",
        column(1, "", 3),
        "accepted",
        says=("1 missing value;", "masked"),
        row=3,
        values=values(1, NAN, 3),
    ),
    Case(
        "missing value",
        "no value at the start",
        column("", ""),
        "accepted",
        says=("start with missing values",),
        values=values(NAN, NAN),
    ),
    Case(
        "missing value",
        "no value in parquet",
        parquet([1.0, None, *[3.0] * 4, 5.0]),
        "accepted",
        says=("1 missing value;",),
        values=[1, NAN, 3, 3, 3, 3, 5],
    ),
    Case(
        "missing value",
        "filled by a line",
        column(1, "", 3),
        "repaired",
        flags={"fill": "linear"},
        says=("1 missing", "--fill"),
        values=values(1, 2, 3),
    ),
    Case(
        "missing value",
        "filled by the value before",
        column(1, "", 3),
        "repaired",
        flags={"fill": "previous"},
        values=values(1, 1, 3),
    ),
    Case(
        "missing value", "filled by zero", column(1, "", 3), "repaired", flags={"fill": "zero"}, values=values(1, 0, 3)
    ),
    Case(
        "missing value",
        "filled by the season before",
        column(1, 2, 3, 1, "", 3),
        "repaired",
        flags={"fill": "season", "season_length": 3},
        values=values(1, 2, 3, 1, 2, 3),
    ),
    Case(
        "no observed value",
        "no value at all",
        column(*[""] * 12),
        "refused",
        says=("every target value is missing",),
        column="y",
    ),
    *(
        Case(
            "infinite value",
            f"infinite as {word}",
            column(1, word),
            "refused",
            says=("row 3", "infinite", "--inf missing"),
            row=3,
            column="y",
            fix={"inf": "missing"},
            fixed_values=values(1, NAN),
        )
        for word in ("inf", "-Infinity", "1e999", "+INF")
    ),
    Case(
        "infinite value",
        "infinite in parquet",
        parquet([1.0, float("inf"), *map(float, range(8))]),
        "refused",
        row=2,
        column="y",
        says=("infinite",),
        fix={"inf": "missing"},
    ),
    Case("constant series", "constant", column(*[5] * 12), "accepted", says=("constant",), values=[5.0] * 12),
    Case("constant series", "all zeros", column(*[0] * 12), "accepted", says=("constant",), values=[0.0] * 12),
    Case("constant series", "one change at the end", column(*[0] * 11, 1), "accepted", values=[*[0.0] * 11, 1.0]),
    Case(
        "large level",
        "large with little noise",
        column(*[f"1000000000.00{n}" for n in range(9)]),
        "accepted",
        values=values(*[1e9 + n / 1000 for n in range(9)]),
    ),
    Case(
        "range", "huge and tiny", column("1e308", "1e-308", "-1e308"), "accepted", values=values(1e308, 1e-308, -1e308)
    ),
    Case(
        "large integer",
        "integers above 2^53",
        column("9007199254740993"),
        "repaired",
        says=("digits are lost",),
        column="y",
    ),
    Case(
        "large integer",
        "uint64",
        parquet([2**64 - 1 - n for n in range(12)]),
        "repaired",
        says=("digits are lost",),
        column="y",
    ),
    Case("large integer", "integers that fit", column("9007199254740992"), "accepted", values=values(2.0**53)),
    Case(
        "unit",
        "a unit",
        column("1234 kWh", "5 kWh"),
        "refused",
        says=("`1234 kWh`", "unit", "--strip-units"),
        row=2,
        column="y",
        fix={"strip_units": ("kWh",)},
        fixed_values=values(1234, 5),
    ),
    Case(
        "unit",
        "degrees",
        column("12 \u00b0C"),
        "refused",
        says=("`12 \u00b0C`",),
        row=2,
        fix={"strip_units": ("\u00b0C",)},
        fixed_values=values(12),
    ),
    Case("unit", "two units", column("12 kWh", "3 MWh"), "refused", says=("several", "`kWh`, `MWh`"), row=2),
    Case(
        "unit",
        "two units and the flag for one",
        column("12 kWh", "3 MWh"),
        "refused",
        flags={"strip_units": ("kWh",)},
        says=("`3 MWh`",),
        row=3,
    ),
    Case(
        "percent",
        "percent and shares",
        column("12%", "0.12"),
        "refused",
        says=("`12%`", "--percent"),
        row=2,
        column="y",
        fix={"percent": True},
        fixed_values=values(0.12, 0.12),
    ),
    *(
        Case(
            "sign",
            name,
            column(cell),
            "refused",
            says=("--number-format",),
            row=2,
            column="y",
            fix={"number_format": "financial", **more},
            fixed_values=values(number),
        )
        for name, cell, number, more in (
            ("euros", "\u20ac1.234,50", 1234.5, {"decimal": ","}),
            ("dollars", "$5", 5.0, {}),
            ("brackets", "(123)", -123.0, {}),
            ("a minus behind", "123-", -123.0, {}),
            ("thin blanks", "1\u2009234", 1234.0, {}),
            ("wide digits", "\uff11\uff12", 12.0, {}),
        )
    ),
    Case("sign", "unicode minus", column("\u22125"), "repaired", says=("odd minus sign",), values=values(-5)),
    Case("sign", "no-break blank", column("5\u00a0"), "repaired", says=("odd minus sign or blank",), values=values(5)),
    Case("notation", "truth values", text_file(daily(["true", "false"] * 6)), "accepted", values=[1.0, 0.0] * 6),
    Case("notation", "truth values in parquet", parquet([True, False] * 6), "accepted", values=[1.0, 0.0] * 6),
    Case("notation", "exponents", column("1e3", "2.5E-1"), "accepted", values=values(1000, 0.25)),
    *(
        Case("notation", name, column(cell), "refused", says=(f"`{cell}`",), row=2, column="y", fix=column(1))
        for name, cell in (("underscores", "1_000"), ("hexadecimal", "0x1F"), ("a version", "1.2.3"))
    ),
    Case(
        "missing marker",
        "words for missing",
        column("NULL", "-", "n/a", "#DIV/0!", "", "NULL"),
        "repaired",
        says=("5 cells", "`NULL`: 2", "`-`: 1", "`n/a`: 1", "`#DIV/0!`: 1"),
        column="y",
        values=values(*[NAN] * 6),
    ),
    Case(
        "missing marker",
        "an unknown word",
        column("offline"),
        "refused",
        says=("`offline`", "--missing-values"),
        row=2,
        fix={"missing_values": ("offline",)},
        fixed_values=values(NAN),
    ),
    Case(
        "missing marker",
        "an unknown word that is a number",
        column(-1),
        "repaired",
        flags={"missing_values": ("-1",)},
        values=values(NAN),
    ),
    Case(
        "sentinel",
        "a sentinel",
        column(-999, 5, -999, 6),
        "accepted",
        says=("-999", "missing-value marker"),
        row=2,
        column="y",
        values=values(-999, 5, -999, 6),
        fix={"missing_values": ("-999",)},
        fixed_values=values(NAN, 5, NAN, 6),
    ),
    Case(
        "sentinel",
        "a run of zeros",
        column(*[100] * 20, *[0] * 6, *[90] * 14, length=40),
        "accepted",
        says=("missing-value marker",),
        values=[*[100.0] * 20, *[0.0] * 6, *[90.0] * 14],
    ),
    Case(
        "mixed types",
        "numbers and words in parquet",
        parquet(["1", "2", "3", "4", "a", "b", "c", *"56789"]),
        "refused",
        says=("`y`", "`a`"),
        row=5,
        column="y",
    ),
    Case(
        "mixed types",
        "more words than numbers",
        parquet(["1", *"abcdefghijk"]),
        "refused",
        flags={"target": ("y",)},
        says=("`y`", "text", "1 number", "11 texts"),
        column="y",
    ),
    Case(
        "text target",
        "a target of text",
        column(*"abcdefghijkl"),
        "accepted",
        flags={"target": ("y",)},
        says=("`y`", "12 categories"),
        column="y",
    ),
    Case(
        "text target",
        "no target",
        column(1),
        "refused",
        flags={"target": ("z",)},
        says=("no column `z`",),
        column="z",
        fix={"target": ("y",)},
    ),
)
