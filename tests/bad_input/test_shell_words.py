"""A fix is copied into a shell: names that a file brings along are words of it, and run nothing."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from rnnforecast.cli.main import main
from tests.conftest import DAYS

EVIL = "a $(touch pwned); `who`"
PATH = f"{EVIL}.csv"


def _table(header: str, *, encoding: str = "utf-8", before: str = "") -> bytes:
    rows = [f"{day},{100 + number % 7},{number % 5}" for number, day in enumerate(DAYS)]
    return "\n".join([before + header, *rows, ""]).encode(encoding)


@pytest.mark.parametrize(
    ("content", "fix"),
    [
        (_table(f"date,value,{EVIL}"), f"--future {shlex.quote(EVIL)};"),
        (_table("date,value,x", before="# remark\n"), f"grep -v '^#' {shlex.quote(PATH)} > rows.csv"),
        (_table("date,value,\xe9", encoding="latin-1"), f"iconv -f cp1252 -t utf-8 {shlex.quote(PATH)} > utf8.csv"),
        (None, f"for a series each: {shlex.quote(f'{PATH}/*.csv')}"),
    ],
    ids=["unused column", "comment", "encoding", "folder"],
)
@pytest.mark.usefixtures("_here")
def test_a_name_in_a_fix_is_one_word_of_a_shell(
    capsys: pytest.CaptureFixture[str], content: bytes | None, fix: str
) -> None:
    if content is None:
        Path(PATH).mkdir()
    Path(PATH, "a.csv" if content is None else "").write_bytes(content or _table("date,value,x"))
    main(["inspect", PATH, "--format", "json"])
    told = capsys.readouterr()
    assert fix in " ".join((told.out + told.err).split()).replace('\\"', '"')


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
