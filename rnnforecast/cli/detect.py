"""`rnnforecast detect`: find abnormal rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rnnforecast.cli.command import build_command
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View, check_drawings
from rnnforecast.options import DETECT_OPTIONS, DETECTOR, LAST_ROWS, SCORED_ROWS, TRAINING_FILES


def detect(
    view: View,
    flags: Mapping[str, object],
    data: list[str],
    config: str | None,
    model: str,
    last: str | None,
    budget: str | None,
    output: str | None,
    on_alarm: str | None,
    plot: str | None,
    report: str | None,
    store: str | None,
) -> None:
    """Find abnormal rows; exit 24 if there are any.

    Each row is scored by the rows before it: 1 is as rare as the budget of false alarms allows, above 1 is an alarm. The
    members are residuals of the network, differences, variance, sub-PCA, the nearest window, and missing or stuck values.
    Several --target columns are sensors of one machine.
    """
    import rnnforecast
    from rnnforecast.data.files.overwrite import check_outputs
    from rnnforecast.errors import UsageError
    from rnnforecast.workflows.alarm_actions import call_on_alarm, in_environment, split_command

    if output == "-" and view.format != "table":
        raise UsageError(
            f"`--output -` writes CSV to stdout, and `--format {view.format}` the result", hint="leave out one"
        )
    command = split_command(on_alarm)
    settings = ("the settings", config or "")
    check_outputs({"--output": output}, [settings])
    others = [settings, ("the table of --output", output or "")]
    check_drawings(
        plot, report, files=rnnforecast.Files(tuple(data)), model=model or "base", store=store, others=others
    )
    reading = load_settings(flags, config=config, allowed=DETECT_OPTIONS).data
    with view.progress() as progress:
        result = rnnforecast.detect(
            data, model=model, last=last, budget=budget, store=store, output=output, reading=reading, progress=progress
        )
    if command and result.alarms:
        finding = call_on_alarm(command, facts=in_environment(result.facts()))
        result = result if finding is None else replace(result, findings=(*result.findings, finding))
    view.draw(result, plot=plot, report=report)
    view.show(result, if_quiet=bool(result.alarms) and output != "-")
    result.raise_alarm()


command = build_command(
    detect,
    TRAINING_FILES,
    DETECTOR,
    LAST_ROWS,
    SCORED_ROWS,
    settings=DETECT_OPTIONS,
    example="rnnforecast detect machine.csv --last 1d --on-alarm 'notify-team --now'",
)
