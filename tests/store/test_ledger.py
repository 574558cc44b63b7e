"""Specification of the ledger: every issued forecast once, whole, found again, and never more than its bounds."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnnforecast.errors import LockedError, ModelFileError, OutputError
from rnnforecast.store import ledger as ledger_module
from rnnforecast.store.files import lock
from rnnforecast.store.ledger import LEDGER_LEVELS, Issued, Ledger, ledger_names

START = np.datetime64("2024-01-01", "us")
DAY = np.timedelta64(1, "D")


def make_issued(
    day: int = 0,
    *,
    version: int = 1,
    value: float = 1.0,
    horizon: int = 3,
    ids: tuple[str, ...] = ("[]",),
    hour: int = 0,
) -> Issued:
    """Return forecasts of `horizon` days after a day of 2024, `value` everywhere."""
    count = len(ids) * horizon
    lead = np.tile(np.arange(1, horizon + 1, dtype=np.int32), len(ids))
    cutoff = np.full(count, START + day * DAY)
    numbers = np.full(count, value)
    return Issued(
        ids=ids,
        targets=("value",),
        item=np.repeat(np.arange(len(ids), dtype=np.int32), horizon),
        target=np.zeros(count, np.int32),
        version=np.full(count, version, np.int32),
        cutoff=cutoff,
        timestamp=cutoff + lead * DAY,
        lead=lead,
        forecast=numbers,
        quantiles=np.repeat(numbers[:, None], len(LEDGER_LEVELS), axis=1),
        baseline=numbers + 1,
        scale=numbers * 0 + 2,
        last_value=np.where(lead == 1, np.nan, value),
        method=("ensemble",),
        served=np.zeros(count, np.int32),
        issued_at=np.full(count, np.datetime64("2024-06-01", "us") + np.timedelta64(hour, "h")),
        facts={"name": "prices", "season_length": 7},
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path, "prices")


def read(ledger: Ledger, *, version: int | None = None) -> Issued:
    found = ledger.read(version=version)
    assert found is not None
    return found


def test_a_forecast_is_read_as_it_was_issued(ledger: Ledger) -> None:
    issued = make_issued(ids=('["a"]', '["b\\u0000/"]'), value=1 / 3)
    ledger.append(issued)
    found = read(ledger)
    assert (found.ids, found.targets, found.method) == (issued.ids, issued.targets, issued.method)
    assert found.facts["season_length"] == 7
    for name in ("item", "version", "cutoff", "timestamp", "lead", "forecast", "quantiles", "scale", "issued_at"):
        np.testing.assert_array_equal(getattr(found, name), getattr(issued, name))
    np.testing.assert_array_equal(found.last_value, issued.last_value)


def test_parts_lie_by_version_and_cutoff(ledger: Ledger) -> None:
    for day in (1, 0):
        ledger.append(make_issued(day, version=2))
    assert [path.name for path in ledger.parts()] == ["2_1704067200.parquet", "2_1704153600.parquet"]


def test_steps_without_a_calendar_are_kept_too(ledger: Ledger) -> None:
    issued = make_issued()
    steps = replace(issued, cutoff=np.full(3, 41, np.int64), timestamp=41 + issued.lead.astype(np.int64))
    assert ledger.append(steps).name == "1_41.parquet"
    assert read(ledger).timestamp.tolist() == [42, 43, 44]


def test_forecasts_of_dates_and_of_steps_under_one_name_are_an_error_that_names_the_files(ledger: Ledger) -> None:
    issued = make_issued()
    ledger.append(issued)
    ledger.append(replace(issued, cutoff=np.full(3, 41, np.int64), timestamp=41 + issued.lead.astype(np.int64)))
    with pytest.raises(ModelFileError, match="rows with dates and for rows that count steps") as caught:
        ledger.read()
    assert "1_41.parquet" in str(caught.value.hint)


def test_issuing_the_same_forecast_again_changes_no_byte(ledger: Ledger) -> None:
    path = ledger.append(make_issued())
    before = path.read_bytes()
    ledger.append(make_issued(hour=5))
    assert path.read_bytes() == before


def test_issuing_another_forecast_for_the_same_steps_replaces_it(ledger: Ledger) -> None:
    ledger.append(make_issued())
    ledger.append(make_issued(value=5.0, hour=1, horizon=2))
    found = read(ledger)
    assert found.num_rows == 3
    assert sorted(zip(found.lead.tolist(), found.forecast.tolist(), strict=True)) == [(1, 5.0), (2, 5.0), (3, 1.0)]


def test_series_of_a_second_run_stand_next_to_those_of_the_first(ledger: Ledger) -> None:
    ledger.append(make_issued(ids=('["a"]',)))
    ledger.append(make_issued(ids=('["b"]',), hour=1))
    found = read(ledger)
    assert sorted({found.ids[item] for item in found.item}) == ['["a"]', '["b"]']
    assert found.num_rows == 6


def test_a_forecast_kept_in_two_parts_counts_once_as_issued_last(ledger: Ledger) -> None:
    ledger.append(make_issued(0))
    later = make_issued(1, value=7.0, hour=1)
    both = replace(later, cutoff=np.array([START, START, START + DAY]), timestamp=START + np.array([1, 2, 2]) * DAY)
    ledger.append(both)
    found = read(ledger)
    at_start = found.cutoff == START
    assert found.num_rows == 4
    assert sorted(found.forecast[at_start].tolist()) == [1.0, 7.0, 7.0]


def test_versions_are_kept_apart(ledger: Ledger) -> None:
    ledger.append(make_issued(version=1))
    ledger.append(make_issued(version=12, value=3.0))
    assert read(ledger).num_rows == 6
    assert read(ledger, version=12).forecast.tolist() == [3.0] * 3
    assert set(read(ledger, version=1).version.tolist()) == {1}
    assert ledger.read(version=2) is None


def test_an_empty_ledger_has_nothing(ledger: Ledger, tmp_path: Path) -> None:
    assert (ledger.read(), ledger.parts(), ledger_names(tmp_path)) == (None, [], [])


def test_names_with_forecasts_are_listed(tmp_path: Path) -> None:
    Ledger(tmp_path, "b c").append(make_issued())
    (tmp_path / "ledger" / "empty").mkdir()
    assert ledger_names(tmp_path) == ["b c"]


def test_beyond_its_bounds_the_oldest_forecasts_go(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "MAX_PARTS", 3)
    for day in range(5):
        ledger.append(make_issued(day))
    assert sorted(set(read(ledger).cutoff.tolist())) == [(START + day * DAY).item() for day in (2, 3, 4)]


def test_the_forecast_just_issued_stays_even_when_it_alone_is_too_large(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "MAX_BYTES", 10)
    ledger.append(make_issued(1))
    path = ledger.append(make_issued(0))
    assert ledger.parts() == [path]


def test_files_of_others_are_neither_read_nor_removed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "MAX_PARTS", 1)
    ledger.append(make_issued(0))
    (ledger.folder / "notes.parquet").write_text("mine")
    ledger.append(make_issued(1))
    assert (ledger.folder / "notes.parquet").read_text() == "mine"
    assert len(ledger.parts()) == 1


def test_leftovers_of_a_killed_run_are_swept(ledger: Ledger) -> None:
    ledger.append(make_issued(0))
    (ledger.folder / ".rnnforecast-00000000deadbeef.tmp").write_text("half")
    ledger.append(make_issued(1))
    assert not list(ledger.folder.glob(".rnnforecast-*"))


@pytest.mark.parametrize("place", [60, 200, 700, -40, -1])
def test_a_damaged_part_is_named_and_not_passed_over(ledger: Ledger, place: int) -> None:
    path = ledger.append(make_issued())
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(ModelFileError, match=r"1_1704067200.parquet` is not a readable ledger file") as caught:
        ledger.read()
    assert "move it away" in str(caught.value.hint)


def test_a_part_cut_short_is_rejected(ledger: Ledger) -> None:
    path = ledger.append(make_issued())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ModelFileError, match="is not a readable ledger file"):
        ledger.append(make_issued(value=2.0))


def _rewrite(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.drop_columns(["scale"]), "the column `scale` is missing"),
        (lambda table: table.set_column(5, "lead", pa.array(["x"] * 3)), "the column `lead` is string, not int32"),
        (lambda table: table.set_column(3, "cutoff", pa.array([1, 2, 3])), "`cutoff` is int64, not timestamp"),
        (lambda table: table.set_column(6, "forecast", pa.array([None, 1.0, 2.0])), "a value is missing"),
        (lambda table: table.replace_schema_metadata(None), "is not a readable ledger file"),
        (
            lambda table: table.replace_schema_metadata({b"rnnforecast": json.dumps({"format": 9}).encode()}),
            "it has format 9, this rnnforecast reads formats up to 1",
        ),
    ],
)
def test_a_table_that_is_none_of_ours_is_rejected_by_what_differs(ledger: Ledger, change: object, words: str) -> None:
    path = ledger.append(make_issued())
    _rewrite(path, change(pq.read_table(path)))  # type: ignore[operator]
    with pytest.raises(ModelFileError, match=words):
        ledger.read()


def test_a_disk_that_loses_rows_is_found_out(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pq.write_table
    monkeypatch.setattr(pq, "write_table", lambda table, stream, **words: real(table.slice(0, 1), stream, **words))
    with pytest.raises(OutputError, match="verification failed"):
        ledger.append(make_issued())
    assert ledger.parts() == []


def test_a_ledger_that_another_run_holds_is_waited_for_and_then_rejected(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_WAIT_SECONDS", 0.05)
    ledger.append(make_issued())
    with lock(ledger.folder / "ledger.lock"), pytest.raises(LockedError, match="another run holds the lock"):
        ledger.append(make_issued(1))


def _append(store: Path, number: int) -> None:
    Ledger(store, "prices").append(make_issued(0, ids=(f'["{number}"]',), hour=number))


def test_runs_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_append, args=(tmp_path, number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(set(read(Ledger(tmp_path, "prices")).ids)) == 3


def test_a_hostile_name_stays_inside_the_store(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "store", "../../x")
    ledger.append(make_issued())
    assert (tmp_path / "store").resolve() in ledger.parts()[0].resolve().parents
