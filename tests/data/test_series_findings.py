from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import read_series
from rnnforecast.findings import Finding

RNG = np.random.default_rng(5)
NOISE = RNG.normal(0, 1, 400)


def findings_of(folder: Path, panel: dict[str, list[float]], **settings: object) -> dict[str, Finding]:
    path = folder / "rows.csv"
    lines = [
        f"{name},{day},{value:.6g}"
        for name, values in panel.items()
        for day, value in zip(
            pd.date_range("2023-01-01", periods=len(values)).strftime("%Y-%m-%d"), values, strict=True
        )
    ]
    path.write_text("item,day,y\n" + "\n".join(lines) + "\n")
    return {one.code: one for one in read_series(path, DataSettings(**settings)).findings}


def test_series_that_end_apart_are_named_with_their_ends(tmp_path: Path) -> None:
    panel = {name: (50 + NOISE[:length]).tolist() for name, length in (("a", 90), ("b", 60), ("c", 90))}
    found = findings_of(tmp_path, panel)["N_SERIES_ENDS"]
    assert found.message == (
        "1 of 3 series end before 2023-03-31: `b` at 2023-03-01; the forecast of each starts after its own end"
    )
    assert "--align" in str(found.fix)
    assert "N_SERIES_ENDS" not in findings_of(tmp_path, panel, align=True)


def test_short_series_next_to_long_ones_are_named_with_their_rows(tmp_path: Path) -> None:
    panel = {name: (50 + NOISE[:length]).tolist() for name, length in (("a", 90), ("b", 3), ("c", 1))}
    found = findings_of(tmp_path, panel)["N_SERIES_SHORT"]
    assert found.message == "2 of 3 series have fewer than 8 rows, the longest has 90: `c` 1 row, `b` 3 rows"


def test_series_that_are_all_short_are_not_noted(tmp_path: Path) -> None:
    assert "N_SERIES_SHORT" not in findings_of(tmp_path, {"a": [1, 2, 3], "b": [4, 6, 5]})


def spiked() -> list[float]:
    return [*(50 + NOISE[:200]), 5_000.0, *(50 + NOISE[201:])]


@pytest.mark.parametrize(
    ("code", "values", "words", "mask"),
    [
        (
            "N_VALUE_SPIKE",
            spiked,
            "1 value more than 30 spreads from both neighbours, such as 5000 at 2023-07-20",
            "2023-07-20",
        ),
        (
            "N_VALUE_SHIFT",
            lambda: [*(50 + NOISE[:150]), *(75 + NOISE[150:])],
            "the level shifts at 2023-05-31",
            "..2023-05-30",
        ),
        (
            "W_VALUE_SCALE",
            lambda: [*(50 + NOISE[:150]), *(50_000 + 1000 * NOISE[150:])],
            "changes at 2023-05-31",
            "..2023-05-30",
        ),
    ],
)
def test_a_finding_about_values_names_the_span_that_leaves_them_out_and_masking_it_ends_the_finding(
    tmp_path: Path, code: str, values: Callable[[], list[float]], words: str, mask: str
) -> None:
    panel = {"a": values()}
    found = findings_of(tmp_path, panel)[code]
    assert words in found.message
    span = str(found.fix).partition("--mask ")[2].rstrip("`")
    assert mask in span
    assert code not in findings_of(tmp_path, panel, mask=(span,))


def test_zeros_are_counted(tmp_path: Path) -> None:
    values = np.where(NOISE > 0.8, np.round(10 + NOISE), 0)
    found = findings_of(tmp_path, {"a": values.tolist()})["N_TARGET_INTERMITTENT"]
    assert f"intermittent: {100 * (values == 0).mean():.0f} % of the values are 0" in found.message


@pytest.mark.parametrize(
    "values",
    [
        50 + NOISE,
        np.cumsum(NOISE),
        np.exp(np.arange(400) / 50) + NOISE / 100,
        np.arange(400) * 3 + NOISE,
        100 + 50 * np.sin(np.arange(400) / 365 * 2 * np.pi) + NOISE,
        100 + 50 * np.sin(np.arange(400) / 7 * 2 * np.pi) + NOISE,
        np.exp(RNG.normal(0, 1, 400)),
        RNG.poisson(3, 400).astype(float),
        np.where(np.arange(400) % 7 > 4, 0.0, 100 + NOISE),
    ],
    ids=["noise", "walk", "growth", "trend", "year", "week", "lognormal", "counts", "weekends"],
)
def test_ordinary_histories_have_no_such_finding(tmp_path: Path, values: np.ndarray) -> None:
    codes = findings_of(tmp_path, {"a": np.asarray(values).tolist()})
    assert not {code for code in codes if code.startswith(("N_VALUE_S", "W_VALUE_S", "N_SERIES", "N_TARGET_I"))}


def test_series_of_plain_steps_with_another_season_are_named(tmp_path: Path) -> None:
    path = tmp_path / "panel.csv"
    step = np.arange(240)
    noise = np.random.default_rng(2)
    lines = [
        f"{name},{one},{value:.6g}"
        for name, season in (("a", 12), ("b", 12), ("c", 20))
        for one, value in zip(step, 50 + 9 * np.sin(2 * np.pi * step / season) + noise.normal(size=240), strict=True)
    ]
    path.write_text("item,step,y\n" + "\n".join(lines) + "\n")
    read = read_series(path, DataSettings(time="step", target=("y",), id=("item",)))
    found = {one.code: one for one in read.findings}["N_SERIES_SEASON"]
    assert read.series.season_length == 12
    assert found.message.startswith(
        "1 of 3 series have another season (12 steps, the season of the panel): `c` 20 steps"
    )
    assert read.own_seasons == {2: 20}
    assert found.fix == "train on them apart, with `--season-length 20`"
