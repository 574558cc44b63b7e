"""Specification of the plan of shards: names of outputs, files that are not sound, and records that are not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.errors import DataError, UsageError
from rnnforecast.options import ShardBy
from rnnforecast.workflows.model_rows import Files
from rnnforecast.workflows.predict import ForecastRequest
from rnnforecast.workflows.shards.manifest import Manifest, inputs_of
from rnnforecast.workflows.shards.plan import Part, Shard, check_whole, plan_parts
from rnnforecast.workflows.shards.results import ShardResult
from rnnforecast.workflows.shards.run import predict_shard
from tests.workflows.shards.test_renewed import write_panel


def names(*data: Path | str) -> list[str]:
    planned = plan_parts(list(data), Shard(1, 1), by="file", id_columns=("shop",))
    return sorted(part.name for parts in planned for part in parts)


def run(place: Path, data: Path | str, shard: str = "1/1", *, by: ShardBy = "file") -> ShardResult:
    request = ForecastRequest(output=place / "out", reading=DataSettings(id=("shop",), horizon=5))
    return predict_shard(request, "base", data=Files((data,)), shard=Shard.parse(shard), by=by)


def test_the_name_of_an_output_does_not_depend_on_the_spelling_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("rows/north", "rows/a/west", "rows/b/east"):
        write_panel(tmp_path / f"{name}.parquet")
    monkeypatch.chdir(tmp_path)
    os.symlink("rows", "link")
    expected = names("rows")
    assert "north" in expected
    spelled = ("./rows", "rows/", tmp_path / "rows", "link", "rows/a/..", "rows/**/*.parquet")
    assert [names(one) for one in spelled] == [expected] * len(spelled)
    assert names("rows/north.parquet", "rows/a", "rows/b") == expected


def test_the_name_of_an_output_does_not_depend_on_other_files(tmp_path: Path) -> None:
    write_panel(tmp_path / "a" / "west.parquet")
    before = names(tmp_path)
    write_panel(tmp_path / "b" / "west.parquet")
    pq.write_table(pa.table({"shop": ["other"], "date": [None], "sold": [1.0]}), tmp_path / "b" / "west.parquet")
    assert before[0] in names(tmp_path)
    assert len(set(names(tmp_path))) == 2


def test_outputs_of_the_same_files_under_another_name_are_not_mixed(tmp_path: Path) -> None:
    write_panel(tmp_path / "rows" / "a" / "west.parquet")
    assert run(tmp_path, tmp_path / "rows").exit_code == 0
    with pytest.raises(UsageError, match=r"holds `west-.*`, of other workers, .* or another `--data`"):
        run(tmp_path, tmp_path / "rows" / "a")


@pytest.mark.parametrize("by", ["file", "id"])
def test_an_output_without_its_record_counts_for_another_number_of_workers(tmp_path: Path, by: ShardBy) -> None:
    part = Part("part-1-of-3", (), Shard(1, 3))
    (tmp_path / "part-1-of-2.parquet").touch()
    with pytest.raises(UsageError, match="holds `part-1-of-2`"):
        Manifest(tmp_path).check_parts([part], by=by)


def repeated(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.append_column("shop", table.column("shop")), path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:600])


def scrambled(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(one ^ 0x5A for one in content[4:600]) + content[600:])


def listed(path: Path) -> None:
    table = pq.read_table(path)
    ids = pa.array([[one] for one in table.column("shop").to_pylist()])
    pq.write_table(table.set_column(table.schema.get_field_index("shop"), "shop", ids), path)


def retyped(path: Path) -> None:
    frame = pd.read_parquet(path)
    frame.assign(sold=frame["sold"].astype(str)).to_parquet(path)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("north", "south"):
        write_panel(tmp_path / "rows" / f"{name}.parquet")
    return tmp_path


UNSOUND = [repeated, cut, scrambled, listed, retyped]


@pytest.mark.parametrize("damage", UNSOUND)
def test_by_id_every_worker_names_the_file_that_is_not_sound(place: Path, damage: object) -> None:
    damage(place / "rows" / "south.parquet")  # type: ignore[operator]
    result = run(place, place / "rows", "1/2", by="id")
    assert (result.exit_code, result.parts[0].status) == (13, "failed")
    assert "south.parquet" in str(result.parts[0].message)


@pytest.mark.parametrize("damage", [repeated, cut, listed, scrambled])
def test_by_file_a_file_that_is_not_sound_fails_alone(place: Path, damage: object) -> None:
    damage(place / "rows" / "south.parquet")  # type: ignore[operator]
    result = run(place, place / "rows")
    assert (result.exit_code, {part.part: part.status for part in result.parts}) == (
        3,
        {"north": "done", "south": "failed"},
    )
    if damage is scrambled:
        failed = next(part for part in result.parts if part.status == "failed")
        assert (failed.error, "--max-bytes" in str(failed.hint)) == ("E_DATA_DAMAGED", False)


@pytest.mark.parametrize("damage", UNSOUND)
def test_the_plan_leaves_out_what_cannot_be_read_and_still_finds_a_series_in_two_files(
    place: Path, damage: object
) -> None:
    shutil.copy(place / "rows" / "north.parquet", place / "rows" / "again.parquet")
    damage(place / "rows" / "south.parquet")  # type: ignore[operator]
    with pytest.raises(DataError, match=r"series `north` lie in several files: .*again"):
        check_whole([str(path) for path in sorted((place / "rows").iterdir())], ("shop",))


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, "[]", "{}", "1" * 5000, '{"part": "north"}', "num_rows", "seconds", "sha256"],
)
def test_a_record_that_is_not_sound_counts_as_none(tmp_path: Path, content: str) -> None:
    write_panel(tmp_path / "north.parquet")
    manifest, part = Manifest(tmp_path / "out"), Part("north", (str(tmp_path / "north.parquet"),))
    manifest.prepare()
    values = {"inputs": inputs_of(part), "request": "r", "output": "north.parquet", "num_series": 0, "num_warnings": 0}
    record = {"part": "north", **values, "num_rows": 0, "seconds": 1.0, "sha256": ""}
    path = manifest.folder / "north.json"
    path.write_text(pd.Series(record).to_json())
    assert manifest.look(part, inputs=inputs_of(part), request="r") is not None
    wrong = {"num_rows": "x", "seconds": float("nan"), "sha256": "0" * 64}
    path.write_text(pd.Series({**record, content: wrong[content]}).to_json() if content in wrong else content)
    assert manifest.look(part, inputs=inputs_of(part), request="r") is None


@pytest.mark.parametrize("by", ["file", "id"])
def test_nothing_is_written_among_the_rows(place: Path, by: ShardBy) -> None:
    (place / "rows").rename(place / "out")
    with pytest.raises(UsageError, match="is the folder of the data"):
        run(place, f"{place}/out/*.parquet", by=by)
    assert not (place / "out" / "_shards").exists()
