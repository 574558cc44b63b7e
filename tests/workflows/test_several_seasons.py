"""`--season-length` given several times: the shortest is that of the network, the others are those of regressions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import rnnforecast
from rnnforecast.config import DataSettings
from rnnforecast.errors import UsageError
from tests.workflows.toy import store_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HORIZON = 70


def shifts(count: int = 700) -> np.ndarray:
    """Return steps that repeat every 10 and every 70 of them, with noise."""
    step = np.arange(count)
    slow = np.random.default_rng(4).normal(0, 6, 10)[step // 7 % 10]
    return 100 + 5 * np.sin(2 * np.pi * step / 10) + slow + np.random.default_rng(3).normal(size=count)


def write(folder: Path, values: np.ndarray) -> Path:
    path = folder / "shifts.csv"
    pd.DataFrame({"step": np.arange(len(values)), "value": values}).to_csv(path, index=False)
    return path


def read_as(*seasons: int, horizon: int = HORIZON) -> DataSettings:
    return DataSettings(time="step", target=("value",), season_length=seasons, horizon=horizon)


def error_of(path: Path, reading: DataSettings, actual: np.ndarray) -> float:
    frame = rnnforecast.predict("base", data=[path], reading=reading).frame
    return float(np.abs(frame["q0.5"].to_numpy() - actual).mean())


def test_a_second_season_that_is_named_makes_the_error_smaller(tmp_path: Path) -> None:
    values = shifts()
    path, actual = write(tmp_path, values[:-HORIZON]), values[-HORIZON:]

    one, two = (error_of(path, read_as(*seasons), actual) for seasons in ((10,), (70, 10)))

    assert two < 0.6 * one


def test_a_stored_model_keeps_its_seasons(tmp_path: Path) -> None:
    path = write(tmp_path, shifts(400))
    flags = {"time": "step", "target": "value", "season_length": [10, 70], "horizon": 20, "effort": "quick"}

    result = rnnforecast.train([path], rnnforecast.Settings.from_flat(flags), store=store_of(path))

    assert result.settings["season_length"] == [10, 70]
    assert result.reasons["season_length"] == "named by --season-length, with 70"
    again = rnnforecast.predict(result.model, data=[path], store=store_of(path)).frame
    one = rnnforecast.train(
        [path], rnnforecast.Settings.from_flat(flags | {"season_length": 10}), store=store_of(path), name="one"
    )
    alone = rnnforecast.predict(one.model, data=[path], store=store_of(path)).frame
    assert not np.allclose(again["q0.5"], alone["q0.5"])


def test_inspect_shows_all_seasons_and_suggests_none_of_them(tmp_path: Path) -> None:
    settings = rnnforecast.Settings(data=read_as(10, 70))

    result = rnnforecast.inspect([write(tmp_path, shifts(400))], settings)

    seasons: Any = result.profile["seasons"]
    assert [(season["length"], season["name"]) for season in seasons] == [(10, "chosen"), (70, "named")]
    assert not [text for text in result.suggestions if "--season-length" in text]


def test_a_season_without_two_periods_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`--season-length 70` would have no effect: two periods are 140 rows"):
        rnnforecast.predict("base", data=[write(tmp_path, shifts(130))], reading=read_as(10, 70))


@pytest.mark.parametrize("command", ["detect", "tune", "train"])
def test_what_has_one_season_rejects_several(tmp_path: Path, command: str) -> None:
    path = write(tmp_path, shifts(400))
    reading = {"time": "step", "target": "value", "season_length": [10, 70], "horizon": 20}
    settings = rnnforecast.Settings.from_flat(
        reading | ({"from": "scratch", "num_steps": 2} if command == "train" else {})
    )
    calls: dict[str, Callable[[], object]] = {
        "detect": lambda: rnnforecast.detect([path], reading=settings.data),
        "tune": lambda: rnnforecast.tune([path], settings),
        "train": lambda: rnnforecast.train([path], settings, store=store_of(path)),
    }
    with pytest.raises(UsageError, match="`--season-length 70` would have no effect"):
        calls[command]()


@pytest.mark.parametrize(
    ("given", "words"),
    [([1, 7], "1 means no season"), ([2, 3, 4, 5, 6], "at most 4"), ([0, 7], "greater than or equal to 1")],
)
def test_season_lengths_that_make_no_sense_are_errors(given: list[int], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        rnnforecast.Settings.from_flat({"season_length": given})


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, None), (7, 7), ([7], 7), ("7", 7), ([168, 24], [24, 168]), ("168,24", [24, 168])],
)
def test_season_lengths_are_read_and_written_in_any_form(given: object, expected: object) -> None:
    settings = rnnforecast.Settings.from_flat({"season_length": given})

    written = settings.to_flat()["season_length"]

    assert written == expected
    assert rnnforecast.Settings.from_flat({"season_length": written}) == settings


def _own_seasons(folder: Path) -> Path:
    """Write a panel of plain steps whose series repeat every 7, 12 or 20 of them."""
    draw = np.random.default_rng(1)
    lines = []
    for number in range(6):
        pattern = draw.normal(0, 10, (7, 12, 20)[number % 3])
        lines += [f"s{number},{50 + pattern[step % len(pattern)] + draw.normal(0, 2):.4f}" for step in range(200)]
    path = folder / "own.csv"
    path.write_text("\n".join(["id,value", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("model", ["base", "own"])
def test_the_rival_repeats_the_own_season_of_each_series(tmp_path: Path, model: str) -> None:
    path, store = _own_seasons(tmp_path), tmp_path / "store"
    flags = {"horizon": 7, "effort": "quick", "num_windows": 2}
    if model != "base":
        trained = rnnforecast.train([path], rnnforecast.Settings.from_flat(flags), store=store)
        assert float(str(trained.metrics["seasonal-naive"]["mae"])) < 4
    found = rnnforecast.evaluate(model, [path], num_windows=2, store=store)
    # noise of 2 and a pattern that is known: the error of repeating it is 2 * sqrt(2) * sqrt(2 / pi)
    assert float(str(found.metrics["seasonal-naive"]["mae"])) < 3.5
    assert float(str(found.metrics["theta"]["mae"])) < 3.5
    assert found.verdict is not None
    assert str(found.verdict["against"]).startswith("seasonal")
