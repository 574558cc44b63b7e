"""How a run is told to end: the first signal asks, a second Ctrl-C does not wait."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

_ENDING = tuple(
    number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)


class Stopper:
    """Holds the signal that ended a run, None while it may go on; its descriptor becomes readable then.

    A signal that was ignored when the run began (`nohup`) stays ignored. Outside the main thread nothing is handled:
    signals belong to it alone.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)

    def fileno(self) -> int:
        """Return the descriptor that wakes a waiting loop."""
        return self._read

    def __enter__(self) -> Stopper:
        if threading.current_thread() is threading.main_thread():
            for number in _ENDING:
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.signal is None:
            self.signal = number
            os.write(self._write, b"!")
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
