"""Keep of a fitted recipe what held-out origins say helps: the pre-trained network as it is, fitted, or with others.

Axis legend: W windows, H horizon, Q quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.data.windows import FlatSeries, Windows, gather
from rnnforecast.evaluation.scales import seasonal_scales
from rnnforecast.members import PretrainedSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rnnforecast.data.series import SeriesSet
    from rnnforecast.forecasting import Ensemble

AS_IT_IS = "as it is"
TUNED = "fitted further"
SCRATCH = "from scratch"
BOTH = "both averaged"
MAX_WINDOWS = 2_000
# with one held-out window nothing is known of chance: this share of the loss must be gained
SINGLE_WINDOW_MARGIN = 0.05


@dataclass(frozen=True)
class Choice:
    """Which candidate is kept, and the mean held-out loss of each; no loss where no held-out row has a value."""

    kept: str
    losses: Mapping[str, float]

    def sentence(self) -> str:
        """Return why it is kept, with the loss of each candidate."""
        if not self.losses:
            return f"{self.kept}: no held-out row has a value (--from)"
        shown = ", ".join(f"{name} {loss:.3g}" for name, loss in self.losses.items())
        return f"{self.kept}: held-out loss {shown} (--from)"


def choose(fitted: Ensemble, pretrained: Ensemble, series: SeriesSet, validation: Windows, *, horizon: int) -> Choice:
    """Compare candidates made of `fitted` (networks from scratch, the pre-trained one fitted, or both) on validation.

    The loss is the pinball loss in seasonal naive errors. The pre-trained network as it is stays unless another
    candidate is better by more than the standard error of the difference, so that chance does not unseat it.
    """
    step = -(-len(validation) // MAX_WINDOWS)
    windows = validation.select(slice(None, None, step))
    flat = FlatSeries.from_series(series)
    future = gather(flat, windows, context_length=1, horizon=horizon)
    if not future.future_observed.any():
        return Choice(kept=AS_IT_IS, losses={})
    scale = seasonal_scales(series).mase[windows.series]
    forecasts = {AS_IT_IS: pretrained.forecast(flat, windows, horizon=horizon)}
    parts = split_ensemble(fitted)
    forecasts |= {name: part.forecast(flat, windows, horizon=horizon) for name, part in parts.items()}
    if len(parts) > 1:
        forecasts[BOTH] = np.mean([forecasts[name] for name in parts], axis=0)
    losses = {
        name: _window_losses(
            quantiles, future.future_target, future.future_observed, scale, np.array(fitted.quantile_levels)
        )
        for name, quantiles in forecasts.items()
    }
    return Choice(kept=_prefer(losses), losses={name: float(np.mean(loss)) for name, loss in losses.items()})


def split_ensemble(ensemble: Ensemble) -> dict[str, Ensemble]:
    """Return the networks from scratch and the pre-trained one as ensembles of their own."""
    from dataclasses import replace

    parts: dict[str, Ensemble] = {}
    for name, wanted in ((SCRATCH, False), (TUNED, True)):
        index = [i for i, member in enumerate(ensemble.members) if isinstance(member, PretrainedSettings) == wanted]
        if index:
            parts[name] = replace(
                ensemble,
                members=tuple(ensemble.members[i] for i in index),
                weights=tuple(ensemble.weights[i] for i in index),
                groups=(),
            )
    return parts


def _window_losses(
    quantiles: np.ndarray, actual: np.ndarray, observed: np.ndarray, scale: np.ndarray, levels: np.ndarray
) -> np.ndarray:
    """Return the mean pinball loss of each window that has a value: [W]."""
    error = np.where(observed, actual, 0.0)[..., None] - quantiles
    pinball = np.maximum(levels * error, (levels - 1) * error).mean(axis=-1) * observed
    count = observed.sum(axis=1)
    kept = count > 0
    losses: np.ndarray = (pinball.sum(axis=1)[kept] / count[kept]) / scale[kept]
    return losses


def _prefer(losses: Mapping[str, np.ndarray]) -> str:
    """Return the candidate of the smallest mean, or the pre-trained network as it is where that may be chance."""
    others = {name: float(np.mean(loss)) for name, loss in losses.items() if name != AS_IT_IS}
    best = min(others, key=lambda name: others[name])
    before = losses[AS_IT_IS]
    gain = before - losses[best]
    if len(gain) > 1:
        margin = float(np.std(gain, ddof=1)) / len(gain) ** 0.5
    else:
        margin = SINGLE_WINDOW_MARGIN * float(np.mean(before))
    return best if float(np.mean(gain)) > margin else AS_IT_IS
