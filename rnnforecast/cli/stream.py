"""`rnnforecast stream`: answer rows as they arrive."""

from __future__ import annotations

from collections.abc import Mapping

from rnnforecast.cli.command import build_command
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View
from rnnforecast.options import (
    STEPS_AHEAD,
    STREAM_INPUT,
    STREAM_LEVELS,
    STREAM_MODEL,
    STREAM_OPTIONS,
    STREAM_OUTPUT,
    LineFormat,
)


def stream(
    view: View,
    flags: Mapping[str, object],
    model: str,
    input: str,
    follow: bool,
    line_format: LineFormat | None,
    horizon: int,
    quantiles: str,
    budget: str | None,
    max_series: int,
    output: str,
    state: str | None,
    save_every: int,
    on_alarm: str | None,
    store: str | None,
) -> None:
    """Answer rows as they arrive: forecast, bounds, score and alarm, one line out for each line in.

    Lines are CSV with a header, JSON or the Influx line protocol. The network keeps its hidden state, with --state across
    restarts too. From --input to --output each row is answered exactly once, wherever the process is killed.
    """
    import rnnforecast
    from rnnforecast.errors import UsageError
    from rnnforecast.workflows.alarm_actions import split_command

    if view.format != "table":
        raise UsageError("`stream` writes lines in the format of its input", hint="leave --format out")
    chosen = load_settings({**flags, "quantiles": quantiles})
    request = rnnforecast.StreamRequest(
        model,
        input=input,
        output=output,
        follow=follow,
        line_format=line_format,
        horizon=horizon,
        quantiles=chosen.evaluation.quantiles,
        budget=budget,
        state=state,
        save_every=save_every,
        max_series=max_series,
        reading=chosen.data,
    )
    result = rnnforecast.stream(request, store=store, on_alarm=split_command(on_alarm), say=view.say)
    for note in result.notes:
        view.say(f"note: {note}")
    counted = ", ".join(f"{count:,} {status}" for status, count in result.counts.items())
    view.say(f"{result.num_lines:,} lines ({counted}), {result.num_series:,} series, {result.num_alarms:,} alarms")


command = build_command(
    stream,
    STREAM_MODEL,
    STREAM_INPUT,
    STEPS_AHEAD,
    STREAM_LEVELS,
    STREAM_OUTPUT,
    settings=STREAM_OPTIONS,
    example="tail -f pump.csv | rnnforecast stream pump --state pump.state",
)
