from __future__ import annotations

from pathlib import Path

import pytest

from tests.bad_input import clock, columns, exports, files, ids, misread, numbers, parquet_files, paths
from tests.bad_input.harness import Case, check

MODULES = (files, paths, parquet_files, numbers, ids, columns, clock, misread, exports)
CASES = [case for module in MODULES for case in module.CASES]


@pytest.mark.parametrize("case", CASES, ids=[case.case_id for case in CASES])
def test_a_bad_input_is_read_right_repaired_with_a_message_or_rejected_with_a_fix_that_works(
    case: Case, tmp_path: Path
) -> None:
    check(case, tmp_path)


def test_no_two_cases_have_the_same_name() -> None:
    names = [case.case_id for case in CASES]
    assert sorted(set(names)) == sorted(names)
