"""`rnnforecast doctor`: check the installation."""

from __future__ import annotations

import typer

from rnnforecast.cli.command import build_command
from rnnforecast.cli.view import View


def doctor(view: View, store: str | None) -> None:
    """Check this installation: versions, devices, threads, store, terminal; exit 1 if a check fails."""
    from rnnforecast.workflows.doctor import doctor as examine

    result = examine(store)
    view.show(result)
    if not result.ok:
        raise typer.Exit(1)


command = build_command(doctor, example="rnnforecast doctor")
