"""Specification of atomic files and locks."""

from __future__ import annotations

import errno
import os
import secrets
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import pytest

from rnnforecast.errors import ExitCode, LockedError, OutputError
from rnnforecast.store import files
from rnnforecast.store.files import check_writable, lock, make_folder, replace_file, sweep_temporaries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def writer(content: bytes) -> Callable[[BinaryIO], None]:
    def write(stream: BinaryIO) -> None:
        stream.write(content)

    return write


def failing(error: BaseException) -> Callable[[BinaryIO], None]:
    def write(stream: BinaryIO) -> None:
        stream.write(b"half of ")
        stream.flush()
        raise error

    return write


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_new_file_holds_what_was_written(tmp_path: Path) -> None:
    replace_file(tmp_path / "out.csv", writer(b"a,b\n"))
    assert (tmp_path / "out.csv").read_bytes() == b"a,b\n"


def test_nothing_but_the_target_is_left_in_the_folder(tmp_path: Path) -> None:
    replace_file(tmp_path / "out.csv", writer(b"a,b\n"))
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.usefixtures("umask")
def test_a_new_file_gets_the_mode_of_the_umask(tmp_path: Path) -> None:
    replace_file(tmp_path / "out.csv", writer(b""))
    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == 0o640


@pytest.mark.usefixtures("umask")
def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_bytes(b"old")
    target.chmod(0o606)
    replace_file(target, writer(b"new"))
    assert stat.S_IMODE(target.stat().st_mode) == 0o606


def test_the_temporary_file_of_a_private_file_is_private(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_bytes(b"old")
    target.chmod(0o600)
    seen: list[int] = []
    replace_file(target, writer(b"new"), check=lambda path: seen.append(stat.S_IMODE(path.stat().st_mode)))
    assert seen == [0o600]


def test_nobody_else_may_read_a_file_while_it_is_written(tmp_path: Path) -> None:
    modes: list[int] = []

    def write(stream: BinaryIO) -> None:
        stream.write(b"half")
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir())

    replace_file(tmp_path / "out.csv", write)
    assert modes == [0o600]


def test_the_mode_of_a_new_file_is_that_of_the_umask_where_the_system_does_not_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o022)
    try:
        monkeypatch.setattr("builtins.open", refuse_to_open)
        replace_file(tmp_path / "out.csv", writer(b"new"))
        monkeypatch.undo()
        assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == 0o644
    finally:
        assert os.umask(before) == 0o022


def refuse_to_open(*_: object, **__: object) -> None:
    raise PermissionError(13, os.strerror(13))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_replaced_file_keeps_its_owner(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_bytes(b"old")
    os.chown(target, 4321, 4321)
    replace_file(target, writer(b"new"))
    assert target.stat().st_uid == 4321


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt()])
def test_a_writer_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "out.csv"
    target.write_bytes(b"old")
    with pytest.raises(type(error)):
        replace_file(target, failing(error))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"out.csv": b"old"}


def test_a_writer_that_closes_its_stream_is_fine(tmp_path: Path) -> None:
    def write(stream: BinaryIO) -> None:
        stream.write(b"whole")
        stream.close()

    replace_file(tmp_path / "out.csv", write)
    assert (tmp_path / "out.csv").read_bytes() == b"whole"


def test_a_check_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_bytes(b"old")

    def check(temporary: Path) -> NoReturn:
        raise OutputError(f"{temporary.read_bytes()!r} was read back")

    with pytest.raises(OutputError, match="b'new' was read back"):
        replace_file(target, writer(b"new"), check=check)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"out.csv": b"old"}


def test_a_full_disk_names_path_cause_and_bytes(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(OutputError, match=r"out.csv` was not written: no space left on device after 8 bytes") as caught:
        replace_file(target, failing(full))
    assert caught.value.exit_code == ExitCode.OUTPUT
    assert caught.value.code == "E_OUT_NO_SPACE"
    assert "free space" in (caught.value.hint or "")


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES])
def test_an_error_of_the_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    target = tmp_path / "out.csv"
    target.write_bytes(b"old")

    def fail(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OutputError, match=os.strerror(number).lower()):
        replace_file(target, writer(b"new"))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"out.csv": b"old"}


def test_a_disk_that_cannot_flush_the_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="failed to flush the folder"):
        files.flush_folder(tmp_path)


def test_a_file_system_that_cannot_flush_folders_at_all_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def fail(descriptor: int) -> NoReturn:
        tried.append(descriptor)
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", fail)
    files.flush_folder(tmp_path)
    assert len(tried) == 1


@pytest.mark.parametrize("write", [lambda path: replace_file(path, writer(b"")), check_writable])
class TestTargetsThatAreRefused:
    """The check before the work and the write after it reject the same targets."""

    def test_a_missing_folder_is_rejected_with_the_command_that_makes_it(
        self, tmp_path: Path, write: Callable[[Path], None]
    ) -> None:
        with pytest.raises(OutputError, match=r"the folder `.*nowhere` does not exist") as caught:
            write(tmp_path / "nowhere" / "out.csv")
        assert caught.value.hint == f"create it: `mkdir -p {tmp_path / 'nowhere'}`"

    def test_a_folder_is_not_a_target(self, tmp_path: Path, write: Callable[[Path], None]) -> None:
        with pytest.raises(OutputError, match="is a folder, not a file"):
            write(tmp_path)

    def test_a_path_below_a_file_is_rejected(self, tmp_path: Path, write: Callable[[Path], None]) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="was not written: not a directory"):
            write(tmp_path / "file" / "out.csv")

    def test_a_symbolic_link_is_not_written_through(self, tmp_path: Path, write: Callable[[Path], None]) -> None:
        (tmp_path / "real.csv").write_bytes(b"old")
        (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
        with pytest.raises(OutputError, match="is a symbolic link") as caught:
            write(tmp_path / "link.csv")
        assert str(tmp_path / "real.csv") in (caught.value.hint or "")
        assert (tmp_path / "real.csv").read_bytes() == b"old"

    def test_a_pipe_is_not_a_target(self, tmp_path: Path, write: Callable[[Path], None]) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(OutputError, match="is a device, pipe or socket"):
            write(tmp_path / "pipe")

    def test_a_read_only_file_is_rejected(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
    ) -> None:
        (tmp_path / "out.csv").write_bytes(b"old")
        monkeypatch.setattr(os, "access", lambda *_: False)
        with pytest.raises(OutputError, match="is read-only"):
            write(tmp_path / "out.csv")

    def test_a_read_only_disk_is_rejected(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
    ) -> None:
        def fail(*_: object) -> NoReturn:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(os, "open", fail)
        with pytest.raises(OutputError, match="read-only file system") as caught:
            write(tmp_path / "out.csv")
        assert caught.value.code == "E_OUT_READ_ONLY"

    def test_a_name_that_is_too_long_is_rejected(self, tmp_path: Path, write: Callable[[Path], None]) -> None:
        with pytest.raises(OutputError, match="file name too long"):
            write(tmp_path / ("x" * 300))

    def test_a_link_planted_under_the_temporary_name_is_not_followed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
    ) -> None:
        (tmp_path / "victim").write_bytes(b"safe")
        planted = tmp_path / ".rnnforecast-0.tmp"
        planted.symlink_to(tmp_path / "victim")
        monkeypatch.setattr(secrets, "token_hex", lambda _num_bytes: "0")
        with pytest.raises(OutputError, match="file exists"):
            write(tmp_path / "out.csv")
        assert (tmp_path / "victim").read_bytes() == b"safe"
        assert planted.is_symlink()


def test_the_check_before_the_work_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []


def test_the_check_before_the_work_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_bytes(b"old")
    check_writable(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == b"old"


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_new_folder_is_flushed_into_each_folder_above_it_that_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(files, "flush_folder", flushed.append)
    make_folder(tmp_path / "a" / "b")
    assert flushed == [tmp_path / "a", tmp_path]
    make_folder(tmp_path / "a" / "b")
    assert len(flushed) == 2


def test_a_folder_cannot_be_made_where_a_file_stands(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(OutputError, match="is a file, a folder is needed there"):
        make_folder(tmp_path / "a")


def run_child(script: str, *arguments: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, timeout=60)


def test_a_kill_before_the_rename_leaves_the_old_file_and_the_next_run_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_bytes(b"old")
    script = """
import os, signal, sys
from rnnforecast.store.files import replace_file
def write(stream):
    stream.write(b"new"); stream.flush(); os.kill(os.getpid(), signal.SIGKILL)
replace_file(sys.argv[1], write)
"""
    assert run_child(script, target).returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old"
    replace_file(target, writer(b"new"))
    assert target.read_bytes() == b"new"
    assert sweep_temporaries(tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_held_lock_rejects_the_next_run(tmp_path: Path) -> None:
    with (
        lock(tmp_path / "store.lock"),
        pytest.raises(LockedError, match=r"another run holds the lock `.*store.lock`") as caught,
        lock(tmp_path / "store.lock"),
    ):
        pass
    assert caught.value.exit_code == ExitCode.LOCKED


def test_waiting_for_a_lock_ends_with_how_long_it_took(tmp_path: Path) -> None:
    with (
        lock(tmp_path / "store.lock"),
        pytest.raises(LockedError, match=r"waited 0.05 s"),
        lock(tmp_path / "store.lock", wait_seconds=0.05),
    ):
        pass


def test_a_lock_is_free_after_its_holder_failed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), lock(tmp_path / "store.lock"):
        raise RuntimeError
    with lock(tmp_path / "store.lock"):
        pass


def test_a_lock_is_free_after_its_holder_was_killed(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from rnnforecast.store.files import lock
with lock(sys.argv[1]):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run_child(script, tmp_path / "store.lock").returncode == -signal.SIGKILL
    with lock(tmp_path / "store.lock"):
        pass


def test_a_lock_that_is_a_symbolic_link_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "victim").touch()
    (tmp_path / "store.lock").symlink_to(tmp_path / "victim")
    with (
        pytest.raises(OutputError, match=r"store.lock` was not written: too many levels of symbolic links"),
        lock(tmp_path / "store.lock"),
    ):
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK])
def test_a_disk_without_locks_is_rejected_and_the_work_never_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def fail(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fail)
    ran = False
    with pytest.raises(OutputError, match="no locks") as caught, lock(tmp_path / "store.lock"):
        ran = True
    assert caught.value.code == "E_OUT_LOCK"
    assert not ran


def test_a_folder_whose_listing_a_signal_interrupts_is_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").touch()
    listed = Path.iterdir
    calls = []

    def interrupted(folder: Path) -> Iterator[Path]:
        calls.append(folder)
        if len(calls) == 1:
            raise InterruptedError
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", interrupted)
    assert files.entries_of(tmp_path) == [tmp_path / "a"]
    assert len(calls) == 2
