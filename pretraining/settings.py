"""Settings of a pretraining run: one TOML file that, with the code of the same version, rebuilds the weights."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rnnforecast.errors import UsageError
from rnnforecast.inference.season_classes import pretrained_settings
from rnnforecast.members import PretrainedSettings, SeasonClassName

Domain = Literal["yearly", "quarterly", "monthly", "weekly", "daily", "sub-daily", "any"]
#: The settings that the shipped weights were trained with.
SHIPPED_SETTINGS = Path(__file__).with_name("base.toml")


class Frozen(BaseModel):
    """Settings that neither change nor take an unknown key."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Clock(Frozen):
    """One kind of series to train on: its season, what world it comes from, and how often it is drawn."""

    season_class: SeasonClassName
    season_length: tuple[int, ...]  # drawn evenly
    domain: Domain
    share: float = Field(gt=0)
    #: Steps of history drawn for it, where that is fewer than the network can read.
    history_length: int | None = Field(None, ge=1)
    batch_size: int = Field(256, ge=1)
    #: Share of the corpus of people's records; the rest are families with laws of their own.
    corpus_share: float = Field(1.0, ge=0, le=1)


class PretrainingSettings(Frozen):
    """The network, the series it sees, and how it is fitted."""

    hidden_size: int = Field(192, ge=1)
    num_layers: int = Field(2, ge=1)
    num_steps: int = Field(ge=1)
    #: The run ends after so many minutes of training instead, and the rate follows them.
    minutes: float | None = Field(None, gt=0)
    lead_time_power: float = Field(0.2, ge=0)
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    #: Steady growth beneath trends is drawn from this step on.
    growth_from_step: int = Field(0, ge=0)
    #: The rate falls to zero over this last share of the run; before it is flat, so that a run can be prolonged.
    decay_share: float = Field(0.2, ge=0, le=1)
    learning_rate: float = Field(2e-3, gt=0)
    warm_up_steps: int = Field(200, ge=1)
    weight_decay: float = Field(0.01, ge=0)
    gradient_clip: float = Field(1.0, gt=0)
    average_decay: float = Field(0.999, ge=0, lt=1)
    num_positions: int = Field(8, ge=1)
    #: Batches are so many times as large as those of their clocks: a device wants larger ones than a core.
    batch_factor: int = Field(1, ge=1)
    seed: int = Field(0, ge=0)
    clocks: tuple[Clock, ...] = Field(min_length=1)

    def member(self, season_length: int) -> PretrainedSettings:
        """Return the network of this size that serves a season length."""
        return pretrained_settings(season_length, hidden_size=self.hidden_size, num_layers=self.num_layers)


def read_settings(path: Path = SHIPPED_SETTINGS) -> PretrainingSettings:
    """Read settings from a TOML file. Raises UsageError for no such file, an unknown key or a bad value."""
    try:
        with path.open("rb") as file:
            return PretrainingSettings.model_validate(tomllib.load(file))
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
