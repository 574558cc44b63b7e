"""`--timeout`: a command that takes longer is ended, tidily, whatever it waits for."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rnnforecast.errors import ResourceError, UsageError
from rnnforecast.grammars import Duration

if TYPE_CHECKING:
    from collections.abc import Iterator


class TimedOut(BaseException):
    """Raised by the alarm: files are closed and temporary ones removed on the way out, as when a signal ends a run."""


@contextmanager
def deadline(span: str | None) -> Iterator[None]:
    """Run the body for at most a duration such as `90s`; None sets no limit.

    Raises ResourceError when the time is over, UsageError for an invalid duration.
    """
    if span is None:
        yield
        return
    seconds = Duration.parse(span, option="--timeout").seconds
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        raise UsageError("--timeout needs the alarms of Linux or macOS", hint="leave it out", code="E_RUN_CONFIG")
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
