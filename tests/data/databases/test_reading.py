from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.databases.reading import read_query
from rnnforecast.data.read import read_series
from rnnforecast.errors import DataError, InputError, RnnForecastError, UsageError
from tests.databases import ask

if TYPE_CHECKING:
    from pathlib import Path

DAYS = [f"2024-01-{day:02}" for day in range(1, 13)]
MAKE = "CREATE TABLE sales (shop VARCHAR(9), day {timestamp}, units INTEGER)"


@pytest.fixture
def sales(database: str) -> str:
    """Return a database with a table of two shops over twelve days."""
    kind = "VARCHAR(30)" if database.startswith("sqlite") else "DATE"
    rows = ", ".join(f"('{shop}', '{day}', {row})" for shop in ("a", "b") for row, day in enumerate(DAYS))
    ask(database, f"{MAKE.format(timestamp=kind)};; INSERT INTO sales VALUES {rows};; SELECT 1")
    return database


def _table(url: str, query: str) -> pa.Table:
    return pq.read_table(pa.BufferReader(read_query(url, query=query, wait=5.0, cap=2**30)[1]))


def test_a_query_reads_like_a_file(sales: str) -> None:
    settings = DataSettings(query="select day, units from sales where shop = 'a' order by day;")
    read = read_series([sales], settings)
    assert read.series.values.tolist() == list(range(12))
    assert read.series.freq.alias == "D"
    assert read.columns == ("day", "units")


def test_a_table_is_read_whole_and_its_columns_are_found(sales: str) -> None:
    read = read_series([f"{sales}#sales"])
    assert read.series.item_ids == ["a", "b"]
    assert (read.assumptions.time, read.assumptions.target) == ("day", ("units",))


def test_the_same_rows_have_the_same_digest(sales: str) -> None:
    settings = DataSettings(query="select * from sales order by shop, day")
    assert read_series([sales], settings).digest == read_series([sales], settings).digest


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM sales",
        "SELECT 1; DROP TABLE sales",
        "WITH x AS (SELECT 1) DELETE FROM sales",
        "WITH x AS (DELETE FROM sales RETURNING *) SELECT * FROM x",
        "/* SELECT */ UPDATE sales SET units = 0",
        "-- SELECT\nINSERT INTO sales VALUES ('c', '2024-01-01', 1)",
        "COPY sales TO '/tmp/stolen.csv'",
        "ATTACH 'other.db' AS other",
        "PRAGMA user_version = 7",
        "SELECT 1; COMMIT; DROP TABLE sales",
        "CREATE TABLE t AS SELECT * FROM sales",
        "",
    ],
)
def test_only_one_statement_that_reads_is_run(sales: str, query: str) -> None:
    with pytest.raises(RnnForecastError) as caught:
        read_query(sales, query=query, wait=5.0, cap=2**30)
    assert isinstance(caught.value, UsageError | InputError)
    assert caught.value.hint
    assert ask(sales, "SELECT count(*), sum(units) FROM sales") == [(24, 132)]


def test_a_query_may_begin_with_a_bracket_a_comment_or_with(sales: str) -> None:
    for query in (
        "(select 1 as a)",
        "-- all\nselect 1 as a",
        "with x as (select 1 as a) select * from x",
        "values (1)",
    ):
        if query.startswith("(") and sales.startswith("sqlite"):
            continue  # SQLite knows no brackets around a whole statement
        assert _table(sales, query).num_rows == 1


def test_signs_that_libraries_fill_in_are_plain_text(sales: str) -> None:
    assert _table(sales, "select '%s ? :a %(b)s' as a").to_pylist() == [{"a": "%s ? :a %(b)s"}]


def test_numbers_of_a_database_have_the_types_of_parquet(sales: str) -> None:
    found = _table(sales, "select 1 as a, 1.5 as b, 'x' as c, null as d, units as e from sales limit 3")
    assert pa.types.is_integer(found.schema.field("a").type)
    assert found.schema.field("c").type == pa.string()
    assert [float(value) for value in found["b"].to_pylist()] == [1.5] * 3
    assert found["d"].null_count == 3


def test_timestamps_of_a_server_arrive_as_timestamps(server: str) -> None:
    found = _table(
        server, "select timestamp '2024-01-02 03:04' as a, timestamptz '2024-01-02 03:04+01' as b, 1.10 as c"
    )
    assert found.schema.types == [pa.timestamp("us"), pa.timestamp("us", tz="UTC"), pa.float64()]
    assert found["b"].cast(pa.timestamp("us"))[0].as_py() == datetime(2024, 1, 2, 2, 4)


def test_a_timestamp_that_no_calendar_holds_is_rejected(server: str) -> None:
    with pytest.raises(InputError, match="timestamp too large"):
        _table(server, "select 'infinity'::timestamp as a")


def test_columns_of_one_name_are_rejected(sales: str) -> None:
    with pytest.raises(DataError, match="two columns named `a`"):
        _table(sales, "select 1 as a, 2 as a")


def test_no_row_is_rejected_as_in_a_file(sales: str) -> None:
    with pytest.raises(DataError, match="0 data rows"):
        read_series([sales], DataSettings(query="select * from sales where 1 = 0"))


def test_what_is_not_there_is_named(sales: str) -> None:
    with pytest.raises(InputError, match=r"cannot be read: .*nope") as caught:
        read_series([f"{sales}#nope"])
    assert caught.value.exit_code == 10


def test_more_than_the_cap_is_rejected(sales: str) -> None:
    with pytest.raises(DataError, match="contains more than 64B"):
        read_query(f"{sales}#sales", query=None, wait=5.0, cap=64)
    assert ask(sales, "SELECT count(*) FROM sales") == [(24,)]  # and it is closed: another may open it


def test_neither_table_nor_query_is_rejected_and_both_are(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    with pytest.raises(UsageError, match="names no rows") as caught:
        read_series([url])
    assert "--query" in str(caught.value.hint)
    with pytest.raises(UsageError, match="and there is a query too"):
        read_series([f"{url}#t"], DataSettings(query="select 1"))


def test_a_query_put_to_a_file_is_noted_and_the_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("date,y\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n")
    read = read_series([path], DataSettings(query="select 1"))
    assert read.series.num_rows == 3
    assert [finding.code for finding in read.findings] == ["N_INPUT_QUERY"]


def test_text_of_sqlite_that_is_not_a_number_is_rejected_with_its_row(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    ask(url, "CREATE TABLE t (day TEXT, y);; INSERT INTO t VALUES ('2024-01-01', 1), ('2024-01-02', 'n.k.');; SELECT 1")
    with pytest.raises(DataError, match=r"n\.k\."):
        read_series([f"{url}#t"], DataSettings(target=("y",)))
