"""What moved a forecast: parts that add up, what-if, and gains of covariates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rnnforecast
from rnnforecast.config import DataSettings
from rnnforecast.errors import DataError, UsageError
from rnnforecast.workflows.forecasts import explain
from rnnforecast.workflows.forecasts.predict_result import PredictResult
from rnnforecast.workflows.predict import ForecastRequest, forecast_request
from tests.workflows.toy import fit, store_of, write_csv

NUM_ROWS, HORIZON = 200, 7
GENERATOR = np.random.default_rng(0)
PRICE = 10 + GENERATOR.choice([0, 0, -1, -2, 1], NUM_ROWS + HORIZON)
SKY = GENERATOR.choice(["clear", "rain"], NUM_ROWS + HORIZON)
NOISE = GENERATOR.normal(size=NUM_ROWS + HORIZON)
SALES = (
    80
    + 10 * np.sin(2 * np.pi * np.arange(NUM_ROWS + HORIZON) / 7)
    - 5 * (PRICE - 10)
    + 6 * (SKY == "rain")
    + 0.5 * GENERATOR.normal(size=NUM_ROWS + HORIZON)
)


def write(folder: Path, *, name: str = "s.csv", price: np.ndarray = PRICE) -> Path:
    sales = [*np.round(SALES[:NUM_ROWS], 2), *[""] * HORIZON]
    dates = [str(one.date()) for one in pd.date_range("2024-01-01", periods=NUM_ROWS + HORIZON)]
    return write_csv(
        folder / name,
        date=dates,
        sales=sales,
        price=price.tolist(),
        sky=SKY.tolist(),
        noise=np.round(NOISE, 3).tolist(),
    )


def ask(path: Path, model: str = "base", future: str = "price,sky", **asked: object) -> PredictResult:
    reading = DataSettings(target=("sales",), future=tuple(future.split(",")))
    request = ForecastRequest(HORIZON, reading=reading, **asked)  # type: ignore[arg-type]
    return forecast_request(request, model, data=[path], store=store_of(path))


def test_the_parts_add_up_to_the_forecast_and_follow_the_covariates(tmp_path: Path) -> None:
    result = ask(write(tmp_path), components=True)

    frame = result.frame
    parts = frame[[name for name in frame.columns if name.startswith("part_")]]
    assert list(parts) == ["part_trend", "part_season", "part_price", "part_sky", "part_remainder"]
    np.testing.assert_allclose(parts.sum(axis=1), frame["forecast"], rtol=1e-12)
    expected = -5 * (PRICE[NUM_ROWS:] - PRICE[:NUM_ROWS].mean())
    np.testing.assert_allclose(parts["part_price"], expected, atol=1.5)
    assert result.previews[0].parts.keys() == {"trend", "season", "price", "sky", "remainder"}


def test_a_past_covariate_has_its_part_as_far_as_it_leads(tmp_path: Path) -> None:
    visits = np.round(50 + 10 * np.random.default_rng(2).normal(size=NUM_ROWS), 1)
    sales = np.round(80 + 0.5 * np.roll(visits, 2) + 0.3 * NOISE[:NUM_ROWS], 2)
    dates = [str(one.date()) for one in pd.date_range("2024-01-01", periods=NUM_ROWS)]
    path = write_csv(tmp_path / "s.csv", date=dates, sales=sales.tolist(), visits=visits.tolist())
    request = ForecastRequest(4, reading=DataSettings(target=("sales",), past=("visits",)), components=True)

    frame = forecast_request(request, "base", data=[path], store=store_of(path)).frame

    parts = frame[[name for name in frame.columns if name.startswith("part_")]]
    np.testing.assert_allclose(parts.sum(axis=1), frame["forecast"], rtol=1e-12)
    expected = [*(0.5 * (visits[-2:] - visits.mean())), 0, 0]
    np.testing.assert_allclose(parts["part_visits"], expected, atol=1.5)


def test_a_changed_price_is_forecast_next_to_the_price_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path)

    result = ask(path, changes=("price=+1", "sky=rain"))

    assert result.what_if == "price=+1, sky=rain"
    frame = result.frame
    np.testing.assert_allclose(frame["what_if"] - frame["forecast"], frame["difference"])
    expected = -5 + 6 * (SKY[NUM_ROWS:] != "rain")
    np.testing.assert_allclose(frame["difference"], expected, atol=1.5)
    np.testing.assert_array_equal(frame["forecast"], ask(path).frame["forecast"])


def test_a_second_file_gives_the_same_as_the_change_it_holds(tmp_path: Path) -> None:
    path = write(tmp_path)
    dates = [str(one.date()) for one in pd.date_range("2024-01-01", periods=NUM_ROWS + HORIZON)][NUM_ROWS:]
    plan = write_csv(tmp_path / "plan.csv", date=dates, price=(PRICE[NUM_ROWS:] + 1).tolist())

    result = ask(path, what_if=plan)

    np.testing.assert_allclose(result.frame["what_if"], ask(path, changes=("price=+1",)).frame["what_if"], rtol=1e-9)
    assert str(result.what_if).endswith("plan.csv")


def test_rows_of_a_second_file_outside_the_horizon_are_counted(tmp_path: Path) -> None:
    dates = [str(one.date()) for one in pd.date_range("2024-01-01", periods=NUM_ROWS + HORIZON + 2)][NUM_ROWS - 1 :]
    price = [99, *PRICE[NUM_ROWS:].tolist(), 99, 99]
    plan = write_csv(tmp_path / "plan.csv", date=dates, price=price)

    result = ask(write(tmp_path), what_if=plan)

    [extra] = [one for one in result.findings if one.code == "W_COVARIATE_EXTRA"]
    assert extra.count == 3
    assert "steps after the horizon" in extra.message
    assert "the forecast does not change: the covariates of its steps are the same" in result.notes


def test_a_second_file_without_all_steps_is_an_error(tmp_path: Path) -> None:
    plan = write_csv(tmp_path / "plan.csv", date=["2024-07-19", "2024-07-20"], price=[9, 9])
    with pytest.raises(DataError, match="steps ahead of `sales`"):
        ask(write(tmp_path), what_if=plan)


def test_a_second_file_without_a_covariate_is_an_error(tmp_path: Path) -> None:
    plan = write_csv(tmp_path / "plan.csv", date=["2024-07-19", "2024-07-20"], cost=[9, 9])
    with pytest.raises(UsageError, match="--what-if would have no effect"):
        ask(write(tmp_path), what_if=plan)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("price", "invalid change `price`"),
        ("price=cheap", "not a number"),
        ("cost=1", "`cost` is not a covariate known ahead"),
        ("sky=hail", "`hail` is none of them"),
    ],
)
def test_a_change_that_cannot_be_made_is_an_error(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ask(write(tmp_path), changes=(change,))


def test_sums_are_not_explained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--components explain steps of series, not sums"):
        ask(write(tmp_path), components=True, sum="week")


def test_a_covariate_that_tells_something_gains_and_noise_does_not(tmp_path: Path) -> None:
    result = ask(write(tmp_path), future="price,noise")

    gains = {gain.name: gain for gain in result.gains}
    assert gains["price"].error_change < -30
    assert list(gains) == ["price"]
    assert any(
        note.startswith("regressions do not read 1 of 2 covariates") and note.endswith("`noise`")
        for note in result.notes
    )
    assert gains["price"].num_better > 0.7 * gains["price"].num_windows
    assert any("past windows (1 of 2 covariates): price -" in note for note in result.notes)
    assert result.to_dict()["gains"][0]["name"] == "price"  # type: ignore[index,call-overload]


def test_gains_that_are_not_shown_are_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain, "gains_of", None)
    assert ask(write(tmp_path), gains=False).gains == ()


def test_a_trained_model_explains_its_forecasts_too(tmp_path: Path) -> None:
    path = write(tmp_path)
    trained = fit(path, future="price,sky", target="sales")
    assert {gain.name for gain in trained.gains} == {"price", "sky"}

    request = ForecastRequest(HORIZON, components=True, changes=("price=1.1x",))
    result = forecast_request(request, "s", data=[path], store=store_of(path))

    parts = result.frame.filter(like="part_")
    np.testing.assert_allclose(parts.sum(axis=1), result.frame["forecast"], rtol=1e-12)
    assert result.frame["difference"].abs().max() > 0  # five steps of training do not learn its sign
    scored = rnnforecast.evaluate("s", store=store_of(path))
    assert scored.gains[0].error_change < 0
