"""Hints that do not help are not printed: each flag with a value is tried on the file first."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.errors import data_error
from rnnforecast.data.read import read_series
from rnnforecast.data.tried_hints import MOST_BYTES, with_tried_hints
from rnnforecast.errors import DataError, RnnForecastError, UsageError
from rnnforecast.findings import Finding


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sales.csv"
    path.write_text("day,sales\n2024-01-01,1\n", encoding="utf-8")
    return path


def _hint_after(
    hint: str, path: object, *, helps: tuple[str, ...] = ("D",), other: RnnForecastError | None = None
) -> str:
    error = DataError("no frequency", hint=hint, code="E_FREQ")
    tried = []

    def attempt(settings: DataSettings) -> None:
        tried.append(settings)
        if settings.freq is None or settings.freq not in helps:
            raise other or DataError("no frequency", code="E_FREQ")

    with_tried_hints(error, path, DataSettings(target=("sales",)), attempt)
    assert all(settings.target == ("sales",) for settings in tried)
    return error.hint or "none"


@pytest.mark.parametrize(
    ("hint", "left"),
    [
        ("name it with `--freq`, such as `--freq D`", "name it with `--freq`, such as `--freq D`"),
        ("name it with `--freq`, such as `--freq W`", "name it with `--freq`"),
        ("choose one: --freq W or --freq D", "--freq D"),
        ("--freq W, or remove these rows", "remove these rows"),
        ("--freq W", "none"),
        ("--freq notafrequency; or --freq D", "--freq D"),
        ("allow it: --max-bytes 20GiB", "allow it: --max-bytes 20GiB"),
        ("leave `--wide` out", "leave `--wide` out"),
        ("merge them with --duplicates sum|mean", "merge them with --duplicates sum|mean"),
        ("others need --date-format", "others need --date-format"),
    ],
)
def test_a_flag_is_suggested_only_where_it_helps(hint: str, left: str, file: Path) -> None:
    assert _hint_after(hint, [file]) == left


def test_another_error_of_the_data_is_further_and_one_of_the_flags_is_not(file: Path) -> None:
    assert _hint_after("--freq W", file, other=DataError("later", code="E_TIME_DUPLICATE")) == "--freq W"
    assert _hint_after("--freq W", file, other=UsageError("no effect", code="E_RUN_CONFIG")) == "none"


def test_what_cannot_be_read_again_quickly_is_not_tried(file: Path, tmp_path: Path) -> None:
    assert _hint_after("--freq W", "-") == _hint_after("--freq W", "https://example.org/x.csv") == "--freq W"
    large = tmp_path / "large.csv"
    with large.open("wb") as written:
        written.truncate(MOST_BYTES + 1)
    assert _hint_after("--freq W", large) == _hint_after("--freq W", [file, large]) == "--freq W"


def test_the_fix_of_each_problem_is_tried(file: Path) -> None:
    first = Finding("E_TIME_VALUE", "row 2: bad", fix="--tz Europe/Paris")
    problems = [first, Finding("E_VALUE", "row 3: bad", fix="correct it")]
    error = data_error(problems)
    assert "--tz Europe/Paris" in str(error.message)

    def attempt(_: DataSettings) -> None:
        raise data_error(problems)

    with_tried_hints(error, file, DataSettings(), attempt)
    assert "--tz" not in str(error.message)
    assert [one.fix for one in error.findings] == [None, "correct it"]


def test_a_hint_of_a_reading_that_helps_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "umsatz.csv"
    rows = "".join(f"2024-01-{day:02d},{day}\n" for day in range(1, 29))
    path.write_bytes(f"day,ums\u00e4tze\n{rows}".encode("cp1252"))
    with pytest.raises(RnnForecastError, match="not UTF-8") as raised:
        read_series(path)
    assert str(raised.value.hint).startswith("--encoding cp1252, or convert it")
    assert read_series(path, DataSettings(encoding="cp1252")).series.num_rows == 28
