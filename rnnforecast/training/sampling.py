"""Which windows a gradient step sees: uniform over series, then uniform over the latest cutoffs of that series."""

from __future__ import annotations

import numpy as np
import torch

from rnnforecast.data.windows import Windows
from rnnforecast.data.windows import min_past as min_past
from rnnforecast.frozen import dataclass
from rnnforecast.members import Member, PretrainedSettings

# older cutoffs improve the next horizon little: the latest 300 beat 150 and all in our trials on hourly panels
MAX_RECENT_CUTOFFS = 300
CPU = torch.device("cpu")


@dataclass(frozen=True)
class WindowSampler:
    """Draws training windows without a Python object per window, and lays them on `device`.

    `series` [E] are the series long enough to train on, `first` and `last` [E] their cutoffs, both included. Windows
    are drawn on the CPU for any device, so that the same seed draws the same windows everywhere.
    """

    series: torch.Tensor
    first: torch.Tensor
    last: torch.Tensor
    includes_no_history: bool = False
    device: torch.device = CPU

    @property
    def num_windows(self) -> int:
        """How many different windows can be drawn."""
        return int((self.last - self.first + 1).sum())

    def draw(self, batch_size: int, generator: torch.Generator) -> Windows:
        """Draw `batch_size` windows with replacement."""
        picks = torch.randint(len(self.series), (batch_size,), generator=generator)
        fraction = torch.rand(batch_size, generator=generator, dtype=torch.float64)
        first = self.first[picks]
        cutoffs = first + (fraction * (self.last[picks] - first + 1)).to(torch.int64)
        if self.includes_no_history:
            # half of the paths start before the first row, where nothing has been observed yet
            cutoffs = torch.where(torch.rand(batch_size, generator=generator) < 0.5, 0, cutoffs)
        return Windows(series=self.series[picks].to(self.device), cutoffs=cutoffs.to(self.device))


def make_sampler(
    lengths: np.ndarray, member: Member, *, recent: int = MAX_RECENT_CUTOFFS, device: torch.device = CPU
) -> WindowSampler:
    """Make the sampler of a panel; `lengths` [S] are the train rows of each series.

    Whole horizons where a series has them; a shorter series is used with the steps it has.
    """
    need = 1 if member.context_length == 1 else min(member.context_length, min_past(member.season_length))
    # the pretrained network learns at many positions of each window, so its last may lack a future
    single = member.mapping == "many-to-one" or isinstance(member, PretrainedSettings)
    horizon = 1 if single else member.horizon
    last = lengths - horizon
    last = np.where(last >= need, last, np.where(lengths > need, lengths - 1, -1))
    eligible = np.flatnonzero(last >= need)
    last = last[eligible]
    first = np.maximum(need, last - recent + 1)
    return WindowSampler(
        series=torch.from_numpy(eligible.astype(np.int64)),
        first=torch.from_numpy(first.astype(np.int64)),
        last=torch.from_numpy(last.astype(np.int64)),
        includes_no_history=member.mapping == "one-to-many",
        device=device,
    )
