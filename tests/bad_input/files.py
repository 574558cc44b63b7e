"""Files that are empty, cut, packed, foreign, hostile or laid out unlike others: B01 to B33."""

from __future__ import annotations

from tests.bad_input.harness import Case, text_file

CASES: tuple[Case, ...] = (
    Case("B01", "no bytes", text_file(""), "refused", says=("rows.csv", "is empty")),
    Case("B01", "header only", text_file("date,y\n"), "refused", says=("rows.csv", "0 data rows")),
)
