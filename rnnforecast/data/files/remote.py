"""Inputs behind a URL, such as `s3://bucket/rows.parquet`, through fsspec; only named files are fetched."""

from __future__ import annotations

import re
import socket
from typing import Any, BinaryIO

from rnnforecast.data.files.local import too_large
from rnnforecast.errors import DataError, InputError, ResourceError, RnnForecastError, TryLaterError, first_line
from rnnforecast.masking import masked

_URL = re.compile(r"[a-z][a-z0-9+.:-]+://", re.IGNORECASE)
#: Answers of HTTP that may pass by themselves: timeouts, too many requests, a server that restarts or is overloaded.
_BUSY_STATUS = (408, 425, 429, 500, 502, 503, 504)
_MAX_CAUSES = 10
#: Protocols that are read; others run code, chain files or give no bytes.
_PROTOCOLS = (
    *("file", "local", "memory", "http", "https", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss"),
    *("sftp", "ssh", "ftp", "ftps", "hdfs", "webhdfs", "webdav", "smb", "hf"),
)


def is_url(path: str) -> bool:
    """Whether a path is a URL."""
    return _URL.match(path) is not None


def expand_url(url: str) -> list[str]:
    """Return the URLs that match a pattern, in order of name; a URL without pattern unchanged."""
    system, path = _open_system(url)
    is_web = _scheme(url) in ("http", "https")  # where `?` begins a query
    pattern = path.partition("?")[0] if is_web else path
    if not any(sign in pattern for sign in ("*[" if is_web else "*?[")):
        return [url]
    try:
        return [system.unstrip_protocol(found) for found in sorted(system.glob(path))]
    except Exception as error:  # the protocols raise whatever their libraries raise
        raise _unreadable(url, error) from error


def list_url(url: str) -> list[str] | None:
    """Return the files below a URL that is a folder, None for one that is not."""
    system, path = _open_system(url)
    try:
        if not system.isdir(path):
            return None
        return [system.unstrip_protocol(found) for found in sorted(system.find(path))]
    except Exception as error:
        raise _unreadable(url, error) from error


def read_url(url: str, *, cap: int) -> bytes:
    """Return the bytes behind a URL.

    Raises InputError where there are none, TryLaterError where the server is busy or out of reach, DataError above the
    cap.
    """
    system, path = _open_system(url)
    for _ in range(2):
        try:
            before = system.info(path)
            size = int(before.get("size") or 0)
            if size > cap:
                raise too_large(masked(url), size, cap)
            with system.open(path, "rb") as stream:
                content: bytes = stream.read(cap + 1)
            after = system.info(path)
        except FileNotFoundError as error:
            if _may_pass(error) or _is_unknown_host(error):  # reported as a missing file by some protocols
                raise _unreadable(url, error) from error
            message = f"{masked(url)} does not exist"
            raise InputError(message, hint="check bucket, folder and name", code="E_INPUT_MISSING") from error
        except (IsADirectoryError, NotADirectoryError) as error:
            hint = "--dataset reads its files as one table, or name them with a pattern"
            raise InputError(f"{masked(url)} is a folder", hint=hint, code="E_INPUT_FOLDER") from error
        except (InputError, DataError):
            raise
        except Exception as error:
            raise _unreadable(url, error) from error
        if len(content) > cap:
            raise too_large(masked(url), len(content), cap)
        if _version(before) == _version(after):
            return content
    message = f"{masked(url)} changed while it was read, twice"
    raise InputError(message, hint="wait until its producer is done", code="E_INPUT_CHANGED")


def open_url(url: str) -> BinaryIO:
    """Open what is behind a URL to read parts of it. Raises what `read_url` raises."""
    system, path = _open_system(url)
    try:
        stream: BinaryIO = system.open(path, "rb")
    except Exception as error:
        raise _unreadable(url, error) from error
    return stream


def state_of(url: str) -> str:
    """Return what changes when a file behind a URL is written again: its size, and its time or its digest."""
    system, path = _open_system(url)
    try:
        return repr(_version(system.info(path)))
    except Exception as error:
        raise _unreadable(url, error) from error


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()


def _version(found: dict[str, Any]) -> tuple[object, ...]:
    return tuple(found.get(key) for key in ("size", "mtime", "ETag", "etag", "generation", "LastModified"))


def _open_system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it; no chain of protocols, which could write files."""
    try:
        import fsspec
    except ImportError as error:
        message = f"{masked(url)} is a URL, and the package that opens URLs is not installed"
        raise ResourceError(message, hint="pip install 'rnnforecast[remote]'", code="E_RUN_PACKAGE") from error
    if "::" in url:
        message = f"{masked(url)} chains protocols, which is not read"
        raise InputError(message, hint="name the file by one protocol", code="E_INPUT_KIND")
    if _scheme(url) not in _PROTOCOLS:
        message = f"{masked(url)}: the protocol `{_scheme(url)}` is not read"
        raise InputError(message, hint=f"use one of {', '.join(_PROTOCOLS)}", code="E_INPUT_KIND")
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        message = f"{masked(url)}: the package for this protocol is not installed ({error})"
        raise ResourceError(message, hint="pip install 'rnnforecast[remote]'", code="E_RUN_PACKAGE") from error
    except Exception as error:
        raise _unreadable(url, error) from error
    return system, path


def _unreadable(url: str, error: Exception) -> RnnForecastError:
    words = masked(first_line(error))
    if _may_pass(error):
        message = f"{masked(url)} cannot be read for the moment: {words}"
        return TryLaterError(message, hint="run it again later, or check the network", code="E_INPUT_BUSY")
    if _is_unknown_host(error):
        message = f"{masked(url)} cannot be read: the name of the server is unknown"
        return InputError(message, hint="check the address, and the network of this machine", code="E_INPUT_READ")
    hint = "check the address, the network and the credentials in the environment"
    return InputError(f"{masked(url)} cannot be read: {words}", hint=hint, code="E_INPUT_READ")


def _may_pass(error: BaseException | None) -> bool:
    """Tell whether the same request may do later, by the error and by what caused it."""
    for _ in range(_MAX_CAUSES):
        if error is None:
            return False
        if isinstance(error, TimeoutError | ConnectionError) or _status(error) in _BUSY_STATUS:
            return True
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_unknown_host(error: BaseException | None) -> bool:
    """Tell whether the name of a server was not found."""
    for _ in range(_MAX_CAUSES):
        if error is None or isinstance(error, socket.gaierror):
            return error is not None
        error = error.__cause__ or error.__context__
    return False


def _status(error: BaseException) -> object:
    """Return the answer of HTTP that an error carries, by any of the names that the libraries have for it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    holders = (error, response)
    found = (getattr(holder, name, None) for holder in holders for name in ("status", "status_code", "code"))
    return next((status for status in found if isinstance(status, int)), None)
