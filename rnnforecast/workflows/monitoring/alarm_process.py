"""The command of an alarm for a stream: it runs next to the stream, one at a time, and is stopped when it hangs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence

from rnnforecast.streaming.stream import Answer
from rnnforecast.workflows.alarm_actions import COMMAND_SECONDS, end_command, in_environment, start_command


class AlarmProcess:
    """The command of the user: started on an alarm without waiting for it."""

    def __init__(self, words: Sequence[str], say: Callable[[str], None], *, seconds: float = COMMAND_SECONDS) -> None:
        self._words, self._say, self._seconds = list(words), say, seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = 0.0

    def start(self, answer: Answer) -> None:
        """Run the command for an alarm, unless the one before still runs."""
        if not self._words or self._is_running():
            return
        expected, lower, upper, score = answer.numbers
        facts = {
            "ALARM": "point",
            "ID": answer.row.key,
            "START": answer.row.shown_time,
            "VALUE": answer.row.value,
            "EXPECTED": expected,
            "LOWER": lower,
            "UPPER": upper,
            "SCORE": score,
        }
        try:
            self._process = start_command(self._words, in_environment(facts))
            self._deadline = time.monotonic() + self._seconds
        except (OSError, ValueError) as error:
            self._say(f"the command of the alarm failed: {str(error).lower()}")

    def wait(self) -> None:
        """Wait for the last command, as long as it may take."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout=max(self._deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            self._stop(self._process)

    def end(self) -> None:
        """End the last command at once: the stream ends before its time."""
        if self._process is not None and self._process.poll() is None:
            end_command(self._process)

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        end_command(process)
        self._say(f"the command of the alarm took longer than {self._seconds:g} s and was stopped")

    def _is_running(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            return False
        if time.monotonic() > self._deadline:
            self._stop(self._process)
            return False
        return True
