"""What comes of a fit: the best weights, how it went, and its curves as a model file keeps them; torch is not imported."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.frozen import dataclass
from rnnforecast.store.record import MAX_POINTS, FitCurve


@dataclass(frozen=True)
class Fit:
    """The result of a fit; `weights` are the best on validation, or the last without validation windows."""

    weights: dict[str, np.ndarray]
    best_step: int
    num_steps: int  # steps taken; fewer than asked for where the fit stopped early or the time budget cut it
    best_score: float | None
    losses: tuple[float, ...]
    clipped_fraction: float
    num_rollbacks: int
    seconds: float
    norms: tuple[float, ...] = ()  # of the gradients before clipping
    scores: tuple[tuple[int, float], ...] = ()  # step and validation score, where it was finite
    is_stopped: bool = False  # ended early: the validation score no longer improved, or was far behind
    is_behind: bool = False  # far behind the forecasts without training
    ratio: float | None = None  # of its best validation loss to that of the forecasts without training, where compared


def curve_of(fit: Fit, *, name: str, is_used: bool) -> FitCurve:
    """Return the curves of a fit as a model file keeps them: means of equal parts of its steps."""
    count = len(fit.losses)
    ends = np.unique(np.linspace(0, count, min(count, MAX_POINTS) + 1).round().astype(int))[1:]
    starts = np.concatenate([[0], ends[:-1]])

    def means(values: Sequence[float]) -> tuple[float, ...]:
        sums = np.add.reduceat(np.asarray(values), starts) if count else np.empty(0)
        return tuple(float(f"{mean:.5g}") for mean in (sums / (ends - starts)).tolist())

    scores = fit.scores[-MAX_POINTS:]
    return FitCurve(
        name=name,
        is_used=is_used,
        steps=tuple(ends.tolist()),
        losses=means(fit.losses),
        norms=means(fit.norms),
        score_steps=tuple(step for step, _ in scores),
        scores=tuple(float(f"{score:.5g}") for _, score in scores),
        best_step=fit.best_step,
    )
