"""`--timeout`: stop a command that takes too long, and clean up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rnnforecast.errors import ResourceError, UsageError


class TimedOut(BaseException):
    """Raised by the alarm; files are closed and temporary files removed, as after a signal."""


@contextmanager
def deadline(span: str | None) -> Iterator[None]:
    """Run the body for at most a duration such as `90s`; None sets no limit.

    Raises ResourceError when the time is over, UsageError for an invalid duration.
    """
    if span is None:
        yield
        return
    from rnnforecast.grammars import Duration  # `--help` does without it

    seconds = Duration.parse(span, option="--timeout").seconds
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        raise UsageError("--timeout needs the alarms of Linux or macOS", hint="leave it out", code="E_RUN_CONFIG")
    before = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except TimedOut as error:
        where = "".join(f": {note}" for note in getattr(error, "__notes__", ()))
        message = f"the command took longer than `--timeout {span}`{where}"
        hint = "allow more time, or find out what it waits for; stored models are unchanged"
        raise ResourceError(message, hint=hint, code="E_RUN_TIMEOUT") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _ring(number: int, frame: object) -> None:  # noqa: ARG001
    raise TimedOut
