"""The result of `detect`: alarms, how often each member led one, and the score of every row."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, ClassVar

from rnnforecast.detection.budget import AlarmBudget
from rnnforecast.errors import AbnormalError, ExitCode
from rnnforecast.findings import Finding, plural
from rnnforecast.frozen import dataclass
from rnnforecast.json_values import Document, timestamp_to_json

if TYPE_CHECKING:
    import pandas as pd

    from rnnforecast.workflows.forecasts.predict_result import Preview


@dataclass(frozen=True)
class DetectResult(Document):
    """Abnormal rows of a file, within a budget of false alarms.

    Keys of an alarm: id, start, end, peak (timestamps), num_rows, score (1 is as rare as the budget allows), kind, direction,
    member (which statistic led it), column, value, expected, lower, upper (of the column at the start), contributions.
    `frame` has one row for each timestamp and item, for `output`.
    """

    model: str
    paths: tuple[str, ...]
    freq: str
    budget: str
    last: str | None
    num_rows: int
    num_scored: int
    num_series: int
    members: Mapping[str, int]  # member -> alarms that it led
    alarms: tuple[Mapping[str, object], ...]
    frame: pd.DataFrame
    previews: tuple[Preview, ...] = ()
    output: str | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    allowed: float = field(default=0.0)  # alarms that the budget allows for the scored rows

    HIDDEN: ClassVar = ("frame", "previews")

    def alarm(self) -> AbnormalError | None:
        """Return the error that a run with alarms ends with, None without one."""
        if not self.alarms:
            return None
        last = self.alarms[-1]
        named = f" of `{last['id']}`" if last["id"] else ""
        when = timestamp_to_json(last["start"], self.freq)
        message = f"{plural(len(self.alarms), 'alarm')}; the newest{named} began {when}: {describe(last)}"
        smaller = AlarmBudget.parse(self.budget).smaller()
        hint = f"if it is usual, allow more rows with a smaller budget, such as `--budget {shlex.quote(smaller)}`"
        return AbnormalError(message, hint=hint, code="E_ABNORMAL")

    def raise_alarm(self) -> None:
        """Raise AbnormalError if there is an alarm."""
        error = self.alarm()
        if error is not None:
            raise error

    def facts(self) -> dict[str, object]:
        """Return what the command of an alarm finds in its environment."""
        last, error = self.alarms[-1] if self.alarms else {}, self.alarm()
        return {
            "MESSAGE": error.message if error is not None else "",
            "EXIT_CODE": int(ExitCode.ABNORMAL),
            "DATA": os.pathsep.join(self.paths),
            "ALARM": ",".join(dict.fromkeys(str(alarm["kind"]) for alarm in self.alarms)),
            "NUM_ALARMS": len(self.alarms),
            "MODEL": self.model,
            "BUDGET": self.budget,
            "ID": last.get("id"),
            "COLUMN": last.get("column"),
            "START": timestamp_to_json(last.get("start"), self.freq),
            "END": timestamp_to_json(last.get("end"), self.freq),
            "SCORE": last.get("score"),
            "VALUE": last.get("value"),
            "EXPECTED": last.get("expected"),
        }


def describe(alarm: Mapping[str, object]) -> str:
    """Return kind, direction and column of an alarm in a few words."""
    direction = f" {alarm['direction']} the expected value" if alarm.get("direction") else ""
    return f"{alarm['kind']} in `{alarm['column']}`{direction}, score {alarm['score']:.2g}"
