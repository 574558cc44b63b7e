"""Settings of a pre-training run: one TOML file that, with the code of the same version, rebuilds the weights."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pretraining.any_clock.network import BaseSizes
from rnnforecast.errors import UsageError

Domain = Literal["yearly", "quarterly", "monthly", "weekly", "daily", "sub-daily", "any"]
#: The settings of the weights that come with the tool.
SHIPPED_SETTINGS = Path(__file__).with_name("base.toml")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClockSettings(_Frozen):
    """Series of one clock: their seasons (one tuple is drawn), lengths, and how often they are drawn."""

    seasons: tuple[tuple[float, ...], ...] = Field(min_length=1)
    domain: Domain
    share: float = Field(gt=0)
    #: Steps of history, drawn evenly in logarithms; series inside a batch may begin later.
    history: tuple[int, int]
    #: Leads of most interest, and the furthest.
    near: int = Field(ge=1)
    far: int = Field(ge=1)
    batch_size: int = Field(128, ge=1)
    #: Share of the corpus of people's records; the rest are families with laws of their own.
    corpus_share: float = Field(0.5, ge=0, le=1)


class RunSettings(_Frozen):
    """The network, the series it sees, and how it is fitted."""

    hidden_size: int = Field(192, ge=1)
    num_layers: int = Field(2, ge=1)
    head_size: int = Field(128, ge=1)
    #: Minutes of training in all, all runs on one checkpoint together; the rate follows them.
    minutes: float = Field(gt=0)
    #: The rate falls to zero over this last share of the minutes.
    decay_share: float = Field(0.25, ge=0, le=1)
    learning_rate: float = Field(2e-3, gt=0)
    warm_up_steps: int = Field(300, ge=1)
    weight_decay: float = Field(0.01, ge=0)
    gradient_clip: float = Field(1.0, gt=0)
    average_decay: float = Field(0.999, ge=0, lt=1)
    num_positions: int = Field(8, ge=1)
    num_near: int = Field(8, ge=1)
    num_far: int = Field(4, ge=0)
    #: Batches whose series go on far beyond the cutoff.
    far_share: float = Field(0.45, ge=0, le=1)
    #: How often each batch is used: the first time as it was drawn, then mixed and with other questions.
    num_uses: int = Field(1, ge=1)
    seed: int = Field(0, ge=0)
    #: Batches are so many times as large as those of their clocks: a device wants larger ones than a core.
    batch_factor: int = Field(1, ge=1)
    clocks: tuple[ClockSettings, ...] = Field(min_length=1)

    def sizes(self) -> BaseSizes:
        """Return the sizes of the network."""
        return BaseSizes(hidden_size=self.hidden_size, num_layers=self.num_layers, head_size=self.head_size)


def read_settings(path: Path = SHIPPED_SETTINGS) -> RunSettings:
    """Read settings from a TOML file. Raises UsageError for no such file, an unknown key or a bad value."""
    try:
        with path.open("rb") as file:
            return RunSettings.model_validate(tomllib.load(file))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        reason = f"`{place}`: {first['msg'][:1].lower()}{first['msg'][1:]}"
    except tomllib.TOMLDecodeError as error:
        reason = f"no TOML: {str(error)[:1].lower()}{str(error)[1:]}"
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text in UTF-8"
    raise UsageError(
        f"settings {path}: {reason}", hint="`--settings` takes a file of the form of pretraining/base.toml"
    )
