"""The settings of an ensemble member: a network trained on the user's series, or a season of the pretrained one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from rnnforecast.config import MAX_HIDDEN_SIZE, MAX_HORIZON, MAX_NUM_LAYERS, TRAINED_QUANTILE_LEVELS, MemberSettings
from rnnforecast.options import Attention, Cell, Mapping_

#: Steps of the past that one season of the pretrained network may read, and numbers that its segments may bring in:
#: memory for it is reserved before a forecast, so the claim of a file must be bounded. The longest season takes half of it.
MAX_PRETRAINED_CONTEXT_LENGTH = 1_000_000

SeasonClassName = Literal["none", "quarter", "week", "year", "day", "weeks", "many"]


class PretrainedSettings(BaseModel):
    """One season length of the pretrained network, complete: its trunk serves all, its inputs and head only some.

    The network reads `num_segments` segments, each in its own units, with the newest `recent_length` steps and the
    steps `num_seasons` seasons (and `num_long_seasons` long seasons) before the horizon.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    season_class: SeasonClassName
    season_length: int = Field(1, ge=1, le=100_000)
    long_season_length: int = Field(1, ge=1, le=1_000_000)
    segment_length: int = Field(ge=1, le=100_000)
    num_segments: int = Field(ge=1, le=1_000)
    recent_length: int = Field(ge=1, le=10_000)
    num_seasons: int = Field(0, ge=0, le=64)
    num_long_seasons: int = Field(0, ge=0, le=64)
    horizon: int = Field(ge=1, le=MAX_HORIZON)
    hidden_size: int = Field(ge=1, le=MAX_HIDDEN_SIZE)
    num_layers: int = Field(ge=1, le=MAX_NUM_LAYERS)
    quantile_levels: tuple[float, ...] = TRAINED_QUANTILE_LEVELS

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        """Reject lengths that are valid one by one and too large together."""
        if self.context_length > MAX_PRETRAINED_CONTEXT_LENGTH:
            raise ValueError(
                f"num_segments, num_seasons and their lengths ask for {self.context_length} steps of the past, "
                f"at most {MAX_PRETRAINED_CONTEXT_LENGTH} are read"
            )
        numbers = self.num_segments * 2 * (self.recent_length + self.horizon)
        if numbers > MAX_PRETRAINED_CONTEXT_LENGTH:
            raise ValueError(
                f"num_segments, recent_length and horizon ask for {numbers} numbers of each series, "
                f"at most {MAX_PRETRAINED_CONTEXT_LENGTH} are read"
            )
        return self

    @property
    def mapping(self) -> Mapping_:
        """The horizon is read off at once."""
        return "many-to-many"

    @property
    def attention(self) -> Attention | None:
        """The recurrence alone carries the past."""
        return None

    @property
    def log(self) -> bool:
        """Values are read without logarithms."""
        return False

    @property
    def context_length(self) -> int:
        """Steps of the past that are read: the segments, or the seasons where they reach further back."""
        return max(
            self.num_segments * self.segment_length,
            self.recent_length,
            self.num_seasons * self.season_length,
            self.num_long_seasons * self.long_season_length,
        )


#: Categories of a target, steps of the horizon, and numbers of a network over them that a file may claim.
MAX_TARGET_CATEGORIES, MAX_CATEGORICAL_HORIZON, MAX_CATEGORICAL_NUMBERS = 64, 1_000, 4_000_000


class CategoricalSettings(BaseModel):
    """A network over sequences of categories, complete: each step of the horizon has a probability for each category."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    num_categories: int = Field(ge=2, le=MAX_TARGET_CATEGORIES)
    cell: Cell = "gru"
    hidden_size: int = Field(64, ge=1, le=512)
    num_layers: int = Field(1, ge=1, le=4)
    residual: bool = True
    context_length: int = Field(ge=1, le=10_000)
    horizon: int = Field(ge=1, le=MAX_CATEGORICAL_HORIZON)

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if (
            self.horizon * self.num_categories * max(self.num_categories + 1, self.hidden_size)
            > MAX_CATEGORICAL_NUMBERS
        ):
            raise ValueError(
                f"horizon {self.horizon} with {self.num_categories} categories and {self.hidden_size} units is too large"
            )
        return self

    @property
    def bidirectional(self) -> bool:
        """The sequence is read in order of time alone."""
        return False


#: Name of the served forecast, all members together, as a method in scores, verdicts and forecasts.
ENSEMBLE = "ensemble"
#: The settings of one network, of either kind.
Member: TypeAlias = MemberSettings | PretrainedSettings
RECURRENT, PRETRAINED = "recurrent", "pretrained"


def _kind(value: object) -> str:
    """Return the kind of network that written settings describe: only a pretrained one has a season class."""
    written = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
    return PRETRAINED if "season_class" in written else RECURRENT


#: The same, as a file has it: read as the kind it is of, so that a mistake is named by its field.
WrittenMember = Annotated[
    Annotated[MemberSettings, Tag(RECURRENT)] | Annotated[PretrainedSettings, Tag(PRETRAINED)], Discriminator(_kind)
]
