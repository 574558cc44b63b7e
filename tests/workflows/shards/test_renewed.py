"""Specification of shards: what a second run does again although the files of the rows are those of the first."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.errors import UsageError
from rnnforecast.workflows.model_rows import Files
from rnnforecast.workflows.predict import ForecastRequest
from rnnforecast.workflows.shards.plan import Shard
from rnnforecast.workflows.shards.results import ShardResult
from rnnforecast.workflows.shards.run import predict_shard
from tests.workflows.toy import days, wave

NUM_ROWS, HORIZON = 60, 5


def write_panel(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"shop": path.stem, "date": pd.to_datetime(days(NUM_ROWS)), "sold": wave(NUM_ROWS)}
    pd.DataFrame(columns).to_parquet(path)


def write_plan(path: Path, *, price: float) -> Path:
    """Write a price for every day, the last of them as given."""
    prices = [1.0 + number % 3 for number in range(NUM_ROWS)] + [price] * HORIZON
    pd.DataFrame({"date": days(NUM_ROWS + HORIZON), "price": prices}).to_csv(path, index=False)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder of two files of rows."""
    for name in ("north", "south"):
        write_panel(tmp_path / "rows" / f"{name}.parquet")
    return tmp_path


def run(place: Path, *, ahead: tuple[Path, ...] = (), future: str = "", **changes: object) -> ShardResult:
    reading = DataSettings(id=("shop",), horizon=HORIZON, future=(future,) if future else ())
    request = ForecastRequest(horizon=HORIZON, output=place / "out", reading=reading, **changes)  # type: ignore[arg-type]
    return predict_shard(request, "base", data=Files((place / "rows",), ahead), shard=Shard(1, 1))


def statuses(result: ShardResult) -> list[str]:
    return [part.status for part in result.parts]


def test_another_content_of_the_covariates_known_ahead_is_forecast_again(place: Path) -> None:
    plan = write_plan(place / "plan.csv", price=1.0)
    assert statuses(run(place, ahead=(plan,), future="price")) == ["done", "done"]
    moved = plan.rename(place / "out" / "plan.csv").rename(plan)
    assert statuses(run(place, ahead=(moved,), future="price")) == ["unchanged", "unchanged"]
    before = plan.stat()
    write_plan(plan, price=3.0)
    os.utime(plan, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert statuses(run(place, ahead=(plan,), future="price")) == ["done", "done"]


def test_another_content_of_a_what_if_file_is_forecast_again(place: Path) -> None:
    plan, other = write_plan(place / "plan.csv", price=1.0), write_plan(place / "other.csv", price=2.0)
    assert statuses(run(place, ahead=(plan,), future="price", what_if=other)) == ["done", "done"]
    write_plan(other, price=3.0)
    assert statuses(run(place, ahead=(plan,), future="price", what_if=other)) == ["done", "done"]


def test_covariates_that_are_not_a_file_are_rejected(place: Path) -> None:
    with pytest.raises(UsageError, match="--future-data `-` is not a file"):
        run(place, ahead=(Path("-"),), future="price")


def test_a_part_that_is_done_fails_once_its_rows_are_too_old(place: Path) -> None:
    assert statuses(run(place)) == ["done", "done"]
    result = run(place, max_age="2d")
    assert (result.exit_code, statuses(result)) == (22, ["failed", "failed"])
    assert {part.error for part in result.parts} == {"E_TIME_STALE"}
    assert statuses(run(place, max_age="30000d")) == ["unchanged", "unchanged"]
