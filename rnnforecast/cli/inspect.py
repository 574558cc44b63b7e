"""`rnnforecast inspect`: show how a file is read."""

from __future__ import annotations

from collections.abc import Mapping

from rnnforecast.cli.command import build_command
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View, check_drawings
from rnnforecast.options import DATA_OPTIONS, TRAINING_FILES


def inspect(
    view: View, flags: Mapping[str, object], data: list[str], config: str | None, plot: str | None, report: str | None
) -> None:
    """Show how a file is read, with every finding; train nothing."""
    import rnnforecast

    settings = load_settings(flags, config=config)
    files = rnnforecast.Files(tuple(data), settings.data.future_data)
    check_drawings(plot, report, files=files, others=[("the settings", config or "")])
    result = rnnforecast.inspect(data, settings)
    view.draw(result, plot=plot, report=report)
    view.show(result)


command = build_command(
    inspect, TRAINING_FILES, settings=DATA_OPTIONS, example="rnnforecast inspect prices.csv --target close"
)
