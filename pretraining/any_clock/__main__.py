"""Train the weights `base` anew or further: `python -m pretraining --help`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rnnforecast.errors import RnnForecastError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pretraining.any_clock.settings import RunSettings

app = typer.Typer(help="Pre-train the network that forecasts without training.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="folder of the run: checkpoint and log")]
SettingsFile = Annotated[Path | None, typer.Option("--settings", help="TOML file (default: pretraining/base.toml)")]


@app.callback()
def main_options() -> None:
    """Pre-train the network that forecasts without training."""


@app.command()
def train(
    folder: Folder,
    *,
    settings: SettingsFile = None,
    start: Annotated[Path | None, typer.Option(help="exported weights to begin with, where there is no checkpoint")] = None,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="where the network is trained")] = "cpu",
    minutes: Annotated[float | None, typer.Option(help="stop after so many minutes, whatever is left", min=0.1)] = None,
) -> None:
    """Train, or go on from the checkpoint in FOLDER."""
    import torch

    from pretraining.any_clock.loop import Run
    from pretraining.any_clock.loop import train as train_run

    chosen = _settings(settings)
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("`--device cuda`: no such device is available here", hint="leave it out to train on the CPU")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder", hint="name the folder to keep checkpoint and log in")
    torch.set_flush_denormal(True)
    run = Run(chosen, folder, torch.device(device))
    if start is not None and run.step == 0:
        from pretraining.any_clock.export import read_weights

        run.start_from(read_weights(start))
    train_run(run, minutes=minutes)


def _settings(path: Path | None) -> RunSettings:
    from pretraining.any_clock.settings import SHIPPED_SETTINGS, read_settings

    return read_settings(path or SHIPPED_SETTINGS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a refusal is one line with its fix and the exit code of its kind."""
    try:
        app(arguments)
    except RnnForecastError as error:
        typer.echo(f"error: {error.message}" + (f" ({error.hint})" if error.hint else ""), err=True)
        sys.exit(int(error.exit_code))


if __name__ == "__main__":
    main()
