"""Ridge regression on Fourier terms, pieces of trend and covariates, fitted before each of several cutoffs.

The penalty is chosen by generalised cross-validation (Golub, Heath and Wahba 1979). Moments accumulate from cutoff to
cutoff, so a fit costs one eigendecomposition however long the history is, and all series of a panel that have the same
rows use one factorisation.

Axis legend: N rows, H horizon, P columns, S series, K cutoffs.
"""

from __future__ import annotations

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array
from rnnforecast.frozen import dataclass

#: Penalties tried, in units of the number of rows; columns have unit variance.
PENALTIES = np.logspace(-6, 2, 17)
_SMALLEST_SPREAD = 1e-9


@dataclass(frozen=True)
class Design:
    """Columns of a regression over the history and the horizon, and what each of them is."""

    columns: Float64Array  # [N + H, P]
    kinds: tuple[str, ...]  # of each column: "trend", "short", "long" or the name of a covariate
    delays: tuple[int, ...] = ()  # steps ahead that the columns of past covariates, the last ones, are known for

    def of_kind(self, *kinds: str) -> BoolArray:
        """Return which columns are of these kinds: [P]."""
        return np.array([kind in kinds for kind in self.kinds], dtype=np.bool_)

    def with_columns(self, other: Design) -> Design:
        """Return a design with the columns of both."""
        columns = np.concatenate([self.columns, other.columns], axis=1)
        return Design(columns, self.kinds + other.kinds, self.delays + other.delays)

    def known_at(self, cutoff: int, horizon: int) -> Float64Array:
        """Return the columns up to the horizon of a cutoff; those of past covariates return to their mean by lag 1."""
        columns = self.columns[: cutoff + horizon]
        if not any(delay < horizon for delay in self.delays):
            return columns
        columns = columns.copy()
        for column, delay in zip(columns.T[-len(self.delays) :], self.delays, strict=True):
            known = column[: cutoff + delay]
            mean = known.mean()
            away = known - mean
            memory = float(away[1:] @ away[:-1]) / max(float(away @ away), 1e-300)
            unknown = column[cutoff + delay :]
            unknown[:] = mean + away[-1] * memory ** np.arange(1, len(unknown) + 1)
        return columns


def spread_of_unknown(design: Design, coefficients: Float64Array, cutoff: int, horizon: int) -> Float64Array:
    """Return the spread of what past covariates add to each lead beyond those that they are known for: [H, S].

    `coefficients` are [P, S]. What each of them adds is taken for an autoregression of one lag, as in `Design.known_at`.
    """
    variance = np.zeros((horizon, coefficients.shape[1]))
    delays = np.array(design.delays, dtype=np.int64)
    for delay in np.unique(delays[delays < horizon]).tolist():
        place = np.flatnonzero(delays == delay) - len(delays)
        added = design.columns[: cutoff + delay, place] @ coefficients[place]
        away = added - added.mean(axis=0)
        power = np.square(away).sum(axis=0)
        memory = (away[1:] * away[:-1]).sum(axis=0) / np.maximum(power, 1e-300)
        beyond = np.maximum(np.arange(1, horizon + 1) - delay, 0)[:, None]
        variance += power / len(away) * (1 - np.abs(memory) ** (2 * beyond))
    return np.asarray(np.sqrt(variance))


def fourier(num_rows: int, period: float, harmonics: tuple[int, ...], *, kind: str) -> Design:
    """Return sines and cosines of a period in steps; a sine that is zero at every step is left out."""
    angle = 2 * np.pi * np.arange(num_rows)[:, None] * np.array(harmonics, dtype=np.float64) / period
    columns = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    columns = columns[:, np.abs(columns).max(axis=0, initial=0.0) > 1e-6]
    return Design(columns, (kind,) * columns.shape[1])


def trend_pieces(num_rows: int, *, history: int, num_pieces: int) -> Design:
    """Return a straight line and hinges that let its slope change at evenly spaced steps of the history."""
    step = np.arange(num_rows, dtype=np.float64) / max(history, 1)
    knots = np.arange(1, num_pieces) / num_pieces
    columns = np.concatenate([step[:, None], np.maximum(step[:, None] - knots, 0.0)], axis=1)
    return Design(columns, ("trend",) * columns.shape[1])


def fit_before(design: Design, target: Float64Array, observed: BoolArray, cutoffs: list[int]) -> Float64Array:
    """Fit on the observed rows before each cutoff and return coefficients of the columns: [K, P, S].

    `target` [N, S] has 0 where not `observed` [N]; `cutoffs` ascend.
    """
    return fit_each_before(design, [target], observed, cutoffs)[0]


def fit_each_before(
    design: Design,
    targets: list[Float64Array],
    observed: BoolArray,
    cutoffs: list[int],
) -> list[Float64Array]:
    """Fit as `fit_before` does, each of several targets by itself, but with one factorisation for all of them."""
    num_rows, num_columns = len(observed), design.columns.shape[1]
    columns = np.concatenate([np.ones((num_rows, 1)), design.columns[:num_rows]], axis=1)
    known = columns * observed[:, None]
    gram = np.zeros((num_columns + 1, num_columns + 1))
    cross = [np.zeros((num_columns + 1, target.shape[1])) for target in targets]
    square = [np.zeros(target.shape[1]) for target in targets]
    coefficients = [np.empty((len(cutoffs), num_columns, target.shape[1])) for target in targets]
    start = 0
    for index, cutoff in enumerate(cutoffs):
        rows = slice(start, cutoff)
        gram += known[rows].T @ columns[rows]
        start = cutoff
        ridge = Ridge.of(gram)
        for number, target in enumerate(targets):
            cross[number] += known[rows].T @ target[rows]
            square[number] += observed[rows] @ np.square(target[rows])
            coefficients[number][index] = ridge.solve(cross[number], square[number])
    return coefficients


@dataclass(frozen=True)
class Ridge:
    """A factorised matrix of moments, which any target is regressed by."""

    count: float
    mean: Float64Array  # [P]
    unit: Float64Array  # [P] spread of each column
    eigenvalues: Float64Array  # [P]
    vectors: Float64Array  # [P, P]

    @classmethod
    def of(cls, gram: Float64Array) -> Ridge:
        """Factorise moments [P + 1, P + 1] with the constant first."""
        count, size = gram[0, 0], len(gram) - 1
        if count < 2:
            return cls(count, np.zeros(size), np.ones(size), np.zeros(size), np.eye(size))
        mean = gram[0, 1:] / count
        covariance = gram[1:, 1:] - count * np.outer(mean, mean)
        spread = np.sqrt(np.maximum(np.diag(covariance), 0.0) / count)
        unit = np.where(spread > _SMALLEST_SPREAD, spread, np.inf)  # a column that never changes says nothing
        eigenvalues, vectors = np.linalg.eigh(covariance / unit[:, None] / unit)
        return cls(count, mean, unit, np.maximum(eigenvalues, 0.0), vectors)

    def solve(self, cross: Float64Array, square: Float64Array) -> Float64Array:
        """Return coefficients [P, S] from moments with targets, the constant first: [P + 1, S], and squares [S]."""
        if self.count < 2:
            return np.zeros((len(cross) - 1, cross.shape[1]))
        count, eigenvalues = self.count, self.eigenvalues
        level = cross[0] / count
        covariation = cross[1:] - count * np.outer(self.mean, level)
        variation = np.maximum(square - count * np.square(level), 0.0)
        projected = self.vectors.T @ (covariation / self.unit[:, None])  # [P, S]
        penalties = PENALTIES * count
        shrunk = 1.0 / (eigenvalues[:, None] + penalties)  # [P, L]
        explained = (2 * shrunk - eigenvalues[:, None] * np.square(shrunk)).T @ np.square(projected)  # [L, S]
        residual = np.maximum(variation - explained, 1e-12 * variation)
        freedom = np.maximum(count - 1.0 - (eigenvalues[:, None] * shrunk).sum(axis=0), 1e-3)  # [L]
        best = np.argmin(residual / np.square(freedom)[:, None], axis=0)  # [S]
        coefficients: Float64Array = self.vectors @ (projected * shrunk[:, best]) / self.unit[:, None]
        return coefficients
