"""Forecasts of categories on past windows: log loss, accuracy, and the verdict against transitions and frequencies.

Axis legend: W windows, H horizon, K categories.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.data.windows import WindowBatch
from rnnforecast.evaluation.verdict import Verdict, judge
from rnnforecast.findings import JSONValue
from rnnforecast.frozen import dataclass
from rnnforecast.inference.categorical import CATEGORICAL_BASELINES, MARKOV, follow, to_codes
from rnnforecast.members import ENSEMBLE

#: Probabilities count as this at least.
SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class CategoryScores:
    """Log losses and hits of each method, [W, H] each, NaN where the actual category is not known."""

    log_losses: Mapping[str, Float64Array]
    hits: Mapping[str, Float64Array]
    series: Int64Array  # [W]
    confusion: Int64Array  # [K, K] steps of each actual category by the one that the network found most probable

    def metrics(self) -> dict[str, dict[str, JSONValue]]:
        """Return log loss and accuracy of each method over all steps."""
        return {
            method: {
                "log_loss": float(np.nanmean(losses)),
                "accuracy": float(np.nanmean(self.hits[method])),
                "num_scored": int(np.isfinite(losses).sum()),
            }
            for method, losses in self.log_losses.items()
        }

    def per_lead(self) -> tuple[dict[str, JSONValue], ...]:
        """Return one row a method and lead time with a known category."""
        return tuple(
            {
                "method": method,
                "lead": lead + 1,
                "log_loss": float(np.nanmean(losses[:, lead])),
                "accuracy": float(np.nanmean(self.hits[method][:, lead])),
            }
            for method, losses in self.log_losses.items()
            for lead in np.flatnonzero(np.isfinite(losses).any(axis=0)).tolist()
        )

    def verdict(self, *, overlap: int, rival: str | None, remedy: str) -> Verdict:
        """Compare the log loss of the network with both baselines."""
        return judge(
            self.log_losses,
            self.series,
            methods=ENSEMBLE,
            against=CATEGORICAL_BASELINES,
            overlap=overlap,
            rival=rival,
            remedy=remedy,
        )

    def best_baseline(self) -> str:
        """Return the baseline with the smaller log loss."""
        return min(CATEGORICAL_BASELINES, key=lambda name: float(np.nanmean(self.log_losses[name])))


def baseline_probabilities(name: str, transitions: Float64Array, batch: WindowBatch) -> Float64Array:
    """Return what a baseline gives each category by log probabilities [H, K + 1, K]: [W, H, K]."""
    count = transitions.shape[2]
    codes = to_codes(np, batch.past_target, batch.past_observed, count)
    known = follow(transitions, codes if name == MARKOV else np.full_like(codes, count), count)
    return np.asarray(np.exp(known))


def score_categories(
    probabilities: Mapping[str, Float64Array], batch: WindowBatch, series: Int64Array
) -> CategoryScores | None:
    """Score probabilities [W, H, K] of several methods on the steps after the cutoffs; None where none is known."""
    observed = np.asarray(batch.future_observed)
    kept = np.flatnonzero(observed.any(axis=1))
    if not len(kept):
        return None
    observed = observed[kept]
    actual = np.where(observed, batch.future_target[kept] - 1, 0).astype(np.int64)
    losses, hits = {}, {}
    for method, each in probabilities.items():
        found = np.take_along_axis(each[kept], actual[..., None], axis=-1)[..., 0]
        losses[method] = np.where(observed, -np.log(np.maximum(found, SMALLEST_PROBABILITY)), np.nan)
        hits[method] = np.where(observed, each[kept].argmax(axis=-1) == actual, np.nan)
    count = probabilities[ENSEMBLE].shape[2]
    pairs = count * actual + probabilities[ENSEMBLE][kept].argmax(axis=-1)
    confusion = np.bincount(pairs[observed], minlength=count**2).reshape(count, count)
    return CategoryScores(losses, hits, series[kept], confusion)
