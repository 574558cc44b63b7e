"""Every option, declared once: name, values, default and help. Settings, flags, `--help` and docs read this table.

It imports neither pydantic nor numpy, so that `--help` is quick. The types and bounds of settings are in `config`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from rnnforecast.frozen import dataclass

Cell = Literal["rnn", "rnn-relu", "lstm", "gru", "mingru", "minlstm"]
Mapping_ = Literal["one-to-one", "one-to-many", "many-to-one", "many-to-many", "encoder-decoder"]
Attention = Literal["additive", "dot"]
Normalisation = Literal["window", "last", "season", "causal", "global"]
Base = Literal["none", "last", "season"]
Head = Literal["linear", "segment"]
Effort = Literal["quick", "normal", "best"]
#: What a training may start from, besides a stored model.
STARTS = ("pretrained", "scratch")
Device = Literal["auto", "cpu", "cuda", "mps"]
OnLoss = Literal["keep", "serve-baseline"]
Ambiguous = Literal["infer", "earliest", "latest"]
Nonexistent = Literal["shift"]
EpochUnit = Literal["s", "ms", "us", "ns"]
Aggregate = Literal["sum", "mean", "last", "first", "count", "min", "max"]
Locale = Literal["da", "de", "es", "fi", "fr", "id", "it", "nb", "nl", "pl", "pt", "ru", "sv", "tr"]
DecimalMark = Literal[".", ","]
ThousandsMark = Literal[",", ".", "space", "'", "_"]
NumberFormat = Literal["plain", "financial"]
Infinities = Literal["refuse", "missing"]
Duplicates = Literal["refuse", "sum", "mean", "first", "last"]
Short = Literal["refuse", "pad"]
Guess = Literal["note", "reject"]
Fill = Literal["none", "linear", "previous", "season", "zero"]
Format = Literal["table", "json", "csv"]
Engine = Literal["numpy", "torch"]
StaleRows = Literal["none", "shrunk", "any"]
Activate = Literal["auto", "always", "never"]
LineFormat = Literal["csv", "json", "influx"]
JobKind = Literal["forecast", "detect"]
ShardBy = Literal["file", "id"]
SumOver = Literal["week", "month", "horizon"]
Policy = Literal["warn", "serve-baseline", "retrain"]

#: Levels shown and written unless `--quantiles` names others.
DEFAULT_QUANTILE_LEVELS = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)

ARGUMENTS = "Arguments"
DATA = "Data"
CLOCK = "Clock"
READING = "Reading"
NETWORK = "Network"
TRAINING = "Training"
EVALUATION = "Evaluation"
RUN = "Run"
OUTPUT = "Output"
#: Panels of the help, in order, and what they contain.
PANELS = {
    ARGUMENTS: "arguments",
    DATA: "columns, frequency, horizon, covariates",
    CLOCK: "date formats, time zones, closed days, resampling",
    READING: "text format, numbers, missing values, duplicates, databases",
    NETWORK: "the shape of the network",
    TRAINING: "how the network is trained",
    EVALUATION: "backtest windows, quantiles, acceptance",
    RUN: "time limit and jobs",
    OUTPUT: "files, store, format",
}


@dataclass(frozen=True)
class Option:
    """An option or an argument. A default of None in a setting means that the tool chooses from the data."""

    name: str
    help: str
    metavar: str | None = None
    kind: type[str] | type[int] | type[float] | type[bool] = str
    default: object = None
    choices: tuple[str, ...] = ()
    repeated: bool = False
    required: bool = False
    minimum: int | None = None  # bounds of settings are in `config`
    opposite: str | None = None  # flag for "no", where it is not `--no-NAME`
    has_opposite: bool = True
    is_common: bool = False  # in the short help of commands with many options
    panel: str = ""

    @property
    def word(self) -> str:
        """The option on the command line, without dashes."""
        return self.name.removesuffix("_").replace("_", "-")

    @property
    def flags(self) -> str:
        """The flags of the option, such as `--refit/--no-refit`."""
        if self.kind is not bool or not self.has_opposite:
            return f"--{self.word}"
        return f"--{self.word}/--{self.opposite or 'no-' + self.word}"

    @property
    def placeholder(self) -> str:
        """The word for its value in the help."""
        return self.metavar or self.word.rsplit("-", 1)[-1].upper()

    @property
    def full_help(self) -> str:
        """The help with the choices and the default."""
        parts = ["required"] if self.required and self.panel != ARGUMENTS else []
        parts += [" | ".join(self.choices)] if self.choices else []
        if self.default is not None and (self.kind is not bool or self.has_opposite):
            parts.append(f"default {_as_text(self.default)}")
        return f"{self.help} ({'; '.join(parts)})" if parts else self.help


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(map(_as_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _panel(panel: str, *options: Option) -> tuple[Option, ...]:
    return tuple(replace(option, panel=panel) for option in options)


def _flag(name: str, help: str, *, default: bool | None = False, opposite: str | None = None) -> Option:
    return Option(name, help, kind=bool, default=default, opposite=opposite)


def _choice(name: str, help: str, values: object, metavar: str | None = None, default: str | None = None) -> Option:
    return Option(name, help, metavar, choices=get_args(values), default=default)


def _columns(name: str, help: str, *, is_common: bool = False) -> Option:
    return Option(name, help, "COLUMN", repeated=True, is_common=is_common)


# Settings, in the order of the fields in `config`.

_FUTURE_DATA = Option(
    "future_data", "file with future values of covariates; repeatable", "FILE", repeated=True, panel=DATA
)
_ROLES = _panel(
    DATA,
    Option("time", "time column; several: date,hour; `none`: rows are steps in file order", "COLUMN", is_common=True),
    _columns("target", "target column; repeatable", is_common=True),
    _flag("wide", "read a wide table: numeric columns become series, timestamps in the header become rows"),
    _choice("guess", "what to do if no column is named like a target", Guess, "ACTION", "note"),
    _columns("id", "column that identifies the series of a panel; repeatable", is_common=True),
    Option("freq", "frequency, e.g. 15min, h, D, B, W-SUN, MS, ME, QS-JAN, YS-JAN, step", is_common=True),
    Option(
        "season_length",
        "steps in one season; 1: no season; repeatable for several seasons",
        "STEPS",
        int,
        repeated=True,
    ),
    Option("horizon", "steps to forecast", "STEPS", int, is_common=True),
    _columns("past", "covariate known up to the cutoff; repeatable"),
    _columns("future", "covariate known ahead; repeatable", is_common=True),
    _columns("static", "covariate with one value per series; repeatable"),
    _FUTURE_DATA,
    Option("calendar_features", "calendar covariates: season, holidays (needs --country)", "NAMES", repeated=True),
    Option("country", "country or region of the holidays, e.g. DE, DE-BY", "CODE"),
)
_CLOCK = _panel(
    CLOCK,
    Option("date_format", "strptime format of timestamps, e.g. %d.%m.%Y %H:%M"),
    _flag("dayfirst", "read 01/02/2024 as 1 February; monthfirst: as 2 January", default=None, opposite="monthfirst"),
    _choice("locale", "language of month names", Locale, "CODE"),
    _choice("epoch_unit", "read whole numbers as timestamps: this unit since 1970-01-01 UTC", EpochUnit),
    _flag("excel_dates", "read numbers as spreadsheet dates, e.g. 45292.5"),
    Option("tz", "time zone of local timestamps, e.g. Europe/Berlin", "ZONE"),
    _choice("ambiguous", "how to resolve ambiguous local times (end of DST)", Ambiguous, "WHICH"),
    _choice("nonexistent", "how to handle nonexistent local times (start of DST)", Nonexistent, "ACTION"),
    Option("calendar", "closed days: a market (XNYS), a country (DE, DE-BY), weekdays, learned, every-day", "NAME"),
    Option("resample", "aggregate rows to this frequency, e.g. 1h; needs --aggregate", "FREQ"),
    _choice("aggregate", "how to aggregate the rows of a step", Aggregate, "KIND"),
)
_READING = _panel(
    READING,
    Option("encoding", "text encoding, e.g. cp1252, latin-1, utf-16", "NAME"),
    Option("delimiter", "field delimiter: one character, or tab", "CHAR"),
    _flag("header", "the first row has the column names; without it: column_1, column_2, ... in order", default=True),
    Option("sheet", "sheet of a workbook (default: the first)", "NAME"),
    Option("skip_rows", "lines above the header (default: detected)", "LINES", int),
    _flag("units_row", "the row below the header has units (default: detected)", default=None),
    Option("footer", "lines at the end that are not rows, such as totals and notes (default: detected)", "LINES", int),
    Option("comment", "skip lines that start with this prefix", "PREFIX"),
    _choice("decimal", "decimal mark", DecimalMark, "MARK"),
    _choice("thousands", "thousands separator", ThousandsMark, "MARK"),
    _choice(
        "number_format", "financial: allow currency signs, (123), 123- and wide digits", NumberFormat, "KIND", "plain"
    ),
    _flag("percent", "read 12% as 0.12"),
    Option("strip_units", "unit to remove after numbers; repeatable for spellings of one unit", "UNIT", repeated=True),
    Option("missing_values", "another marker of a missing value; repeatable", "WORD", repeated=True),
    _choice("inf", "how to treat infinite numbers", Infinities, "ACTION", "refuse"),
    _choice("fill", "how to fill missing targets; none: mask them", Fill, "KIND", "none"),
    Option(
        "mask", "treat the targets of a span as missing, e.g. 2020-03..2021-06; repeatable", "FROM..TO", repeated=True
    ),
    _choice("duplicates", "how to combine rows with the same timestamp", Duplicates, "ACTION", "refuse"),
    _flag("align", "forecast all series from the latest timestamp of the panel, even those that end earlier"),
    _choice(
        "short",
        "how to treat series too short for a window; pad: use the rows they have, else leave them out",
        Short,
        "ACTION",
        "pad",
    ),
    Option("floor", "lower bound of forecasts (default: 0 if the history was never negative)", "NUMBER", float),
    Option("cap", "upper bound of forecasts (default: 1 or 100 for fractions and percentages)", "NUMBER", float),
    _flag(
        "bounds",
        "bound and round forecasts like the history: never negative, whole numbers, fractions up to 1 or 100",
        default=True,
    ),
    _flag("skip_bad_rows", "skip rows with too many or too few fields, and count them"),
    _flag("drop_last_partial", "drop an incomplete last row"),
    _flag("dataset", "read a folder as one table in several files"),
    Option("sample", "read only about this many rows, the last of each file", "ROWS", int),
    Option("max_bytes", "size limit of an input, decompressed (default: 8GiB or half of the free memory)", "SIZE"),
    Option("query", "SQL query for a database input, e.g. 'select * from x'", "SELECT"),
    Option("wait", "how long to wait for a busy database", "DURATION", default="30s"),
    _flag("strict", "reject data that need repairs"),
    _flag("redact_values", "hide data values in findings and messages"),
)
_NETWORK = _panel(
    NETWORK,
    _choice("cell", "recurrent cell", Cell),
    _choice("mapping", "mapping from inputs to outputs", Mapping_),
    _flag("synchronous", "train many-to-many at every position of the window", default=None),
    _flag("bidirectional", "read the window in both directions"),
    _choice("attention", "attention of the encoder-decoder", Attention, "KIND"),
    Option("num_layers", "stacked recurrent layers", "COUNT", int),
    Option("hidden_size", "units per layer", "UNITS", int),
    _flag("residual", "add the input of a layer to its output", default=True),
    Option("dropout", "dropout between layers", "FRACTION", float, 0.0),
    Option("context_length", "past steps the network reads", "STEPS", int),
    Option("segment_length", "steps per segment; 1 reads step by step, a season is fast", "STEPS", int),
    _choice("normalisation", "how to normalise level and scale of a window", Normalisation, "KIND"),
    _flag("log", "train on logarithms (positive data only)", default=None),
    _choice("base", "simple forecast that the network corrects", Base),
    _flag("skip", "linear path from window to horizon, parallel to the cells", default=None),
    _choice("head", "output layer of many-to-many", Head),
)
_TRAINING = _panel(
    TRAINING,
    Option(
        "from_",
        "weights to start from: pretrained, scratch (random), or a stored model (NAME or NAME@VERSION)",
        "START",
    ),
    Option("num_steps", "gradient steps per network", "COUNT", int),
    Option("batch_size", "windows per gradient step", "COUNT", int),
    Option("learning_rate", "peak learning rate", kind=float),
    Option("weight_decay", "weight decay of AdamW", kind=float, default=1e-4),
    Option("gradient_clip", "maximum gradient norm", "NORM", float, 1.0),
    Option("teacher_forcing", "initial fraction of true decoder inputs; decreases to 0", "FRACTION", float, 1.0),
    Option("num_members", "networks in the ensemble; the forecast is their median", "COUNT", int),
    _flag(
        "refit", "train again on all rows after the test (default: categories, and from a stored model)", default=None
    ),
    Option("seed", "seed of all random choices", kind=int, default=0),
    _choice("device", "device to train on", Device, default="auto"),
    replace(
        _choice("effort", "how much to train; quick: no training if `base` is enough", Effort, default="normal"),
        is_common=True,
    ),
    Option("time_budget", "maximum training time, e.g. 90s, 10m, 1h", "DURATION", is_common=True),
    Option("theta_weight", "weight of the Theta method (default: chosen on validation rows)", "WEIGHT", float),
)
QUANTILES = Option(
    "quantiles",
    "quantile levels to forecast, between 0.01 and 0.99",
    "LEVELS",
    default=DEFAULT_QUANTILE_LEVELS,
    is_common=True,
    panel=EVALUATION,
)
WINDOW_OPTIONS = _panel(
    EVALUATION,
    Option("num_windows", "backtest windows per series", "COUNT", int),
    Option("window_step", "steps between two windows (default: the horizon)", "STEPS", int),
    Option("gap", "steps between the cutoff and the first scored step", "STEPS", int, 0),
)
DATA_OPTIONS = _ROLES + _CLOCK + _READING
#: Where rows come from and what reading them may cost: named with each command, never taken from a model.
SOURCE_OPTIONS = tuple(option for option in _READING if option.name in ("query", "wait", "max_bytes"))
EVALUATION_OPTIONS = (
    QUANTILES,
    *WINDOW_OPTIONS,
    *_panel(EVALUATION, _choice("on_loss", "what to serve if a naive forecast wins", OnLoss, "ACTION", "keep")),
)
SETTINGS = {option.name: option for option in (*DATA_OPTIONS, *_NETWORK, *_TRAINING, *EVALUATION_OPTIONS)}
#: The settings that `predict` takes: not those of a trained model.
FORECAST_OPTIONS = (
    replace(
        SETTINGS["horizon"],
        help="steps to forecast; beyond those trained, the last season continues (default: as trained)",
        panel=EVALUATION,
    ),
    QUANTILES,
    *(option for option in DATA_OPTIONS if option.name != "horizon"),
)
#: How a model reads rows and bounds its forecasts: for each command that reads the rows of a stored model or of `base`.
MODEL_OPTIONS = tuple(option for option in FORECAST_OPTIONS if option is not QUANTILES)

#: The settings that `tune` takes: those of networks from scratch, of which none is stored.
TUNE_OPTIONS = tuple(
    option
    for option in SETTINGS.values()
    if option.name not in ("from_", "refit", "num_members", "theta_weight", "quantiles", "on_loss")
)

#: The settings that `stream base` takes; a stored model has its own.
STREAM_OPTIONS = tuple(SETTINGS[name] for name in ("time", "target", "id", "freq", "season_length"))
#: The settings that `detect` takes: how rows are read, without those that only a forecast needs.
DETECT_OPTIONS = tuple(
    option
    for option in DATA_OPTIONS
    if option.name
    not in (
        *("horizon", "past", "static", "future", "future_data", "calendar_features", "country", "short", "fill"),
        *("floor", "cap", "bounds"),
    )
)

# Arguments.


def _argument(name: str, metavar: str, help: str, *, required: bool = False, repeated: bool = False) -> Option:
    return Option(name, help, metavar, required=required, repeated=repeated, panel=ARGUMENTS)


_DATA_HELP = "CSV, Excel or Parquet files, a quoted glob, or - for CSV on stdin"
TRAINING_FILES = _argument("data", "DATA", _DATA_HELP, required=True, repeated=True)
TEST_FILES = _argument("data", "DATA", "files to read (default: the training file)", repeated=True)
MODEL = _argument("model", "MODEL", "NAME or NAME@VERSION (default: the newest)")
SERVED_MODEL = _argument("model", "MODEL", "NAME or NAME@VERSION for requests that name none (default: base)")
SCORED_MODEL = _argument("model", "MODEL", "NAME or NAME@VERSION (default: the name with the newest forecasts)")
STREAM_MODEL = _argument("model", "MODEL", "NAME, NAME@VERSION or base", required=True)
MODEL_VERSION = _argument("model", "MODEL", "NAME@VERSION (a bare NAME: its newest version)", required=True)
MODEL_NAME = _argument("model", "MODEL", "NAME of a model", required=True)
ALL_MODELS = _argument("models", "MODEL", "NAME or NAME@VERSION; repeatable (default: all)", repeated=True)
ALL_NAMES = _argument("models", "MODEL", "NAME; repeatable (default: all)", repeated=True)
SOME_MODELS = _argument(
    "models", "MODEL", "NAME (all its versions) or NAME@VERSION; repeatable", required=True, repeated=True
)
JOBS_FILE = _argument("jobs", "JOBS", "TOML file with [defaults] and one [[job]] table per job", required=True)

# Options that are not settings.


def _switch(name: str, help: str) -> Option:
    return Option(name, help, kind=bool, default=False, has_opposite=False)


def _in(panel: str, option: Option) -> Option:
    return replace(option, panel=panel, is_common=True)


def _rare(panel: str, option: Option) -> Option:
    """Return an option that the short help of a command with many options leaves out."""
    return replace(option, panel=panel)


CONFIG = _in(DATA, Option("config", "TOML file with the same keys; flags override it", "FILE"))
FRESH_DATA = _in(
    DATA, Option("data", "new rows; repeatable (default: the training file, read again)", "FILE", repeated=True)
)
ACTUALS = _in(
    DATA,
    Option("data", "rows with the actuals; repeatable (default: the training file, read again)", "FILE", repeated=True),
)
FUTURE_DATA = _in(DATA, _FUTURE_DATA)
MAX_AGE = _rare(DATA, Option("max_age", "exit 22 if the latest observation is older, e.g. 36h, 2d or '3 steps'", "AGE"))
REFUSE_STALE = _rare(
    DATA,
    _choice(
        "refuse_stale",
        "exit 22 if the data changed unexpectedly; shrunk: fewer rows than in training (default: shrunk if the "
        "training file is read again)",
        StaleRows,
        "KIND",
    ),
)
REQUIRE = _in(
    EVALUATION, _choice("require", "exit 20 unless the network beats every naive forecast", Literal["win"], "OUTCOME")
)
METHODS = _in(
    EVALUATION,
    Option(
        "methods",
        "methods to compare, e.g. gru,transformer,auto-ets (default: base and three cells); naive forecasts always run",
        "NAMES",
    ),
)
MAPPINGS = _in(NETWORK, Option("mapping", "mappings to try with each cell, e.g. many-to-many,one-to-many", "NAMES"))
HIDDEN_SIZES = _in(NETWORK, Option("hidden_size", "units per layer, or several to try: 32,64", "UNITS"))
#: The settings that `compare` takes: `--mapping` and `--hidden-size` are lists there.
COMPARE_OPTIONS = tuple(option for option in SETTINGS.values() if option.name not in ("mapping", "hidden_size"))
ENGINE = _rare(
    EVALUATION, _choice("engine", "numpy starts faster; torch suits very many series", Engine, None, "numpy")
)
SHARD = _rare(
    RUN, Option("shard", "forecast part I of N of a folder of Parquet files, e.g. 2/8; --output is a folder", "I/N")
)
SHARD_BY = _rare(
    RUN,
    _choice("shard_by", "how to divide the folder: by file, or by a hash of the ids of each series", ShardBy, "KIND"),
)
ON = _rare(RUN, _choice("on", "forecast a folder on a Ray cluster", Literal["ray"], "WHERE"))
TRAIN_ON = replace(ON, help="fit networks on a Ray cluster, one task each")
RAY_ADDRESS = _rare(RUN, Option("ray_address", "Ray cluster, e.g. head:6379 (default: a local Ray)"))
SUM = _in(
    EVALUATION,
    _choice("sum", "forecast sums over calendar weeks, months or the horizon, with intervals", SumOver, "OVER"),
)
TOTAL = _rare(
    EVALUATION, _columns("total", "forecast sums of series by an id or static column, or over `all`; repeatable")
)
COMPONENTS = _in(
    EVALUATION, _switch("components", "split the forecast into trend, seasons, each covariate and remainder")
)
SET = _in(
    EVALUATION,
    Option(
        "set",
        "what if: also forecast with a covariate changed; repeatable: price=1.1x, temp=+2, promo=1",
        "CHANGE",
        repeated=True,
    ),
)
WHAT_IF = _rare(
    EVALUATION, Option("what_if", "what if: also forecast with the future covariates of a second file", "FILE")
)
REFIT_WINDOWS = _in(EVALUATION, _flag("refit", "train again for every window"))
ACTIVATE = _rare(
    EVALUATION,
    _choice(
        "activate",
        "when the new version becomes active; auto: unless it is significantly worse",
        Activate,
        "WHEN",
        "auto",
    ),
)
LAST = _in(EVALUATION, Option("last", "score only the latest cutoffs (default: all)", "COUNT", int))
ALL_VERSIONS = _in(
    EVALUATION, _switch("all_versions", "test forecasts of all versions for drift, not only of the active one")
)
POLICY = _in(EVALUATION, _choice("policy", "response to an alarm", Policy, "ACTION", "warn"))
DETECTOR = _in(
    EVALUATION,
    Option("model", "model whose forecasts the rows are compared with: NAME or NAME@VERSION", "MODEL", default="base"),
)
LAST_ROWS = _in(
    EVALUATION, Option("last", "alarms of the newest rows only, e.g. 1d or '3 steps' (default: all)", "AGE")
)
BUDGET = _in(
    EVALUATION,
    Option(
        "budget",
        "acceptable false alarms over all series, e.g. 1/week or '1/1000 steps' (default: 1/week, and at most 1/200 steps)",
        "RATE",
    ),
)
STEPS_AHEAD = _in(EVALUATION, Option("horizon", "steps to forecast from each line", "STEPS", int, 1, minimum=1))
STREAM_LEVELS = _rare(
    EVALUATION, Option("quantiles", "quantile levels of each forecast", "LEVELS", default="0.1,0.5,0.9")
)
MAX_SERIES = _in(
    EVALUATION,
    Option(
        "max_series", "maximum number of series; rows of others are answered, not read", "COUNT", int, 10_000, minimum=1
    ),
)
STREAM_INPUT = _in(DATA, Option("input", "file to read; -: standard input", "FILE", default="-"))
FOLLOW = _in(DATA, _switch("follow", "wait for more rows at the end of --input"))
LINE_FORMAT = _in(DATA, _choice("line_format", "format of the lines; unset: as the first line", LineFormat, "FORMAT"))
STREAM_OUTPUT = _in(OUTPUT, Option("output", "file to append the answers to; -: standard output", "FILE", default="-"))
STATE = _in(OUTPUT, Option("state", "keep the state of the stream in this file, and resume from it", "FILE"))
SAVE_EVERY = _in(OUTPUT, Option("save_every", "save the state after so many lines", "LINES", int, 10_000, minimum=1))
WORKERS = _in(RUN, Option("workers", "parallel jobs (default: as cores and memory allow)", "COUNT", int, minimum=1))
SERVE_WORKERS = _in(
    RUN, Option("workers", "forecasting processes (default: one for each processor)", "COUNT", int, minimum=1)
)
HOST = _in(RUN, Option("host", "address to listen on; any but this machine needs a token", default="127.0.0.1"))
PORT = _in(RUN, Option("port", "port to listen on; 0: a free one", kind=int, default=8000, minimum=0))
REQUEST_TIMEOUT = _in(
    RUN, Option("request_timeout", "maximum time of a request, waiting included", "DURATION", default="30s")
)
MAX_BODY = _in(RUN, Option("max_body", "maximum size of a request body", "SIZE", default="16MiB"))
CHECK = _in(RUN, _switch("check", "list every error of the file with its line; run nothing"))
READ = _rare(RUN, _flag("read", "with --check: read the data of each job as `inspect` does", default=True))
JOB_SHARD = _rare(RUN, Option("shard", "run part I of N of the jobs, e.g. 2/8", "I/N"))
RESUME = _in(RUN, _switch("resume", "skip jobs that the last run finished, if their inputs are unchanged"))
WAIT = _in(RUN, Option("wait", "how long to wait for another run of this file, e.g. 10m", "DURATION"))
PRINT_CRON = _in(RUN, _switch("print_cron", "print a crontab entry for the file; run nothing"))
PRINT_SYSTEMD = _in(RUN, _switch("print_systemd", "print a systemd service and timer; run nothing"))
TIMEOUT = _rare(RUN, Option("timeout", "maximum run time, e.g. 10m; exit 15 beyond it", "DURATION"))
STORE = _in(OUTPUT, Option("store", "folder of the models (default: RNNFORECAST_STORE, else .rnnforecast)", "DIR"))
NAME = _in(OUTPUT, Option("name", "name of the model (default: the file name without suffix)", "NAME"))
OUTPUT_FILE = _in(
    OUTPUT,
    Option(
        "output",
        "write forecasts to a .csv, .xlsx or .parquet file, a table (sqlite:///x.db#name), or - for stdout",
        "FILE",
    ),
)
WINDOWS_OUTPUT = _in(
    OUTPUT, Option("output", "write the forecasts of all windows, with the actuals, to a .csv or .parquet file", "FILE")
)
ONNX = _in(OUTPUT, Option("onnx", "the .onnx file to write", "FILE", required=True))
SCRIPT_OUTPUT = _in(OUTPUT, Option("output", "the .py file to write (default: standard output)", "FILE"))
PAGE_OUTPUT = _in(
    OUTPUT, Option("output", "the .html file to write (default: report.html, if it does not exist)", "FILE")
)
PAGE_OVERWRITE = _in(OUTPUT, _switch("overwrite", "replace an existing report.html, without --output"))
PAGE_MEMORY = _in(EVALUATION, _switch("diagnose", "show how far back networks remember, as `diagnose` does"))
REPORT = _rare(OUTPUT, Option("report", "write the result as one .html page", "FILE"))
PLOT = _in(OUTPUT, Option("plot", "draw the result for a slide, as .png or .svg", "FILE"))
SHOWN_SERIES = _rare(
    OUTPUT,
    Option("series", "series to show and draw, by id (two id columns: `north/bread`); repeatable", "ID", repeated=True),
)
ROUND = _rare(OUTPUT, Option("round", "decimals of the numbers in the file of --output", "DECIMALS", int, minimum=0))
COLUMNS = _rare(
    OUTPUT, Option("columns", "columns of the file of --output, in order, e.g. date,forecast,q0.9", "NAMES")
)
ATTENTION_OUTPUT = _rare(OUTPUT, Option("attention_output", "write attention weights to .csv or .parquet", "FILE"))
TRIALS = _in(TRAINING, Option("trials", "stop after so many trials, even if time is left", "COUNT", int, minimum=1))
STUDY = _in(OUTPUT, Option("name", "name of the study; the same name resumes it (default: the file name)", "NAME"))
TUNED_SETTINGS = _in(OUTPUT, Option("output", "write the best settings as a TOML file for --config", "FILE"))
SCORED_ROWS = _in(
    OUTPUT, Option("output", "write every row with score and bounds to a .csv or .parquet file, or a table", "FILE")
)
LEDGER = _rare(
    OUTPUT, _flag("ledger", "log the forecasts for `score` (default: if the store is writable)", default=None)
)
ON_ALARM = _in(
    OUTPUT,
    Option("on_alarm", "command to run on an alarm, without a shell; details are in RNNFORECAST_ variables", "CMD"),
)
EVENTS = _in(OUTPUT, Option("events", "append events as JSON lines", "FILE"))
METRICS_FILE = _in(OUTPUT, Option("metrics_file", "write Prometheus metrics after the run", "FILE"))
YES = _in(OUTPUT, _switch("yes", "remove without asking"))
EXPECT_DIGEST = _in(OUTPUT, Option("expect_digest", "expected SHA-256 of the model file, as from `sha256sum`", "HEX"))
KEEP = _in(OUTPUT, Option("keep", "newest versions to keep per name", "COUNT", int, required=True))
DRY_RUN = _in(OUTPUT, _switch("dry_run", "list what would be removed; remove nothing"))
FORMAT = _in(OUTPUT, _choice("format", "format of stdout", Format, "FORMAT", "table"))
QUIET = _in(OUTPUT, _switch("quiet", "print only results and failures"))
DEBUG = _rare(OUTPUT, _switch("debug", "print tracebacks"))

#: A parameter of a command is the option whose constant has its name, unless the command names another.
BY_NAME = {key.lower(): option for key, option in list(globals().items()) if isinstance(option, Option)}
