"""`--timeout`: a command that takes longer is ended, tidily, whatever it waits for."""

from __future__ import annotations

import re
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rnnforecast.errors import ResourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPAN = re.compile(r"(\d+(?:\.\d+)?) ?([smh])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class TimedOut(BaseException):
    """Raised by the alarm: files are closed and temporary ones removed on the way out, as when a signal ends a run."""


@contextmanager
def deadline(span: str | None) -> Iterator[None]:
    """Run the body for at most a span such as `90s`, `10m` or `1h`; None is for ever.

    Raises ResourceError when the time is over, UsageError for what is no span.
    """
    if span is None:
        yield
        return
    seconds = _in_seconds(span)
    before = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except TimedOut as error:
        where = "".join(f": {note}" for note in getattr(error, "__notes__", ()))
        raise ResourceError(
            f"the command took longer than --timeout {span}{where}",
            hint="allow it more time, or look at what it waits for; nothing that was stored before is changed",
            code="E_RUN_TIMEOUT",
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _ring(number: int, frame: object) -> None:  # noqa: ARG001
    raise TimedOut


def _in_seconds(span: str) -> float:
    found = _SPAN.fullmatch(span.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not seconds:
        raise UsageError(f"--timeout {span} is no span of time", hint="write 90s, 10m or 1h", code="E_RUN_CONFIG")
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        raise UsageError("--timeout needs the alarms of Linux or macOS", hint="leave it out", code="E_RUN_CONFIG")
    return seconds
