"""Each test runs on SQLite, DuckDB and PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from rnnforecast.data.databases import writing
from rnnforecast.data.databases.address import parse_address
from rnnforecast.data.write import check_output, write_forecasts
from rnnforecast.errors import OutputError
from tests.databases import KEY, ask, forecasts

if TYPE_CHECKING:
    from collections.abc import Sequence

WRITE = """
import os, signal
from rnnforecast.data.databases.{engine}_engine import {name}Session
from rnnforecast.data.write import write_forecasts
from tests.databases import KEY, forecasts
{before}
for turn in range({turns}):
    write_forecasts(forecasts({rows}, level={level}), {url!r}, model={model!r}, key=KEY, wait=60.0)
"""
DIE = "{name}Session.commit = lambda self: os.kill(os.getpid(), signal.SIGKILL)"


def _write(url: str, frame: pd.DataFrame | None = None, *, model: str = "m@1", key: Sequence[str] = KEY) -> None:
    write_forecasts(forecasts() if frame is None else frame, f"{url}#f", model=model, key=key, wait=5.0)


def _process(
    url: str, *, model: str, level: float = 0.0, turns: int = 1, rows: int = 3, dies: bool = False
) -> list[str]:
    engine = parse_address(url).engine
    names = {"engine": engine, "name": engine.capitalize()}
    before = DIE.format(**names) if dies else ""
    told = {"url": f"{url}#f", "model": model, "level": level, "turns": turns, "rows": rows}
    return [sys.executable, "-c", WRITE.format(**names, **told, before=before)]


def _rows(url: str, columns: str = "model, forecast") -> list[tuple[object, ...]]:
    return ask(url, f"SELECT {columns} FROM f ORDER BY 1, 2")


def test_a_table_is_made_where_there_is_none_with_the_columns_of_the_forecasts(database: str) -> None:
    _write(database)
    found = ask(database, 'SELECT model, shop, day, cutoff, forecast, "q0.1", method FROM f ORDER BY day')
    assert [(row[0], row[1], row[4], row[5], row[6]) for row in found] == [
        ("m@1", "north", step + 0.1, step - 1.7, "ensemble") for step in range(3)
    ]
    assert [str(row[2]) for row in found] == [f"2024-01-0{day} 00:00:00" for day in (2, 3, 4)]
    assert {str(row[3]) for row in found} == {"2024-01-01 00:00:00"}


def test_a_repeated_run_leaves_no_row_twice_and_the_newest_values(database: str) -> None:
    _write(database)
    _write(database, forecasts(level=100.0))
    assert _rows(database) == [("m@1", 100.1), ("m@1", 101.1), ("m@1", 102.1)]


def test_models_and_cutoffs_stand_side_by_side(database: str) -> None:
    _write(database)
    _write(database, model="m@2")
    _write(database, forecasts(cutoff=pd.Timestamp("2023-12-31")))
    assert ask(database, "SELECT count(*) FROM f") == [(9,)]


def test_several_targets_are_distinguished(database: str) -> None:
    both = pd.concat([forecasts(2, target="a"), forecasts(2, level=5.0, target="b")], ignore_index=True)
    _write(database, both, key=("shop", "target", "day", "cutoff"))
    _write(database, both, key=("shop", "target", "day", "cutoff"))
    assert ask(database, "SELECT target, count(*) FROM f GROUP BY target ORDER BY target") == [("a", 2), ("b", 2)]


def test_steps_and_zoned_timestamps_have_columns_of_their_own_kind(database: str) -> None:
    steps = forecasts(2).assign(day=[7, 8], cutoff=6)
    _write(database, steps)
    assert _rows(database, "day, cutoff") == [(7, 6), (8, 6)]
    zoned = forecasts(2)
    zoned["day"], zoned["cutoff"] = (zoned[name].dt.tz_localize("Europe/Berlin") for name in ("day", "cutoff"))
    for _ in range(2):
        write_forecasts(zoned, f"{database}#g", model="m", key=KEY)
    assert ask(database, "SELECT count(*), count(DISTINCT day) FROM g") == [(2, 2)]


def test_names_and_values_made_to_break_out_are_names_and_values(database: str) -> None:
    evil = "x'); DROP TABLE f; --"
    odd = 'a"b; DROP TABLE f; %s ?'
    frame = forecasts().rename(columns={"shop": odd}).assign(**{odd: [evil, "%s", '"']})
    _write(database)
    table = "#t%22%3B%20DROP%20TABLE%20f%3B%20--%20%25s"
    for _ in range(2):
        write_forecasts(frame, database + table, model=evil, key=(odd, "day", "cutoff"))
    name, column = '"t""; DROP TABLE f; -- %s"', '"a""b; DROP TABLE f; %s ?"'
    assert sorted(ask(database, f"SELECT model, {column} FROM {name}")) == sorted(
        (evil, one) for one in (evil, "%s", '"')
    )
    assert ask(database, "SELECT count(*) FROM f") == [(3,)]


def test_an_id_that_is_not_text_in_utf_8_is_rejected_and_nothing_is_written(database: str) -> None:
    _write(database)
    with pytest.raises(OutputError, match="a text cannot be written as UTF-8") as caught:
        _write(database, forecasts().assign(shop=pd.Series(["a", "\ud800", "c"], dtype=object)))
    assert caught.value.hint == "correct the ids at fault"
    assert ask(database, "SELECT count(*) FROM f") == [(3,)]


def test_words_of_sql_are_plain_names(database: str) -> None:
    frame = forecasts().rename(columns={"shop": "select", "day": "order"})
    write_forecasts(frame, f"{database}#table", model="m", key=("select", "order", "cutoff"))
    assert ask(database, 'SELECT count("select") FROM "table"') == [(3,)]


def test_the_column_of_the_model_makes_way_for_one_of_the_user(database: str) -> None:
    _write(database, forecasts(model="T-800"), key=("shop", "model", "day", "cutoff"))
    assert _rows(database, "_model, model") == [("m@1", "T-800")] * 3


def test_a_table_that_lacks_a_column_is_rejected_with_the_statement_that_adds_it(database: str) -> None:
    _write(database)
    with pytest.raises(OutputError, match=r"the table lacks column `q0\.9`") as caught:
        _write(database, forecasts().assign(**{"q0.9": 9.0}))
    assert 'ALTER TABLE "f" ADD COLUMN "q0.9"' in str(caught.value.hint)
    assert ask(database, "SELECT count(*) FROM f") == [(3,)]


def test_a_table_with_a_column_too_many_is_rejected_unless_it_fills_itself(database: str) -> None:
    _write(database)
    with pytest.raises(OutputError, match=r"has a column `q0\.1` that the forecasts do not have") as caught:
        _write(database, forecasts().drop(columns="q0.1"))
    assert "--quantiles" in str(caught.value.hint)
    ask(database, "ALTER TABLE f ADD COLUMN note VARCHAR(9) DEFAULT 'nightly';; SELECT 1")
    _write(database, model="m@2")
    assert set(_rows(database, "note, model")) == {("nightly", "m@1"), ("nightly", "m@2")}


def test_a_column_of_another_type_is_rejected_by_name(database: str) -> None:
    types = 'model VARCHAR(50), shop VARCHAR(50), day VARCHAR(30), cutoff VARCHAR(30), forecast VARCHAR(9), "q0.1" REAL'
    ask(database, f"CREATE TABLE f ({types}, method VARCHAR(50));; SELECT 1")
    with pytest.raises(OutputError, match=r"column `(forecast|day)` is .* there, the forecasts need"):
        _write(database)


def test_a_table_without_the_key_is_rejected(database: str) -> None:
    _write(database)
    ask(database, "CREATE TABLE g AS SELECT * FROM f;; SELECT 1")
    with pytest.raises(OutputError, match="no unique key of `model`, `shop`, `day`, `cutoff`"):
        write_forecasts(forecasts(), f"{database}#g", model="m", key=KEY)


def test_a_table_of_something_else_is_rejected_before_the_work(database: str) -> None:
    ask(database, "CREATE TABLE f (day VARCHAR(30), units INTEGER);; INSERT INTO f VALUES ('2024-01-01', 3);; SELECT 1")
    with pytest.raises(OutputError, match="contains no forecasts: it lacks `model`"):
        check_output(f"{database}#f")
    assert ask(database, "SELECT units FROM f") == [(3,)]


def test_a_view_is_not_a_table(database: str) -> None:
    _write(database)
    ask(database, "CREATE VIEW v AS SELECT * FROM f;; SELECT 1")
    with pytest.raises(OutputError, match="a view, not a table"):
        check_output(f"{database}#v")


def test_the_check_before_the_work_leaves_nothing_behind(database: str) -> None:
    _write(database)
    before = _rows(database)
    check_output(f"{database}#f")
    check_output(f"{database}#other")
    assert _rows(database) == before
    with pytest.raises(OutputError, match="lacks column"):
        _write(database, forecasts(extra="x"))


def test_rows_that_do_not_read_back_as_they_were_meant_undo_the_whole(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(database)
    honest = writing._count
    monkeypatch.setattr(writing, "_count", lambda *words, **named: honest(*words, **named) - 1)
    with pytest.raises(OutputError, match="written with 3 rows but 2 of them read back"):
        _write(database, forecasts(level=50.0))
    assert _rows(database) == [("m@1", 0.1), ("m@1", 1.1), ("m@1", 2.1)]


def test_a_value_changed_on_its_way_is_found(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = writing._count

    def spoil(session: object, table: str, **named: object) -> int:
        session.run(f"UPDATE {table} SET forecast = 0")  # type: ignore[attr-defined]
        return honest(session, table, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(writing, "_count", spoil)
    with pytest.raises(OutputError, match="written with 3 rows but 0 of them read back"):
        _write(database)


def test_a_writer_killed_before_its_commit_leaves_the_table_as_it_was(database: str) -> None:
    _write(database)
    ended = subprocess.run(_process(database, model="m@1", level=70.0, dies=True), check=False, timeout=60)
    assert ended.returncode == -9
    assert _rows(database) == [("m@1", 0.1), ("m@1", 1.1), ("m@1", 2.1)]
    _write(database, forecasts(level=70.0))
    assert _rows(database) == [("m@1", 70.1), ("m@1", 71.1), ("m@1", 72.1)]


def test_two_writers_at_once_both_end_well_with_all_their_rows(database: str) -> None:
    commands = [_process(database, model=f"m@{number}", turns=5, rows=20) for number in (1, 2)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for command in commands]
    ends = [(child.communicate(timeout=120)[1].decode(), child.returncode) for child in running]
    assert ends == [("", 0), ("", 0)]
    assert ask(database, "SELECT model, count(*) FROM f GROUP BY model ORDER BY model") == [("m@1", 20), ("m@2", 20)]
