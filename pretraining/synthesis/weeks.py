"""Weeks of days: how one day's profile differs from the next, for series with several points a day.

Work and rest days differ in level and in shape; some series know no week, some rest only on the last day, some have a
profile of its own for every day. The week begins anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pretraining.synthesis.frames import Frame, Paths
from pretraining.synthesis.seasons import draw_shape, standardised

if TYPE_CHECKING:
    from collections.abc import Mapping

DAYS = 7


def draw_week(frame: Frame, weights: Mapping[str, float]) -> Paths:
    """Templates `[num_series, 7 * season_length]` of a week, mean 0 and spread 1."""
    period = frame.season_length
    work = draw_shape(frame, period, weights)
    rest = _rest_profile(frame, work, weights)
    days = work[:, None, :] + _restful(frame)[:, :, None] * (rest - work)[:, None, :]
    own = 0.1 + frame.log_uniform(0.02, 1) * (frame.uniform(0, 1) < 0.15)
    days = days + frame.normals(DAYS * period).reshape(-1, DAYS, period) * (own * 0.3 * frame.uniform(0, 1))[:, :, None]
    cells = days.reshape(frame.num_series, DAYS * period)
    hours = frame.rng.integers(0, DAYS, (frame.num_series, 1)) * period
    places = (np.arange(DAYS * period)[None, :] + hours) % (DAYS * period)
    return standardised(_softened(frame, np.take_along_axis(cells, places, axis=1)))


def _softened(frame: Frame, cells: Paths) -> Paths:
    """Three quarters of the templates without sharp edges: a bell of some minutes to some hours runs over them."""
    width = frame.log_uniform(0.3, 3) * (frame.season_length / 24) * (frame.uniform(0, 1) < 0.75)
    waves = np.fft.rfft(cells, axis=1)
    pace = 2 * np.pi * np.arange(waves.shape[1], dtype=np.float32)[None, :] / cells.shape[1]
    waves *= np.exp(-0.5 * np.square(pace * width))
    return np.fft.irfft(waves, n=cells.shape[1], axis=1).astype(np.float32)


def _rest_profile(frame: Frame, work: Paths, weights: Mapping[str, float]) -> Paths:
    """The profile of a day of rest: flatter, later, lower than that of work, and partly its own."""
    period = frame.season_length
    late = np.round(frame.uniform(-0.02, 0.12) * period).astype(np.int64)
    shifted = np.take_along_axis(work, (np.arange(period)[None, :] - late) % period, axis=1)
    mine = frame.uniform(0, 1) * (frame.uniform(0, 1) < 0.6)
    other = draw_shape(frame, period, weights)
    profile = (shifted * (1 - mine) + other * mine) * frame.uniform(0.1, 1.2)
    drawn: Paths = profile + frame.normals(1) * 0.8 - 0.5 * frame.uniform(0, 1)
    return drawn


def _restful(frame: Frame) -> Paths:
    """How much of a rest day each day is, `[num_series, 7]`: Saturday and Sunday, Sunday alone, none, or any mix."""
    kind = frame.uniform(0, 1)
    weekend = np.zeros((frame.num_series, DAYS), dtype=np.float32)
    weekend[:, 5:] = 1
    weekend[:, 5:6] = np.where(frame.uniform(0, 1) < 0.6, 1, frame.uniform(0, 1))
    sunday = np.zeros_like(weekend)
    sunday[:, 6] = 1
    mixed = frame.uniform(0, 1, DAYS) * frame.uniform(0, 1)
    mild = weekend * frame.uniform(0, 0.5)
    days = np.where(kind < 0.4, weekend, np.where(kind < 0.48, sunday, np.where(kind < 0.6, mixed, mild)))
    return np.where(kind < 0.74, days, 0).astype(np.float32)
