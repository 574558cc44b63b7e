"""Train the next weights `base`, or go on training them: `python -m pretraining.any_clock --help`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pretraining.__main__ import run
from rnnforecast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pretraining.any_clock.settings import RunSettings

app = typer.Typer(help="Pretrain the network that forecasts any clock without training.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="folder of the run: checkpoint and log")]
Weights = Annotated[Path, typer.Argument(help="weights that `export` wrote")]
Data = Annotated[
    Path, typer.Option(help="folder of the panels and of `gift/` that are forecast before their test parts")
]
SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="TOML file (default: pretraining/any_clock/base.toml)")
]


@app.command()
def train(
    folder: Folder,
    *,
    settings: SettingsFile = None,
    start: Annotated[Path | None, typer.Option(help="weights to begin with (default: drawn from the seed)")] = None,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="where the network is trained")] = "cpu",
    minutes: Annotated[
        float | None, typer.Option(help="stop after so many minutes, whatever is left", min=0.01)
    ] = None,
    workers: Annotated[int, typer.Option(help="processes that make series (0: none beside this one)", min=0)] = 0,
    batch_factor: Annotated[
        int | None,
        typer.Option(help="batches so many times as large, instead of the settings': 8 to 16 for a device", min=1),
    ] = None,
) -> None:
    """Train, or go on from the checkpoint in FOLDER."""
    import torch

    from pretraining.any_clock.export import read_weights
    from pretraining.any_clock.loop import Run
    from pretraining.any_clock.loop import train as train_run

    chosen = _settings(settings)
    if batch_factor is not None:
        chosen = chosen.model_copy(update={"batch_factor": batch_factor})
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("`--device cuda`: no such device is available here", hint="leave it out to train on the CPU")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="name the folder to keep checkpoint and log in")
    run = Run(chosen, folder, torch.device(device))
    if run.step == 0 and start is not None:
        run.start_from(read_weights(start))
    torch.set_float32_matmul_precision("high")  # on a device products of rounded numbers, several times faster
    torch.set_flush_denormal(True)  # gradients near zero are slow otherwise
    try:
        train_run(run, minutes=minutes, num_workers=workers)
    finally:
        torch.set_flush_denormal(False)
    typer.echo(f"{folder}: step {run.step:,}, {run.series:,} series, {run.seconds / 60:.1f} minutes in all")


@app.command()
def export(
    folder: Folder,
    output: Annotated[Path, typer.Argument(help="weights to write, in half precision")],
    *,
    settings: SettingsFile = None,
) -> None:
    """Write the averaged weights of a run as one safetensors file."""
    import torch

    from pretraining.any_clock.export import as_tensors, write_weights
    from pretraining.any_clock.loop import Run
    from pretraining.checkpoint import read_checkpoint
    from pretraining.run import CHECKPOINT

    read_checkpoint(folder / CHECKPOINT)  # refuse a folder without one before another is made
    run = Run(_settings(settings), folder, torch.device("cpu"))
    write_weights(output, as_tensors(run.average))
    typer.echo(f"{output}: step {run.step:,}, {output.stat().st_size / 1e6:.2f} MB")


@app.command()
def pace(
    *, settings: SettingsFile = None, num_batches: Annotated[int, typer.Option(help="batches to draw", min=1)] = 60
) -> None:
    """Print how many series a second one core draws, by clock."""
    import time

    from pretraining.any_clock.batches import make_batch

    chosen = _settings(settings)
    drawn: dict[str, list[float]] = {}
    for number in range(num_batches):
        started = time.process_time()
        batch = make_batch(chosen, number)
        spent = drawn.setdefault(batch.name, [0.0, 0.0, 0.0])
        for place, amount in enumerate((len(batch.values), batch.values.numel(), time.process_time() - started)):
            spent[place] += amount
    for name, (series, steps, seconds) in sorted(drawn.items()):
        typer.echo(f"{name:18s} {series / seconds:9,.0f} series/s of {steps / series:6,.0f} steps")
    total = [sum(amounts) for amounts in zip(*drawn.values(), strict=True)]
    typer.echo(f"{'all':18s} {total[0] / total[2]:9,.0f} series/s of {total[1] / total[0]:6,.0f} steps")


@app.command()
def score(weights: Weights, *, data: Data) -> None:
    """Score weights on real series before their test parts and on simulated ones, beside the seasonal naive forecast."""
    from pretraining.any_clock.export import read_arrays
    from pretraining.any_clock.validation import (
        long_tasks,
        network_forecaster,
        panel_tasks,
        score_all,
        simulated_tasks,
        summary,
    )
    from rnnforecast.config import TRAINED_QUANTILE_LEVELS

    forecaster = network_forecaster(read_arrays(weights))
    for name, tasks in (
        ("panels", list(panel_tasks(data))),
        ("long sets", list(long_tasks(data)) if (data / "gift").is_dir() else []),
        ("simulated", list(simulated_tasks())),
    ):
        if tasks:
            typer.echo("\n".join(summary(name, score_all(forecaster, tasks, TRAINED_QUANTILE_LEVELS))))


def _settings(path: Path | None) -> RunSettings:
    from pretraining.any_clock.settings import SHIPPED_SETTINGS, read_settings

    return read_settings(path or SHIPPED_SETTINGS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    run(app, arguments)


if __name__ == "__main__":
    main()
