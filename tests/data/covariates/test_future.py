from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.config import Settings
from rnnforecast.data.read import ReadResult, read_series
from rnnforecast.errors import DataError, UsageError

DAYS = pd.date_range("2024-01-01", periods=12)
NUM_ROWS = 8


def rows(folder: Path, *, shops: str = "ab", **columns: object) -> Path:
    """Write eight days of each shop."""
    parts = [
        pd.DataFrame({"shop": shop, "date": DAYS[:NUM_ROWS], "y": np.arange(NUM_ROWS) % 4, **columns}) for shop in shops
    ]
    pd.concat(parts).to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


def plan(folder: Path, **columns: object) -> Path:
    pd.DataFrame(columns).to_csv(folder / "plan.csv", index=False)
    return folder / "plan.csv"


def read(path: Path, ahead: Path, **settings: object) -> ReadResult:
    flat = {"future": "temp", "future_data": str(ahead), "horizon": 3, "target": "y", "id": "shop", **settings}
    return read_series(path, Settings.from_flat(flat).data)


def values(result: ReadResult, series: int, name: str = "temp") -> list[float]:
    cuts = result.series.future_offsets
    column = result.series.future_names.index(name)
    return [float(value) for value in result.series.future_covariates[cuts[series] : cuts[series + 1], column]]


def test_rows_of_the_plan_follow_those_of_the_series(tmp_path: Path) -> None:
    path = rows(tmp_path, temp=np.arange(8))
    ahead = plan(tmp_path, shop=["b"] * 3 + ["a"] * 3, date=[*DAYS[8:11]] * 2, temp=[20, 21, 22, 10, 11, 12])
    read_together = read(path, ahead)
    assert values(read_together, 0) == [*range(8), 10, 11, 12]
    assert values(read_together, 1) == [*range(8), 20, 21, 22]
    assert read_together.future_paths == (str(ahead),)


def test_a_column_that_is_empty_in_both_files_is_named_and_has_no_effect(tmp_path: Path) -> None:
    path = rows(tmp_path, temp=np.arange(8), empty="")
    ahead = plan(tmp_path, date=DAYS[8:11], temp=[1, 2, 3], empty="")
    found = read(path, ahead, future=["temp", "empty"])
    assert values(found, 0, "empty") == [0.0] * 11
    assert found.series.covariates_observed is not None
    assert not found.series.covariates_observed[:, 1].any()
    assert "W_COVARIATE_EMPTY" in [one.code for one in found.findings]


def test_a_column_that_only_the_plan_has_is_joined_to_the_past_too(tmp_path: Path) -> None:
    together = read(rows(tmp_path), plan(tmp_path, date=DAYS, temp=np.arange(12)))
    assert values(together, 0) == values(together, 1) == list(range(12))
    assert together.roles["temp"] == "future"


def test_a_plan_of_some_ids_holds_for_all_series_that_share_them(tmp_path: Path) -> None:
    frame = pd.read_csv(rows(tmp_path))
    pd.concat([frame.assign(state=state) for state in ("N", "S")]).to_csv(tmp_path / "rows.csv", index=False)
    ahead = plan(tmp_path, state=["N"] * 12 + ["S"] * 12, date=[*DAYS, *DAYS], temp=[1] * 12 + [2] * 12)
    together = read(tmp_path / "rows.csv", ahead, id="state,shop")
    assert [values(together, series)[0] for series in range(4)] == [1, 1, 2, 2]


def test_a_plan_reaches_as_far_as_no_step_is_missing(tmp_path: Path) -> None:
    ahead = plan(tmp_path, date=[*DAYS[8:10], DAYS[11]], temp=[1, 2, 4])
    together = read(rows(tmp_path, temp=0), ahead)
    assert values(together, 0) == [0] * 8 + [1, 2]
    extra = [finding for finding in together.findings if finding.code == "W_COVARIATE_EXTRA"]
    assert [(one.count, one.rows) for one in extra] == [(1, (4,))]


def test_a_past_that_the_plan_does_not_cover_is_rejected_with_its_first_timestamp(tmp_path: Path) -> None:
    ahead = plan(tmp_path, date=[*DAYS[:5], *DAYS[6:]], temp=np.arange(11))
    with pytest.raises(DataError, match="`temp` have no row for `a`, `b`; the first missing timestamp is 2024-01-06"):
        read(rows(tmp_path), ahead)


def test_steps_to_come_on_which_both_files_differ_are_rejected(tmp_path: Path) -> None:
    frame = pd.read_csv(rows(tmp_path, shops="a", temp=0))
    more = pd.DataFrame({"shop": "a", "date": ["2024-01-09"], "y": [None], "temp": [5]})
    pd.concat([frame, more]).to_csv(tmp_path / "rows.csv", index=False)
    same = plan(tmp_path, date=DAYS[8:10], temp=[5, 6])
    assert values(read(tmp_path / "rows.csv", same), 0) == [0] * 8 + [5, 6]
    with pytest.raises(DataError, match="covariate `temp`, row 2: another value than the rows after the last target"):
        read(tmp_path / "rows.csv", plan(tmp_path, date=DAYS[8:10], temp=[7, 6]))


def test_two_rows_of_one_timestamp_are_one_where_they_agree_and_rejected_where_they_differ(tmp_path: Path) -> None:
    path = rows(tmp_path, temp=0)
    same = plan(tmp_path, date=[*DAYS[8:10], DAYS[8]], temp=[5, 6, 5])
    assert values(read(path, same), 0) == [0] * 8 + [5, 6]
    with pytest.raises(DataError, match="rows 2, 4: two rows of one timestamp, 2024-01-09, differ"):
        read(path, plan(tmp_path, date=[*DAYS[8:10], DAYS[8]], temp=[5, 6, 7]))


def test_a_plan_of_other_ids_is_rejected(tmp_path: Path) -> None:
    ahead = plan(tmp_path, shop="z", date=DAYS[8:], temp=1)
    with pytest.raises(DataError, match="it has other ids than the series"):
        read(rows(tmp_path, temp=0), ahead)


def test_a_plan_without_the_column_or_the_clock_is_rejected(tmp_path: Path) -> None:
    path = rows(tmp_path, temp=0)
    with pytest.raises(DataError, match="there is no column `temp` in the file of future covariates"):
        read(path, plan(tmp_path, date=DAYS[8:], wind=1))
    with pytest.raises(DataError, match="has no time column"):
        read(path, plan(tmp_path, temp=[1.5, 2.5], wind=[1.5, 0.5]))


def test_a_plan_needs_a_column_that_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`--future-data` needs `--future`") as caught:
        read(rows(tmp_path, temp=0), plan(tmp_path, date=DAYS[8:], temp=1), future=())
    assert "`temp`" in str(caught.value.hint)


def test_rows_of_a_plan_on_closed_days_are_counted_and_left_out(tmp_path: Path) -> None:
    days = pd.bdate_range("2024-01-01", periods=20)
    pd.DataFrame({"date": days, "y": np.arange(20) % 4, "temp": 0}).to_csv(tmp_path / "rows.csv", index=False)
    ahead = plan(tmp_path, date=pd.date_range("2024-01-27", periods=5), temp=range(5))
    together = read(tmp_path / "rows.csv", ahead, id=())
    assert values(together, 0) == [0] * 20 + [2, 3, 4]
    assert [one.count for one in together.findings if one.code == "W_COVARIATE_EXTRA"] == [2]


def test_categories_of_a_plan_have_the_codes_of_the_series(tmp_path: Path) -> None:
    path = rows(tmp_path, temp=["warm", "cold"] * 4)
    together = read(path, plan(tmp_path, date=DAYS[8:11], temp=["cold", "icy", "warm"]))
    assert together.series.categories == {"temp": ("cold", "warm")}
    assert values(together, 0) == [2, 1] * 4 + [1, 0, 2]
    assert [one.count for one in together.findings if one.code == "W_CATEGORY_UNKNOWN"] == [1]
