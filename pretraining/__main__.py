"""Rebuild the weights that the package ships: `python -m pretraining --help`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rnnforecast.errors import RnnForecastError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from pretraining.settings import PretrainingSettings
    from pretraining.validation import Panel

app = typer.Typer(help="Pretrain the network that forecasts without training.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="folder of the run: checkpoint and log")]
SettingsFile = Annotated[Path | None, typer.Option("--settings", help="TOML file (default: the shipped one)")]
Panels = Annotated[
    list[str] | None,
    typer.Option("--panel", help="real series to score on: PATH:SEASON_LENGTH:HORIZON[:ORIGINS], repeat for several"),
]


@app.command()
def train(
    folder: Folder,
    *,
    settings: SettingsFile = None,
    panel: Panels = None,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="where the network is trained")] = "cpu",
    workers: Annotated[int, typer.Option(help="processes that make series (0: none beside this one)", min=0)] = 1,
    watch_every: Annotated[int, typer.Option(help="steps between two scores on the panels", min=1)] = 1_000,
    start: Annotated[
        str | None, typer.Option(help="weights to begin with: `base` or a file that `export` wrote (default: drawn)")
    ] = None,
) -> None:
    """Train, or go on from the checkpoint in FOLDER."""
    import torch

    from pretraining.export import read_weights
    from pretraining.loop import pretrain
    from rnnforecast.model_io.base import BASE

    chosen, panels = _settings(settings), _panels(panel)
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("`--device cuda`: no such device is available here", hint="leave it out to train on the CPU")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder", hint="name the folder to keep checkpoint and log in")
    weights = None if start is None else read_weights(None if start == BASE else Path(start))
    torch.set_float32_matmul_precision("high")  # on a device products of rounded numbers, several times faster
    pretrain(
        chosen,
        folder,
        device=torch.device(device),
        watch_every=watch_every,
        watcher=(lambda networks: _scores(networks, panels, chosen)) if panels else None,
        num_workers=workers,
        start=weights,
    )


@app.command()
def score(folder: Folder, *, settings: SettingsFile = None, panel: Panels = None) -> None:
    """Score the averaged weights of a run on the last horizon of each panel."""
    from pretraining.loop import read_average

    chosen, panels = _settings(settings), _panels(panel)
    networks, step = read_average(folder, chosen)
    typer.echo(f"step {step}")
    for name, value in _scores(networks, panels, chosen).items():
        typer.echo(f"{name:40s} {value:.4f}")


@app.command()
def export(
    folder: Folder,
    output: Annotated[Path, typer.Argument(help="model file to write")],
    *,
    settings: SettingsFile = None,
    panel: Panels = None,
    widths_of: Annotated[
        Path | None, typer.Option(help="take the width factors of this model file instead of those of panels")
    ] = None,
) -> None:
    """Write the averaged weights of a run as the model file that the package ships, widths found on the panels."""
    from pretraining.export import export_base, read_widths
    from pretraining.loop import read_average
    from pretraining.widths import as_tables, find_widths

    if panel and widths_of:
        raise UsageError("`--widths-of` and `--panel` both give width factors", hint="leave one of them out")
    chosen, panels = _settings(settings), _panels(panel)
    networks, step = read_average(folder, chosen)
    widths = find_widths(networks, panels, chosen)
    tables = as_tables(widths) if widths_of is None else read_widths(widths_of)
    export_base(networks, chosen, output, widths=tables)
    typer.echo(f"{output}: step {step}, {output.stat().st_size / 1e6:.2f} MB")
    for name, factor in widths.items():
        typer.echo(f"width {name} {factor:.3f}")


@app.command()
def history(folder: Folder) -> None:
    """Print the scores of a run as a table: each panel's error over that of the seasonal naive forecast."""
    import json

    from pretraining.loop import LOG

    try:
        records = [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"no log of a run in {folder}: {reason}", hint="name the folder that `train` wrote") from error
    scored = {record["step"]: record["scores"] for record in records if "scores" in record}
    ending = " / seasonal naive"
    names = [name for name in next(iter(scored.values()), {}) if name.endswith(ending)]
    header = ["steps", *(name.removesuffix(ending).replace("_", " ") for name in names)]
    typer.echo("\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header))))
    for step, scores in scored.items():
        typer.echo(f"| {' | '.join([f'{step:,}', *(f'{scores[name]:.3f}' for name in names)])} |")


@app.command()
def pictures(
    output: Annotated[Path, typer.Option(help="folder for the drawings")] = Path("docs/pictures"),
    *,
    rows: Annotated[int, typer.Option(help="rows of a drawing", min=1)] = 4,
    columns: Annotated[int, typer.Option(help="columns of a drawing", min=1)] = 4,
) -> None:
    """Draw samples of the synthetic series, one SVG file a domain."""
    from pretraining.pictures import SHEETS, draw_samples

    output.mkdir(parents=True, exist_ok=True)
    for sheet in SHEETS:
        path = output / f"synthetic-{sheet.domain}.svg"
        path.write_text(draw_samples(sheet, rows=rows, columns=columns), encoding="utf-8")
        typer.echo(str(path))


def _settings(path: Path | None) -> PretrainingSettings:
    from pretraining.settings import SHIPPED_SETTINGS, read_settings

    return read_settings(path or SHIPPED_SETTINGS)


def _panels(specs: list[str] | None) -> list[Panel]:
    from pretraining.validation import panel_from_text

    return [panel_from_text(spec) for spec in specs or []]


def _scores(networks: nn.ModuleDict, panels: list[Panel], settings: PretrainingSettings) -> dict[str, float]:
    import numpy as np

    from pretraining.validation import forecast_panel, score_panel
    from rnnforecast.config import TRAINED_QUANTILE_LEVELS

    scores: dict[str, float] = {}
    for panel in panels:
        found = score_panel(panel, forecast_panel(networks, panel, settings), TRAINED_QUANTILE_LEVELS)
        scores[panel.name] = round(found.mase, 4)
        scores[f"{panel.name} / seasonal naive"] = round(found.relative, 4)
        scores[f"{panel.name} coverage"] = round(found.coverage_80, 3)
    relative = [value for name, value in scores.items() if name.endswith("/ seasonal naive")]
    if relative:
        scores["geometric mean / seasonal naive"] = round(float(np.exp(np.mean(np.log(relative)))), 4)
    return scores


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error of the tool is one line with its fix and the exit code of its kind."""
    try:
        app(arguments)
    except RnnForecastError as error:
        typer.echo(f"error: {error.message}" + (f" ({error.hint})" if error.hint else ""), err=True)
        sys.exit(int(error.exit_code))


if __name__ == "__main__":
    main()
