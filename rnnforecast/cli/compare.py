"""`rnnforecast compare`: compare networks and naive forecasts."""

from __future__ import annotations

from collections.abc import Mapping

from rnnforecast.cli.command import build_command
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View, check_drawings
from rnnforecast.options import CONFIG, METHODS, PLOT, REPORT, SETTINGS, TRAINING_FILES


def compare(
    view: View,
    flags: Mapping[str, object],
    data: list[str],
    config: str | None,
    methods: str | None,
    plot: str | None,
    report: str | None,
) -> None:
    """Compare networks and naive forecasts on the same backtest windows; nothing is stored."""
    import rnnforecast

    names = tuple(name.strip() for name in methods.split(",") if name.strip()) if methods else None
    settings = load_settings(flags, config=config)
    check_drawings(plot, report, inputs=data)
    with view.progress() as progress:
        result = rnnforecast.compare(data, settings, methods=names, progress=progress)
    view.plot(result, plot)
    view.report(result, report)
    view.show(result)


command = build_command(
    compare,
    *(TRAINING_FILES, CONFIG, METHODS, PLOT, REPORT),
    settings=tuple(SETTINGS.values()),
    example="rnnforecast compare sales.csv --methods gru,lstm,naive",
)
