from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.config import Settings
from rnnforecast.data.read import ReadResult, read_series
from rnnforecast.errors import DataError

NUM_ROWS, AHEAD = 60, 7
GENERATOR = np.random.default_rng(3)
SALES = np.round(100 + 10 * GENERATOR.normal(size=NUM_ROWS), 2)


def read(folder: Path, future: str | None, **columns: object) -> ReadResult:
    count = NUM_ROWS + AHEAD
    sales = [*SALES, *[""] * AHEAD] if future else SALES
    rows = count if future else NUM_ROWS
    frame = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=rows), "sales": sales, **columns})
    frame.to_csv(folder / "rows.csv", index=False)
    flat = {"horizon": AHEAD, "target": "sales"} | ({"future": future} if future else {})
    return read_series(folder / "rows.csv", Settings.from_flat(flat).data)


def messages(result: ReadResult, code: str) -> list[str]:
    return [f"{one.message} {one.fix}" for one in result.findings if one.code == code]


def test_columns_that_no_role_uses_are_named_with_the_flags_that_use_them(tmp_path: Path) -> None:
    result = read(
        tmp_path,
        None,
        price=np.arange(NUM_ROWS) % 7,
        sky=["clear", "rain"] * (NUM_ROWS // 2),
        comment=[f"text {number}" for number in range(NUM_ROWS)],
        always=np.ones(NUM_ROWS),
        No=np.arange(NUM_ROWS) + 1,
    )

    (message,) = messages(result, "N_COLUMN_UNUSED")
    assert message.startswith("2 columns not used: `price`, `sky`")
    assert "--future price" in message
    assert "--past price" in message
    assert "--static" not in message


def test_nothing_is_reported_where_every_column_has_a_role(tmp_path: Path) -> None:
    assert not messages(read(tmp_path, "price", price=np.arange(NUM_ROWS + AHEAD) % 7), "N_COLUMN_UNUSED")


def test_a_covariate_that_never_changes_is_named(tmp_path: Path) -> None:
    columns = {"flat": np.full(NUM_ROWS + AHEAD, 3.0), "price": np.arange(NUM_ROWS + AHEAD) % 7}
    (message,) = messages(read(tmp_path, "flat,price", **columns), "N_COVARIATE_CONSTANT")
    assert "1 covariate never changes: `flat`" in message


def test_the_target_in_disguise_is_questioned(tmp_path: Path) -> None:
    gross = np.append(1.19 * SALES + 3, np.full(AHEAD, 120.0))
    (message,) = messages(read(tmp_path, "gross", gross=gross), "W_COVARIATE_TARGET")
    assert message.startswith("`gross` explains 99.9 % of the changes of the target: is it known ahead?")


def test_a_covariate_that_explains_much_is_not_questioned(tmp_path: Path) -> None:
    known = np.append(SALES + 3 * np.random.default_rng(1).normal(size=NUM_ROWS), np.full(AHEAD, 100.0))
    assert not messages(read(tmp_path, "known", known=known), "W_COVARIATE_TARGET")


def test_steps_ahead_in_another_unit_are_questioned(tmp_path: Path) -> None:
    celsius = 10 + 5 * np.sin(np.arange(NUM_ROWS + AHEAD))
    fahrenheit = np.where(np.arange(NUM_ROWS + AHEAD) < NUM_ROWS, celsius, 1.8 * celsius + 32)
    (message,) = messages(read(tmp_path, "degrees", degrees=fahrenheit), "W_COVARIATE_RANGE")
    assert "another unit?" in message
    assert not messages(read(tmp_path, "degrees", degrees=celsius), "W_COVARIATE_RANGE")


def test_a_covariate_without_any_value_has_no_effect_and_is_named(tmp_path: Path) -> None:
    result = read(tmp_path, "empty", empty=[""] * (NUM_ROWS + AHEAD))
    (message,) = messages(result, "W_COVARIATE_EMPTY")
    assert "`empty`" in message
    assert not result.series.future_covariates.any()


def test_what_was_filled_is_remembered(tmp_path: Path) -> None:
    price = pd.Series(np.arange(NUM_ROWS + AHEAD) % 7, dtype=object)
    price[[4, 9]] = ""
    result = read(tmp_path, "price", price=price)
    assert result.series.covariates_observed is not None
    np.testing.assert_array_equal(np.flatnonzero(~result.series.covariates_observed[:, 0]), [4, 9])
    assert messages(result, "W_COVARIATE_FILLED")


def test_a_step_ahead_without_its_value_is_still_an_error(tmp_path: Path) -> None:
    price = pd.Series(np.arange(NUM_ROWS + AHEAD) % 7, dtype=object)
    price[NUM_ROWS + 2] = ""
    with pytest.raises(DataError, match="`price`"):
        read(tmp_path, "price", price=price)
