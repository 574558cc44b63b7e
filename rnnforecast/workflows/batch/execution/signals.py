"""Signals that stop a run: the first one stops it in order, a second Ctrl-C at once."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

_STOPPING = tuple(
    number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)


class SignalHandler:
    """Keeps the signal that stopped a run in `received`, else None; its descriptor is readable after a signal.

    A signal that was ignored when the run began (`nohup`) stays ignored. Outside the main thread nothing is handled.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)

    def fileno(self) -> int:
        """Return the descriptor that wakes a waiting loop."""
        return self._read

    def __enter__(self) -> SignalHandler:
        if threading.current_thread() is threading.main_thread():
            for number in _STOPPING:
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.received is None:
            self.received = number
            os.write(self._write, b"!")
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
