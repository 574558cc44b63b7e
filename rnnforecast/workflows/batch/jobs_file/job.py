"""`Job`: the keys of one job in a jobs file, their types, what an error says about each, and when a job retrains."""

from __future__ import annotations

import glob
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from rnnforecast.config import PositiveDuration
from rnnforecast.data.covariates.scenario import parse_change
from rnnforecast.data.databases.address import absolute, is_database, parse_address
from rnnforecast.data.files.remote import is_url
from rnnforecast.data.write import output_kind
from rnnforecast.detection.budget import AlarmBudget
from rnnforecast.errors import UsageError
from rnnforecast.frozen import dataclass
from rnnforecast.grammars import Duration
from rnnforecast.masking import masked
from rnnforecast.model_io.base import BASE
from rnnforecast.options import DETECT_OPTIONS, FORECAST_OPTIONS, JobKind, StaleRows
from rnnforecast.store.names import check_name, split_spec
from rnnforecast.workflows.monitoring.freshness import REFUSE_STALE, parse_age

_STEPS = re.compile(r"on new data(?: of (\d+) steps?)?")

#: A run that starts a little earlier than the last one must not skip a whole interval.
_MAX_SLACK = 0.05  # of the interval
_MAX_SLACK_SECONDS = 3_600.0
#: Clocks of two machines differ a little, and one that is set back by summer time is not an error.
_MAX_AHEAD_SECONDS = 3_600.0

RULES = "`never`, `every 7d`, `on new data of 30 steps`, `on drift`, `warm`, `warm every 7d`"


@dataclass(frozen=True)
class RetrainRule:
    """When a stored model is trained again; a missing model, or one with other settings, is always trained.

    A warm rule starts from the weights of the stored model. `num_steps` 0 means as many as its horizon.
    """

    kind: Literal["never", "every", "steps", "drift"] = "never"
    seconds: float = 0.0
    num_steps: int = 0
    text: str = "never"
    is_warm: bool = False

    def is_due_at_age(self, age: float) -> bool:
        """Return whether a model whose training began `age` seconds ago is too old, or dated in the future."""
        slack = min(self.seconds * _MAX_SLACK, _MAX_SLACK_SECONDS)
        return self.kind == "every" and (age >= self.seconds - slack or is_in_future(age))

    def is_due_after(self, num_new_steps: int, *, horizon: int) -> bool:
        """Return whether there are enough steps after the last row of the training."""
        return self.kind == "steps" and num_new_steps >= (self.num_steps or horizon)


def is_in_future(age: float) -> bool:
    """Return whether an age is so far below zero that a clock was wrong, then or now."""
    return age < -_MAX_AHEAD_SECONDS


def parse_rule(text: object) -> RetrainRule:
    """Return the rule for one of the texts in `RULES`. Raises ValueError for anything else."""
    words = " ".join(text.split()).lower() if isinstance(text, str) else ""
    if words == "never":
        return RetrainRule()
    if words == "warm":
        return RetrainRule("steps", text=words, is_warm=True)
    if words.startswith(("warm every ", "warm on ")):
        return replace(parse_rule(words.removeprefix("warm ")), text=words, is_warm=True)
    if words == "on drift":
        return RetrainRule("drift", text=words)
    if words.startswith("every "):
        try:
            interval = Duration.parse(words.removeprefix("every "), option="retrain")
        except UsageError as error:
            raise ValueError(error.message) from None
        return RetrainRule("every", seconds=interval.seconds, text=words)
    match = _STEPS.fullmatch(words)
    if match is None or int(match[1] or 1) < 1:
        raise ValueError(f"`{text}` is not one of {RULES}")
    return RetrainRule("steps", num_steps=int(match[1] or 1), text=words)


#: The type of an error that brings its own message and fix; for any other, the description of the key says what is valid.
EXPLAINED = "explained"


def explained(message: str, fix: str | None = None) -> PydanticCustomError:
    """Return an error of a key that brings its own message and fix."""
    return PydanticCustomError(EXPLAINED, "{message}", {"message": message, "fix": fix})


PASSWORD = "`{key}` contains a password, which does not belong in a jobs file: {shown}"
PASSWORD_FIX = "remove it, and keep it in `~/.pgpass` (mode 600) or in the environment variable `PGPASSWORD`"


def _folder(info: ValidationInfo) -> Path:
    """Return the folder of the jobs file, where relative paths start."""
    folder: Path = info.context  # type: ignore[assignment]  # `validated` passes it
    return folder


def _valid_name(name: str, info: ValidationInfo) -> str:
    try:
        check_name(split_spec(name)[0] if info.field_name == "model" else name)
    except UsageError as error:
        raise explained(error.message, f'change `{info.field_name} = "..."`') from None
    return name


def _model(value: str, info: ValidationInfo) -> str:
    """Return a stored model unchanged, and a model file by its absolute path."""
    return str(_folder(info) / value) if value.endswith(".safetensors") else _valid_name(value, info)


def _database(url: str, info: ValidationInfo) -> str:
    """Return a database URL that does not depend on the working folder."""
    try:
        address = parse_address(url)
        if info.field_name == "output":
            address.table_name  # noqa: B018  # raises where there is none
        if address.location != parse_address(address.shown).location:
            raise explained(PASSWORD.format(key=info.field_name, shown=address.shown), PASSWORD_FIX)
        return absolute(url, folder=_folder(info))
    except UsageError as error:
        raise explained(error.message, error.hint) from None


def absolute_input(item: str, folder: Path) -> str:
    """Return a file, a glob or a URL so that it does not depend on the working folder."""
    if os.path.isabs(item) or is_url(item):
        return item
    is_glob = any(sign in item for sign in "*?[") and not (folder / item).exists()
    # the name of the folder itself is not a pattern
    return os.path.join(glob.escape(str(folder)) if is_glob else str(folder), item)


def _input(item: str, info: ValidationInfo) -> str:
    if item == "-":
        raise explained("a job cannot read standard input", "name a file")
    return _database(item, info) if is_database(item) else absolute_input(item, _folder(info))


def _output(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str) or value in ("", "-"):
        raise ValueError(value)
    if is_database(value):
        return _database(value, info)
    try:
        output_kind(value)
    except UsageError as error:
        raise explained(error.message, error.hint) from None
    return _folder(info) / value


def _command(words: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    if words[:1] == ("",):
        raise ValueError(words)
    if any("\0" in word for word in words):
        raise explained(f"`{info.field_name}` contains a NUL character")
    if words and os.sep in words[0]:
        return (str(_folder(info) / words[0]), *words[1:])
    return words


def _parsed(parse: Callable[[str], str]) -> AfterValidator:
    """Return a validator of a text with a grammar: where it has no meaning, the description of the key says what has."""

    def read(text: str) -> str:
        try:
            return parse(text)
        except UsageError as error:
            raise ValueError(error.message) from None

    return AfterValidator(read)


def _change(text: str) -> str:
    try:
        parse_change(text)
    except UsageError as error:
        raise explained(error.message, error.hint) from None
    return text


def _one_or_several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Input = Annotated[str, Field(min_length=1), AfterValidator(_input)]


class Job(BaseModel):
    """A job, complete: `[defaults]` are included, paths are absolute, values are valid.

    The description of a key is what an error says it must be. Validated with the folder of the file as context.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, AfterValidator(_valid_name)] = Field("", description="a text in quotes")
    kind: JobKind = Field("forecast", description="`forecast` or `detect`")
    data: Annotated[tuple[Input, ...], BeforeValidator(_one_or_several)] = Field(
        (), description='a file, a glob or a list of them, such as "a.csv" or ["a.csv", "b/*.csv"]'
    )
    model: Annotated[str, AfterValidator(_model)] | None = Field(
        None, description="NAME, NAME@VERSION or a .safetensors file, in quotes"
    )
    output: Annotated[Path | str | None, BeforeValidator(_output)] = Field(
        None, description="a .csv or .parquet file, or a table of a database, in quotes"
    )
    round: Annotated[StrictInt, Field(ge=0)] | None = Field(None, description="a number of decimals, 0 or more")
    columns: Annotated[tuple[str, ...], BeforeValidator(_one_or_several)] = Field(
        (), description='a list of columns of the output, such as ["date", "forecast", "q0.9"]'
    )
    retrain: Annotated[RetrainRule, BeforeValidator(parse_rule)] = Field(RetrainRule(), description=f"one of {RULES}")
    keep: Annotated[StrictInt, Field(ge=1)] | None = Field(
        None, description="the number of versions of the model to keep, at least 1"
    )
    max_age: Annotated[str, _parsed(lambda text: parse_age(text).text)] | None = Field(
        None, description="an age in quotes, such as `36h`, `2d` or `3 steps`"
    )
    refuse_stale: StaleRows = Field("shrunk", description=f"one of {', '.join(f'`{kind}`' for kind in REFUSE_STALE)}")
    components: StrictBool = Field(False, description="true or false")
    set: Annotated[tuple[Annotated[str, AfterValidator(_change)], ...], BeforeValidator(_one_or_several)] = Field(
        (), description='a change or a list of them in quotes, such as "price=1.1x" or ["price=1.1x", "promo=1"]'
    )
    what_if: Input | None = Field(None, description="a file of future covariates, in quotes")
    on_alarm: Annotated[tuple[str, ...], AfterValidator(_command)] = Field(
        (), description='a list of a program and its arguments, such as ["notify", "--urgent"]'
    )
    last: Annotated[str, _parsed(lambda text: parse_age(text).text)] | None = Field(
        None, description="an age in quotes, such as `1d` or `3 steps`"
    )
    budget: Annotated[str, _parsed(lambda text: AlarmBudget.parse(text).text)] | None = Field(
        None, description="alarms and a period in quotes, such as `1/week` or `1/1000 steps`"
    )
    timeout: PositiveDuration | None = Field(
        None, description="a duration in quotes, such as `90s`, `30m`, `12h` or `7d`"
    )
    settings: dict[str, Any] = {}  # those of `train` that were given
    line: int = 1  # of its table

    @property
    def waits_for(self) -> str:
        """The job that may train the model of this one."""
        return (self.model or "").partition("@")[0]

    @property
    def shown_output(self) -> str | None:
        """The output without secrets."""
        return (
            None if self.output is None else masked(self.output) if isinstance(self.output, str) else str(self.output)
        )

    @property
    def alarm_is_missing(self) -> str:
        """Why the program of `on_alarm` cannot run, empty if it can; cron searches fewer folders for it."""
        if not self.on_alarm or shutil.which(self.on_alarm[0]) is not None:
            return ""
        return f"the program `{masked(self.on_alarm[0])}` of `on_alarm` does not exist or is not executable"


#: Keys of a job besides the settings of `train`.
JOB_KEYS = tuple(key for key in Job.model_fields if key not in ("settings", "line"))
#: Keys that must differ between jobs, and so cannot be defaults.
UNIQUE_KEYS = ("name", "output")
#: Keys that only matter if the job trains its model.
TRAINING_KEYS = ("retrain", "keep")
#: Keys of a job that forecasts, and of one that looks for abnormal rows.
KEYS_OF_KIND = {
    "forecast": (*("retrain", "keep", "max_age", "refuse_stale", "components", "set", "what_if", "round", "columns"),),
    "detect": ("last", "budget"),
}
#: Settings of a job that looks for abnormal rows.
DETECT_KEYS = tuple(option.name for option in DETECT_OPTIONS)
#: Settings that also apply to a stored model.
FORECAST_KEYS = ("horizon", "quantiles", "query", "wait", "max_bytes", "future_data", "floor", "cap", "bounds", "align")


def forecast_keys(model: object) -> tuple[str, ...]:
    """Return the settings that apply to the forecasts of a stored model; `base` takes all that choose and read columns."""
    return tuple(option.name for option in FORECAST_OPTIONS) if model == BASE else FORECAST_KEYS


class Head(BaseModel):
    """The keys before the first table."""

    model_config = ConfigDict(frozen=True)

    store: Annotated[str, Field(min_length=1)] | None = Field(None, description="the path of a folder, in quotes")
    workers: Annotated[StrictInt, Field(ge=1, le=1_024)] | None = Field(
        None, description="a number of processes, 1 to 1,024"
    )


HEAD_KEYS = (*Head.model_fields, "defaults", "job")
