from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import ReadResult, read_series


def read(path: Path, words: list[object], **known: object) -> ReadResult:
    frame = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=len(words)), "y": np.arange(len(words)) % 4})
    frame.assign(sky=np.array(words, dtype=object)).to_csv(path, index=False)
    return read_series(path, DataSettings(target=("y",), past=("sky",)), **known)  # type: ignore[arg-type]


def test_words_become_codes_in_the_order_of_the_words(tmp_path: Path) -> None:
    result = read(tmp_path / "a.csv", ["sun", "rain", "sun", "fog"])
    assert result.series.categories == {"sky": ("fog", "rain", "sun")}
    assert result.series.past_covariates.ravel().tolist() == [3, 2, 3, 1]
    assert "is categorical: 3 categories" in " ".join(finding.message for finding in result.findings)


def test_the_words_of_parquet_are_the_same_as_those_of_csv(tmp_path: Path) -> None:
    text = read(tmp_path / "a.csv", ["sun", "rain", "sun", "fog"])
    frame = pd.read_csv(tmp_path / "a.csv", parse_dates=["date"])
    frame.astype({"sky": "category"}).to_parquet(tmp_path / "a.parquet")
    typed = read_series(tmp_path / "a.parquet", DataSettings(target=("y",), past=("sky",)))
    assert typed.series.digest() == text.series.digest()


def test_of_very_many_categories_those_in_most_rows_are_distinguished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnnforecast.data.covariates.categorical.MAX_CATEGORIES", 2)
    result = read(tmp_path / "a.csv", ["sun", "rain", "sun", "fog", "rain", "ice"])
    assert result.series.categories == {"sky": ("rain", "sun")}
    assert result.series.past_covariates.ravel().tolist() == [2, 1, 2, 0, 1, 0]
    assert "of which the 2 most frequent are distinguished" in " ".join(finding.message for finding in result.findings)


def test_a_vocabulary_that_is_given_decides_the_codes(tmp_path: Path) -> None:
    result = read(tmp_path / "a.csv", ["sun", "hail", "fog"], categories={"sky": ("fog", "rain", "sun")})
    assert result.series.past_covariates.ravel().tolist() == [3, 0, 1]
    found = [finding for finding in result.findings if finding.severity == "warning"]
    assert [(one.code, one.count, one.rows, one.value) for one in found] == [("W_CATEGORY_UNKNOWN", 1, (3,), "hail")]


def test_an_empty_cell_of_words_holds_the_word_before_it(tmp_path: Path) -> None:
    result = read(tmp_path / "a.csv", ["sun", "", "fog"])
    assert result.series.past_covariates.ravel().tolist() == [2, 2, 1]
    assert [one.code for one in result.findings if one.severity == "warning"] == ["W_COVARIATE_FILLED"]


def test_codes_are_not_averaged_when_rows_are_resampled(tmp_path: Path) -> None:
    timestamps = pd.date_range("2024-01-01", periods=8, freq="12h")
    frame = pd.DataFrame({"date": timestamps, "y": range(8), "sky": ["sun", "fog", "rain", "sun"] * 2})
    frame.to_csv(tmp_path / "a.csv", index=False)
    asked = DataSettings(target=("y",), past=("sky",), resample="D", aggregate="mean")
    series = read_series(tmp_path / "a.csv", asked).series
    assert series.past_covariates.ravel().tolist() == [1, 3, 1, 3]
