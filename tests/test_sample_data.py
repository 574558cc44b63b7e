"""Specification of the sample files: columns, rows and gaps that the documentation promises."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

if TYPE_CHECKING:
    from types import ModuleType

FOLDER = Path(__file__).parent.parent / "sample_data"
FILES = tuple(path.name for path in sorted(FOLDER.iterdir()) if path.suffix in (".csv", ".parquet"))


def read(name: str) -> pd.DataFrame:
    path = FOLDER / name
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def steps(timestamps: pd.Series[str]) -> pd.Series[int]:
    """How often each step between two rows occurs, in minutes."""
    differences = pd.to_datetime(timestamps).diff().dropna()
    return (differences.dt.total_seconds() // 60).astype(int).value_counts()


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_sample_data", FOLDER / "make_sample_data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "columns", "num_rows"),
    [
        ("prices.csv", ["Date", "Open", "High", "Low", "Close", "Volume"], 1_006),
        ("airline_passengers.csv", ["Month", "Passengers"], 144),
        ("electricity.csv", ["Time", "Demand", "Temperature", "Holiday"], 4_418),
        ("retail.parquet", ["state", "industry", "month", "turnover"], 3_600),
        ("machine_sensor.csv", ["timestamp", "load", "vibration", "temperature"], 4_024),
        ("machine_states.csv", ["timestamp", "state"], 2_016),
    ],
)
def test_a_sample_file_has_the_guaranteed_columns_and_rows(name: str, columns: list[str], num_rows: int) -> None:
    frame = read(name)
    assert list(frame.columns) == columns
    assert len(frame) == num_rows


def test_the_shop_file_is_the_one_that_the_script_makes(maker: ModuleType) -> None:
    assert (FOLDER / "shop_sales.csv").read_text(encoding="utf-8") == maker.make_shop_sales()


def test_all_sample_files_together_are_small() -> None:
    assert sum((FOLDER / name).stat().st_size for name in FILES) < 1_500_000


def test_prices_have_no_row_on_days_without_trading() -> None:
    days = pd.to_datetime(read("prices.csv")["Date"])
    assert days.dt.day_of_week.max() == 4
    business_days = pd.bdate_range(days.iloc[0], days.iloc[-1])
    assert len(business_days.difference(pd.DatetimeIndex(days))) == 36  # holidays of the exchange, on weekdays


def test_passengers_are_monthly_without_gaps() -> None:
    months = pd.to_datetime(read("airline_passengers.csv")["Month"])
    assert months.tolist() == pd.date_range("1949-01-01", "1960-12-01", freq="MS").tolist()


def test_electricity_is_half_hourly_without_gaps_and_has_holidays() -> None:
    frame = read("electricity.csv")
    assert steps(frame["Time"]).to_dict() == {30: 4_417}
    assert frame["Holiday"].sum() == 4 * 48
    assert not frame.isna().any(axis=None)


def test_retail_is_a_panel_of_twenty_whole_series() -> None:
    sizes = read("retail.parquet").groupby(["state", "industry"])["month"].agg(["size", "nunique"])
    assert sizes.to_numpy().tolist() == [[180, 180]] * 20


def test_the_sensor_has_one_gap_of_two_hours_and_five_blank_readings() -> None:
    frame = read("machine_sensor.csv")
    assert steps(frame["timestamp"]).to_dict() == {15: 4_022, 135: 1}
    assert frame.isna().sum().to_dict() == {"timestamp": 0, "load": 0, "vibration": 0, "temperature": 5}


def test_the_sensor_shows_a_fault_and_the_stop_after_it() -> None:
    frame = read("machine_sensor.csv").set_index("timestamp")
    usual = frame["vibration"][:"2024-03-28 23:45"].max()
    assert frame["vibration"]["2024-03-30 11:30"] > 1.5 * usual
    assert (frame["load"]["2024-03-30 12:00":"2024-03-30 18:45"] == 0).all()


def test_every_sample_file_is_in_the_readme_with_its_rows_and_a_licence() -> None:
    text = (FOLDER / "README.md").read_text("utf-8")
    for name in FILES:
        assert re.search(rf"\| `{re.escape(name)}` \|.*\| {len(read(name)):,} \| `rnnforecast train", text)
        assert len(re.findall(rf"^\| `{re.escape(name)}`", text, re.MULTILINE)) == 2


def test_files_that_need_no_package_are_rebuilt_byte_for_byte(maker: ModuleType, tmp_path: Path) -> None:
    maker.write_csv(maker.make_airline_passengers(), tmp_path / "airline_passengers.csv")
    maker.write_csv(maker.make_machine_sensor(), tmp_path / "machine_sensor.csv")
    maker.write_csv(maker.make_machine_states(), tmp_path / "machine_states.csv")
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (FOLDER / path.name).read_bytes()
