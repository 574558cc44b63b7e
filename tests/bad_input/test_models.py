from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.cli.main import main
from rnnforecast.data.read import read_series
from rnnforecast.errors import ExitCode
from tests.bad_input.ids import HOSTILE, ODD

FAST = ("--horizon", "2", "--num-steps", "2", "--num-members", "1", "--hidden-size", "4", "--season-length", "1")
HEADER = "shop,date,y"
DAYS = [str(day.date()) for day in pd.date_range("2024-01-01", periods=40)]


@dataclass(frozen=True)
class Ended:
    """How one run ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The document on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found


def run(*words: str) -> Ended:
    """Run the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(list(words))
    assert "Traceback" not in out.getvalue() + err.getvalue()
    return Ended(code, out.getvalue(), err.getvalue())


def rows_of(
    ids: Sequence[str], *, days: Sequence[str] = DAYS, value: Callable[[int], object] | None = None
) -> list[str]:
    """Return rows of a panel; each series rises and swings a little."""
    make = value or (lambda number: 100 + number % 5 + number / 10)
    return [f'"{one}",{day},{make(number)}' for one in ids for number, day in enumerate(days)]


def write(path: Path, rows: Sequence[str], *, header: str = HEADER) -> str:
    """Write rows as CSV and return the path."""
    path.write_text("\n".join([header, *(row.replace('"', '""').replace('""', '"') for row in rows)]) + "\n")
    return str(path)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RNNFORECAST_STORE", raising=False)


def train(path: str, *flags: str) -> Ended:
    """Train a small network."""
    return run("train", path, *FAST, *flags, "--format", "json")


def test_one_row_is_rejected_with_what_is_needed(tmp_path: Path) -> None:
    ended = train(write(tmp_path / "one.csv", ["2024-01-01,5"], header="date,y"), "--freq", "D")
    assert ended.code == ExitCode.DATA
    assert "the series has 1, a training needs 4" in ended.err


def test_one_series_without_values_is_rejected_and_the_rest_is_done(tmp_path: Path) -> None:
    rows = [*rows_of(["a", "b"]), *rows_of(["empty"], value=lambda _: "")]
    ended = train(write(tmp_path / "panel.csv", rows))
    assert ended.code == ExitCode.PARTIAL
    assert "`empty`" in ended.err
    assert ended.document["assumptions"]["num_series"] == 2


def test_constant_series_have_flat_finite_forecasts(tmp_path: Path) -> None:
    path = write(tmp_path / "panel.csv", [*rows_of(["flat"], value=lambda _: 5), *rows_of(["zero"], value=lambda _: 0)])
    assert train(path).code == 0
    ended = run("predict", "panel", "--format", "json")
    medians = [row[ended.document["columns"].index("forecast")] for row in ended.document["rows"]]
    np.testing.assert_allclose(medians, [5, 5, 0, 0], atol=1e-6)


def test_a_large_level_does_not_drown_small_changes(tmp_path: Path) -> None:
    rows = rows_of(["a"], value=lambda number: f"{1e9 + number % 2 / 1000:.3f}")
    assert train(write(tmp_path / "panel.csv", rows)).code == 0
    ended = run("predict", "panel", "--format", "json")
    medians = [row[ended.document["columns"].index("forecast")] for row in ended.document["rows"]]
    np.testing.assert_allclose(medians, 1e9, atol=0.1)


def test_a_series_that_is_too_short_is_used_and_named_and_left_out_when_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "panel.csv", [*rows_of(["long"]), *rows_of(["brief"], days=DAYS[-2:])])
    padded = train(path)
    assert (padded.code, padded.document["assumptions"]["num_series"]) == (0, 2)
    assert "1 series has fewer than 4 rows: used nevertheless: `brief` (2)" in padded.err
    ended = train(path, "--short", "refuse")
    assert ended.code == ExitCode.PARTIAL
    assert "1 series is too short and left out, 4 rows are needed: `brief` (2)" in ended.err


def test_values_of_any_size_are_forecast_finitely_or_rejected(tmp_path: Path) -> None:
    sizes = (1e308, 1e-308, 1e300)
    for place, size in enumerate(sizes):
        rows = rows_of(["a"], value=lambda number, size=size: size * (1 + number % 3 / 10))  # type: ignore[misc]
        ended = train(write(tmp_path / f"size{place}.csv", rows))
        assert ended.code in (0, ExitCode.DATA, ExitCode.DIVERGED)
        if ended.code == 0:
            forecast = run("predict", f"size{place}", "--format", "json")
            numbers = [cell for row in forecast.document["rows"] for cell in row if isinstance(cell, float)]
            assert forecast.code in (0, ExitCode.DIVERGED)
            assert np.isfinite(numbers).all()


def test_values_without_logarithm_are_rejected_where_logarithms_were_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "panel.csv", rows_of(["a"], value=lambda number: number - 1))
    ended = train(path, "--log")
    assert ended.code == ExitCode.DATA
    assert f"no logarithm: `a` at {DAYS[0]}: -1, `a` at {DAYS[1]}: 0" in ended.err
    assert train(path).code == 0


def test_counts_get_whole_forecasts_from_zero_on_unless_no_bounds_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "panel.csv", rows_of(["a"], value=lambda number: 3 * (number % 4 == 0)))
    assert train(path).code == 0
    counts = _forecasts(run("predict", "panel", "--format", "json"))
    assert min(counts) == 0
    assert all(number == round(number) for number in counts)
    free = _forecasts(run("predict", "panel", "--no-bounds", "--format", "json"))
    assert min(free) < 0
    assert any(number != round(number) for number in free)


def test_forecasts_beyond_a_floor_of_the_user_are_counted_and_stored_models_keep_it(tmp_path: Path) -> None:
    path = write(tmp_path / "panel.csv", rows_of(["a"], value=lambda number: 3.5 * (number % 4 == 0) - 0.25))
    assert train(path).code == 0
    asked = run("predict", "panel", "--floor", "-0.25", "--format", "json")
    assert min(_forecasts(asked)) == -0.25
    found = [one for one in asked.document["findings"] if one["code"] == "W_FORECAST_BOUND"]
    assert [(one["severity"], one["count"] > 0) for one in found] == [("warning", True)]
    assert train(path, "--floor", "-0.25").code == 0
    assert run("predict", "panel@2", "--format", "json").document["rows"] == asked.document["rows"]
    ended = run("predict", "panel@2", "--cap", "-1")
    assert ended.code == ExitCode.USAGE
    assert "`floor` -0.25 must be below `cap` -1" in ended.err


def _forecasts(ended: Ended) -> list[float]:
    """Return all numbers of a forecast but the means, which are not whole for counts."""
    mean = ended.document["columns"].index("mean")
    return [
        cell
        for row in ended.document["rows"]
        for place, cell in enumerate(row)
        if isinstance(cell, float) and place != mean
    ]


def test_a_packed_file_gives_its_stem_to_the_model(tmp_path: Path) -> None:
    content = "\n".join([HEADER, *rows_of(["a"])]).encode()
    (tmp_path / "sales.csv.bz2").write_bytes(bz2.compress(content))
    assert train("sales.csv.bz2").document["model"] == "sales@1"


def test_a_target_that_is_there_but_empty_is_rejected_by_predict(tmp_path: Path) -> None:
    assert train(write(tmp_path / "panel.csv", rows_of(["a", "b"]))).code == 0
    ended = run("predict", "panel", "--data", write(tmp_path / "new.csv", rows_of(["a", "b"], value=lambda _: "")))
    assert ended.code == ExitCode.DATA
    assert "every target value is missing" in ended.err


def test_ids_are_written_back_as_they_were(tmp_path: Path) -> None:
    path = write(tmp_path / "panel.csv", rows_of(ODD))
    assert train(path, "--id", "shop").code == 0
    assert run("predict", "panel", "--output", "out.csv").code == 0
    with open("out.csv", encoding="utf-8", newline="") as file:
        assert {row["shop"] for row in csv.DictReader(file)} == set(ODD)


def test_hostile_ids_come_back_unchanged_and_name_no_file(tmp_path: Path) -> None:
    rows = [[one, day, 100 + number] for one in HOSTILE for number, day in enumerate(DAYS)]
    with open("panel.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADER.split(","), *rows])
    assert train("panel.csv", "--id", "shop").code == 0
    assert run("predict", "panel", "--output", "out.parquet").code == 0
    assert set(pd.read_parquet("out.parquet")["shop"]) == set(HOSTILE)
    assert {entry.name for entry in tmp_path.iterdir()} == {"panel.csv", "out.parquet", ".rnnforecast"}


def test_ids_that_are_formulas_are_written_so_that_no_spreadsheet_runs_them(tmp_path: Path) -> None:
    path = write(tmp_path / "panel.csv", rows_of(["=1+1", "-a", "plain"]))
    assert train(path, "--id", "shop").code == 0
    assert run("predict", "panel", "--output", "out.csv").code == 0
    assert set(pd.read_csv("out.csv")["shop"]) == {"'=1+1", "'-a", "plain"}


def test_an_id_that_was_not_trained_on_is_forecast_and_said_to_be_new(tmp_path: Path) -> None:
    assert train(write(tmp_path / "panel.csv", rows_of(["a", "b"]))).code == 0
    ended = run("predict", "panel", "--data", write(tmp_path / "new.csv", rows_of(["a", "b", "fresh"])))
    assert ended.code == 0
    assert "cold start: 1 series the model has not seen in training: `fresh`" in ended.err


def test_ids_that_are_gone_or_have_no_new_rows_are_named(tmp_path: Path) -> None:
    assert train(write(tmp_path / "panel.csv", rows_of(["a", "b", "c"], days=DAYS[:30]))).code == 0
    rows = [*rows_of(["a"]), *rows_of(["b"], days=DAYS[:30])]
    ended = run("predict", "panel", "--data", write(tmp_path / "new.csv", rows), "--format", "json")
    assert ended.code == 0
    said = " ".join(finding["message"] for finding in ended.document["findings"])
    assert "are gone: `c`" in said
    assert "`b`" in said


def test_every_series_is_forecast_from_its_own_last_row(tmp_path: Path) -> None:
    path = write(tmp_path / "panel.csv", [*rows_of(["a"]), *rows_of(["b"], days=DAYS[:30])])
    assert train(path).code == 0
    frame = forecast_of("panel")
    assert frame.groupby("shop")["cutoff"].first().to_dict() == {"a": DAYS[-1], "b": DAYS[29]}
    assert frame[frame["shop"] == "b"]["date"].tolist() == DAYS[30:32]


def test_every_series_is_forecast_from_the_newest_row_of_all_where_that_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "panel.csv", [*rows_of(["a"]), *rows_of(["b"], days=DAYS[:30])])
    assert train(path).code == 0
    frame = forecast_of("panel", "--align")
    assert set(frame["cutoff"]) == {DAYS[-1]}
    assert train(path, "--align").code == 0
    assert set(forecast_of("panel@2")["cutoff"]) == {DAYS[-1]}
    refused = train(path, "--align", "--strict")
    assert refused.code == ExitCode.DATA
    assert "10 missing rows" in refused.err


def test_a_history_of_one_row_is_forecast_and_named(tmp_path: Path) -> None:
    assert train(write(tmp_path / "panel.csv", rows_of(["a", "b"]))).code == 0
    rows = [*rows_of(["a"]), *rows_of(["b"], days=DAYS[-1:])]
    ended = run("predict", "panel", "--data", write(tmp_path / "new.csv", rows), "--format", "json")
    assert ended.code == 0
    assert "1 series has fewer than 2 rows: used nevertheless: `b` (1)" in ended.err
    assert {row[0] for row in ended.document["rows"]} == {"a", "b"}


def test_a_longer_horizon_than_trained_is_reported_as_recursive(tmp_path: Path) -> None:
    assert train(write(tmp_path / "panel.csv", rows_of(["a"]))).code == 0
    ended = run("predict", "panel", "--horizon", "9")
    assert ended.code == 0
    assert "trained for 2 steps, forecast for 9" in ended.err


def test_the_same_rows_give_the_same_bytes_however_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(["b", "a", "c"])
    write(tmp_path / "plain.csv", rows)
    shuffled = random.Random(0).sample(rows, len(rows))
    write(tmp_path / "shuffled.csv", shuffled)
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress((tmp_path / "plain.csv").read_bytes()))
    frame = pd.read_csv("plain.csv")
    typed = frame.assign(date=pd.to_datetime(frame["date"]))
    typed.to_parquet("typed.parquet", index=False)
    typed.sample(frac=1.0, random_state=1).to_parquet("mixed.parquet", index=False, row_group_size=17)
    (tmp_path / "mixed.csv.gz").write_bytes(gzip.compress((tmp_path / "shuffled.csv").read_bytes()))
    forecasts = {}
    for name in ("plain.csv", "shuffled.csv", "packed.csv.gz", "mixed.csv.gz", "typed.parquet", "mixed.parquet", "-"):
        with monkeypatch.context() as patched:
            patched.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((tmp_path / "shuffled.csv").read_bytes())))
            assert train(name, "--name", "model").code == 0
        assert run("predict", "model", "--output", "out.csv").code == 0
        forecasts[name] = Path("out.csv").read_bytes()
    assert len(set(forecasts.values())) == 1, {name: content[:200] for name, content in forecasts.items()}


def test_any_size_of_blocks_reads_the_same_series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "plain.csv", rows_of(["b", "a", "c"]))
    whole = read_series([path]).series.digest()
    monkeypatch.setattr("rnnforecast.data.tables.csv_reader._BLOCK_BYTES", 64)
    assert read_series([path]).series.digest() == whole


def forecast_of(model: str, *flags: str) -> pd.DataFrame:
    """Return the forecasts of a model as they are written to a file."""
    assert run("predict", model, "--output", "out.csv", *flags).code == 0
    return pd.read_csv("out.csv")
