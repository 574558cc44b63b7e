"""Specification of the sweep: what killed runs left goes, what anybody else put there stays."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO, NoReturn

import pytest

from rnnforecast.store import files
from rnnforecast.store.files import check_writable, replace_file, sweep_temporaries
from tests.store.test_files import writer

LEFTOVER = ".rnnforecast-0123456789abcdef.tmp"


def test_a_sweep_leaves_the_files_of_others(tmp_path: Path) -> None:
    for name in ("notes.tmp", ".hidden", "rnnforecast-1.tmp", ".rnnforecast-1.tmp", f"{LEFTOVER}.csv"):
        (tmp_path / name).touch()
    (tmp_path / LEFTOVER).symlink_to(tmp_path / "notes.tmp")
    (tmp_path / LEFTOVER.replace("0", "1")).mkdir()
    os.mkfifo(tmp_path / LEFTOVER.replace("0", "2"))
    before = sorted(tmp_path.iterdir())
    assert sweep_temporaries(tmp_path) == 0
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_sweep_leaves_what_another_user_left(tmp_path: Path) -> None:
    (tmp_path / LEFTOVER).touch()
    os.chown(tmp_path / LEFTOVER, 4321, 4321)
    assert sweep_temporaries(tmp_path) == 0


def test_a_sweep_leaves_what_a_living_run_writes(tmp_path: Path) -> None:
    found: list[int] = []

    def write(stream: BinaryIO) -> None:
        found.append(sweep_temporaries(tmp_path))
        stream.write(b"new")

    replace_file(tmp_path / "out.csv", write, check=lambda _: found.append(sweep_temporaries(tmp_path)))
    assert found == [0, 0]
    assert (tmp_path / "out.csv").read_bytes() == b"new"


def test_the_check_before_the_work_removes_what_killed_runs_left(tmp_path: Path) -> None:
    (tmp_path / LEFTOVER).write_bytes(b"half")
    check_writable(tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_a_sweep_took_for_an_abandoned_one_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_lock = files._take_lock
    swept: list[Path] = []

    def sweep_first(descriptor: int) -> bool | None:
        if not swept:
            swept.append(next(tmp_path.iterdir()))
            swept[0].unlink()
        return take_lock(descriptor)

    monkeypatch.setattr(files, "_take_lock", sweep_first)
    replace_file(tmp_path / "out.csv", writer(b"new"))
    assert (tmp_path / "out.csv").read_bytes() == b"new"


@pytest.mark.parametrize(("age", "num_removed"), [(3_600, 0), (90_000, 1)])
def test_on_a_disk_without_locks_a_leftover_goes_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: int, num_removed: int
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def fail(*_: object) -> NoReturn:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fail)
    replace_file(tmp_path / LEFTOVER, writer(b"half"))
    written = (tmp_path / LEFTOVER).stat().st_mtime - age
    os.utime(tmp_path / LEFTOVER, (written, written))
    assert sweep_temporaries(tmp_path) == num_removed
