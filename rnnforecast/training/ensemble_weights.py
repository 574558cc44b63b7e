"""How much each voice of a forecast counts: shares chosen on held-out origins, drawn towards what held on other data.

The voices are the pretrained network as it is, the same fitted further, the networks from scratch, and the Theta
method. A choice of one of them on few origins picks the wrong one too often; a mean of all, moved towards those that
did well, came within one per cent of the best mean in hindsight on the training parts of six public panels, and
within as much of the best voice in hindsight on eighteen files of one series.

Axis legend: W windows, H horizon, Q quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.data.windows import FlatSeries, Windows, gather
from rnnforecast.evaluation.metrics import mean_pinball
from rnnforecast.evaluation.scales import seasonal_scales
from rnnforecast.training.initial_weights import SMALLEST_PANEL, THETA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rnnforecast.data.series import SeriesSet

MAX_WINDOWS = 1_000
# Power of the inverse loss with many windows, and with how many windows it is half of that. The windows of one series
# are of one kind: where a voice did well in some of them it does well in the next, so fewer of them say more.
_POWER, _FEW_WINDOWS = 4.0, 30.0
_POWER_OF_FEW_SERIES, _FEW_WINDOWS_OF_FEW_SERIES = 6.0, 4.0
# a voice that would count less costs more time than it is worth
_SMALLEST = 0.03
# a line that the Theta method met exactly may bend: some of the forecast is always the networks'
_MOST_THETA = 0.9
# losses below this part of another's count as that: a forecast without any error leaves the others comparable
_LOWEST_RATIO = 1e-3


@dataclass(frozen=True)
class Shares:
    """The share of each voice, in the order of the candidates, and their held-out losses.

    `losses` (of each voice alone) and `together` are empty and None where no held-out row has a value.
    """

    shares: Mapping[str, float]
    losses: Mapping[str, float]
    together: float | None

    def sentence(self) -> str:
        """Return the shares, and what they rest on."""
        kept = ", ".join(f"{name} {100 * share:.0f} %" for name, share in self.shares.items() if share)
        if self.together is None:
            return f"{kept}: usual shares, as no held-out row has a value (--theta-share)"
        alone = ", ".join(f"{name} {loss:.3g}" for name, loss in self.losses.items())
        return f"{kept}: held-out loss {self.together:.3g}, alone {alone} (--theta-share)"


@dataclass(frozen=True)
class HeldOut:
    """What came true after each validation origin, and the unit of its errors."""

    actual: np.ndarray  # [W, H]
    observed: np.ndarray  # [W, H] bool
    scale: np.ndarray  # [W] in-sample seasonal naive error of the series
    num_series: int

    @classmethod
    def of(cls, series: SeriesSet, windows: Windows, *, horizon: int) -> HeldOut:
        """Read it off the series."""
        future = gather(FlatSeries.from_series(series), windows, context_length=1, horizon=horizon)
        return cls(
            actual=future.future_target,
            observed=future.future_observed,
            scale=seasonal_scales(series).mase[windows.series],
            num_series=len(np.unique(windows.series)),
        )

    def losses(self, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """Return the mean pinball loss of forecasts [W, H, Q] in seasonal naive errors: [W], NaN without a value."""
        pinball = mean_pinball(quantiles, np.where(self.observed, self.actual, 0.0), levels) * self.observed
        count = self.observed.sum(axis=1)
        losses: np.ndarray = np.where(count > 0, pinball.sum(axis=1) / np.maximum(count, 1) / self.scale, np.nan)
        return losses


def thin(windows: Windows) -> Windows:
    """Keep at most `MAX_WINDOWS` windows, evenly spread."""
    return windows.select(slice(None, None, max(1, -(-len(windows) // MAX_WINDOWS))))


def choose_shares(
    voices: Mapping[str, np.ndarray],
    held_out: HeldOut,
    *,
    usual: Mapping[str, float],
    levels: tuple[float, ...],
    theta_share: float | None = None,
) -> Shares:
    """Weigh voices, whose forecasts are [W, H, Q], by their usual shares and how small their held-out losses are.

    A share is proportional to the usual one times the inverse loss to a power (Bates and Granger 1969, The
    combination of forecasts: 2, the squared error), which is small where few windows speak. What would count next to
    nothing is left out; a given `theta_share` stands.
    """
    names = list(voices)
    quantile_levels = np.array(levels)
    known = held_out.observed.any(axis=1)
    known &= np.isfinite(np.stack([voices[name] for name in names])).all(axis=(0, 2, 3))
    if not known.any():
        return Shares(shares=dict(usual), losses={}, together=None)

    def mean_loss(quantiles: np.ndarray) -> float:
        return float(np.nanmean(held_out.losses(quantiles, quantile_levels)[known]))

    losses = {name: mean_loss(voices[name]) for name in names}
    smallest = min(losses.values())
    count = int(known.sum())
    is_panel = held_out.num_series >= SMALLEST_PANEL
    most, few = (_POWER, _FEW_WINDOWS) if is_panel else (_POWER_OF_FEW_SERIES, _FEW_WINDOWS_OF_FEW_SERIES)
    power = most * count / (count + few)
    ratios = {name: max(smallest / loss, _LOWEST_RATIO) if loss > 0 else 1.0 for name, loss in losses.items()}
    weights = {name: usual[name] * ratios[name] ** power for name in names}
    shares = _normalised(weights, theta_share)
    shares = _normalised({name: share if share >= _SMALLEST else 0.0 for name, share in shares.items()}, theta_share)
    together = mean_loss(np.tensordot([shares[name] for name in names], [voices[name] for name in names], axes=1))
    return Shares(shares=shares, losses=losses, together=together)


def _normalised(weights: Mapping[str, float], theta_share: float | None) -> dict[str, float]:
    """Return shares that sum to 1; the Theta method has the one that was given, if any, and never all."""
    chosen = min(weights.get(THETA, 0.0) / sum(weights.values()), _MOST_THETA)
    theta = chosen if theta_share is None else theta_share
    networks = sum(weight for name, weight in weights.items() if name != THETA)
    return {name: theta if name == THETA else (1 - theta) * weight / networks for name, weight in weights.items()}
