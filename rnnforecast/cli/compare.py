"""`rnnforecast compare`: networks and naive forecasts side by side."""

from __future__ import annotations

from collections.abc import Mapping

from rnnforecast.cli.command import build_command
from rnnforecast.cli.flags import SETTINGS
from rnnforecast.cli.options import Config, Data, Methods
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View


def compare(
    view: View, flags: Mapping[str, object], data: Data, config: Config = None, methods: Methods = None
) -> None:
    """Put networks and naive forecasts side by side on the same origins; nothing is stored."""
    import rnnforecast

    names = tuple(name.strip() for name in methods.split(",") if name.strip()) if methods else None
    settings = load_settings(flags, config=config)
    with view.progress() as progress:
        result = rnnforecast.compare(data, settings, methods=names, progress=progress)
    view.show(result)


command = build_command(compare, flags=SETTINGS, example="rnnforecast compare sales.csv --methods gru,lstm,naive")
