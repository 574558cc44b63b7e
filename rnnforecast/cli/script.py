"""`rnnforecast script`: write a Python script that does what the command of a model did."""

from __future__ import annotations

from rnnforecast.cli.command import build_command
from rnnforecast.cli.view import View
from rnnforecast.options import SCRIPT_OUTPUT


def script(view: View, model: str | None, output: str | None, store: str | None) -> None:
    """Write a short Python script that trains and forecasts as the command of MODEL did.

    The script uses the public functions (`import rnnforecast`), reads the same files with the same settings, and writes
    the same forecast.
    """
    import rnnforecast

    result = rnnforecast.script(model, output=output, store=store)
    if output is not None:
        view.say(f"script written to {output}")
    view.show(result, if_quiet=output is None)


command = build_command(script, SCRIPT_OUTPUT, example="rnnforecast script prices --output train.py")
