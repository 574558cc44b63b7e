from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rnnforecast.data import write as module
from rnnforecast.data.write import check_output, write_table
from rnnforecast.errors import OutputError, UsageError

FRAME = pd.DataFrame({"id": ["007", "a,b", 'q"\n'], "step": [1, 2, 3], "forecast": [0.1, 1 / 3, 2e-17]})


@pytest.mark.filterwarnings("ignore:The 'float_precision' argument:DeprecationWarning")
def test_a_csv_file_reads_back_as_it_was(tmp_path: Path) -> None:
    write_table(FRAME, tmp_path / "out.csv")
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "out.csv", dtype={"id": str}, float_precision="round_trip"), FRAME
    )


@pytest.mark.parametrize("name", ["out.parquet", "out.PQ"])
def test_a_parquet_file_reads_back_as_it_was(tmp_path: Path, name: str) -> None:
    write_table(FRAME, tmp_path / name)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / name), FRAME)


def test_a_dash_writes_csv_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(FRAME[["step"]], "-")
    assert capsys.readouterr().out == "step\n1\n2\n3\n"


def test_an_unknown_ending_is_rejected_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"out\.ods ends with none of \.csv, \.xlsx and \.parquet"):
        write_table(FRAME, tmp_path / "out.ods")
    with pytest.raises(UsageError, match="ends with none of"):
        check_output(tmp_path / "out.json")


def test_a_missing_folder_is_made_beforehand_unless_a_file_has_its_name(tmp_path: Path) -> None:
    check_output(tmp_path / "new" / "out.csv")
    assert [path.name for path in tmp_path.rglob("*")] == ["new"]
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        check_output(tmp_path / "file" / "out.csv")


def test_a_good_place_passes_the_check_and_stays_as_it_was(tmp_path: Path) -> None:
    check_output(tmp_path / "out.csv")
    check_output("-")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_read_back_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    monkeypatch.setattr(module, "csv_blocks", lambda _: [b"id,step,forecast\n1,2,3\n"])
    with pytest.raises(OutputError, match="written with 3 rows of 3 columns but read back with 1 of 3"):
        write_table(FRAME, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_is_not_changed_by_writing_it(tmp_path: Path) -> None:
    before = FRAME.copy(deep=True)
    write_table(FRAME, tmp_path / "out.csv")
    pd.testing.assert_frame_equal(FRAME, before)
