"""The flags of the settings, declared without pydantic, so that `--help` costs nothing.

`SETTINGS` repeats the fields of `rnnforecast.config.Settings`; a test holds both equal in names, kinds, words and
defaults. A default of None means that the tool chooses from the data. Bounds are checked by the settings alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

ARGUMENTS = "Arguments"
DATA = "Data"
CLOCK = "Clock"
READING = "Reading"
NETWORK = "Network"
TRAINING = "Training"
EVALUATION = "Evaluation"
RUN = "Run"
OUTPUT = "Output"
PANELS = (ARGUMENTS, DATA, CLOCK, READING, NETWORK, TRAINING, EVALUATION, RUN, OUTPUT)


@dataclass(frozen=True)
class Flag:
    """One long flag: its name in Python words, what it takes, and the words of its help."""

    name: str
    kind: type[str] | type[int] | type[float] | type[bool]
    help: str
    panel: str
    default: object = None
    choices: tuple[str, ...] = ()
    repeated: bool = False
    metavar: str | None = None
    opposite: str | None = None  # the flag that says no, where it is not `--no-NAME`

    @property
    def annotation(self) -> Any:
        """The annotation Typer reads; the value is None unless the flag was given."""
        kind: Any = Literal[self.choices] if self.choices else self.kind
        if self.repeated:
            kind = list[kind]
        return Annotated[kind | None, self._option()]

    @property
    def word(self) -> str:
        """The flag as it is typed, without its dashes in front."""
        return self.name.removesuffix("_").replace("_", "-")

    def _option(self) -> Any:
        word = self.word
        return typer.Option(
            f"--{word}/--{self.opposite or 'no-' + word}" if self.kind is bool else f"--{word}",
            help=self.help + self._choices_and_default(),
            metavar=self.metavar or word.rsplit("-", 1)[-1].upper(),
            rich_help_panel=self.panel,
            show_default=False,
        )

    def _choices_and_default(self) -> str:
        parts = [" | ".join(self.choices)] if self.choices else []
        if self.default is not None:
            parts.append(f"default {self._default_text()}")
        return f" ({'; '.join(parts)})" if parts else ""

    def _default_text(self) -> str:
        if isinstance(self.default, bool):
            return "on" if self.default else "off"
        if isinstance(self.default, tuple):
            return ",".join(f"{value:g}" for value in self.default)
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


QUANTILE_LEVELS = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
CELLS = ("rnn", "rnn-relu", "lstm", "gru", "mingru", "minlstm")
MAPPINGS = ("one-to-one", "one-to-many", "many-to-one", "many-to-many", "encoder-decoder")
AGGREGATES = ("sum", "mean", "last", "first", "count", "min", "max")
LOCALES = ("da", "de", "es", "fi", "fr", "id", "it", "nb", "nl", "pl", "pt", "ru", "sv", "tr")
NORMALISATIONS = ("window", "last", "season", "causal", "global")

ROLE_FLAGS = (
    Flag(
        "time",
        str,
        "time column, or several such as date,hour; `none`: the rows are steps in file order",
        DATA,
        metavar="COLUMN",
    ),
    Flag("target", str, "target column, repeat for several", DATA, repeated=True, metavar="COLUMN"),
    Flag(
        "id",
        str,
        "column that tells the series of a panel apart, repeat for several",
        DATA,
        repeated=True,
        metavar="COLUMN",
    ),
    Flag("freq", str, "frequency: 15min, h, D, B, W-SUN, MS, ME, QS-JAN, YS-JAN, step ...", DATA),
    Flag("season_length", int, "steps in one season; 1: no season", DATA, metavar="STEPS"),
    Flag("horizon", int, "steps to forecast", DATA, metavar="STEPS"),
    Flag("past", str, "covariate known up to the cutoff, repeat for several", DATA, repeated=True, metavar="COLUMN"),
    Flag("future", str, "covariate known ahead, repeat for several", DATA, repeated=True, metavar="COLUMN"),
    Flag("static", str, "covariate with one value a series, repeat for several", DATA, repeated=True, metavar="COLUMN"),
    Flag(
        "future_data",
        str,
        "file with the covariates known ahead, repeat for several",
        DATA,
        repeated=True,
        metavar="FILE",
    ),
    Flag(
        "calendar_features",
        str,
        "covariates made from the calendar: season, holidays (with --country)",
        DATA,
        repeated=True,
        metavar="NAMES",
    ),
    Flag("country", str, "country whose holidays are meant, or a part of one: DE, DE-BY", DATA, metavar="CODE"),
)
CLOCK_FLAGS = (
    Flag("date_format", str, "how stamps are written, such as %d.%m.%Y %H:%M", CLOCK),
    Flag("dayfirst", bool, "01/02/2024 is the first of February; monthfirst: 2 January", CLOCK, opposite="monthfirst"),
    Flag("locale", str, "language of month names", CLOCK, choices=LOCALES, metavar="CODE"),
    Flag(
        "epoch_unit",
        str,
        "whole numbers count this unit since 1970-01-01 in UTC",
        CLOCK,
        choices=("s", "ms", "us", "ns"),
    ),
    Flag("excel_dates", bool, "numbers are days as spreadsheets count them: 45292.5", CLOCK, default=False),
    Flag("tz", str, "time zone the stamps are written in, such as Europe/Berlin", CLOCK, metavar="ZONE"),
    Flag(
        "ambiguous",
        str,
        "which one is meant of an hour that a clock repeats",
        CLOCK,
        choices=("infer", "earliest", "latest"),
        metavar="WHICH",
    ),
    Flag(
        "nonexistent",
        str,
        "what becomes of a stamp in the hour a clock leaves out",
        CLOCK,
        choices=("shift",),
        metavar="ACTION",
    ),
    Flag(
        "calendar",
        str,
        "closed days: a market (XNYS), a country (DE, DE-BY), weekdays, learned, every-day",
        CLOCK,
        metavar="NAME",
    ),
    Flag("resample", str, "bring rows to this frequency, such as 1h; needs --aggregate", CLOCK, metavar="FREQ"),
    Flag("aggregate", str, "what the rows of one step become", CLOCK, choices=AGGREGATES, metavar="KIND"),
)
READING_FLAGS = (
    Flag("encoding", str, "encoding of the text, such as cp1252, latin-1, utf-16", READING, metavar="NAME"),
    Flag("delimiter", str, "what parts the cells: one character, or tab", READING, metavar="SIGN"),
    Flag("header", bool, "the first row names the columns; without: column_1, column_2 ...", READING, default=True),
    Flag("comment", str, "lines that begin with this are left out", READING, metavar="SIGN"),
    Flag("decimal", str, "decimal mark of numbers", READING, choices=(".", ","), metavar="MARK"),
    Flag(
        "thousands",
        str,
        "mark between groups of three digits",
        READING,
        choices=(",", ".", "space", "'", "_"),
        metavar="MARK",
    ),
    Flag(
        "number_format",
        str,
        "financial: currency signs, (123) and 123- are read, wide digits too",
        READING,
        default="plain",
        choices=("plain", "financial"),
        metavar="KIND",
    ),
    Flag("percent", bool, "read 12% as 0.12", READING, default=False),
    Flag(
        "strip_units",
        str,
        "unit behind numbers to cut off, repeat for spellings of one unit",
        READING,
        repeated=True,
        metavar="UNIT",
    ),
    Flag(
        "missing_values",
        str,
        "further words for a missing number, repeat for several",
        READING,
        repeated=True,
        metavar="WORD",
    ),
    Flag(
        "inf",
        str,
        "what an infinite number is",
        READING,
        default="refuse",
        choices=("refuse", "missing"),
        metavar="ACTION",
    ),
    Flag(
        "fill",
        str,
        "what missing targets become; none: masked all the way into the loss",
        READING,
        default="none",
        choices=("none", "linear", "previous", "season", "zero"),
        metavar="KIND",
    ),
    Flag(
        "duplicates",
        str,
        "rows of one stamp with different values become one",
        READING,
        default="refuse",
        choices=("refuse", "sum", "mean", "first", "last"),
        metavar="ACTION",
    ),
    Flag(
        "align",
        bool,
        "forecast all series from the newest stamp of all, those that end early too",
        READING,
        default=False,
    ),
    Flag(
        "short",
        str,
        "series too short to learn from or forecast; pad: taken with their gaps",
        READING,
        default="refuse",
        choices=("refuse", "pad"),
        metavar="ACTION",
    ),
    Flag("nonneg", bool, "the target is never below zero: forecasts below are cut off there", READING, default=False),
    Flag(
        "skip_bad_rows", bool, "leave out rows with too many or too few cells, and count them", READING, default=False
    ),
    Flag("drop_last_partial", bool, "leave out a last row that is cut off", READING, default=False),
    Flag("dataset", bool, "a folder is one table in several files", READING, default=False),
    Flag("sample", int, "read only about this many rows, the last ones of each file", READING, metavar="ROWS"),
    Flag(
        "max_bytes",
        str,
        "size above which an input is refused, decompressed; unset: 8GiB or half of the free memory",
        READING,
        metavar="SIZE",
    ),
    Flag("query", str, "what to read of a database, such as 'select * from x'", READING, metavar="SELECT"),
    Flag("wait", str, "how long a busy database is waited for", READING, default="30s", metavar="TIME"),
    Flag("strict", bool, "refuse what would be repaired", READING, default=False),
    Flag("redact_values", bool, "no value of the file in findings and messages", READING, default=False),
)
DATA_FLAGS = ROLE_FLAGS + CLOCK_FLAGS + READING_FLAGS
NETWORK_FLAGS = (
    Flag("cell", str, "recurrent cell", NETWORK, choices=CELLS),
    Flag("mapping", str, "how inputs map to outputs", NETWORK, choices=MAPPINGS),
    Flag("synchronous", bool, "train many-to-many at every position of the window", NETWORK),
    Flag("bidirectional", bool, "read the window in both directions", NETWORK, default=False),
    Flag("attention", str, "attention of the encoder-decoder", NETWORK, choices=("additive", "dot"), metavar="KIND"),
    Flag("num_layers", int, "stacked recurrent layers", NETWORK, metavar="COUNT"),
    Flag("hidden_size", int, "units of a layer", NETWORK, metavar="UNITS"),
    Flag("residual", bool, "add the input of a layer to its output", NETWORK, default=True),
    Flag("dropout", float, "dropout between layers", NETWORK, default=0.0, metavar="SHARE"),
    Flag("context_length", int, "look-back: steps of the past the network reads", NETWORK, metavar="STEPS"),
    Flag(
        "segment_length",
        int,
        "steps read at once; 1 reads step by step, a season reads fast",
        NETWORK,
        metavar="STEPS",
    ),
    Flag(
        "normalisation",
        str,
        "level and scale a window is read in",
        NETWORK,
        choices=NORMALISATIONS,
        metavar="KIND",
    ),
    Flag("log", bool, "learn in logarithms (positive data only)", NETWORK),
    Flag("base", str, "simple forecast the network corrects", NETWORK, choices=("none", "last", "season")),
    Flag("skip", bool, "linear path from window to horizon beside the cells", NETWORK),
    Flag("head", str, "output layer of many-to-many", NETWORK, choices=("linear", "segment")),
)
TRAINING_FLAGS = (
    Flag(
        "from_",
        str,
        "start: the network that comes with the tool, or random weights",
        TRAINING,
        choices=("pretrained", "scratch"),
        metavar="START",
    ),
    Flag("num_steps", int, "gradient steps of each network", TRAINING, metavar="COUNT"),
    Flag("batch_size", int, "windows in one gradient step", TRAINING, metavar="COUNT"),
    Flag("learning_rate", float, "peak learning rate", TRAINING),
    Flag("weight_decay", float, "weight decay of AdamW", TRAINING, default=1e-4),
    Flag("gradient_clip", float, "largest gradient norm of one step", TRAINING, default=1.0, metavar="NORM"),
    Flag(
        "teacher_forcing",
        float,
        "share of true decoder inputs at the first step; falls to 0 linearly",
        TRAINING,
        default=1.0,
        metavar="SHARE",
    ),
    Flag("num_members", int, "networks whose median is the forecast", TRAINING, metavar="COUNT"),
    Flag("refit", bool, "fit once more on all rows after the held-out check", TRAINING, default=True),
    Flag("seed", int, "seed of every random choice", TRAINING, default=0),
    Flag(
        "device",
        str,
        "where the network is trained",
        TRAINING,
        default="auto",
        choices=("auto", "cpu", "cuda", "mps"),
    ),
    Flag(
        "effort",
        str,
        "how much training; quick: none where the shipped network serves",
        TRAINING,
        default="normal",
        choices=("quick", "normal", "best"),
    ),
    Flag("time_budget", str, "longest training time, such as 60s, 5m or 1h", TRAINING, metavar="TIME"),
    Flag(
        "theta_share",
        float,
        "share of the Theta method in the forecast; unset: chosen on held-out rows",
        TRAINING,
        metavar="SHARE",
    ),
)
QUANTILES = Flag(
    "quantiles",
    str,
    "levels to forecast, between 0.01 and 0.99",
    EVALUATION,
    default=QUANTILE_LEVELS,
    metavar="LEVELS",
)
ORIGIN_FLAGS = (
    Flag("num_windows", int, "held-out origins of each series", EVALUATION, metavar="COUNT"),
    Flag("window_step", int, "steps between two origins (default: the horizon)", EVALUATION, metavar="STEPS"),
    Flag("gap", int, "steps between cutoff and first scored step", EVALUATION, default=0, metavar="STEPS"),
)
EVALUATION_FLAGS = (
    QUANTILES,
    *ORIGIN_FLAGS,
    Flag(
        "on_loss",
        str,
        "what the stored model serves when a naive forecast wins",
        EVALUATION,
        default="keep",
        choices=("keep", "serve-baseline"),
        metavar="ACTION",
    ),
)
#: What a model was trained with, or the shipped network does not read; the horizon has words of its own.
NOT_OF_A_FORECAST = ("horizon", "past", "future", "static", "calendar_features", "country")
FORECAST_FLAGS = (
    Flag(
        "horizon",
        int,
        "steps to forecast: fewer than trained are cut, more go on from there (default: as trained)",
        EVALUATION,
        metavar="STEPS",
    ),
    QUANTILES,
    *(flag for flag in DATA_FLAGS if flag.name not in NOT_OF_A_FORECAST),
)
SETTINGS = DATA_FLAGS + NETWORK_FLAGS + TRAINING_FLAGS + EVALUATION_FLAGS
