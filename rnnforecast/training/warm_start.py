"""Warm start: a training that starts from the weights of a stored model.

The stored weights were fitted on rows that the new training reads again. Nothing may be chosen or tested on those: all
windows lie in the rows after them (`split_rows`), and where there is one window alone, it tests, and the weights of the
groups stay those of the stored model. What scales the inputs of a network stays as stored too.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnforecast.config import MemberSettings, Settings
from rnnforecast.data.series import SeriesSet
from rnnforecast.forecasting import Ensemble
from rnnforecast.frozen import dataclass
from rnnforecast.model_io.pack import fitted_members
from rnnforecast.model_io.train_stats import Memory
from rnnforecast.training.initial_weights import FINE_TUNED, SCRATCH, THETA, ZERO_SHOT, choose_tuning
from rnnforecast.training.recipe import DataFacts, Recipe, choose_fit

#: Gradient steps and learning rate, in those of a training from random weights.
STEPS_FRACTION, RATE_FRACTION = 0.5, 0.2
#: A series of which fewer of the stored rows have the stored values is another one with the same id.
SAME_FRACTION = 0.5


@dataclass(frozen=True)
class WarmStart:
    """A stored ensemble that a training starts from.

    `num_seen` [S] are the rows of each series that its weights were fitted on.
    """

    label: str
    ensemble: Ensemble
    num_seen: np.ndarray

    @property
    def fitted(self) -> tuple[int, ...]:
        """The numbers of the members that were fitted: all but the zero-shot ones."""
        return fitted_members(self.ensemble)

    @property
    def zero_shot_season(self) -> int | None:
        """The season length of the zero-shot group, None where there is no such group."""
        members = zip(self.ensemble.members, self._groups, strict=True)
        return next((each.season_length for each, group in members if group == self.ensemble.zero_shot_group), None)

    @property
    def _groups(self) -> tuple[int, ...]:
        return self.ensemble.groups or (0,) * len(self.ensemble.members)

    def recipe(self, facts: DataFacts, settings: Settings) -> Recipe:
        """Return the fitted networks, and how they are trained further: for fewer steps, at a lower rate."""
        fit, training = choose_fit(facts, settings), settings.training
        tuning = choose_tuning(fit, training)
        fit, tuning = (
            replace(
                each,
                num_steps=training.num_steps or max(1, round(STEPS_FRACTION * each.num_steps)),
                learning_rate=training.learning_rate or RATE_FRACTION * each.learning_rate,
                starts_fitted=True,
            )
            for each in (fit, tuning)
        )
        members = tuple(self.ensemble.members[i] for i in self.fitted)
        kept = sorted({self._groups[i] for i in self.fitted})
        groups = tuple(kept.index(self._groups[i]) for i in self.fitted) if len(kept) > 1 else ()
        starts = tuple(self.ensemble.weights[i] for i in self.fitted)
        shape = ("num_members", "context_length", "segment_length", "hidden_size", "num_layers")
        return Recipe(members, fit, dict.fromkeys(shape, f"as in {self.label} (--from)"), tuning, groups, starts)

    def usual_weights(self, theta_weight: float | None) -> dict[str, float]:
        """Return the weight of each group of the stored ensemble, by its name: those of a training before validation."""
        numbers = sorted(set(self._groups))
        theta = self.ensemble.theta_weight if theta_weight is None else theta_weight
        weights = self.ensemble.group_weights or (1 / len(numbers),) * len(numbers)
        named = {self._name(number): (1 - theta) * weight for number, weight in zip(numbers, weights, strict=True)}
        order = [name for name in (SCRATCH, FINE_TUNED, ZERO_SHOT) if name in named]
        return {name: named[name] for name in order} | {THETA: theta}

    def _name(self, number: int) -> str:
        if number == self.ensemble.zero_shot_group:
            return ZERO_SHOT
        first = self.ensemble.members[self._groups.index(number)]
        return SCRATCH if isinstance(first, MemberSettings) else FINE_TUNED


def seen_rows(series: SeriesSet, memory: Memory, *, until: int | None) -> np.ndarray:
    """Return how many of its first rows each series has up to the ordinal `until`, the last that was fitted on: [S].

    0 for a series the model never saw, or whose values at the stored timestamps are mostly others: another file may use
    the same ids, or none.
    """
    seen = np.zeros(series.num_series, dtype=np.int64)
    context, places = memory.context, memory.places(series)
    if context is None or until is None:
        return series.lengths.copy() if context is None else seen
    for number in np.flatnonzero(places >= 0):
        place = places[number]
        stored = slice(context.offsets[place], context.offsets[place + 1])
        shift = int(context.first_ordinals[place] - series.first_ordinals[number])
        rows = np.arange(stored.stop - stored.start) + shift
        inside = (rows >= 0) & (rows < series.lengths[number])
        at = series.offsets[number] + rows[inside]
        both = series.observed[at] & context.observed[stored][inside]
        same = series.values[at][both] == context.values[stored][inside][both]
        if not len(same) or same.mean() >= SAME_FRACTION:
            seen[number] = np.clip(until + 1 - series.first_ordinals[number], 0, series.lengths[number])
    return seen
