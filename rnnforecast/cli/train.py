"""`rnnforecast train`: from a file to a stored, judged model."""

from __future__ import annotations

from collections.abc import Mapping

from rnnforecast.cli.command import build_command
from rnnforecast.cli.flags import SETTINGS
from rnnforecast.cli.options import ActivateWhen, Config, Data, MaxAge, Name, Require, Store
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View


def train(
    view: View,
    flags: Mapping[str, object],
    data: Data,
    config: Config = None,
    require: Require = None,
    name: Name = None,
    activate: ActivateWhen = "auto",
    max_age: MaxAge = None,
    store: Store = None,
) -> None:
    """Read a file, fit a network, judge it beside naive forecasts, store it.

    Columns, frequency, season and horizon are found in the file and printed with the flag that overrides each.
    A name that has a model already gets a new version, active unless it is significantly worse than the one before.
    Where no default is named below, the tool chooses from the data and says what it chose.
    """
    import rnnforecast

    settings = load_settings(flags, config=config)
    with view.progress() as progress:
        result = rnnforecast.train(
            data, settings, name=name, store=store, progress=progress, activate=activate, max_age=max_age
        )
    view.show(result)
    if require == "win":
        result.require_win()


command = build_command(train, flags=SETTINGS, example="rnnforecast train prices.csv --horizon 30")
