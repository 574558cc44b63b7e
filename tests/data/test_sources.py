from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest

from rnnforecast.data.files import compression as module
from rnnforecast.data.sources import expand, open_source
from rnnforecast.errors import DataError, InputError
from tests.data.conftest import Write

ROWS = "t,y\n1,2\n"


def test_a_missing_file_is_rejected_with_a_file_of_nearly_that_name(write: Write) -> None:
    path = Path(write(ROWS, "prices.csv"))
    with pytest.raises(InputError, match=r"price.csv does not exist") as caught:
        open_source(str(path.with_name("price.csv")))
    assert caught.value.hint == f"did you mean {path}?"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        open_source(str(tmp_path / "nowhere" / "a.csv"))
    assert "nowhere does not exist either" in str(caught.value.hint)


def test_a_folder_is_rejected_with_the_glob_that_reads_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is an empty folder"):
        open_source(str(tmp_path))
    (tmp_path / "rows.csv").write_text("t,y\n1,2\n")
    with pytest.raises(InputError, match="is a folder") as caught:
        open_source(str(tmp_path))
    assert "*.csv" in str(caught.value.hint)


def test_a_file_without_permission_is_rejected(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: str, cap: int) -> bytes:
        raise PermissionError(13, "Permission denied", path, cap)

    monkeypatch.setattr("rnnforecast.data.files.local._read_unchanged", denied)
    with pytest.raises(InputError, match="permission denied") as caught:
        open_source(write(ROWS))
    assert "chmod u+r" in str(caught.value.hint)


def test_a_device_is_rejected() -> None:
    with pytest.raises(InputError, match="is a device, not a file"):
        open_source("/dev/zero")


@pytest.mark.parametrize("content", [b"", b"  \n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_rejected(write: Write, content: bytes) -> None:
    with pytest.raises(DataError, match=r"rows\.csv is empty"):
        open_source(write(content))


@pytest.mark.parametrize("content", [ROWS.encode("utf-8-sig"), gzip.compress(ROWS.encode(), mtime=0), b"t,y\r1,2\r"])
def test_byte_order_marks_gzip_and_old_line_ends_read_as_plain_text(write: Write, content: bytes) -> None:
    assert open_source(write(content)).payload == ROWS.encode()


def test_gzip_is_known_by_its_content_not_by_its_name(write: Write) -> None:
    assert open_source(write(ROWS, "rows.csv.gz")).payload == ROWS.encode()


def test_a_gzip_file_of_several_members_is_read_whole(write: Write) -> None:
    content = gzip.compress(b"t,y\n") + gzip.compress(b"1,2\n")
    assert open_source(write(content)).payload == ROWS.encode()


def test_utf_16_is_read_and_noted(write: Write) -> None:
    source = open_source(write(ROWS.encode("utf-16")))
    assert source.payload == ROWS.encode()
    assert [finding.code for finding in source.findings] == ["N_DATA_UTF16"]


@pytest.mark.parametrize("cut", [12, -4])
def test_a_cut_gzip_file_is_rejected(write: Write, cut: int) -> None:
    with pytest.raises(DataError, match="damaged or truncated gzip"):
        open_source(write(gzip.compress(ROWS.encode() * 50)[:cut]))


def test_a_gzip_file_with_a_wrong_checksum_is_rejected(write: Write) -> None:
    content = bytearray(gzip.compress(ROWS.encode() * 50))
    content[-6] ^= 255
    with pytest.raises(DataError, match="damaged or truncated gzip"):
        open_source(write(bytes(content)))


def test_a_gzip_bomb_is_rejected_before_it_fills_the_memory(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BOMB_BYTES", 1_000_000)
    monkeypatch.setattr(module, "_CHUNK", 100_000)
    with pytest.raises(DataError, match=r"times its own .* bytes: it looks like a bomb"):
        open_source(write(gzip.compress(b"0" * 50_000_000)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"%PDF-1.7", "a PDF document"),
    ],
)
def test_other_kinds_of_files_are_named(write: Write, content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=f"is {words}, not CSV, Excel or Parquet"):
        open_source(write(content))


def test_a_nul_byte_is_rejected_with_offset_and_row(write: Write) -> None:
    with pytest.raises(DataError, match="NUL byte at offset 7, row 2"):
        open_source(write(b"t,y\n1,2\0\n"))


def test_bytes_that_are_not_utf_8_are_rejected_with_offset_row_and_a_command(write: Write) -> None:
    with pytest.raises(DataError, match="not UTF-8: byte 0xe9 at offset 10, row 2") as caught:
        open_source(write("name,y\nCaf\xe9,2\n".encode("cp1252")))
    assert "iconv -f cp1252" in str(caught.value.hint)


def test_standard_input_is_read_for_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ROWS.encode())))
    assert open_source("-").payload == ROWS.encode()


def test_the_digest_is_that_of_the_file_on_disk(write: Write) -> None:
    assert open_source(write(ROWS)).digest != open_source(write(gzip.compress(ROWS.encode()))).digest


def test_a_glob_is_expanded_in_order_of_names(write: Write, tmp_path: Path) -> None:
    paths = [write(ROWS, name) for name in ("a.csv", "b.csv")]
    assert expand([str(tmp_path / "*.csv")])[0] == paths


def test_a_glob_without_files_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file matches .*\*\.parquet"):
        expand([str(tmp_path / "*.parquet")])


def test_a_file_named_like_a_pattern_is_read_as_it_is(write: Write) -> None:
    path = write(ROWS, "odd[1].csv")
    assert expand([path])[0] == [path]


def test_a_file_named_twice_is_read_once_and_said(write: Write) -> None:
    path = write(ROWS)
    paths, findings = expand([path, path])
    assert paths == [path]
    assert [finding.severity for finding in findings] == ["warning"]


def test_nothing_to_read_is_rejected() -> None:
    with pytest.raises(InputError, match="no input was named"):
        expand([])


@pytest.mark.parametrize(("name", "stem"), [("a.csv", "a"), ("a.b.csv.gz", "a.b"), ("plain", "plain")])
def test_the_stem_of_a_file_names_its_series(write: Write, name: str, stem: str) -> None:
    assert open_source(write(ROWS, name)).stem == stem


def test_a_missing_file_is_not_taken_for_one_that_shares_its_ending_alone(write: Write) -> None:
    path = Path(write(ROWS, "one.csv"))
    with pytest.raises(InputError) as caught:
        open_source(str(path.with_name("del.csv")))
    assert "did you mean" not in str(caught.value.hint)
