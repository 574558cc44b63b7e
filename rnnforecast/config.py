"""Types and bounds: `Settings`, the choices of a user in four groups, and `MemberSettings`, one trained network.

The name of a field in the four groups is also its flag, its TOML key and its keyword in Python; default and help are in
`options`. `None` means that the tool chooses from the data. Unknown keys and invalid values are reported all at once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    model_validator,
)

from rnnforecast import options
from rnnforecast.errors import UsageError
from rnnforecast.findings import JSONValue
from rnnforecast.grammars import (
    Duration,
    FrequencyText,
    Span,
    check_calendar,
    check_country,
    check_date_format,
    check_step_length,
    find_zone,
    parse_size,
)
from rnnforecast.masking import masked

LossScale = Literal["unit", "mase", "mix"]

#: Levels every network is trained on: the nine deciles and the ends of the 80, 90 and 95 % intervals.
TRAINED_QUANTILE_LEVELS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
#: Covariates made from the calendar.
CALENDAR_FEATURES = ("season", "holidays")
#: Settings that are keywords of Python, and their fields.
FIELD_NAMES = {"from": "from_"}
#: Keys of older versions, which are still read.
RENAMED_KEYS = {"theta_share": "theta_weight"}
MAX_HORIZON = 100_000
MAX_CONTEXT_LENGTH = 100_000
MAX_HIDDEN_SIZE = 4_096
MAX_NUM_LAYERS = 16


def _as_tuple(value: object) -> object:
    """Accept words in one text, separated by commas, as a list."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(value) if isinstance(value, list) else value


def _as_words(value: object) -> object:
    """Accept one text as a list; it is split at commas later, when the columns are known."""
    return (value,) if isinstance(value, str) and value.strip() else () if isinstance(value, str) else _as_tuple(value)


def _as_one(value: object) -> object:
    """Accept a list of words as one text, separated by commas."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def _as_seasons(value: object) -> object:
    """Accept one season length as a list."""
    return () if value is None else (value,) if isinstance(value, int | float) else _as_tuple(value)


def _in_order(lengths: tuple[int, ...]) -> tuple[int, ...]:
    ordered = tuple(sorted(set(lengths)))
    if len(ordered) > 1 and ordered[0] == 1:
        raise ValueError("1 means no season: name it alone, or leave it out")
    if len(ordered) > MAX_SEASONS:
        raise ValueError(f"at most {MAX_SEASONS} season lengths")
    return ordered


def _as_features(words: tuple[str, ...]) -> tuple[str, ...]:
    """Split texts at commas, and reject unknown calendar covariates."""
    parts = tuple(dict.fromkeys(part.strip() for word in words for part in word.split(",") if part.strip()))
    unknown = [part for part in parts if part not in CALENDAR_FEATURES]
    if unknown:
        raise ValueError(f"unknown calendar feature `{unknown[0]}`; use {' or '.join(CALENDAR_FEATURES)}")
    return parts


def _as_levels(levels: tuple[float, ...]) -> tuple[float, ...]:
    """Return each level once: those whose columns have one name are one."""
    distinct: dict[str, float] = {}
    for level in levels:
        distinct.setdefault(f"{level:g}", level)
    if len(distinct) > MAX_LEVELS:
        raise ValueError(f"{len(distinct):,} levels, at most {MAX_LEVELS}")
    return tuple(distinct.values())


Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
#: Names of columns: `a,b` are two, unless a column has that name, which is known when the file is read.
Columns = Annotated[tuple[str, ...], BeforeValidator(_as_words)]
#: Steps in each season, the shortest first; one is written as a number, none as null.
Seasons = Annotated[
    tuple[Annotated[int, Field(ge=1, le=100_000)], ...],
    BeforeValidator(_as_seasons),
    AfterValidator(_in_order),
    PlainSerializer(lambda lengths: list(lengths) if len(lengths) > 1 else lengths[0] if lengths else None),
]
Features = Annotated[tuple[str, ...], BeforeValidator(_as_tuple), AfterValidator(_as_features)]
#: Number of categories of one column with a separate embedding; the others use the unknown bucket.
MAX_CATEGORIES = 1_000
#: A number as large as values of a target may be.
Number = Annotated[float, Field(ge=-1e300, le=1e300), AfterValidator(lambda value: value + 0.0)]  # not -0.0
#: Season lengths of one series at most.
MAX_SEASONS = 4
Categories = tuple[Annotated[int, Field(ge=0, le=MAX_CATEGORIES)], ...]
#: Quantile levels: each is a column.
MAX_LEVELS = 99
Levels = Annotated[
    tuple[Annotated[float, Field(ge=0.01, le=0.99)], ...], BeforeValidator(_as_tuple), AfterValidator(_as_levels)
]


def _as_duration(value: object, *, allow_zero: bool = False) -> object:
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
PositiveDuration = Annotated[Duration, PlainValidator(_as_duration), PlainSerializer(str)]
WaitDuration = Annotated[Duration, PlainValidator(partial(_as_duration, allow_zero=True)), PlainSerializer(str)]


FrequencyName = Annotated[str, _grammar(FrequencyText.parse)]
StepLength = Annotated[str, _grammar(check_step_length)]
ZoneName = Annotated[str, _grammar(find_zone)]
DateFormat = Annotated[str, _grammar(check_date_format)]
CalendarName = Annotated[str, _grammar(check_calendar)]
CountryName = Annotated[str, _grammar(check_country)]
Spans = Annotated[tuple[Annotated[str, _grammar(Span.parse)], ...], BeforeValidator(_as_tuple)]
ByteSize = Annotated[str, _grammar(parse_size)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, allow_inf_nan=False)


def _setting(name: str, **bounds: Any) -> Any:
    option = options.SETTINGS[name]
    return Field(() if option.repeated else option.default, description=option.help, validate_default=True, **bounds)


class DataSettings(_Frozen):
    """Columns, frequency, and how files are read."""

    time: Annotated[str | None, BeforeValidator(_as_one)] = _setting("time")
    target: Columns = _setting("target")
    wide: bool = _setting("wide")
    guess: options.Guess = _setting("guess")
    id: Columns = _setting("id")
    freq: FrequencyName | None = _setting("freq")
    season_length: Seasons = _setting("season_length")
    horizon: int | None = _setting("horizon", ge=1, le=MAX_HORIZON)
    past: Columns = _setting("past")
    future: Columns = _setting("future")
    static: Columns = _setting("static")
    future_data: Names = _setting("future_data")
    calendar_features: Features = _setting("calendar_features")
    country: CountryName | None = _setting("country")
    date_format: DateFormat | None = _setting("date_format")
    dayfirst: bool | None = _setting("dayfirst")
    locale: options.Locale | None = _setting("locale")
    epoch_unit: options.EpochUnit | None = _setting("epoch_unit")
    excel_dates: bool = _setting("excel_dates")
    tz: ZoneName | None = _setting("tz")
    ambiguous: options.Ambiguous | None = _setting("ambiguous")
    nonexistent: options.Nonexistent | None = _setting("nonexistent")
    calendar: CalendarName | None = _setting("calendar")
    resample: StepLength | None = _setting("resample")
    aggregate: options.Aggregate | None = _setting("aggregate")
    encoding: str | None = _setting("encoding")
    delimiter: str | None = _setting("delimiter")
    header: bool = _setting("header")
    sheet: str | None = _setting("sheet", min_length=1)
    skip_rows: int | None = _setting("skip_rows", ge=0, le=1_000)
    units_row: bool | None = _setting("units_row")
    footer: int | None = _setting("footer", ge=0, le=1_000)
    comment: str | None = _setting("comment")
    decimal: options.DecimalMark | None = _setting("decimal")
    thousands: options.ThousandsMark | None = _setting("thousands")
    number_format: options.NumberFormat = _setting("number_format")
    percent: bool = _setting("percent")
    strip_units: Names = _setting("strip_units")
    missing_values: Names = _setting("missing_values")
    inf: options.Infinities = _setting("inf")
    fill: options.Fill = _setting("fill")
    mask: Spans = _setting("mask")
    duplicates: options.Duplicates = _setting("duplicates")
    align: bool = _setting("align")
    short: options.Short = _setting("short")
    floor: Number | None = _setting("floor")
    cap: Number | None = _setting("cap")
    bounds: bool = _setting("bounds")
    skip_bad_rows: bool = _setting("skip_bad_rows")
    drop_last_partial: bool = _setting("drop_last_partial")
    dataset: bool = _setting("dataset")
    sample: int | None = _setting("sample", ge=1)
    max_bytes: ByteSize | None = _setting("max_bytes")
    query: str | None = _setting("query", min_length=1)
    wait: WaitDuration = _setting("wait")
    strict: bool = _setting("strict")
    redact_values: bool = _setting("redact_values")

    @model_validator(mode="after")
    def _check_bounds(self) -> DataSettings:
        if self.floor is not None and self.cap is not None and self.floor >= self.cap:
            raise ValueError(f"`floor` {self.floor:g} must be below `cap` {self.cap:g}")
        return self

    def reject_longer_seasons(self, reader: str) -> None:
        """Raise UsageError where several seasons were named and `reader` has only one."""
        if len(self.season_length) > 1:
            longer = ", ".join(map(str, self.season_length[1:]))
            raise UsageError(
                f"`--season-length {longer}` would have no effect: {reader} has one season, here {self.season_length[0]}",
                hint="name one season length; regressions of `base` and of `train` read several",
                code="E_RUN_CONFIG",
            )


class NetworkSettings(_Frozen):
    """The shape of the network; `None`: chosen from the data."""

    cell: options.Cell | None = _setting("cell")
    mapping: options.Mapping_ | None = _setting("mapping")
    synchronous: bool | None = _setting("synchronous")
    bidirectional: bool = _setting("bidirectional")
    attention: options.Attention | None = _setting("attention")
    num_layers: int | None = _setting("num_layers", ge=1, le=MAX_NUM_LAYERS)
    hidden_size: int | None = _setting("hidden_size", ge=1, le=MAX_HIDDEN_SIZE)
    residual: bool = _setting("residual")
    dropout: float = _setting("dropout", ge=0.0, lt=1.0)
    context_length: int | None = _setting("context_length", ge=1, le=MAX_CONTEXT_LENGTH)
    segment_length: int | None = _setting("segment_length", ge=1, le=10_000)
    normalisation: options.Normalisation | None = _setting("normalisation")
    log: bool | None = _setting("log")
    base: options.Base | None = _setting("base")
    skip: bool | None = _setting("skip")
    head: options.Head | None = _setting("head")


class TrainingSettings(_Frozen):
    """How the network is trained."""

    from_: str | None = _setting("from_", min_length=1)
    num_steps: int | None = _setting("num_steps", ge=1, le=1_000_000)
    batch_size: int | None = _setting("batch_size", ge=1, le=65_536)
    learning_rate: float | None = _setting("learning_rate", gt=0.0, le=1.0)
    weight_decay: float = _setting("weight_decay", ge=0.0, le=1.0)
    gradient_clip: float = _setting("gradient_clip", gt=0.0)
    teacher_forcing: float = _setting("teacher_forcing", ge=0.0, le=1.0)
    num_members: int | None = _setting("num_members", ge=1, le=64)
    refit: bool | None = _setting("refit")
    seed: int = _setting("seed", ge=0, le=2**32 - 1)
    device: options.Device = _setting("device")
    effort: options.Effort = _setting("effort")
    time_budget: PositiveDuration | None = _setting("time_budget")
    theta_weight: float | None = _setting("theta_weight", ge=0.0, le=0.9)

    def num_rounds(self, *, usual: int) -> int:
        """Return how often the networks are fitted: once more after the test where that is usual, or as `refit` says."""
        return usual if self.refit is None else 1 + self.refit


class EvaluationSettings(_Frozen):
    """How forecasts are tested on held-out rows, and which quantiles are forecast."""

    quantiles: Levels = _setting("quantiles")
    num_windows: int | None = _setting("num_windows", ge=1, le=10_000)
    window_step: int | None = _setting("window_step", ge=1)
    gap: int = _setting("gap", ge=0, le=100_000)
    on_loss: options.OnLoss = _setting("on_loss")


class Settings(_Frozen):
    """All settings, in four groups; users write them flat: `horizon`, not `data.horizon`."""

    data: DataSettings = Field(default_factory=DataSettings)
    network: NetworkSettings = Field(default_factory=NetworkSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)

    @classmethod
    def from_flat(cls, values: Mapping[str, object], *, source: str = "settings") -> Settings:
        """Build settings from flat keys; raises UsageError that names every unknown key and every invalid value."""
        settings, problems = cls._validate(values)
        if settings is not None:
            return settings
        shown = "\n".join(f"  {problem}" for _, problem in problems[:5])
        more = f"\n  and {len(problems) - 5} more" if len(problems) > 5 else ""
        counted = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        message = f"{counted} in {source}:\n{shown}{more}"
        hint = "`rnnforecast train --help all` lists every setting with its values"
        raise UsageError(message, hint=hint, code="E_RUN_CONFIG")

    @classmethod
    def problems(cls, values: Mapping[str, object]) -> list[tuple[str, str]]:
        """Return every unknown key and invalid value of flat settings: the key, and what is wrong."""
        return cls._validate(values)[1]

    @classmethod
    def _validate(cls, values: Mapping[str, object]) -> tuple[Settings | None, list[tuple[str, str]]]:
        groups: dict[str, type[BaseModel]] = {
            "data": DataSettings,
            "network": NetworkSettings,
            "training": TrainingSettings,
            "evaluation": EvaluationSettings,
        }
        owner = {_flat_key(key): group for group, model in groups.items() for key in model.model_fields}
        values = {_flat_key(key): value for key, value in current_keys(values).items()}
        problems = [(key, _unknown_key(key, owner)) for key in values if key not in owner]
        nested: dict[str, dict[str, object]] = {group: {} for group in groups}
        for key, value in values.items():
            if key in owner:
                nested[owner[key]][FIELD_NAMES.get(key, key)] = value
        try:
            settings = cls.model_validate(nested)
        except ValidationError as error:
            problems += [_bad_value(detail["loc"], detail["input"], detail["msg"]) for detail in error.errors()]
            return None, problems
        return (None if problems else settings), problems

    def to_flat(self) -> dict[str, JSONValue]:
        """Return all settings as one flat dictionary of plain JSON values, without passwords."""
        flat: dict[str, JSONValue] = {}
        for group in (self.data, self.network, self.training, self.evaluation):
            flat.update({_flat_key(key): value for key, value in group.model_dump(mode="json").items()})
        if self.data.query is not None:
            flat["query"] = masked(self.data.query)
        return flat


def current_keys(values: Mapping[str, object]) -> dict[str, object]:
    """Return flat settings with the keys of older versions replaced: `nonneg = true` is `floor = 0`."""
    current = {RENAMED_KEYS.get(key, key): value for key, value in values.items()}
    if isinstance(current.get("nonneg"), bool) and current.pop("nonneg"):
        current.setdefault("floor", 0.0)
    return current


def _flat_key(field: str) -> str:
    return field.removesuffix("_")


def _unknown_key(key: str, known: Mapping[str, str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"unknown key `{key}`" + (f", did you mean `{near[0]}`?" if near else "")


def _bad_value(location: tuple[int | str, ...], value: object, message: str) -> tuple[str, str]:
    key = next((_flat_key(part) for part in reversed(location) if isinstance(part, str) and "-" not in part), "?")
    message = message.removeprefix("Value error, ")
    if isinstance(value, dict):  # the whole group: the message names its keys
        return key, message
    place = f"`{key}`" if f"`{value}`" in message else f"`{key}` = {value!r}"
    text = f"{place}: {message[:1].lower()}{message[1:]}"
    return key, re.sub(r"\d{20,}(\.0)?", _in_few_digits, text)


def _in_few_digits(number: re.Match[str]) -> str:
    return f"{Decimal(number[0]).normalize(Context(prec=6)):g}"


class MemberSettings(_Frozen):
    """One trained network: both engines build its equations from these settings alone."""

    cell: options.Cell = "gru"
    mapping: options.Mapping_ = "many-to-many"
    synchronous: bool = False
    bidirectional: bool = False
    attention: options.Attention | None = None
    num_layers: int = Field(2, ge=1, le=MAX_NUM_LAYERS)
    hidden_size: int = Field(64, ge=1, le=MAX_HIDDEN_SIZE)
    residual: bool = True
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    context_length: int = Field(ge=1, le=MAX_CONTEXT_LENGTH)
    segment_length: int = Field(1, ge=1, le=10_000)
    horizon: int = Field(ge=1, le=MAX_HORIZON)
    season_length: int = Field(1, ge=1, le=100_000)
    normalisation: options.Normalisation = "window"
    log: bool = False
    base: options.Base = "none"
    skip: bool = False
    head: options.Head = "linear"
    loss_scale: LossScale = "mase"
    num_past_covariates: int = Field(0, ge=0, le=10_000)
    num_future_covariates: int = Field(0, ge=0, le=10_000)
    num_static_covariates: int = Field(0, ge=0, le=10_000)
    #: number of categories of each covariate, 0 for a number; () if all are numbers
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
