from __future__ import annotations

import os
from pathlib import Path

import pytest

from rnnforecast.data.files.overwrite import check_outputs, overwritten
from rnnforecast.errors import UsageError


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "s.csv"
    path.write_text("date,value\n2024-01-01,1\n", encoding="utf-8")
    (tmp_path / "sub").mkdir()
    return path


def names_of(rows: Path) -> dict[str, str | Path]:
    folder = rows.parent
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "link.csv").symlink_to(rows)
    os.link(rows, folder / "hard.csv")
    return {
        "itself": rows,
        "relative": "s.csv",
        "dots": "sub/../s.csv",
        "folder link": "sub/up/s.csv",
        "file link": "link.csv",
        "hard link": "hard.csv",
        "url": f"file://{rows}",
        "escaped url": f"file://{str(rows).replace('s.csv', '%73.csv')}",
    }


@pytest.mark.parametrize(
    "name", ["itself", "relative", "dots", "folder link", "file link", "hard link", "url", "escaped url"]
)
@pytest.mark.parametrize("is_output", [True, False])
def test_one_file_under_two_names_is_recognised(rows: Path, name: str, is_output: bool) -> None:
    other = names_of(rows)[name]
    output, owned = (other, rows) if is_output else (rows, other)

    with pytest.raises(UsageError, match=r"--output `.*` would overwrite the data: "):
        check_outputs({"--output": output}, [("the data", owned)])


@pytest.mark.usefixtures("rows")
def test_an_output_in_the_store_or_in_a_folder_of_data_is_rejected() -> None:
    with pytest.raises(UsageError, match="would overwrite the store"):
        check_outputs({"--output": "sub/models/new.csv"}, [("the store", "sub")])


@pytest.mark.usefixtures("rows")
def test_an_output_that_a_glob_would_read_the_next_time_is_rejected() -> None:
    with pytest.raises(UsageError, match="would be read as the data the next time"):
        check_outputs({"--output": "new.csv"}, [("the data", "*.csv")])


@pytest.mark.usefixtures("rows")
def test_two_outputs_need_two_files() -> None:
    with pytest.raises(UsageError, match="--output and --attention-output would write the same file"):
        check_outputs({"--output": "a.csv", "--attention-output": "./a.csv"}, [])


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize(
    ("output", "owned"),
    [
        ("other.csv", "s.csv"),
        ("-", "s.csv"),
        (None, "s.csv"),
        ("s.csv", "-"),
        ("s.csv", "https://example.org/s.csv"),
        ("sqlite:///x.db#forecasts", "sqlite:///x.db#rows"),
        ("s.csv", "postgresql://u@h/d#s"),
        ("sub/new.csv", "*.csv"),
    ],
)
def test_what_does_not_touch_is_allowed(output: str | None, owned: str) -> None:
    assert overwritten({"--output": output}, [("the data", owned)]) is None
