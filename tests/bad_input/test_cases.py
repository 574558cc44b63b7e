from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.bad_input import clock, columns, files, ids, misread, numbers, parquet_files, paths
from tests.bad_input.harness import Case, check

MODULES = (files, paths, parquet_files, numbers, ids, columns, clock, misread)
CASES = [case for module in MODULES for case in module.CASES]

#: Every row of the catalogue, by the module that holds its cases; rows that need a trained model or many bytes are
#: tests of their own, named `test_bXX_...`, in the files of this folder.
CATALOGUE = {
    "files": [*range(1, 34)],
    "clock": [*range(40, 61)],
    "numbers": [*range(61, 78)],
    "ids": [*range(85, 93)],
    "covariates": [*range(93, 98)],
    "columns": [*range(98, 103)],
}


@pytest.mark.parametrize("case", CASES, ids=[case.test_id for case in CASES])
def test_a_bad_input_is_read_right_repaired_aloud_or_refused_with_a_fix_that_works(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)


def _own_tests() -> set[int]:
    """Return the rows that tests of their own hold."""
    texts = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    return {int(number) for text in texts for number in re.findall(r"^def test_b(\d+)_", text, re.MULTILINE)}


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=f"B{row:02d}-{module}") for module, rows in CATALOGUE.items() for row in rows]
)
def test_every_row_of_the_catalogue_is_tested(row: int) -> None:
    tested = {int(case.id[1:]) for case in CASES} | _own_tests()
    assert row in tested


def test_no_two_cases_have_the_same_name() -> None:
    names = [case.test_id for case in CASES]
    assert sorted(set(names)) == sorted(names)
