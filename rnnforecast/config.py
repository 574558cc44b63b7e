"""Settings: what a user may choose (`Settings`, in four groups) and what a trained network is (`MemberSettings`).

A field of the four groups is the long flag, the TOML key and the keyword of the Python API at once. `None` means
that the tool chooses from the data and says what it chose. Frozen; unknown keys are refused by name, all at once.
"""

from __future__ import annotations

import difflib
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from rnnforecast.errors import UsageError
from rnnforecast.grammars import (
    Duration,
    check_calendar,
    check_country,
    check_date_format,
    check_frequency,
    check_step_length,
    find_zone,
    parse_size,
)
from rnnforecast.masking import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rnnforecast.findings import JSONValue

Cell = Literal["rnn", "rnn-relu", "lstm", "gru", "mingru", "minlstm"]
Mapping_ = Literal["one-to-one", "one-to-many", "many-to-one", "many-to-many", "encoder-decoder"]
Attention = Literal["additive", "dot"]
Normalisation = Literal["window", "last", "season", "causal", "global"]
Base = Literal["none", "last", "season"]
Head = Literal["linear", "segment"]
LossScale = Literal["unit", "mase", "mix"]
Effort = Literal["quick", "normal", "best"]
Start = Literal["pretrained", "scratch"]
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
Fill = Literal["none", "linear", "previous", "season", "zero"]

#: Levels every network is trained on: the nine deciles and the ends of the 80, 90 and 95 % intervals.
TRAINED_QUANTILE_LEVELS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
#: Levels shown and written unless `--quantiles` names others.
DEFAULT_QUANTILE_LEVELS = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)

#: Covariates that the calendar itself gives.
CALENDAR_FEATURES = ("season", "holidays")
#: Keys that Python keeps for itself, and the fields that hold them.
FIELD_NAMES = {"from": "from_"}
MAX_HORIZON = 100_000
MAX_CONTEXT_LENGTH = 100_000
MAX_HIDDEN_SIZE = 4_096
MAX_NUM_LAYERS = 16


def _as_tuple(value: object) -> object:
    """Accept one word where a list of words is meant, as TOML users write it."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(value) if isinstance(value, list) else value


def _as_words(value: object) -> object:
    """Accept one word where a list of words is meant; words are taken apart where the columns are known."""
    return (value,) if isinstance(value, str) and value.strip() else () if isinstance(value, str) else _as_tuple(value)


def _as_one(value: object) -> object:
    """Accept a list of words where one text of words parted by commas is meant, as TOML users write it."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def _as_features(words: tuple[str, ...]) -> tuple[str, ...]:
    """Take apart words that stand together, and refuse those that name no covariates of the calendar."""
    parts = tuple(dict.fromkeys(part.strip() for word in words for part in word.split(",") if part.strip()))
    unknown = [part for part in parts if part not in CALENDAR_FEATURES]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is none of {', '.join(CALENDAR_FEATURES)}")
    return parts


Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
#: Names of columns: `a,b` are two, unless a column is called so, which is known when the file is read.
Columns = Annotated[tuple[str, ...], BeforeValidator(_as_words)]
Features = Annotated[tuple[str, ...], BeforeValidator(_as_tuple), AfterValidator(_as_features)]
#: Categories of one column that get a place of their own; the others share the unknown bucket.
MAX_CATEGORIES = 1_000
Categories = tuple[Annotated[int, Field(ge=0, le=MAX_CATEGORIES)], ...]
Levels = Annotated[tuple[Annotated[float, Field(ge=0.01, le=0.99)], ...], BeforeValidator(_as_tuple)]


def _as_duration(value: object, *, allow_zero: bool = False) -> object:
    """Return the duration that a text stands for."""
    if isinstance(value, Duration):
        return value
    try:
        return Duration.parse(value, allow_zero=allow_zero)
    except UsageError as error:
        raise ValueError(_in_one_line(error)) from None


def _grammar(check: Callable[[str], object]) -> AfterValidator:
    """Return a validator that rejects a text where `check` raises UsageError."""

    def validate(text: str) -> str:
        try:
            check(text)
        except UsageError as error:
            raise ValueError(_in_one_line(error)) from None
        return text

    return AfterValidator(validate)


def _in_one_line(error: UsageError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message


#: Durations are kept as their text.
PositiveDuration = Annotated[Duration, BeforeValidator(_as_duration), PlainSerializer(str)]
WaitDuration = Annotated[Duration, BeforeValidator(partial(_as_duration, allow_zero=True)), PlainSerializer(str)]


FrequencyName = Annotated[str, _grammar(check_frequency)]
StepLength = Annotated[str, _grammar(check_step_length)]
ZoneName = Annotated[str, _grammar(find_zone)]
DateFormat = Annotated[str, _grammar(check_date_format)]
CalendarName = Annotated[str, _grammar(check_calendar)]
CountryName = Annotated[str, _grammar(check_country)]
ByteSize = Annotated[str, _grammar(parse_size)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSettings(_Frozen):
    """Which columns are read and on which clock."""

    time: Annotated[str | None, BeforeValidator(_as_one)] = Field(
        None, description="time column, or several such as date,hour; `none`: the rows are steps in file order"
    )
    target: Columns = Field((), description="target column, repeat for several")
    id: Columns = Field((), description="column that tells the series of a panel apart, repeat for several")
    freq: FrequencyName | None = Field(
        None, description="frequency: 15min, h, D, B, W-SUN, MS, ME, QS-JAN, YS-JAN, step ..."
    )
    season_length: int | None = Field(None, ge=1, le=100_000, description="steps in one season; 1: no season")
    horizon: int | None = Field(None, ge=1, le=MAX_HORIZON, description="steps to forecast")
    past: Columns = Field((), description="covariate known up to the cutoff, repeat for several")
    future: Columns = Field((), description="covariate known ahead, repeat for several")
    static: Columns = Field((), description="covariate with one value a series, repeat for several")
    future_data: Names = Field((), description="file with the covariates known ahead, repeat for several")
    calendar_features: Features = Field(
        (), description="covariates made from the calendar: season, holidays (with --country)"
    )
    country: CountryName | None = Field(
        None, description="country whose holidays are meant, or a part of one: DE, DE-BY"
    )
    date_format: DateFormat | None = Field(None, description="how timestamps are written, such as %d.%m.%Y %H:%M")
    dayfirst: bool | None = Field(None, description="01/02/2024 is the first of February; monthfirst: 2 January")
    locale: Locale | None = Field(None, description="language of month names")
    epoch_unit: EpochUnit | None = Field(None, description="whole numbers count this unit since 1970-01-01 in UTC")
    excel_dates: bool = Field(False, description="numbers are days as spreadsheets count them: 45292.5")
    tz: ZoneName | None = Field(None, description="time zone the timestamps are written in, such as Europe/Berlin")
    ambiguous: Ambiguous | None = Field(None, description="which one is meant of an hour that a clock repeats")
    nonexistent: Nonexistent | None = Field(
        None, description="what becomes of a timestamp in the hour a clock leaves out"
    )
    calendar: CalendarName | None = Field(
        None, description="closed days: a market (XNYS), a country (DE, DE-BY), weekdays, learned, every-day"
    )
    resample: StepLength | None = Field(None, description="bring rows to this frequency, such as 1h; needs --aggregate")
    aggregate: Aggregate | None = Field(None, description="what the rows of one step become")
    encoding: str | None = Field(None, description="encoding of the text, such as cp1252, latin-1, utf-16")
    delimiter: str | None = Field(None, description="what parts the cells: one character, or tab")
    header: bool = Field(True, description="the first row names the columns; without: column_1, column_2 ...")
    comment: str | None = Field(None, description="lines that begin with this are left out")
    decimal: DecimalMark | None = Field(None, description="decimal mark of numbers")
    thousands: ThousandsMark | None = Field(None, description="mark between groups of three digits")
    number_format: NumberFormat = Field(
        "plain", description="financial: currency signs, (123) and 123- are read, wide digits too"
    )
    percent: bool = Field(False, description="read 12% as 0.12")
    strip_units: Names = Field((), description="unit behind numbers to cut off, repeat for spellings of one unit")
    missing_values: Names = Field((), description="further words for a missing number, repeat for several")
    inf: Infinities = Field("refuse", description="what an infinite number is")
    fill: Fill = Field("none", description="what missing targets become; none: masked all the way into the loss")
    duplicates: Duplicates = Field("refuse", description="rows of one timestamp with different values become one")
    align: bool = Field(
        False, description="forecast all series from the newest timestamp of all, those that end early too"
    )
    short: Short = Field("refuse", description="series too short to learn from or forecast; pad: taken with their gaps")
    nonneg: bool = Field(False, description="the target is never below zero: forecasts below are cut off there")
    skip_bad_rows: bool = Field(False, description="leave out rows with too many or too few cells, and count them")
    drop_last_partial: bool = Field(False, description="leave out a last row that is cut off")
    dataset: bool = Field(False, description="a folder is one table in several files")
    sample: int | None = Field(None, ge=1, description="read only about this many rows, the last ones of each file")
    max_bytes: ByteSize | None = Field(
        None,
        description="size above which an input is refused, decompressed; unset: 8GiB or half of the free memory",
    )
    query: str | None = Field(None, min_length=1, description="what to read of a database, such as 'select * from x'")
    wait: WaitDuration = Field(Duration("30s", 30.0), description="how long a busy database is waited for")
    strict: bool = Field(False, description="refuse what would be repaired")
    redact_values: bool = Field(False, description="no value of the file in findings and messages")


class NetworkSettings(_Frozen):
    """The shape of the network; `None` is chosen by the recipe from the data."""

    cell: Cell | None = Field(None, description="recurrent cell")
    mapping: Mapping_ | None = Field(None, description="how inputs map to outputs")
    synchronous: bool | None = Field(None, description="train many-to-many at every position of the window")
    bidirectional: bool = Field(False, description="read the window in both directions")
    attention: Attention | None = Field(None, description="attention of the encoder-decoder")
    num_layers: int | None = Field(None, ge=1, le=MAX_NUM_LAYERS, description="stacked recurrent layers")
    hidden_size: int | None = Field(None, ge=1, le=MAX_HIDDEN_SIZE, description="units of a layer")
    residual: bool = Field(True, description="add the input of a layer to its output")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="dropout between layers")
    context_length: int | None = Field(
        None, ge=1, le=MAX_CONTEXT_LENGTH, description="look-back: steps of the past the network reads"
    )
    segment_length: int | None = Field(
        None, ge=1, le=10_000, description="steps read at once; 1 reads step by step, a season reads fast"
    )
    normalisation: Normalisation | None = Field(None, description="level and scale a window is read in")
    log: bool | None = Field(None, description="learn in logarithms (positive data only)")
    base: Base | None = Field(None, description="simple forecast the network corrects")
    skip: bool | None = Field(None, description="linear path from window to horizon beside the cells")
    head: Head | None = Field(None, description="output layer of many-to-many")


class TrainingSettings(_Frozen):
    """How the network is fitted."""

    from_: Start | None = Field(None, description="start: the network that comes with the tool, or random weights")
    num_steps: int | None = Field(None, ge=1, le=1_000_000, description="gradient steps of each network")
    batch_size: int | None = Field(None, ge=1, le=65_536, description="windows in one gradient step")
    learning_rate: float | None = Field(None, gt=0.0, le=1.0, description="peak learning rate")
    weight_decay: float = Field(1e-4, ge=0.0, le=1.0, description="weight decay of AdamW")
    gradient_clip: float = Field(1.0, gt=0.0, description="largest gradient norm of one step")
    teacher_forcing: float = Field(
        1.0, ge=0.0, le=1.0, description="share of true decoder inputs at the first step; falls to 0 linearly"
    )
    num_members: int | None = Field(None, ge=1, le=64, description="networks whose median is the forecast")
    refit: bool = Field(True, description="fit once more on all rows after the held-out check")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="seed of every random choice")
    device: Device = Field("auto", description="where the network is trained")
    effort: Effort = Field("normal", description="how much training; quick: none where the shipped network serves")
    time_budget: PositiveDuration | None = Field(None, description="longest training time, such as 60s, 5m or 1h")
    theta_share: float | None = Field(
        None, ge=0.0, le=0.9, description="share of the Theta method in the forecast; unset: chosen on held-out rows"
    )


class EvaluationSettings(_Frozen):
    """How forecasts are held against rows the network has not seen."""

    quantiles: Levels = Field(DEFAULT_QUANTILE_LEVELS, description="levels to forecast, between 0.01 and 0.99")
    num_windows: int | None = Field(None, ge=1, le=10_000, description="held-out origins of each series")
    window_step: int | None = Field(None, ge=1, description="steps between two origins (default: the horizon)")
    gap: int = Field(0, ge=0, le=100_000, description="steps between cutoff and first scored step")
    on_loss: OnLoss = Field("keep", description="what the stored model serves when a naive forecast wins")


class Settings(_Frozen):
    """All that a user may choose, in four groups; flat (`horizon`, not `data.horizon`) wherever it is written."""

    data: DataSettings = DataSettings()
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @classmethod
    def from_flat(cls, values: Mapping[str, object], *, source: str = "settings") -> Settings:
        """Build settings from flat keys; raises UsageError that names every unknown key and every bad value."""
        groups: dict[str, type[BaseModel]] = {
            "data": DataSettings,
            "network": NetworkSettings,
            "training": TrainingSettings,
            "evaluation": EvaluationSettings,
        }
        owner = {_flat_key(key): group for group, model in groups.items() for key in model.model_fields}
        values = {_flat_key(key): value for key, value in values.items()}
        problems = [_unknown_key(key, owner) for key in values if key not in owner]
        nested: dict[str, dict[str, object]] = {group: {} for group in groups}
        for key, value in values.items():
            if key in owner:
                nested[owner[key]][FIELD_NAMES.get(key, key)] = value
        try:
            settings = cls.model_validate(nested)
        except ValidationError as error:
            problems += [_bad_value(detail["loc"], detail["input"], detail["msg"]) for detail in error.errors()]
        if problems:
            shown = "\n".join(f"  {problem}" for problem in problems[:5])
            more = f"\n  and {len(problems) - 5} more" if len(problems) > 5 else ""
            counted = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
            raise UsageError(
                f"{counted} in {source}:\n{shown}{more}",
                hint="`rnnforecast train --help` lists every setting with its values",
                code="E_RUN_CONFIG",
            )
        return settings

    def to_flat(self) -> dict[str, JSONValue]:
        """Return all settings as one flat dictionary of plain JSON values, fit to be kept: without passwords."""
        flat: dict[str, JSONValue] = {}
        for group in (self.data, self.network, self.training, self.evaluation):
            flat.update({_flat_key(key): value for key, value in group.model_dump(mode="json").items()})
        if self.data.query is not None:
            flat["query"] = masked(self.data.query)
        return flat


def _flat_key(field: str) -> str:
    return field.removesuffix("_")


def _unknown_key(key: str, known: Mapping[str, str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"unknown key `{key}`" + (f", did you mean `{near[0]}`?" if near else "")


def _bad_value(location: tuple[int | str, ...], value: object, message: str) -> str:
    key = next((_flat_key(part) for part in reversed(location) if isinstance(part, str) and "-" not in part), "?")
    message = message.removeprefix("Value error, ")
    place = f"`{key}`" if f"`{value}`" in message else f"`{key}` = {value!r}"
    return f"{place}: {message[:1].lower()}{message[1:]}"


class MemberSettings(_Frozen):
    """One trained network, complete: both engines build the same equations from it, and nothing else."""

    cell: Cell = "gru"
    mapping: Mapping_ = "many-to-many"
    synchronous: bool = False
    bidirectional: bool = False
    attention: Attention | None = None
    num_layers: int = Field(2, ge=1, le=MAX_NUM_LAYERS)
    hidden_size: int = Field(64, ge=1, le=MAX_HIDDEN_SIZE)
    residual: bool = True
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    context_length: int = Field(ge=1, le=MAX_CONTEXT_LENGTH)
    segment_length: int = Field(1, ge=1, le=10_000)
    horizon: int = Field(ge=1, le=MAX_HORIZON)
    season_length: int = Field(1, ge=1, le=100_000)
    normalisation: Normalisation = "window"
    log: bool = False
    base: Base = "none"
    skip: bool = False
    head: Head = "linear"
    loss_scale: LossScale = "mase"
    num_past_covariates: int = Field(0, ge=0, le=10_000)
    num_future_covariates: int = Field(0, ge=0, le=10_000)
    num_static_covariates: int = Field(0, ge=0, le=10_000)
    #: of each covariate the number of categories it tells apart, 0 where it is a number; () where all are numbers
    past_categories: Categories = ()
    future_categories: Categories = ()
    static_categories: Categories = ()
    quantile_levels: tuple[float, ...] = TRAINED_QUANTILE_LEVELS

    @model_validator(mode="after")
    def _check_combination(self) -> MemberSettings:
        if self.attention is not None and self.mapping != "encoder-decoder":
            raise ValueError("`attention` needs mapping `encoder-decoder`")
        if self.synchronous and self.mapping != "many-to-many":
            raise ValueError("`synchronous` needs mapping `many-to-many`")
        if self.synchronous and self.bidirectional:
            raise ValueError("`synchronous` and `bidirectional` exclude each other: a backward pass sees the future")
        if self.synchronous and self.normalisation != "causal":
            raise ValueError("`synchronous` needs normalisation `causal`: other kinds look at the whole window")
        if self.mapping in ("one-to-one", "one-to-many") and self.context_length != 1:
            raise ValueError(f"`{self.mapping}` reads one observation: context_length must be 1")
        if self.mapping == "one-to-many" and self.normalisation != "global":
            raise ValueError("`one-to-many` needs normalisation `global`: a series without history has no other level")
        if self.mapping == "one-to-one" and self.horizon != 1:
            raise ValueError("`one-to-one` forecasts one step: horizon must be 1")
        for kind in ("past", "future", "static"):
            categories, count = getattr(self, f"{kind}_categories"), getattr(self, f"num_{kind}_covariates")
            if categories and len(categories) != count:
                raise ValueError(f"`{kind}_categories` has {len(categories)} entries for {count} covariates")
        return self
