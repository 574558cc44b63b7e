"""Settings of a pre-training run: one TOML file that, with the code of the same version, rebuilds the weights."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from pretraining.any_clock.network import BaseSizes
from pretraining.settings import DescentSettings, Domain, Frozen, read_toml

#: The settings of the weights that come with the tool.
SHIPPED_SETTINGS = Path(__file__).with_name("base.toml")


class ClockSettings(Frozen):
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


class RunSettings(DescentSettings):
    """The network, the series it sees, and how it is fitted."""

    hidden_size: int = Field(192, ge=1)
    num_layers: int = Field(2, ge=1)
    head_size: int = Field(128, ge=1)
    #: Minutes of training in all, all runs on one checkpoint together; the rate follows them.
    minutes: float = Field(gt=0)
    num_near: int = Field(8, ge=1)
    num_far: int = Field(4, ge=0)
    #: Batches whose series go on far beyond the cutoff.
    far_share: float = Field(0.45, ge=0, le=1)
    #: How often each batch is used: the first time as it was drawn, then mixed and with other questions.
    num_uses: int = Field(1, ge=1)
    clocks: tuple[ClockSettings, ...] = Field(min_length=1)

    def sizes(self) -> BaseSizes:
        """Return the sizes of the network."""
        return BaseSizes(hidden_size=self.hidden_size, num_layers=self.num_layers, head_size=self.head_size)


def read_settings(path: Path = SHIPPED_SETTINGS) -> RunSettings:
    """Read settings from a TOML file. Raises UsageError for no such file, an unknown key or a bad value."""
    return read_toml(path, RunSettings, form="pretraining/any_clock/base.toml")
