"""`rnnforecast score`: compare past forecasts with actuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rnnforecast.cli.command import build_command
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View
from rnnforecast.options import ACTUALS, SCORED_MODEL, SOURCE_OPTIONS, Policy

if TYPE_CHECKING:
    from rnnforecast.workflows.monitoring.score_result import ScoreResult


def score(
    view: View,
    flags: Mapping[str, object],
    model: str | None,
    data: list[str] | None,
    last: int | None,
    all_versions: bool,
    policy: Policy,
    on_alarm: str | None,
    max_age: str | None,
    store: str | None,
) -> None:
    """Compare past forecasts with actuals; exit 21 for drift, 23 for broken coverage.

    Show accuracy and coverage by lead time, next to the seasonal naive forecast for the same cutoffs. The tests for drift
    keep their false-alarm rate when they are repeated after every forecast.
    """
    import rnnforecast
    from rnnforecast.workflows.alarm_actions import apply_policy, split_command

    command = split_command(on_alarm)
    reading = load_settings(flags).data
    result = rnnforecast.score(
        model, data=data or None, last=last, all_versions=all_versions, max_age=max_age, reading=reading, store=store
    )
    with view.progress() as progress:
        result = apply_policy(result, policy=policy, reading=reading, store=store, progress=progress)
    if command:
        result = _call(result, command, store=store)
    view.show(result, if_quiet=result.alarm() is not None)
    result.raise_alarm()


def _call(result: ScoreResult, command: Sequence[str], *, store: str | None) -> ScoreResult:
    from rnnforecast.workflows.alarm_actions import alarm_facts, call_on_alarm

    error = result.alarm()
    if error is None:
        return result
    finding = call_on_alarm(command, facts=alarm_facts(result, error.exit_code, store=store))
    return result if finding is None else replace(result, findings=(*result.findings, finding))


command = build_command(
    score,
    SCORED_MODEL,
    ACTUALS,
    settings=SOURCE_OPTIONS,
    example="rnnforecast score prices --data prices.csv --on-alarm 'notify-team --now'",
)
