"""The options that are no settings, each declared once; a command names those it takes."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from rnnforecast.cli.flags import DATA, EVALUATION, OUTPUT, RUN

Format = Literal["table", "json", "csv"]

Data = Annotated[
    list[str],
    typer.Argument(
        help="CSV or Parquet files, a quoted glob, or - for CSV on stdin", metavar="DATA", show_default=False
    ),
]
Model = Annotated[
    str | None,
    typer.Argument(help="NAME or NAME@VERSION (default: the newest)", metavar="MODEL", show_default=False),
]
Models = Annotated[
    list[str] | None,
    typer.Argument(help="NAME or NAME@VERSION, several (default: all)", metavar="MODEL", show_default=False),
]
SomeModels = Annotated[
    list[str],
    typer.Argument(help="NAME (all its versions) or NAME@VERSION, several", metavar="MODEL", show_default=False),
]
ModelName = Annotated[
    str,
    typer.Argument(help="NAME, all its versions concerned", metavar="MODEL", show_default=False),
]
Version = Annotated[
    str,
    typer.Argument(help="NAME@VERSION (a bare NAME: its newest version)", metavar="MODEL", show_default=False),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(help="NAME, several (default: all)", metavar="MODEL", show_default=False),
]
OptionalData = Annotated[
    list[str] | None,
    typer.Argument(help="files to score on (default: the training file)", metavar="DATA", show_default=False),
]
Config = Annotated[
    str | None,
    typer.Option(
        "--config", help="TOML file with the same keys; a flag beats it", metavar="FILE", rich_help_panel=DATA
    ),
]
FreshData = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        help="fresh rows, repeat for several (default: the training file, read again)",
        metavar="FILE",
        rich_help_panel=DATA,
    ),
]
FutureData = Annotated[
    list[str] | None,
    typer.Option(
        "--future-data",
        help="file with the covariates known ahead, repeat for several",
        metavar="FILE",
        rich_help_panel=DATA,
    ),
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="folder of the models (default: RNNFORECAST_STORE, else .rnnforecast)",
        metavar="DIR",
        rich_help_panel=OUTPUT,
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name", help="name of the model (default: the stem of the file)", metavar="NAME", rich_help_panel=OUTPUT
    ),
]
Require = Annotated[
    Literal["win"] | None,
    typer.Option(
        "--require",
        help="`win`: exit 20 unless the network beats every naive forecast",
        metavar="OUTCOME",
        rich_help_panel=EVALUATION,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        help="write the forecasts to a .csv or .parquet file, a table (sqlite:///x.db#name), or - for stdout",
        metavar="FILE",
        rich_help_panel=OUTPUT,
    ),
]
AttentionOutput = Annotated[
    str | None,
    typer.Option(
        "--attention-output", help="write attention weights as .csv or .parquet", metavar="FILE", rich_help_panel=OUTPUT
    ),
]
Engine = Annotated[
    Literal["numpy", "torch"],
    typer.Option(
        "--engine",
        help="numpy starts at once; torch suits very many series (default numpy)",
        metavar="ENGINE",
        rich_help_panel=EVALUATION,
        show_default=False,
    ),
]
Methods = Annotated[
    str | None,
    typer.Option(
        "--methods",
        help="cells and mappings, such as gru,lstm (default: three cells); naive forecasts and theta are always shown",
        metavar="NAMES",
        rich_help_panel=EVALUATION,
    ),
]
RefitOrigins = Annotated[
    bool,
    typer.Option(
        "--refit/--no-refit",
        help="train anew at every origin (default off)",
        rich_help_panel=EVALUATION,
        show_default=False,
    ),
]
OutputFormat = Annotated[
    Format,
    typer.Option(
        "--format",
        help="what stdout carries (table | json | csv; default table)",
        metavar="FORMAT",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", help="say nothing but results and failures", rich_help_panel=OUTPUT, show_default=False),
]
Timeout = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        help="end with 15 after so long, such as 10m, whatever is waited for: a pipe, a server, a training",
        metavar="TIME",
        rich_help_panel=RUN,
    ),
]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="show tracebacks", rich_help_panel=OUTPUT, show_default=False),
]
Yes = Annotated[
    bool,
    typer.Option("--yes", help="remove without asking", rich_help_panel=OUTPUT, show_default=False),
]
ExpectDigest = Annotated[
    str | None,
    typer.Option(
        "--expect-digest",
        help="SHA-256 of the file of the one model named, as `sha256sum` tells it: another is refused",
        metavar="HEX",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
Keep = Annotated[
    int,
    typer.Option(
        "--keep",
        help="newest versions of each name to keep",
        metavar="COUNT",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
MaxAge = Annotated[
    str | None,
    typer.Option(
        "--max-age",
        help="exit 22 when the newest value is older, such as 36h, 2d or '3 steps'",
        metavar="AGE",
        rich_help_panel=DATA,
    ),
]
StaleRows = Annotated[
    Literal["none", "shrunk", "any"] | None,
    typer.Option(
        "--refuse-stale",
        help="exit 22 for rows that are not those meant: a file that shrank, or any such finding (none | shrunk | "
        "any; default: shrunk where the training file is read again)",
        metavar="KIND",
        rich_help_panel=DATA,
        show_default=False,
    ),
]
KeepForecasts = Annotated[
    bool | None,
    typer.Option(
        "--ledger/--no-ledger",
        help="keep the forecasts for `score` (default: where the store can be written)",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
ActivateWhen = Annotated[
    Literal["auto", "always", "never"],
    typer.Option(
        "--activate",
        help="when the new version becomes the active one; auto: unless it is significantly worse (default auto)",
        metavar="WHEN",
        rich_help_panel=EVALUATION,
        show_default=False,
    ),
]
LastCutoffs = Annotated[
    int | None,
    typer.Option(
        "--last", help="score the newest cutoffs alone (default: all)", metavar="COUNT", rich_help_panel=EVALUATION
    ),
]
AllVersions = Annotated[
    bool,
    typer.Option(
        "--all-versions",
        help="test the forecasts of all versions for drift, not of the active one alone",
        rich_help_panel=EVALUATION,
        show_default=False,
    ),
]
AlarmPolicy = Annotated[
    Literal["warn", "serve-baseline", "retrain"],
    typer.Option(
        "--policy",
        help="what follows an alarm (warn | serve-baseline | retrain; default warn)",
        metavar="ACTION",
        rich_help_panel=EVALUATION,
        show_default=False,
    ),
]
OnAlarm = Annotated[
    str | None,
    typer.Option(
        "--on-alarm",
        help="program with arguments to run at an alarm; facts stand in RNNFORECAST_ variables, no shell reads it",
        metavar="CMD",
        rich_help_panel=OUTPUT,
    ),
]
ActualsData = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        help="rows with the actuals, repeat for several (default: the training file, read again)",
        metavar="FILE",
        rich_help_panel=DATA,
    ),
]
ScoredName = Annotated[
    str | None,
    typer.Argument(
        help="NAME or NAME@VERSION (default: the name with the newest forecasts)", metavar="NAME", show_default=False
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="say what would go, remove nothing", rich_help_panel=OUTPUT, show_default=False),
]
JobsFile = Annotated[
    str,
    typer.Argument(help="TOML file with [defaults] and one [[job]] table a job", metavar="JOBS", show_default=False),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        help="jobs side by side (default: as many as cores and memory allow)",
        metavar="COUNT",
        rich_help_panel=RUN,
        min=1,
    ),
]
CheckOnly = Annotated[
    bool,
    typer.Option(
        "--check",
        help="name every fault of the file with its line; run nothing",
        rich_help_panel=RUN,
        show_default=False,
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="leave out what the last run has done and nothing has changed since",
        rich_help_panel=RUN,
        show_default=False,
    ),
]
Wait = Annotated[
    str | None,
    typer.Option(
        "--wait", help="wait so long for another run of the file, such as 10m", metavar="TIME", rich_help_panel=RUN
    ),
]
Events = Annotated[
    str | None,
    typer.Option("--events", help="append events as JSON lines", metavar="FILE", rich_help_panel=OUTPUT),
]
MetricsFile = Annotated[
    str | None,
    typer.Option(
        "--metrics-file", help="write metrics for Prometheus after the run", metavar="FILE", rich_help_panel=OUTPUT
    ),
]
PrintCron = Annotated[
    bool,
    typer.Option(
        "--print-cron", help="print a crontab entry for the file; run nothing", rich_help_panel=RUN, show_default=False
    ),
]
PrintSystemd = Annotated[
    bool,
    typer.Option(
        "--print-systemd",
        help="print a systemd service and timer; run nothing",
        rich_help_panel=RUN,
        show_default=False,
    ),
]
