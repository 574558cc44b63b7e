"""Tables in memory in place of paths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import rnnforecast
from rnnforecast.errors import DataError, UsageError

FAST = rnnforecast.Settings.from_flat({"horizon": 4, "num_steps": 2, "num_members": 1, "batch_size": 4})


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rows(num_rows: int = 60) -> pd.DataFrame:
    steps = np.arange(num_rows)
    values = 50 + 10 * np.sin(2 * np.pi * steps / 7) + np.random.default_rng(1).normal(size=num_rows)
    return pd.DataFrame({"day": pd.date_range("2024-01-01", periods=num_rows), "sold": values})


def forecasts(data: object) -> list[float]:
    result = rnnforecast.predict("base", data=data, horizon=4)  # type: ignore[arg-type]
    values: list[float] = result.frame["forecast"].tolist()
    return values


def test_a_frame_is_forecast_as_the_file_with_its_rows() -> None:
    rows().to_csv("sold.csv", index=False)
    assert forecasts(rows()) == pytest.approx(forecasts("sold.csv"))


@pytest.mark.parametrize(
    "table",
    [
        rows().set_index("day"),
        rows().set_index("day")["sold"],
        rows().set_index(pd.DatetimeIndex(rows()["day"], name=None))[["sold"]],
        rows().set_index("day").to_period("D"),
        rows().sample(frac=1.0, random_state=0),
        pa.Table.from_pandas(rows()),
        [rows()],
        rnnforecast.Files(rows=(rows(),)),  # type: ignore[arg-type]
    ],
    ids=["index", "series", "unnamed index", "periods", "shuffled", "arrow", "list", "files"],
)
def test_kinds_of_tables_are_read_alike(table: object) -> None:
    assert forecasts(table) == forecasts(rows())


def test_no_call_changes_the_frame() -> None:
    frame = rows()
    forecasts(frame)
    pd.testing.assert_frame_equal(frame, rows())


def test_a_model_of_a_frame_forecasts_from_its_own_rows_and_from_others() -> None:
    trained = rnnforecast.train(rows(), FAST)
    assert trained.model == "dataframe@1"
    again = rnnforecast.predict(trained.model)
    assert "the model was trained on a DataFrame: its own last rows are used" in again.notes
    fresh = rnnforecast.predict(data=rows(62))
    assert fresh.model == trained.model
    assert again.cutoffs != fresh.cutoffs
    with pytest.raises(UsageError, match="was trained on a DataFrame, which a script cannot read again"):
        rnnforecast.script(trained.model)


def test_forecasts_of_a_frame_are_scored_with_a_later_one() -> None:
    rnnforecast.predict_and_log(rnnforecast.ForecastRequest(horizon=4), "base", data=rows(56))
    assert rnnforecast.score("base", data=rows()).num_scored == 4
    with pytest.raises(UsageError, match="come from a DataFrame: the file with the actuals is unknown"):
        rnnforecast.score("base")


def test_covariates_known_ahead_may_be_a_frame() -> None:
    frame = rows().assign(promo=np.arange(60) % 5 == 0)
    frame["sold"] += 30.0 * frame["promo"]
    ahead = pd.DataFrame({"day": pd.date_range("2024-03-01", periods=4), "promo": [True, False, False, True]})
    files = rnnforecast.Files((frame,), (ahead,), rnnforecast.Settings.from_flat({"future": "promo"}).data)  # type: ignore[arg-type]
    found = rnnforecast.predict("base", data=files, horizon=4).frame["forecast"]
    assert min(found[0], found[3]) > max(found[1], found[2])


def test_the_digest_is_that_of_the_content() -> None:
    digests = [rnnforecast.read_series(frame).digest for frame in (rows(), rows(), rows(61))]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (5, "`data` is of type int, which is neither a path nor a table"),
        ({"day": 1}, "`data` is of type dict"),
        ([rows(), rows()], "several tables in memory, at most one is read"),
    ],
)
def test_what_is_no_table_is_rejected(data: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        forecasts(data)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (rows().set_axis(["a", "a"], axis=1), "two columns are named `a`"),
        (rows().set_axis(pd.MultiIndex.from_tuples([("a", "b"), ("c", "d")]), axis=1), "names of several levels"),
        (rows().astype(object).replace({"sold": {rows()["sold"][3]: "many"}}), "Conversion failed for column sold"),
    ],
    ids=["duplicate names", "levels", "mixed types"],
)
def test_a_frame_that_is_no_table_is_rejected(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        forecasts(frame)
