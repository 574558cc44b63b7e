from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rnnforecast import Settings, predict, train
from rnnforecast.config import DataSettings
from rnnforecast.data.columns.hive_partitions import partitions_of
from rnnforecast.data.read import read_series
from rnnforecast.errors import DataError

TABLE = DataSettings(dataset=True)


def lay_out(folder: Path, name: str, *values: str, days_apart: int = 0, timestamps: bool = True) -> str:
    """Write twelve rows for each value into a folder of its own, and return the folder of them all."""
    for place, value in enumerate(values):
        below = folder / f"{name}={value}"
        below.mkdir()
        dates = pd.date_range("2024-01-01", periods=12) + pd.Timedelta(days=days_apart * place)
        frame = pd.DataFrame({"date": dates, "y": range(12)})
        (frame if timestamps else frame[["y"]]).to_parquet(below / "part-0.parquet")
    return str(folder)


@pytest.mark.parametrize(
    ("path", "columns"),
    [
        ("sales/shop=a/year=2024/part.parquet", {"shop": "a", "year": "2024"}),
        ("sales/shop=a%20b/part.parquet", {"shop": "a b"}),
        ("sales/shop=__HIVE_DEFAULT_PARTITION__/part.parquet", {"shop": ""}),
        ("sales/a/shop=b.parquet", {}),
    ],
)
def test_names_of_folders_are_columns(path: str, columns: dict[str, str]) -> None:
    assert partitions_of(path) == columns


def test_what_the_folders_of_a_table_distinguish_tells_series_apart_where_timestamps_repeat(tmp_path: Path) -> None:
    read = read_series([lay_out(tmp_path, "shop", "a", "b%20c")], TABLE)
    assert (read.series.id_columns, read.series.id_values.tolist()) == (("shop",), [["a"], ["b c"]])


def test_it_is_noted_where_timestamps_do_not_repeat_and_an_id_where_it_is_named(tmp_path: Path) -> None:
    folder = lay_out(tmp_path, "part", "a", "b", days_apart=12)
    read = read_series([folder], TABLE)
    assert (read.series.num_series, [finding.code for finding in read.findings]) == (1, ["N_DATA_PARTITION"])
    assert "--id part makes each value a series" in read.findings[0].message
    named = read_series([folder], TABLE.model_copy(update={"id": ("part",)}))
    assert named.series.id_values.tolist() == [["a"], ["b"]]
    assert [finding.code for finding in named.findings] == ["N_SERIES_ENDS"]  # one part ends twelve days earlier


def test_times_that_only_folders_hold_are_rejected(tmp_path: Path) -> None:
    folder = lay_out(tmp_path, "date", "2024-01-01", "2024-01-02", timestamps=False)
    with pytest.raises(DataError, match=r"the names of folders \(`date=2024-01-01`\) and in no column of the files"):
        read_series([folder], TABLE)
    assert read_series([folder], TABLE.model_copy(update={"time": "none"})).series.num_series == 1


def test_a_folder_and_a_pattern_are_forecast_without_a_model(tmp_path: Path) -> None:
    folder = lay_out(tmp_path, "shop", "a", "b")
    reading = TABLE.model_copy(update={"horizon": 2})
    store = tmp_path / "store"
    result = predict(data=[folder], store=store, reading=reading)
    assert result.frame["shop"].tolist() == ["a", "a", "b", "b"]
    assert f"`rnnforecast train {folder} --horizon 2 --dataset` trains a model on its rows" in result.notes
    pattern = f"{folder}/shop=*/*.parquet"
    assert predict(data=[pattern], store=store, reading=DataSettings(horizon=2)).num_series == 2


def test_a_model_of_a_folder_bears_its_name_and_is_found_by_it(tmp_path: Path) -> None:
    (tmp_path / "sales").mkdir()
    folder, store = lay_out(tmp_path / "sales", "shop", "a", "b"), tmp_path / "store"
    settings = Settings.from_flat({"dataset": True, "horizon": 2})
    assert train([folder], settings, store=store).model == "sales@1"
    assert predict(data=[folder], store=store, reading=TABLE).model == "sales@1"


def test_a_column_of_the_files_stands_before_the_folder_of_its_name(tmp_path: Path) -> None:
    for day in ("2024-01-01", "2024-01-02", "2024-01-03"):
        below = tmp_path / f"date={day}"
        below.mkdir()
        frame = pd.DataFrame({"date": [day] * 2, "shop": ["a", "b"], "y": [float(day[-1]), 2.0 * int(day[-1])]})
        frame.to_parquet(below / "part-0.parquet")
    read = read_series([str(tmp_path)], TABLE)
    assert (read.series.id_columns, read.findings) == (("shop",), ())


def test_a_folder_that_contradicts_the_ids_of_its_file_is_named(tmp_path: Path) -> None:
    folder = lay_out(tmp_path, "shop", "a", "b")
    for shop, other in (("a", "a"), ("b", "c")):
        path = tmp_path / f"shop={shop}" / "part-0.parquet"
        pd.read_parquet(path).assign(shop=other).to_parquet(path)
    read = read_series([folder], TABLE.model_copy(update={"id": ("shop",)}))
    assert [(each.code, "`shop=b`" in each.message) for each in read.findings] == [("W_DATA_PARTITION", True)]
