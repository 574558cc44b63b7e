"""Specification of shards: who does which part, what a second run does, and what ends a worker before it starts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rnnforecast
from rnnforecast.config import DataSettings
from rnnforecast.errors import DataError, InputError, LockedError, OutputError, UsageError
from rnnforecast.options import ShardBy
from rnnforecast.store.files import lock
from rnnforecast.workflows.model_rows import Files
from rnnforecast.workflows.predict import ForecastRequest
from rnnforecast.workflows.shards.manifest import Manifest
from rnnforecast.workflows.shards.plan import Shard, plan_parts
from rnnforecast.workflows.shards.results import ShardResult
from rnnforecast.workflows.shards.run import predict_shard
from tests.workflows.toy import TINY, days, wave


def panel(numbers: range, *, num_rows: int = 60) -> pd.DataFrame:
    """Return a series of a week for each number."""
    parts = [
        pd.DataFrame(
            {"shop": f"s{number:02d}", "date": pd.to_datetime(days(num_rows)), "sold": wave(num_rows, seed=number)}
        )
        for number in numbers
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four files of three series each, and a store with a small model of all of them."""
    folder = tmp_path_factory.mktemp("shards")
    (folder / "rows").mkdir()
    for number in range(4):
        panel(range(3 * number, 3 * number + 3), num_rows=60 + 5 * number).to_parquet(
            folder / "rows" / f"f{number}.parquet"
        )
    settings = rnnforecast.Settings.from_flat({**TINY, "id": "shop", "dataset": True})
    rnnforecast.train([folder / "rows"], settings, name="shops", store=folder / "store")
    return folder


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    """A copy of the folder that a test may change."""
    shutil.copytree(trained, tmp_path / "place")
    return tmp_path / "place"


def run(place: Path, shard: str, *, by: ShardBy = "file", model: str = "shops", **changes: object) -> ShardResult:
    request = ForecastRequest(output=place / "out", **changes)  # type: ignore[arg-type]
    files = Files((place / "rows",))
    return predict_shard(request, model, data=files, shard=Shard.parse(shard), by=by, store=place / "store")


def statuses(result: ShardResult) -> dict[str, str]:
    return {part.part: part.status for part in result.parts}


def outputs(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((place / "out").glob("*.parquet"))}


def forecasts(place: Path) -> pd.DataFrame:
    whole = pd.concat(pd.read_parquet(path) for path in sorted((place / "out").glob("*.parquet")))
    return whole.sort_values(["shop", "date"]).reset_index(drop=True)


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "200000/200000"])
def test_a_number_outside_is_rejected(text: str) -> None:
    with pytest.raises(UsageError, match=f"shard {text} is outside"):
        Shard.parse(text)


@pytest.mark.parametrize("text", ["2", "2 of 8", "-1/4", "a/b", "1/2/3", ""])
def test_what_is_not_a_shard_is_rejected(text: str) -> None:
    with pytest.raises(UsageError, match="invalid shard"):
        Shard.parse(text)


@pytest.mark.parametrize("by", ["file", "id"])
def test_all_workers_together_forecast_every_series_once(place: Path, by: ShardBy) -> None:
    results = [run(place, f"{number}/3", by=by) for number in (3, 1, 2)]
    assert [result.exit_code for result in results] == [0, 0, 0]
    assert (results[-1].num_done, results[-1].num_parts) == ((4, 4) if by == "file" else (3, 3))
    single = rnnforecast.predict(
        "shops", data=[place / "rows"], store=place / "store", reading=DataSettings(dataset=True)
    )
    found, whole = forecasts(place), single.frame.sort_values(["shop", "date"]).reset_index(drop=True)
    assert found[["shop", "date"]].astype(str).equals(whole[["shop", "date"]].astype(str))
    # series forecast in another batch differ in the last digits
    np.testing.assert_allclose(found["forecast"], whole["forecast"], rtol=1e-4)


def test_a_file_is_forecast_as_the_command_forecasts_it(place: Path) -> None:
    run(place, "1/1")
    solo = place / "solo.parquet"
    rnnforecast.predict("shops", data=[place / "rows" / "f2.parquet"], store=place / "store", output=solo)
    assert outputs(place)["f2.parquet"] == solo.read_bytes()


def test_a_second_run_does_the_rest(place: Path) -> None:
    run(place, "1/2")
    before = outputs(place)
    second = run(place, "1/1")
    assert sorted(statuses(second).values()) == ["done", "done", "unchanged", "unchanged"]
    assert {name: outputs(place)[name] for name in before} == before
    assert set(statuses(run(place, "1/1")).values()) == {"unchanged"}


def test_a_worker_that_died_between_output_and_record_did_nothing_twice(place: Path) -> None:
    run(place, "1/1")
    before = outputs(place)
    (place / "out" / "_shards" / "f1.json").unlink()
    (place / "out" / "_shards" / "f2.json").write_bytes(b'{"part": "f2", "inp')
    assert statuses(run(place, "1/1")) == {"f0": "unchanged", "f1": "done", "f2": "done", "f3": "unchanged"}
    assert outputs(place) == before


def test_what_changed_is_done_again(place: Path) -> None:
    run(place, "1/1")
    panel(range(3), num_rows=61).to_parquet(place / "rows" / "f0.parquet")
    (place / "out" / "f1.parquet").write_bytes(b"cut short")
    assert statuses(run(place, "1/1")) == {"f0": "done", "f1": "done", "f2": "unchanged", "f3": "unchanged"}
    assert set(statuses(run(place, "1/1", horizon=3)).values()) == {"done"}


def test_the_rows_may_lie_under_another_path_the_next_time(place: Path, tmp_path: Path) -> None:
    run(place, "1/1")
    place.rename(tmp_path / "moved")
    assert set(statuses(run(tmp_path / "moved", "1/1")).values()) == {"unchanged"}


def test_two_workers_with_one_shard_are_told(place: Path) -> None:
    manifest = Manifest(place / "out")
    manifest.prepare()
    with lock(manifest.lock_path("1/2")):
        with pytest.raises(LockedError, match="another worker has shard 1/2"):
            run(place, "1/2")
        assert run(place, "2/2").exit_code == 0


def test_a_file_that_cannot_be_forecast_stops_no_other(place: Path) -> None:
    frame = panel(range(3))
    pd.concat([frame, frame.tail(1).assign(sold=1.0)]).to_parquet(place / "rows" / "f0.parquet")
    result = run(place, "1/1")
    assert (result.exit_code, result.num_done, result.num_parts) == (3, 3, 4)
    failed = next(part for part in result.parts if part.status == "failed")
    assert (failed.part, failed.exit_code, failed.error) == ("f0", 13, "E_TIME_DUPLICATE")
    assert not (place / "out" / "f0.parquet").exists()


def test_where_all_fail_the_code_is_theirs(place: Path) -> None:
    for path in (place / "rows").glob("f[123].parquet"):
        path.unlink()
    panel(range(3)).drop(columns="sold").to_parquet(place / "rows" / "f0.parquet")
    assert run(place, "1/1").exit_code == 13


def test_a_series_in_two_files_is_named_and_by_id_it_is_whole(place: Path) -> None:
    rows = panel(range(3), num_rows=60)
    rows[rows["shop"] != "s01"].to_parquet(place / "rows" / "f0.parquet")
    rows[rows["shop"] == "s01"].head(30).to_parquet(place / "rows" / "f4.parquet")
    rows[rows["shop"] == "s01"].tail(30).to_parquet(place / "rows" / "f5.parquet")
    with pytest.raises(
        DataError, match=r"series `s01` lie in several files: .*f4\.parquet.* and .*f5\.parquet"
    ) as caught:
        run(place, "1/2")
    assert "--shard-by id" in str(caught.value.hint)
    results = [run(place, f"{number}/2", by="id") for number in (1, 2)]
    assert [result.exit_code for result in results] == [0, 0]
    assert forecasts(place)["shop"].nunique() == 12


def test_ids_that_are_numbers_are_compared_as_numbers(tmp_path: Path) -> None:
    for name, numbers in (("a", [2, 30]), ("b", [4, 30])):
        pd.DataFrame({"id": np.repeat(numbers, 2), "y": 1.0}).to_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match="series `30` lie in several files"):
        plan_parts([tmp_path], Shard(1, 2), by="file", id_columns=("id",))


def test_workers_share_the_files_by_size_without_talking(place: Path) -> None:
    planned = plan_parts([place / "rows"], Shard(1, 2), by="file", id_columns=("shop",))
    assert planned == plan_parts([place / "rows"], Shard(2, 2), by="file", id_columns=("shop",))
    assert [len(parts) for parts in planned] == [2, 2]


def test_more_workers_than_files_leave_some_without_work(place: Path) -> None:
    assert run(place, "9/9").parts == ()


def test_a_worker_without_any_series_is_done(place: Path) -> None:
    results = [run(place, f"{number}/40", by="id") for number in range(1, 41)]
    empty = [part for result in results for part in result.parts if not part.num_rows]
    assert len(empty) >= 28
    assert (results[-1].num_done, results[-1].num_parts) == (40, 40)
    assert set(statuses(run(place, "1/40", by="id")).values()) == {"unchanged"}


def test_parts_of_another_number_of_workers_are_not_mixed(place: Path) -> None:
    run(place, "1/2", by="id")
    for shard, by in (("1/3", "id"), ("1/2", "file")):
        with pytest.raises(UsageError, match="series would be there twice"):
            run(place, shard, by=by)  # type: ignore[arg-type]


def test_outputs_of_files_that_are_gone_are_noted(place: Path) -> None:
    run(place, "1/1")
    (place / "rows" / "f3.parquet").unlink()
    assert run(place, "1/1").notes == ("the output holds f3 of files that are gone",)


def test_a_folder_behind_an_address_is_read(place: Path) -> None:
    pytest.importorskip("fsspec")
    request = ForecastRequest(output=place / "out")
    address = (place / "rows").as_uri()
    result = predict_shard(request, "shops", data=Files((address,)), shard=Shard(1, 2), store=place / "store")
    assert list(statuses(result).values()) == ["done", "done"]


def test_files_that_are_not_parquet_are_rejected(place: Path) -> None:
    (place / "rows" / "more.csv").write_text("shop,date,sold\n")
    with pytest.raises(InputError, match=r"shards are read from Parquet files, .*more\.csv"):
        run(place, "1/2")


def test_a_damaged_file_fails_alone_and_is_named(place: Path) -> None:
    (place / "rows" / "f1.parquet").write_bytes(b"PAR1 nothing PAR1")
    result = run(place, "1/1")
    failed = next(part for part in result.parts if part.status == "failed")
    assert (result.exit_code, result.num_done, failed.part, failed.exit_code) == (3, 3, "f1", 13)
    assert "f1.parquet" in str(failed.message)


def test_base_needs_the_column_of_the_ids(place: Path) -> None:
    with pytest.raises(UsageError, match="base does not say which column identifies the series") as caught:
        run(place, "1/2", model="base")
    assert "--id" in str(caught.value.hint)


def test_an_output_that_is_a_file_is_rejected(place: Path) -> None:
    (place / "out").write_text("")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        run(place, "1/2")


def test_the_folder_of_the_rows_is_not_an_output(place: Path) -> None:
    request = ForecastRequest(output=place / "rows")
    with pytest.raises(UsageError, match="would overwrite the data"):
        predict_shard(request, "shops", data=Files((place / "rows",)), shard=Shard(1, 2), store=place / "store")


def command(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "rnnforecast", "predict", *words, "--store", str(place / "store")]
    return subprocess.run(line, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_the_command_prints_a_document_and_ends_with_the_code_of_the_parts(place: Path) -> None:
    panel(range(3)).drop(columns="sold").to_parquet(place / "rows" / "f0.parquet")
    found = command(
        place,
        *("shops", "--data", str(place / "rows"), "--shard", "1/1", "--output", str(place / "out"), "--format", "json"),
    )
    document = json.loads(found.stdout)
    assert (found.returncode, document["exit_code"], document["num_done"]) == (3, 3, 3)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--shard-by", "id"), "--shard-by has no effect without --shard"),
        (("--shard", "1/2", "--plot", "a.png"), "--plot is not available with --shard"),
        (("--shard", "1/2", "--ledger"), "--ledger is not available with --shard"),
        (("--shard", "1/2"), "--shard needs --output"),
    ],
)
def test_flags_without_effect_are_rejected(trained: Path, words: tuple[str, ...], told: str) -> None:
    found = command(trained, "shops", "--data", str(trained / "rows"), *words)
    assert (found.returncode, told in found.stderr) == (2, True), found.stderr


@pytest.mark.parametrize("option", ["known_ahead", "what_if"])
def test_a_folder_with_what_every_part_reads_is_not_an_output(place: Path, option: str) -> None:
    (place / "out").mkdir()
    path = place / "out" / "f0.parquet"
    panel(range(1)).to_parquet(path)
    before = path.read_bytes()
    request = ForecastRequest(output=place / "out", what_if=path if option == "what_if" else None)
    files = Files((place / "rows",), (path,) if option == "known_ahead" else ())
    with pytest.raises(UsageError, match="is the folder of the data"):
        predict_shard(request, "shops", data=files, shard=Shard(1, 1), store=place / "store")
    assert path.read_bytes() == before
    with pytest.raises(UsageError, match="would overwrite the store"):
        predict_shard(
            ForecastRequest(output=place / "store" / "out"), "shops", data=Files((place / "rows",)), shard=Shard(1, 1),
            store=place / "store",
        )  # fmt: skip
