from __future__ import annotations

import builtins
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import read_series
from rnnforecast.data.sources import public_path
from rnnforecast.errors import DataError, InputError, ResourceError, TryLaterError

ROWS = b"date,y\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n"


@pytest.fixture
def memory() -> Iterator[Any]:
    """Return an empty file system in memory, emptied again."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def test_a_url_reads_like_a_file(memory: Any) -> None:
    memory.pipe("/bucket/rows.csv", ROWS)
    read = read_series(["memory://bucket/rows.csv"])
    assert read.series.values.tolist() == [1, 2, 3]
    assert read.paths == ("memory://bucket/rows.csv",)


def test_a_pattern_in_a_url_means_all_files_of_it(memory: Any) -> None:
    memory.pipe("/bucket/a.csv", ROWS)
    memory.pipe("/bucket/b.csv", ROWS)
    assert read_series(["memory://bucket/*.csv"]).series.item_ids == ["a", "b"]


def test_a_folder_behind_a_url_is_one_table_with_dataset(memory: Any) -> None:
    memory.pipe("/bucket/part-0.csv", ROWS)
    memory.pipe("/bucket/part-1.csv", b"date,y\n2024-01-04,4\n")
    read = read_series(["memory://bucket"], DataSettings(dataset=True))
    assert read.series.values.tolist() == [1, 2, 3, 4]


def test_a_local_url_of_parquet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"date": pd.date_range("2024-01-01", periods=3), "y": [1.0, 2.0, 3.0]}).to_parquet(path)
    assert read_series([f"file://{path}"]).series.values.tolist() == [1, 2, 3]


@pytest.mark.usefixtures("memory")
def test_a_url_without_a_file_is_rejected() -> None:
    with pytest.raises(InputError, match=r"memory://bucket/none\.csv does not exist"):
        read_series(["memory://bucket/none.csv"])
    with pytest.raises(InputError, match="no file matches"):
        read_series(["memory://bucket/*.csv"])


def test_a_url_above_the_cap_is_rejected_before_it_is_read(memory: Any) -> None:
    memory.pipe("/bucket/rows.csv", ROWS * 100)
    with pytest.raises(DataError, match="contains more than 100B"):
        read_series(["memory://bucket/rows.csv"], DataSettings(max_bytes="100B"))


class _AnswerError(Exception):
    """An error of HTTP as the libraries raise it: the status stands in an attribute of theirs."""

    def __init__(self, **attributes: object) -> None:
        super().__init__("the server answered")
        vars(self).update(attributes)


class _Response:
    status_code = 503


BUSY = {
    "timeout": TimeoutError("timed out"),
    "refused": ConnectionRefusedError(111, "Connection refused"),
    "no name server": socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
    "status": _AnswerError(status=503),
    "code": _AnswerError(code=429),
    "response": _AnswerError(response=_Response()),
    "document": _AnswerError(response={"ResponseMetadata": {"HTTPStatusCode": 503}}),
}


@pytest.mark.parametrize("error", BUSY.values(), ids=BUSY)
@pytest.mark.parametrize("is_hidden", [False, True], ids=["told", "told as a missing file"])
def test_a_server_that_is_busy_is_a_matter_of_time(
    memory: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, is_hidden: bool
) -> None:
    def fail(*_: object, **__: object) -> None:
        if is_hidden:
            raise FileNotFoundError("memory://bucket/rows.csv") from error
        raise error

    monkeypatch.setattr(type(memory), "info", fail)
    with pytest.raises(TryLaterError, match=r"memory://bucket/rows\.csv cannot be read for the moment") as caught:
        read_series(["memory://bucket/rows.csv"])
    assert (caught.value.exit_code, caught.value.code) == (75, "E_INPUT_BUSY")


@pytest.mark.parametrize(
    "error", [_AnswerError(status=403), _AnswerError(code="NoSuchKey"), PermissionError(13, "denied")]
)
def test_a_server_that_refuses_is_no_matter_of_time(
    memory: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(type(memory), "info", fail)
    with pytest.raises(InputError, match="check the address"):
        read_series(["memory://bucket/rows.csv"])


def test_protocols_are_not_chained() -> None:
    with pytest.raises(InputError, match="chains protocols"):
        read_series(["simplecache::memory://bucket/rows.csv"])


def test_an_unknown_protocol_is_rejected() -> None:
    with pytest.raises(InputError, match="the protocol `nonsense` is not read"):
        read_series(["nonsense://bucket/rows.csv"])


def test_secrets_of_a_url_are_not_shown() -> None:
    assert public_path("s3://key:secret@bucket/rows.csv?token=abc") == "s3://key:***@bucket/rows.csv?***"
    assert public_path("/rows?.csv") == "/rows?.csv"


def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def without_fsspec(name: str, *arguments: Any, **words: Any) -> Any:
        if name == "fsspec":
            raise ImportError(name)
        return load(name, *arguments, **words)

    monkeypatch.setattr(builtins, "__import__", without_fsspec)
    with pytest.raises(ResourceError, match="is a URL, and the package that opens URLs is not installed") as caught:
        read_series(["s3://bucket/rows.csv"])
    assert "rnnforecast[remote]" in str(caught.value.hint)


@pytest.mark.parametrize("protocol", ["reference", "dir", "data", "github", "zip"])
def test_protocols_outside_the_list_are_rejected_by_name(protocol: str) -> None:
    with pytest.raises(InputError, match=f"the protocol `{protocol}` is not read"):
        read_series([f"{protocol}://x"])


def test_the_query_of_a_web_address_is_not_a_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Down:
        def glob(self, path: str) -> list[str]:
            raise AssertionError(path)

        def info(self, path: str) -> dict[str, Any]:
            asked.append(path)
            raise FileNotFoundError(path) from ConnectionRefusedError()

    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda url: (Down(), url))
    with pytest.raises(TryLaterError, match="cannot be read for the moment"):
        read_series(["http://127.0.0.1:9/x.csv?a=1"])
    assert asked == ["http://127.0.0.1:9/x.csv?a=1"]
