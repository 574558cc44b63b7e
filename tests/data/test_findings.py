from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import read_series
from rnnforecast.errors import DataError
from tests.data.conftest import Write

REPAIRED = "date,y\n2024-01-02,2\n2024-01-01,1\n2024-01-03,NA\n2024-01-04,777\n2024-01-04,777\n"
REFUSED = "date,y\n2024-01-02,secret one\n2024-01-01,1\n2024-01-03,inf\n2024-01-99,3\n"


def test_strict_rejects_all_warnings_at_once(write: Write) -> None:
    with pytest.raises(DataError) as caught:
        read_series([write(REPAIRED)], DataSettings(strict=True))
    refused = [finding.code for finding in caught.value.findings if finding.severity == "error"]
    assert refused == ["E_VALUE_TOKENS", "E_TIME_REPEATED"]
    assert "leave out --strict" in str(caught.value)


def test_strict_lets_a_clean_file_pass(write: Write) -> None:
    assert read_series([write("date,y\n2024-01-01,1\n2024-01-02,2\n")], DataSettings(strict=True)).findings == ()


def test_all_problems_of_a_file_are_named_in_one_pass(write: Write) -> None:
    with pytest.raises(DataError) as caught:
        read_series([write(REFUSED + "2024-01-05,1,2\n")])
    codes = [finding.code for finding in caught.value.findings]
    assert {"E_DATA_RAGGED", "E_TIME_TEXT", "E_VALUE_TEXT", "E_VALUE_INFINITE"} <= set(codes)
    assert ": 4 problems:\n  " in caught.value.message


def test_what_was_noticed_before_a_rejection_stands_in_its_findings(write: Write) -> None:
    content = REPAIRED.replace(",2\n", ",two\n").encode("utf-8-sig")
    with pytest.raises(DataError) as caught:
        read_series([write(content)])
    assert {finding.code for finding in caught.value.findings} >= {"E_VALUE_TEXT", "N_DATA_BOM", "N_TIME_UNSORTED"}


def test_redacted_rejections_hold_no_value_of_the_file(write: Write) -> None:
    with pytest.raises(DataError) as caught:
        read_series([write(REFUSED)], DataSettings(redact_values=True))
    told = str(caught.value) + str([finding.to_dict() for finding in caught.value.findings])
    assert "secret" not in told
    assert "2024-01-99" not in told
    assert "column `y`, row 2" in told
    assert caught.value.__cause__ is None


def test_redacted_findings_keep_code_place_and_count(write: Write) -> None:
    findings = read_series([write(REPAIRED)], DataSettings(redact_values=True)).findings
    assert all(finding.value is None for finding in findings)
    assert any("N_TIME_UNSORTED: column `date`, row 3" in finding.message for finding in findings)


def test_a_cell_that_is_rejected_is_not_counted_as_missing_too(write: Write) -> None:
    cells = ["1", "abc", "", "4", "inf", "6"]
    rows = "".join(f"2024-01-0{number + 1},{cell}\n" for number, cell in enumerate(cells))
    with pytest.raises(DataError) as caught:
        read_series([write("date,y\n" + rows)])
    missing = [finding for finding in caught.value.findings if finding.code == "N_VALUE_MISSING"]
    assert [(one.count, one.rows) for one in missing] == [(1, (4,))]
    assert missing[0].message == "column `y`: 1 missing value; masked, not filled in"


def test_a_rejection_without_missing_cells_says_nothing_of_missing_ones(write: Write) -> None:
    with pytest.raises(DataError) as caught:
        read_series([write("date,y\n2024-01-01,1\n2024-01-02,abc\n2024-01-03,3\n")])
    assert [finding.code for finding in caught.value.findings] == ["E_VALUE_TEXT"]


def test_rows_that_are_rejected_are_not_gaps(write: Write) -> None:
    with pytest.raises(DataError) as caught:
        read_series([write("date,y\n2024-01-01,1\n2024-01-02,2,3\n2024-01-03,3\n2024-01-04,4\n2024-01-05,4\n")])
    assert [finding.code for finding in caught.value.findings] == ["E_DATA_RAGGED"]


def test_what_follows_from_rejected_cells_is_not_a_problem_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("date,y\n" + "".join(f"2024-01-{day:02d},{day}%\n" for day in range(1, 13)))
    with pytest.raises(DataError) as caught:
        read_series([path])
    assert [finding.code for finding in caught.value.findings] == ["E_VALUE_TEXT"]
    assert "--percent" in str(caught.value.hint)
