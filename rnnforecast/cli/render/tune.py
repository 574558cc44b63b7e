"""The screen of `tune`: the best settings, what mattered, and the test against the default."""

from __future__ import annotations

from rich.console import RenderableType

from rnnforecast.cli.render.blocks import Space, duration, heading, number, numbers, quiet_table, safe, screen, under
from rnnforecast.cli.render.metrics import metrics_block, order_methods, verdict_block
from rnnforecast.cli.render.reading import assumptions_block
from rnnforecast.findings import plural
from rnnforecast.workflows.results import TuneResult

_SHOWN_TRIALS = 5


@screen.register(TuneResult)
def _tune_screen(result: TuneResult, space: Space) -> list[RenderableType]:
    blocks = [assumptions_block(result.assumptions, result.reasons), _trials_block(result)]
    if result.importance:
        blocks.append(_importance_block(result))
    if result.metrics:
        windows = f"{plural(result.num_windows, 'window')} that no trial saw"
        methods = order_methods(result.metrics, ("tuned", "default"))
        title = heading("Test", windows)
        blocks.append(metrics_block(result.metrics, title=title, width=space.width, methods=methods))
    return [*blocks, verdict_block(result.verdict), _settings_block(result)]


def _trials_block(result: TuneResult) -> RenderableType:
    earlier = f", {result.num_trials_before} of them before" if result.num_trials_before else ""
    table = quiet_table([("trial", "right"), ("loss", "right"), ("settings", "fold")])
    best = [trial for trial in result.trials if trial["loss"] is not None][:_SHOWN_TRIALS]
    for trial, loss in zip(best, numbers([trial["loss"] for trial in best]), strict=True):
        values = [
            f"{key} {number(value, digits=2) if isinstance(value, float) else value}"
            for key, value in trial.items()
            if key not in ("trial", "state", "loss")
        ]
        table.add_row(str(trial["trial"]), loss, safe(", ".join(values), "dim"))
    return under(heading("Trials", f"{len(result.trials)} in {duration(result.seconds)}{earlier}"), table)


def _importance_block(result: TuneResult) -> RenderableType:
    table = quiet_table([("", "left"), ("", "right")], header=False)
    for name, fraction in sorted(result.importance.items(), key=lambda item: -item[1]):
        table.add_row(safe(name, "dim"), f"{100 * fraction:.0f} %")
    return under(heading("Importance", "of the differences in loss"), table)


def _settings_block(result: TuneResult) -> RenderableType:
    where = "written to " + result.output if result.output else "--output FILE writes them for --config"
    return under(heading("Settings", where), *map(safe, result.toml.splitlines()[1:]))
