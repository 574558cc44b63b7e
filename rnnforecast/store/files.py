"""Atomic file replacement, early checks that a file can be written, kernel locks, and file owners.

A file is written next to its target under a random name, flushed to the disk and then renamed over the target, so
readers never see a partial file, even after a crash or on a full disk. Symbolic links, folders, pipes and devices are
rejected as targets: a rename would replace a link by a regular file, so the error asks for the file behind it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shlex
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rnnforecast.errors import LockedError, ModelFileError, OutputError

TEMPORARY_PREFIX = ".rnnforecast-"
TEMPORARY_SUFFIX = ".tmp"

_TEMPORARY = re.compile(r"\.rnnforecast-[0-9a-f]{16}\.tmp")
#: A temporary file on a disk without locks is left behind when nobody has written to it for a day.
_ABANDONED_SECONDS = 86_400.0
_MAX_ATTEMPTS = 10

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_FLUSH_UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


def entries_of(folder: Path) -> list[Path]:
    """Return what is in a folder; a call that a signal interrupts is made again, as Python itself does for files."""
    while True:
        try:
            return list(folder.iterdir())
        except InterruptedError:
            continue


def replace_file(
    path: str | Path,
    write: Callable[[BinaryIO], None],
    *,
    check: Callable[[Path], None] | None = None,
    is_private: bool = False,
) -> None:
    """Write `path` whole or leave it untouched.

    `write` fills an open binary stream; `check`, where given, reads the finished temporary file back and raises if
    it is not what was meant: only then does it take the place of the target. Nobody else may read the file while it
    is written; a new file then gets the mode of the umask, unless it `is_private`; a replaced one keeps mode and, where
    permitted, owner.
    Raises OutputError for whatever keeps the file from being written; any other exception of `write` or `check`
    passes through. The temporary file is gone in every case.
    """
    target = Path(path)
    existing = _inspect_target(target)
    num_bytes = 0
    try:
        temporary, descriptor = _create(target.parent, existing)
        # the lock says that the file has an owner; it lasts until the file has its name, longer than the writing
        lock_holder = os.dup(descriptor)
    except OSError as error:
        raise _output_error(target, error) from error
    try:
        try:
            # The descriptor stays ours: a writer that closes its stream must not keep us from flushing.
            with os.fdopen(descriptor, "wb", closefd=False) as stream:
                write(stream)
            if not is_private:
                _set_mode(descriptor, existing)
            os.fsync(descriptor)
        finally:
            num_bytes = os.fstat(descriptor).st_size
            os.close(descriptor)
        if check is not None:
            check(temporary)
        if sys.platform == "win32":  # which renames no open file
            os.close(lock_holder)
        os.replace(temporary, target)
    except OSError as error:
        raise _output_error(target, error, num_bytes=num_bytes) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
        with contextlib.suppress(OSError):
            os.close(lock_holder)
    flush_folder(target.parent)


def replace_bytes(path: str | Path, content: bytes, *, is_private: bool = False) -> None:
    """Write `content` to `path` as `replace_file` does."""

    def write(stream: BinaryIO) -> None:
        stream.write(content)

    replace_file(path, write, is_private=is_private)


def remove_file(path: Path) -> None:
    """Remove a file, if it is there. Raises OutputError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        message = f"`{path}` was not removed: {(error.strerror or str(error)).lower()}"
        hint = f"allow this user to write in `{path.parent}`"
        raise OutputError(message, hint=hint, code="E_OUT_PERMISSION") from error


def check_writable(path: str | Path) -> None:
    """Check before the work starts that `path` can be written at its end; leaves nothing behind.

    Temporary files of killed runs are removed too. Raises OutputError for a missing folder, a folder as target, a
    link or device, a read-only file or place.
    """
    target = Path(path)
    existing = _inspect_target(target)
    sweep_temporaries(target.parent)
    try:
        probe, descriptor = _create(target.parent, existing)
        os.close(descriptor)
        probe.unlink(missing_ok=True)  # without its lock, another run may have swept it
    except OSError as error:
        raise _output_error(target, error) from error


def make_folder(path: str | Path) -> None:
    """Create a folder and its parents where missing, so that they outlast a power cut. Raises OutputError."""
    folder = Path(path)
    missing = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        message = f"`{folder}` is a file, a folder is needed there"
        raise OutputError(message, hint="move the file away or name another folder", code="E_OUT_KIND") from error
    except OSError as error:
        raise _output_error(folder, error) from error
    for each in missing:
        flush_folder(each.parent)


def flush_folder(folder: Path) -> None:
    """Make renames and removals in `folder` outlast a power cut, where the file system supports it.

    Raises OutputError when the disk fails: the files are in place, but may be lost in a power cut.
    """
    if not hasattr(os, "O_DIRECTORY"):  # no such call on Windows, where renames are written through
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in _FLUSH_UNSUPPORTED:
            return
        message = f"the disk failed to flush the folder `{folder}`: {(error.strerror or str(error)).lower()}"
        hint = "check the disk: what was just written there may be lost in a power cut"
        raise OutputError(message, hint=hint, code="E_OUT_DEVICE") from error


def sweep_temporaries(folder: Path) -> int:
    """Remove what killed writers left in `folder` and return how many files that were.

    Only regular files of this user under names that are given here, and none that a living writer holds: its lock
    ends with it. Where the disk has no locks, a file nobody has written to for a day.
    """
    num_removed = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    num_removed += _remove_abandoned(Path(entry.path))
    return num_removed


@contextmanager
def lock(path: str | Path, *, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the lock file `path` for the length of a `with` block.

    A lock of the kernel: it ends with its holder, however that ends, and nothing is ever to be cleared by hand.
    Raises LockedError when another holder keeps it longer than `wait_seconds`, OutputError where it cannot be made.
    """
    from filelock import FileLock, Timeout  # 25 ms that `predict` does not need

    # The package has a substitute for disks without locks: it outlives a killed holder.
    held = FileLock(path, timeout=wait_seconds, fallback_to_soft=False)
    try:
        held.acquire()
    except Timeout as error:
        message = f"another run holds the lock `{path}`" + (f" (waited {wait_seconds:g} s)" if wait_seconds else "")
        hint = "let it end and try again; the lock vanishes with the run that holds it"
        raise LockedError(message, hint=hint, code="E_RUN_LOCKED") from error
    except (OSError, NotImplementedError) as error:
        cause = OSError(errno.ENOLCK, "no locks on this file system")
        if isinstance(error, OSError) and error.errno != errno.ENOSYS:
            cause = error
        raise _output_error(Path(path), cause) from error
    try:
        yield
    finally:
        held.release()


def _inspect_target(target: Path) -> os.stat_result | None:
    """Return the state of the file at `target`, None where there is none. Raises OutputError for anything but a file."""
    try:
        existing = target.lstat()
    except FileNotFoundError:
        if not target.parent.exists():
            raise _missing_folder(target) from None
        return None
    except OSError as error:
        raise _output_error(target, error) from error
    if stat.S_ISLNK(existing.st_mode):
        message = f"`{target}` is a symbolic link and is not written through"
        raise OutputError(message, hint=f"name the file itself: `{os.path.realpath(target)}`", code="E_OUT_KIND")
    if not stat.S_ISREG(existing.st_mode):
        kind = "a folder" if stat.S_ISDIR(existing.st_mode) else "a device, pipe or socket"
        raise OutputError(
            f"`{target}` is {kind}, not a file", hint="name a file, such as `forecasts.csv`", code="E_OUT_KIND"
        )
    if not os.access(target, os.W_OK):
        message = f"`{target}` is read-only"
        hint = f"`chmod u+w {shlex.quote(str(target))}` or name another file"
        raise OutputError(message, hint=hint, code="E_OUT_READ_ONLY")
    return existing


def _create(folder: Path, existing: os.stat_result | None) -> tuple[Path, int]:
    """Create and lock a file that did not exist, never through a planted link, for us alone, owned as `existing`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    flags |= getattr(os, "O_BINARY", 0)
    for _ in range(_MAX_ATTEMPTS):
        temporary = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
        descriptor = os.open(temporary, flags, 0o600)
        try:
            if _take_lock(descriptor) is not False and os.fstat(descriptor).st_nlink:
                if existing is not None and hasattr(os, "fchown"):
                    with contextlib.suppress(PermissionError):
                        os.fchown(descriptor, existing.st_uid, existing.st_gid)
                return temporary, descriptor
        except BaseException:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)
            raise
        os.close(descriptor)  # a sweep came between: it took the file for an abandoned one
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def _remove_abandoned(temporary: Path) -> bool:
    """Remove a temporary file that has no owner any more; tell whether it is gone."""
    flags = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC if sys.platform != "win32" else os.O_RDONLY
    descriptor = os.open(temporary, flags)
    try:
        state = os.fstat(descriptor)
        is_ours = stat.S_ISREG(state.st_mode) and (not hasattr(os, "geteuid") or state.st_uid == os.geteuid())
        lock_state = _take_lock(descriptor) if is_ours else False
        is_abandoned = time.time() - state.st_mtime > _ABANDONED_SECONDS if lock_state is None else lock_state
        if is_abandoned and sys.platform != "win32":
            temporary.unlink()
    finally:
        os.close(descriptor)
    if is_abandoned and sys.platform == "win32":
        temporary.unlink()
    return is_abandoned


def _take_lock(descriptor: int) -> bool | None:
    """Lock an open file until it is closed; False where another process has it, None where there are no locks."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _set_mode(descriptor: int, existing: os.stat_result | None) -> None:
    """Give a finished file the mode it is to have: that of the file it replaces, or that of the umask."""
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, stat.S_IMODE(existing.st_mode) if existing is not None else 0o666 & ~_umask())


def _umask() -> int:
    """Return the umask; read where the system shows it, for setting it for a moment would concern all threads."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("Umask:"):
                    return int(line.split()[1], 8)
    except (OSError, ValueError):
        pass
    before = os.umask(0o077)
    os.umask(before)
    return before


def check_no_link(folder: Path) -> None:
    """Raise ModelFileError where a folder of a store, or the one around it, is a symbolic link: it may lead outside.

    Also where this user may not look.
    """
    for each in (folder.parent, folder):
        try:
            is_link = each.is_symlink()
        except PermissionError as error:
            message = f"`{each}` cannot be read: permission denied"
            hint = "allow this user to read the store, or name another with `--store`"
            raise ModelFileError(message, hint=hint, code="E_MODEL_MISSING") from error
        if is_link:
            message = f"`{each}` is a symbolic link, and no link inside a store is followed"
            hint = "move the folder behind it to this place, or name the store it belongs to with `--store`"
            raise ModelFileError(message, hint=hint, code="E_MODEL_LINK")


def check_owner(path: Path) -> None:
    """Raise ModelFileError for a world-writable folder or file of another user (except root).

    A missing path passes, its reader reports it; the check is skipped on systems without file ownership.
    """
    if not hasattr(os, "geteuid"):
        return
    try:
        state = path.stat()
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return
    if state.st_uid in (os.geteuid(), 0) or not state.st_mode & stat.S_IWOTH:
        return
    kind = "folder" if stat.S_ISDIR(state.st_mode) else "file"
    raise ModelFileError(
        f"the {kind} `{path}` belongs to user {state.st_uid} and everyone may write it: its models are not trusted",
        hint=f"`chmod o-w {shlex.quote(str(path))}`, or name a store of your own with `--store`",
        code="E_MODEL_OWNER",
    )


def _missing_folder(target: Path) -> OutputError:
    message = f"`{target}` was not written: the folder `{target.parent}` does not exist"
    return OutputError(message, hint=f"create it: `mkdir -p {shlex.quote(str(target.parent))}`", code="E_OUT_FOLDER")


def _output_error(target: Path, error: OSError, *, num_bytes: int = 0) -> OutputError:
    cause = (error.strerror or str(error)).lower()
    done = f" after {num_bytes:,} bytes" if num_bytes else ""
    message = f"`{target}` was not written: {cause}{done}"
    if error.errno in _DISK_FULL:
        hint, code = f"free space on the disk of `{target.parent}` or name a file elsewhere", "E_OUT_NO_SPACE"
    elif error.errno == errno.EROFS:
        hint, code = "name a file on a disk that is not read-only", "E_OUT_READ_ONLY"
    elif error.errno in (errno.EACCES, errno.EPERM):
        hint, code = f"allow this user to write in `{target.parent}` or name a file elsewhere", "E_OUT_PERMISSION"
    elif error.errno == errno.ENOENT:
        return _missing_folder(target)
    elif error.errno in (errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP):
        hint, code = "name a file in a folder that exists, with a shorter or simpler name", "E_OUT_KIND"
    elif error.errno == errno.ENOLCK:
        hint, code = "put the store on a local disk with `--store`", "E_OUT_LOCK"
    else:
        hint, code = f"check the disk of `{target.parent}`; the previous file is untouched", "E_OUT_DEVICE"
    return OutputError(message, hint=hint, code=code)
