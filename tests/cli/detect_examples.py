"""Detections made by hand: a machine with alarms, a panel, and rows that are all usual."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnforecast.workflows.forecasts.predict_result import Preview
from rnnforecast.workflows.monitoring.detect_result import DetectResult
from tests.cli.examples import FINDING

KINDS = (("point", "above"), ("missing signal", None), ("drift", "below"))


def detect_result(*, num_alarms: int = 3, panel: bool = False) -> DetectResult:
    """Return the alarms of a machine with two columns, or of a panel of series whose names are hostile."""
    times = np.datetime64("2024-03-29T11:00", "us") + np.arange(64) * np.timedelta64(15, "m")
    wave = 20 + 3 * np.sin(np.arange(64) / 5)
    alarms = [
        {
            "id": f"[red]p{number}[/] \x1b[31m" if panel else "",
            "start": times[10 * number + 5],
            "end": times[10 * number + 7],
            "peak": times[10 * number + 6],
            "num_rows": 3,
            "score": 1.31 + number,
            "kind": kind,
            "direction": direction,
            "member": ("network", "missing", "level")[number],
            "column": "vibration",
            "value": float("nan") if direction is None else 2.585,
            "expected": 2.185,
            "lower": 1.1,
            "upper": 2.5,
            "contributions": {"vibration": 1.0} if panel else {"vibration": 0.83, "temperature": 0.17},
        }
        for number, (kind, direction) in enumerate(KINDS[:num_alarms])
    ]
    marked = np.where(np.arange(64) % 10 > 7, wave, np.nan)
    preview = Preview("", "vibration", times, wave, times, marked, np.zeros((64, 2)))
    members = {"network": 1, "network-leads": 0, "missing": 1, "level": 1} if num_alarms else {"network": 0}
    return DetectResult(
        model="base",
        paths=("machine.csv",),
        freq="15min",
        budget="1/week",
        last=None,
        num_rows=4_032,
        num_scored=3_432,
        num_series=3 if panel else 1,
        members=members,
        alarms=tuple(alarms),
        frame=pd.DataFrame(),
        previews=() if panel else (preview,),
        findings=(FINDING,),
        notes=("alarm budget 1/week over all series; `--budget` overrides",),
        allowed=5.1,
    )
