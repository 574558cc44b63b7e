"""`rnnforecast inspect`: what is read in a file."""

from __future__ import annotations

from collections.abc import Mapping

from rnnforecast.cli.command import build_command
from rnnforecast.cli.flags import DATA_FLAGS
from rnnforecast.cli.options import Config, Data
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View


def inspect(view: View, flags: Mapping[str, object], data: Data, config: Config = None) -> None:
    """Show what is read in a file and every finding; trains nothing."""
    import rnnforecast

    view.show(rnnforecast.inspect(data, load_settings(flags, config=config)))


command = build_command(inspect, flags=DATA_FLAGS, example="rnnforecast inspect prices.csv --target close")
