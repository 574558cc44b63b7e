"""The kinds of series: structural ones (trend, season, noise), and those with laws of their own.

A kind is a function from a frame and a prior to series on a scale of about one (counts on their own).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pretraining.synthesis import calendars
from pretraining.synthesis.combining import combine
from pretraining.synthesis.counts import counts, intermittent
from pretraining.synthesis.disturbances import disturb
from pretraining.synthesis.frames import Component, Frame, Paths, draw_families, to_unit
from pretraining.synthesis.kernels import kernel_mixture
from pretraining.synthesis.noise import NOISES
from pretraining.synthesis.recursions import stationary
from pretraining.synthesis.seasons import draw_season, draw_shape
from pretraining.synthesis.trends import draw_trend
from pretraining.synthesis.weeks import DAYS, draw_week

if TYPE_CHECKING:
    from collections.abc import Callable

    from pretraining.synthesis.priors import Prior, Size

Kind: TypeAlias = "Callable[[Frame, Prior], Paths]"

#: Of the series that change steadily, those that grow.
GROWING_SHARE = 0.92
_YEAR_IN_WEEKS = 365.2425 / 7

CALENDARS: dict[str, Component] = {
    "trading days": calendars.trading_days,
    "moving feast": calendars.moving_feast,
    "payday": calendars.payday,
    "year in days": calendars.year_in_days,
    "christmas": calendars.christmas,
}


def _parts(frame: Frame, prior: Prior) -> tuple[Paths, Paths, Paths]:
    """Trend, season and noise, each in its size, disturbances in the trend."""
    lively = frame.normals(1)
    noise_size = _size(frame, prior.noise_size, lively) * np.where(frame.uniform(0, 1) < prior.calm_share, 0.1, 1)
    trend_size = _size(frame, prior.trend_size, lively) * np.sqrt(frame.spans[:, None] / prior.usual_length)
    if prior.still_share:
        trend_size = trend_size * np.where(frame.uniform(0, 1) < prior.still_share, 0.1, 1)
    trend = draw_trend(frame, prior.trends, prior.upward) * np.minimum(trend_size, 2.2).astype(np.float32)
    if prior.growth_share:
        trend += _growth(frame, prior)
    if prior.turning_share:
        trend = _turn(frame, trend, prior)
    season, season_size = _season(frame, prior, np.minimum(_size(frame, prior.season_size, lively), 1.6))
    noise = draw_families(frame, prior.noises, NOISES)[0] * np.minimum(noise_size, 0.9)
    disturb(frame, trend, np.sqrt(np.square(noise_size) + np.square(season_size)), prior.breaks)
    return trend, season, noise


def _growth(frame: Frame, prior: Prior) -> Paths:
    """Steady growth, now and then decline, in logarithms of the level: beneath it all, most totals grow."""
    years = frame.clock() * np.maximum(frame.spans[:, None] - 1, 1) / prior.steps_per_year
    rate = np.minimum(frame.log_normal(*prior.growth_rate), 0.25)
    grows = frame.uniform(0, 1) < prior.growth_share
    sign = np.where(frame.uniform(0, 1) < GROWING_SHARE, 1, -1)
    drawn: Paths = (years * rate * grows * sign).astype(np.float32)
    return np.clip(drawn, -2.5, 2.5)


def _turn(frame: Frame, trend: Paths, prior: Prior) -> Paths:
    """Slow movements whose pace changes every few years: it slackens, turns or stays, seldom grows.

    A pace that was seen for years is no promise for the next ones; steady families alone would say it is.
    """
    rows = frame.chance(prior.turning_share)
    if not len(rows):
        return trend
    part = frame.pick(rows)
    lasting = part.log_uniform(1.5, 10) * max(prior.steps_per_year, 1)
    turns = part.rng.random((part.num_series, part.length), dtype=np.float32) < 1 / lasting
    era = np.cumsum(turns, axis=1, dtype=np.int64)
    paces = part.rng.uniform(-0.5, 1.2, (part.num_series, int(era.max()) + 1)).astype(np.float32)
    paces[:, 0] = 1
    steps = np.diff(trend[rows], axis=1, prepend=trend[rows][:, :1])
    turned = trend.copy()
    turned[rows] = trend[rows][:, :1] + np.cumsum(steps * np.take_along_axis(paces, era, axis=1), axis=1)
    return turned


def _size(frame: Frame, size: Size, lively: Paths) -> Paths:
    """Log-normal sizes; what moves much in one way moves much in the others (correlation 0.36)."""
    return size[0] * np.exp(size[1] * (0.6 * lively + 0.8 * frame.normals(1)))


def _season(frame: Frame, prior: Prior, size: Paths) -> tuple[Paths, Paths]:
    """Seasonal paths of the given size, and that size where there is a season; calendar effects beside."""
    paths = np.zeros((frame.num_series, frame.length), dtype=np.float32)
    sizes = np.zeros_like(size)
    rows = frame.chance(prior.season_share)
    if frame.season_length > 1 and len(rows):
        part = frame.pick(rows)
        paths[rows] = draw_season(part, prior.evolutions, _draw_of(part, prior)) * size[rows]
        sizes[rows] = size[rows]
    if 50 <= frame.season_length <= 53:
        late = frame.chance(0.5)
        true = np.floor(np.arange(frame.length) * (frame.season_length / _YEAR_IN_WEEKS)).astype(np.int64)
        paths[late] = paths[late][:, true]
    for name, share in prior.calendars.items():
        rows = frame.chance(share)
        if len(rows):
            part = frame.pick(rows)
            paths[rows] += CALENDARS[name](part) * size[rows] * part.log_uniform(0.15, 1.2)
    return paths, sizes


def _draw_of(frame: Frame, prior: Prior) -> Component:
    """The template that repeats: a week of days where days have hours, else one season."""
    period = frame.season_length
    if period >= 16 and frame.long_season_length == DAYS * period:
        return lambda part: draw_week(part, prior.shapes)
    if frame.rng.random() < 0.04:
        wrong = int(frame.rng.integers(3, 2 * period + 2))
        return lambda part: draw_shape(part, wrong, prior.shapes)
    return lambda part: draw_shape(part, period, prior.shapes)


def structural(frame: Frame, prior: Prior) -> Paths:
    """Trend, season, noise and disturbances, combined in one of four ways."""
    return combine(frame, prior.combinations, *_parts(frame, prior))


def counted(frame: Frame, prior: Prior) -> Paths:
    """Counts whose intensity has trend and season; weak ones more often than strong ones."""
    trend, season, noise = _parts(frame, prior)
    calm = frame.uniform(0, 1)
    exponent = trend * calm + season * frame.uniform(0, 1) + noise * (frame.uniform(0, 1) < 0.4)
    return counts(frame, np.exp(np.clip(exponent, -6, 6)) * frame.log_uniform(0.4, 600))


def seldom(frame: Frame, prior: Prior) -> Paths:
    """Intermittent demand, its occurrence moved by trend and season."""
    trend, season, _ = _parts(frame, prior)
    return intermittent(frame, to_unit(trend + season, frame))


def gaussian_process(frame: Frame, prior: Prior) -> Paths:
    """Gaussian processes, a part of them as exponents."""
    paths = kernel_mixture(frame)
    size = np.minimum(frame.log_normal(prior.trend_size[0] + prior.season_size[0], 0.8), 1.5)
    log = frame.uniform(0, 1) < 0.5
    return np.where(log, np.exp(np.clip(paths * size, -8, 8)), paths * size + np.where(frame.uniform(0, 1) < 0.8, 1, 0))


def prices(frame: Frame, prior: Prior) -> Paths:  # noqa: ARG001
    """Prices and rates: walks with stormy times, hardly any drift, no season."""
    storm = np.exp(stationary(frame, 1 - frame.log_uniform(0.01, 0.2)) * frame.uniform(0.1, 0.9))
    steps = frame.normals()
    steps = steps * np.exp(0.06 * np.minimum(np.square(steps), 16)) * storm + 0.15 * frame.normals(1)
    width = frame.log_normal(0.25, 0.8) / np.sqrt(frame.spans[:, None].astype(np.float32))
    return np.exp(np.clip(np.cumsum(steps * width, axis=1), -8, 8))


def percentages(frame: Frame, prior: Prior) -> Paths:
    """Shares between 0 and 1: occupancy, load, approval."""
    trend, season, noise = _parts(frame, prior)
    drawn: Paths = 1 / (1 + np.exp(-np.clip(2 * (trend + season + noise) + 1.3 * frame.normals(1), -8, 8)))
    return drawn


def solar(frame: Frame, prior: Prior) -> Paths:  # noqa: ARG001
    """Power of the sun: nothing at night, a bell by day, clouds that last hours or days."""
    period = max(frame.season_length, 2)
    hours = (np.arange(frame.length, dtype=np.float32)[None, :] / period + frame.uniform(0, 1)) % 1
    bell = np.maximum(np.cos(2 * np.pi * hours) + frame.uniform(-0.5, 0.4), 0)
    days = -(-frame.length // period)
    sky = np.repeat(frame.normals(days), period, axis=1)[:, : frame.length] * frame.uniform(0.1, 1.2)
    clouds = sky + stationary(frame, frame.uniform(0.5, 0.97)) * frame.uniform(0.05, 1)
    drawn: Paths = np.power(bell, frame.uniform(0.7, 1.8)) / (
        1 + np.exp(np.clip(clouds - frame.uniform(0, 2.5), -20, 20))
    )
    return drawn


KINDS: dict[str, Kind] = {
    "structural": structural,
    "kernels": gaussian_process,
    "counts": counted,
    "intermittent": seldom,
    "prices": prices,
    "percent": percentages,
    "solar": solar,
}

#: Kinds whose numbers are whole or mostly zero: they are not rescaled, mixed or rounded.
WHOLE = frozenset({"counts", "intermittent"})
