from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.errors import ColumnRef
from rnnforecast.data.values.numbers import parse_numbers
from rnnforecast.findings import Finding


def parse(*cells: object) -> tuple[list[float], list[Finding]]:
    column = pd.Series(list(cells), dtype=object)
    values, findings = parse_numbers(column, ColumnRef.in_file("y", "a.csv", lambda rows: [row + 2 for row in rows]))
    return values.tolist(), findings


def data_error(*cells: object) -> Finding:
    (finding,) = parse(*cells)[1]
    assert finding.severity == "error"
    return finding


def test_numbers_in_every_usual_spelling_are_read() -> None:
    assert parse("1", "-2.5", "1e3", ".5", "+7", " 8 ") == ([1.0, -2.5, 1000.0, 0.5, 7.0, 8.0], [])


def test_odd_minus_signs_and_blanks_are_read_and_counted() -> None:
    values, findings = parse("\u22123", "4\u00a0", "5")
    assert values == [-3.0, 4.0, 5.0]
    assert [(finding.code, finding.count) for finding in findings] == [("W_VALUE_SIGNS", 2)]


def test_truth_values_are_one_and_zero() -> None:
    assert parse("TRUE", "False")[0] == [1.0, 0.0]


def test_missing_tokens_are_missing_not_rejected_and_counted() -> None:
    values, findings = parse("1", "NA", None, "-", "", "NA", "#DIV/0!")
    assert np.isnan(values).tolist() == [False, True, True, True, True, True, True]
    assert [(finding.severity, finding.count) for finding in findings] == [("warning", 4)]
    assert "`NA`: 2, `-`: 1, `#DIV/0!`: 1" in findings[0].message


def test_a_decimal_comma_is_read_where_nothing_else_can_be_meant() -> None:
    values, findings = parse("1,5", "2,25", "3", "1.234,5")
    assert values == [1.5, 2.25, 3.0, 1234.5]
    assert findings[0].message == "column `y` is read with decimal commas"


def test_a_comma_behind_a_zero_is_decimal() -> None:
    values, findings = parse("0,598", "1,023")
    assert values == [0.598, 1.023]
    assert findings[0].message == "column `y` is read with decimal commas"


def test_missing_values_of_statistical_offices_are_missing() -> None:
    values, findings = parse("1.5", ".", "..", ":", "n/e")
    assert np.isnan(values).tolist() == [False, True, True, True, True]
    assert [(finding.code, finding.count) for finding in findings] == [("W_VALUE_TOKENS", 4)]


def test_a_comma_that_may_be_a_thousands_mark_is_rejected_with_both_readings() -> None:
    finding = data_error("1,234", "5,678")
    assert finding.message == "column `y`, rows 2, 3: `1,234` may mean 1234 or 1.234"
    assert finding.fix == "say which: --thousands , reads 1234, --decimal , reads 1.234"


def test_decimal_commas_and_points_in_one_column_are_rejected() -> None:
    assert data_error("1,5", "2.5").rows == (2,)


def test_a_number_with_a_unit_is_rejected_with_its_row() -> None:
    finding = data_error("11", "12 kg", "13")
    assert finding.message == "column `y`, row 3: `12 kg` is a number with a unit or a sign"
    assert finding.value == "12 kg"


@pytest.mark.parametrize("cell", ["$5", "12%", "€1.2"])
def test_currencies_and_percentages_are_not_plain_numbers(cell: str) -> None:
    assert "unit or a sign" in data_error(cell, "1").message


@pytest.mark.parametrize("cell", ["abc", "0x1F", "1_000", "1.2.3", "#DIV/1"])
def test_other_text_is_rejected_by_value(cell: str) -> None:
    assert cell in data_error("1", cell).message


def test_a_repeated_header_is_called_one() -> None:
    assert data_error("1", "y", "2").message == "column `y`, row 3: the header is repeated there"


def test_infinities_are_rejected_with_their_rows() -> None:
    finding = data_error("1", "inf", "-Infinity", "1e999")
    assert finding.message == "column `y`, rows 3, 4, 5: infinite value"


def test_only_the_first_rows_are_listed_but_all_are_counted() -> None:
    finding = data_error(*["x"] * 50)
    assert (len(finding.rows), finding.count) == (20, 50)
    assert "rows 2, 3, 4, 5, 6 and 45 more" in finding.message


def test_columns_that_are_numbers_already_pass_through() -> None:
    values, findings = parse_numbers(pd.Series([1, 2]), ColumnRef.in_file("y", "a", list))
    assert (values.tolist(), findings) == ([1.0, 2.0], [])


@pytest.mark.parametrize(("cell", "number"), [("1,234.5", 1234.5), ("1,234,567", 1234567.0), ("1.234.567", 1234567.0)])
def test_marks_of_thousands_are_read_where_nothing_else_can_be_meant(cell: str, number: float) -> None:
    values, findings = parse("1", cell)
    assert values == [1.0, number]
    assert "between thousands" in findings[0].message


def test_digits_that_do_not_fit_are_noted() -> None:
    assert (
        parse("9007199254740995")[1][0].message == "column `y` contains numbers above 2^53, whose last digits are lost"
    )
