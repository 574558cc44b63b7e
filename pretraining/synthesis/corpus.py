"""The door of the synthetic corpus: batches of series on real scales, with masks of what is observed.

Every batch is drawn afresh by its seed alone; nothing is stored. A row is of one kind (structural, Gaussian process,
counts, intermittent, prices, percentages, solar), drawn by the prior of its domain; a tenth of the rows are then mixed
with others, a few are stretched, flipped, reversed, limited, blanked; then they get a unit of measure and are rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pretraining.synthesis import finishing, masks, mixing
from pretraining.synthesis.frames import Frame, Indices, Mask, Paths
from pretraining.synthesis.kinds import KINDS, WHOLE
from pretraining.synthesis.priors import PRIORS, Prior, without_growth

#: The domains a batch can be asked for; "any" draws one for every row.
DOMAINS = (*PRIORS, "any")

#: Values drawn together: few enough to stay in the fast memory of a core.
_CHUNK = 400_000


@dataclass(frozen=True)
class SyntheticBatch:
    """Series `values [num_series, length]`; steps that are not `observed` hold the last observed value."""

    values: NDArray[np.float32]
    observed: Mask


def synthesise(
    num_series: int,
    length: int,
    *,
    season_length: int,
    long_season_length: int = 1,
    domain: str,
    seed: int,
    growth: bool = True,
) -> SyntheticBatch:
    """Draw a batch; the same arguments give the same batch.

    `season_length` is the steps of the main season (1: none), `long_season_length` those of a second one (seven times
    the first: a week of days; 1: none); `domain` is one of `DOMAINS` and sets how often each component occurs.
    Without `growth` no series grows steadily, changes its pace or stands still by rule. Raises ValueError for an
    unknown domain.
    """
    if domain not in DOMAINS:
        raise ValueError(f"domain {domain!r} is none of {', '.join(DOMAINS)}")
    values = np.empty((num_series, length), dtype=np.float32)
    observed = np.empty((num_series, length), dtype=np.bool_)
    rows = max(_CHUNK * (3 if domain == "any" else 1) // length, 1)
    starts = range(0, num_series, rows)
    for start, child in zip(starts, np.random.SeedSequence(seed).spawn(len(starts)), strict=True):
        rng = np.random.default_rng(child)
        here = slice(start, min(start + rows, num_series))
        frame = Frame(rng, length, season_length, long_season_length, np.full(here.stop - start, length))
        priors = PRIORS if growth else {name: without_growth(prior) for name, prior in PRIORS.items()}
        values[here], observed[here] = _any(frame, priors) if domain == "any" else _draw(frame, priors[domain])
    return SyntheticBatch(values, observed)


def _any(frame: Frame, priors: Mapping[str, Prior]) -> tuple[Paths, Mask]:
    """Rows of all domains, each by its own prior."""
    values = np.empty((frame.num_series, frame.length), dtype=np.float32)
    observed = np.empty(values.shape, dtype=np.bool_)
    chosen = frame.rng.integers(0, len(priors), frame.num_series)
    for place, prior in enumerate(priors.values()):
        rows = np.flatnonzero(chosen == place)
        if len(rows):
            values[rows], observed[rows] = _draw(frame.pick(rows), prior)
    return values, observed


def _draw(frame: Frame, prior: Prior) -> tuple[Paths, Mask]:
    """Series of one prior, finished and masked."""
    shortest = max(prior.shortest, prior.shortest_seasons * frame.season_length)
    spans = masks.draw_spans(
        frame.rng, frame.num_series, frame.length, short_share=prior.short_share, shortest=shortest
    )
    frame = Frame(frame.rng, frame.length, frame.season_length, frame.long_season_length, spans)
    paths, whole = _kinds(frame, prior)
    mixing.mix(frame, paths, _among(frame, 0.1, ~whole))
    mixing.stretch(frame, paths, _among(frame, 0.025, ~whole))
    finishing.limit(frame, paths)
    finishing.turn(frame, paths, whole)
    finishing.blank(frame, paths, prior.zeros_share)
    paths = np.where(whole[:, None], paths, finishing.in_units(frame, paths)).astype(np.float32)
    finishing.write_down(frame, paths, whole)
    observed = masks.observe(frame, prior.missing_share)
    return masks.hold(paths, observed), observed


def _kinds(frame: Frame, prior: Prior) -> tuple[Paths, Mask]:
    """Series, each of one kind, and which of them are of whole numbers."""
    names = list(prior.kinds)
    shares = np.asarray(list(prior.kinds.values()))
    chosen = frame.rng.choice(len(names), size=frame.num_series, p=shares / shares.sum())
    paths = np.empty((frame.num_series, frame.length), dtype=np.float32)
    for place, name in enumerate(names):
        rows = np.flatnonzero(chosen == place)
        if len(rows):
            paths[rows] = KINDS[name](frame.pick(rows), prior)
    return paths, np.asarray([name in WHOLE for name in names])[chosen]


def _among(frame: Frame, share: float, allowed: Mask) -> Indices:
    """A share of the rows, of the allowed ones only."""
    rows = frame.chance(share)
    return rows[allowed[rows]]
