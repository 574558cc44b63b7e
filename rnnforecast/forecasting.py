"""From a trained ensemble and fresh series to forecasts, by the NumPy engine unless another is asked for.

Axis legend: W windows, C context, H horizon, Q quantiles, M members.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import FlatSeries, WindowBatch, Windows, gather
from rnnforecast.errors import DivergedError, UsageError
from rnnforecast.evaluation.calibration import Calibration
from rnnforecast.frozen import dataclass
from rnnforecast.inference import pretrained
from rnnforecast.inference.engine import forecast_windows
from rnnforecast.inference.far_horizons import extend_forecast
from rnnforecast.inference.forecaster import attention_weights
from rnnforecast.inference.threads import in_threads
from rnnforecast.members import Member, PretrainedSettings

#: One network, its tensors and a batch of windows in; quantiles [B, H, Q] in original units out.
Engine = Callable[["Member", Mapping[str, np.ndarray], WindowBatch], Float64Array]

# windows in one NumPy batch: enough for full matrix products, few enough to stay in memory whatever they read
MOST_WINDOWS, FEWEST_WINDOWS = 2_048, 32
BATCH_STEPS = 2**18
#: So few windows of several networks are forecast in one pass.
FEW_WINDOWS = 64
#: The Theta method reads this many times the context length of the networks.
THETA_CONTEXTS = 2


@dataclass(frozen=True)
class Ensemble:
    """Trained networks that forecast together: for every quantile the median over the members.

    `weights` holds the tensors of each member; `calibration` widens or narrows the intervals per lead time; `engine`
    computes the forward pass, NumPy unless another is asked for. Where `groups` numbers the group of each member, the
    forecast is the mean of the medians within groups, weighted by `group_weights` (in the order of the numbers; equal
    where none are given). `theta_weight` is the weight of the Theta method, the networks have the rest.
    """

    members: tuple[Member, ...]
    weights: tuple[Mapping[str, np.ndarray], ...]
    calibration: Calibration | None = None
    engine: Engine = forecast_windows
    groups: tuple[int, ...] = ()
    group_weights: tuple[float, ...] = ()
    theta_weight: float = 0.0
    #: the group whose members are `base`, zero-shot: `mixture.trained` forecasts by it
    zero_shot_group: int | None = None

    @property
    def context_length(self) -> int:
        """Steps of the past that the networks read at most."""
        return max(member.context_length for member in self.members)

    @property
    def quantile_levels(self) -> tuple[float, ...]:
        """Levels the networks were trained on, ascending."""
        return self.members[0].quantile_levels

    @property
    def uses_pretrained(self) -> bool:
        """Whether the pretrained network is a member."""
        return any(isinstance(member, PretrainedSettings) for member in self.members)

    def forecast(
        self, flat: FlatSeries, windows: Windows, *, horizon: int, series: SeriesSet | None = None
    ) -> Float64Array:
        """Forecast after each cutoff: [W, H, Q], original units, ascending along Q.

        Raises DivergedError when no member gives finite numbers for a window, with the id of its series where
        `series`, the source of `flat`, is given.
        """
        if self.zero_shot_group is not None:
            raise ValueError("an ensemble with a zero-shot group forecasts by `TrainedForecaster`")
        longest = THETA_CONTEXTS * self.context_length if self.theta_weight else self.context_length
        batches = list(_batches(windows, longest + horizon))
        is_alone = self.engine is not forecast_windows
        parts = list(
            in_threads(lambda part: self._forecast_part(flat, part, horizon, series), batches, is_alone=is_alone)
        )
        if not parts:
            return np.empty((0, horizon, len(self.quantile_levels)))
        quantiles = np.concatenate(parts)
        return quantiles if self.calibration is None else self.calibration.apply(quantiles)

    def _forecast_part(
        self, flat: FlatSeries, windows: Windows, horizon: int, series: SeriesSet | None
    ) -> Float64Array:
        members = np.stack(
            [
                forecast_blocks(member, tensors, flat, windows, horizon=horizon, engine=self.engine)
                for member, tensors in zip(self.members, self.weights, strict=True)
            ]
        )  # [M, W, H, Q]
        finite = np.asarray(np.isfinite(members).all(axis=(2, 3)))  # [M, W]
        lost = np.flatnonzero(~finite.any(axis=0))
        if len(lost):
            raise _no_forecast(int(windows.series[lost[0]]), series, num_lost=len(lost), num_windows=len(windows))
        if not finite.all():
            members = np.where(finite[:, :, None, None], members, np.nan)
        quantiles = combine_members(members, self.groups, self.group_weights)
        if self.theta_weight:
            theta = forecast_theta_in_context(self, flat, windows, horizon=horizon)
            # where nothing was observed the Theta method has no forecast, and the networks have all the weight
            mean = (1 - self.theta_weight) * quantiles + self.theta_weight * theta
            quantiles = np.where(np.isfinite(theta).all(axis=(1, 2), keepdims=True), mean, quantiles)
        return np.sort(quantiles, axis=-1)


def forecast_blocks(
    member: Member,
    tensors: Mapping[str, np.ndarray],
    flat: FlatSeries,
    windows: Windows,
    *,
    horizon: int,
    engine: Engine = forecast_windows,
) -> Float64Array:
    """Forecast any horizon with one network in one pass: [W, H, Q]; what lies beyond it is never fed back to it."""
    batch = gather(flat, windows, context_length=member.context_length, horizon=member.horizon)
    return _beyond(engine(member, tensors, batch), member, flat, windows, horizon=horizon)


def forecast_together(asked: Sequence[tuple[Ensemble, FlatSeries, Windows]], *, horizon: int) -> list[Float64Array]:
    """Forecast as each ensemble would forecast its own windows: [W, H, Q] each.

    Networks with one trunk take few windows in one pass: steps of few rows cost nearly what steps of many do.
    """
    few = sum(len(windows) for _, _, windows in asked) <= FEW_WINDOWS
    passes = [
        (member, ensemble.weights[0], gather(flat, windows, context_length=member.context_length, horizon=1))
        for ensemble, flat, windows in asked
        if few and isinstance(member := ensemble.members[0], PretrainedSettings) and _is_plain(ensemble)
    ]
    one_trunk = len({id(tensors["trunk.norm.weight"]) for _, tensors, _ in passes}) == 1
    if one_trunk and len(passes) == len(asked):
        found = [
            np.sort(_beyond(first, member, flat, windows, horizon=horizon), axis=-1)
            for first, (member, _, _), (_, flat, windows) in zip(
                pretrained.forecast_together(passes), passes, asked, strict=True
            )
        ]
        if all(np.isfinite(quantiles).all() for quantiles in found):
            return found
    return [each.forecast(flat, windows, horizon=horizon) for each, flat, windows in asked]


def _is_plain(ensemble: Ensemble) -> bool:
    """Return whether an ensemble is one network on the NumPy engine and no more."""
    return len(ensemble.members) == 1 and ensemble.engine is forecast_windows and ensemble.calibration is None


def _beyond(first: Float64Array, member: Member, flat: FlatSeries, windows: Windows, *, horizon: int) -> Float64Array:
    """Return `horizon` steps from one pass of a network [W, H, Q], cut or continued."""
    if horizon <= member.horizon:
        return first[:, :horizon]
    # a model file keeps so many rows of each series: a forecast is the same with and without the data file
    longer = gather(flat, windows, context_length=THETA_CONTEXTS * member.context_length, horizon=1)
    return extend_forecast(
        first,
        np.asarray(longer.past_target, dtype=np.float64),
        np.asarray(longer.past_observed),
        horizon=horizon,
        season_length=member.season_length,
        median=member.quantile_levels.index(0.5),
    )


def split_groups(ensemble: Ensemble) -> list[Ensemble]:
    """Return every group of an ensemble as a separate ensemble, in the order of their numbers."""
    groups = ensemble.groups or (0,) * len(ensemble.members)
    return [
        replace(
            ensemble,
            members=tuple(m for m, group in zip(ensemble.members, groups, strict=True) if group == number),
            weights=tuple(w for w, group in zip(ensemble.weights, groups, strict=True) if group == number),
            groups=(),
            group_weights=(),
            theta_weight=0.0,
            zero_shot_group=0 if number == ensemble.zero_shot_group else None,
        )
        for number in sorted(set(groups))
    ]


def forecast_theta_in_context(ensemble: Ensemble, flat: FlatSeries, windows: Windows, *, horizon: int) -> Float64Array:
    """Forecast by the Theta method from twice the context that the networks read: [W, H, Q].

    A model file keeps that many rows of each series, so a forecast is the same with and without the data file.
    """
    from rnnforecast.evaluation.theta import forecast_theta

    length = THETA_CONTEXTS * ensemble.context_length
    if len(windows):
        length = min(length, int(np.max(windows.cutoffs)))
    batch = gather(flat, windows, context_length=max(length, 1), horizon=1)
    return forecast_theta(
        np.asarray(batch.past_target, dtype=np.float64),
        np.asarray(batch.past_observed),
        horizon=horizon,
        season_length=ensemble.members[0].season_length,
        quantile_levels=ensemble.quantile_levels,
    )


def normal_scores(levels: Sequence[float]) -> Float64Array:
    """Return the quantiles of the standard normal distribution at these levels: [Q]."""
    return np.array([NormalDist().inv_cdf(level) for level in levels])


def interpolate_quantiles(quantiles: Float64Array, levels: Sequence[float], wanted: Sequence[float]) -> Float64Array:
    """Read other quantile levels off trained ones: [..., Q] to [..., len(wanted)].

    Linear in normal scores, so that a normal distribution is met exactly, beyond the outermost levels too.
    """
    known, asked = normal_scores(levels), normal_scores(wanted)
    upper = np.clip(np.searchsorted(known, asked), 1, len(known) - 1)
    fraction = (asked - known[upper - 1]) / (known[upper] - known[upper - 1])
    low, high = quantiles[..., upper - 1], quantiles[..., upper]
    result: Float64Array = low + fraction * (high - low)
    return result


def _no_forecast(number: int, series: SeriesSet | None, *, num_lost: int, num_windows: int) -> DivergedError:
    named = f"series number {number}" if series is None else f"`{series.part(number, number + 1).item_ids[0]}`"
    message = f"the network has no finite forecast for {named} ({num_lost} of {num_windows} windows)"
    return DivergedError(message, hint="look for values of an absurd size with `rnnforecast inspect`, then train again")


def combine_members(members: Float64Array, groups: tuple[int, ...], group_weights: tuple[float, ...]) -> Float64Array:
    """Return the weighted mean over groups of the medians within them: [M, W, H, Q] to [W, H, Q].

    Members without a finite forecast (NaN) are left out, and the others have their weight.
    """
    median = np.nanmedian if np.isnan(members).any() else np.median
    with warnings.catch_warnings():
        # a group without a forecast for a window leaves its weight to the others
        warnings.simplefilter("ignore", RuntimeWarning)
        if len(set(groups)) < 2:
            return np.asarray(median(members, axis=0))
        numbers = np.array(groups)
        medians = np.stack([median(members[numbers == number], axis=0) for number in sorted(set(groups))])
    weights = np.reshape(group_weights or (1.0,) * len(medians), (-1, 1, 1, 1)) * np.isfinite(medians)
    return np.asarray((np.nan_to_num(medians) * weights).sum(axis=0) / weights.sum(axis=0))


def export_attention(ensemble: Ensemble, flat: FlatSeries, windows: Windows) -> Float64Array:
    """Return the attention of the first encoder-decoder member: [W, decoder steps, encoder steps], rows sum to 1.

    Raises UsageError when no member has attention.
    """
    for member, tensors in zip(ensemble.members, ensemble.weights, strict=True):
        if not isinstance(member, PretrainedSettings) and member.attention is not None:
            batch = gather(flat, windows, context_length=member.context_length, horizon=member.horizon)
            return np.asarray(attention_weights(member, tensors, batch))
    message = "this model has no attention to export"
    raise UsageError(message, hint="train one with `--mapping encoder-decoder --attention additive`")


def last_windows(series: SeriesSet) -> Windows:
    """Return the window that ends with the last row of each series: [S]."""
    return Windows(series=np.arange(series.num_series, dtype=np.int64), cutoffs=series.lengths)


def _batches(windows: Windows, num_steps: int) -> Iterator[Windows]:
    """Yield windows of so many steps in batches of bounded memory."""
    size = min(MOST_WINDOWS, max(FEWEST_WINDOWS, BATCH_STEPS // num_steps))
    for start in range(0, len(windows), size):
        yield windows.select(slice(start, start + size))
