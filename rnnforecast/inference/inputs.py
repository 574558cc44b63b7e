"""Lay out a batch of windows for a network: segments with their covariates, and the window one step later.

One source for both engines, on NumPy arrays and torch tensors alike; it moves numbers without computing with them.

Axis legend: B batch, C context_length, H steps of one pass, T segments, p segment_length, L positions forecast from,
K segments of the horizon, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType

from rnnforecast.data.windows import WindowBatch
from rnnforecast.inference.normalisation import Array, Normalised, arange_like, integers, pad_front
from rnnforecast.inference.shapes import CovariateLayout

COVARIATE_LIMIT = 30.0


def encode_covariates(
    xp: ModuleType, batch: WindowBatch, tensors: Mapping[str, Array], layouts: Mapping[str, CovariateLayout]
) -> WindowBatch:
    """Return the batch with covariates as a network reads them: numbers first, then the vectors of categories.

    Numbers are in units of the training data, missing ones become their mean. Category c of V (code 1 to V) becomes
    row c of its table; code 0, a category that is not known, becomes the mean of all rows. `tensors` holds
    `past_mean`, `past_scale` [F], `past_embedding.COLUMN` [V, E] ... for every layout.
    """
    changes = {
        f"{kind}_covariates": _encoded(xp, getattr(batch, f"{kind}_covariates"), tensors, kind=kind, layout=layout)
        for kind, layout in layouts.items()
    }
    return replace(batch, **changes) if changes else batch


def segment_inputs(xp: ModuleType, normalised: Normalised, batch: WindowBatch, segment_length: int) -> Array:
    """Return what the encoder reads: [B, T, values p, observed p, past p*Fp, future p*Ff, static Fs, features]."""
    num_windows, padded_length = normalised.values.shape
    num_segments = padded_length // segment_length
    context_length = batch.past_target.shape[1]
    padding = padded_length - context_length
    shape = (num_windows, num_segments, -1)
    parts = [normalised.values.reshape(shape), normalised.observed.reshape(shape)]
    for covariates in (batch.past_covariates, batch.future_covariates[:, :context_length]):
        if covariates.shape[2]:
            parts.append(pad_front(xp, covariates, padding).reshape(shape))
    static = batch.static_covariates
    if static.shape[1]:
        parts.append(xp.broadcast_to(static[:, None, :], (num_windows, num_segments, static.shape[1])))
    if normalised.features is not None:
        parts.append(normalised.features)
    return xp.concatenate(parts, -1)


def future_inputs(
    xp: ModuleType, batch: WindowBatch, horizon: int, *, segment_length: int, positions: Array | None = None
) -> Array | None:
    """Return future covariates after each position [L] of the window (default: its end): [B, L, H, Ff]."""
    future = batch.future_covariates
    if future.shape[2] == 0:
        return None
    context_length = batch.past_target.shape[1]
    if positions is None:
        return future[:, None, context_length : context_length + horizon]
    padded = pad_front(xp, future, -context_length % segment_length)
    steps = arange_like(xp, future, horizon)
    return padded[:, integers(xp, (positions[:, None] + 1) * segment_length + steps)]


def in_blocks(xp: ModuleType, array: Array, segment_length: int) -> Array:
    """Cut the horizon of [B, L, H, F] into segments, zeros behind the last step: [B, L, K, p * F]."""
    batch, positions, horizon, features = array.shape
    padding = -horizon % segment_length
    if padding:
        array = xp.concatenate([array] + [xp.zeros_like(array[:, :, :1])] * padding, 2)
    return array.reshape(batch, positions, -1, segment_length * features)


def one_step_window(
    xp: ModuleType, batch: WindowBatch, past_target: Array, past_observed: Array, *, lead: int
) -> WindowBatch:
    """Return the window `lead` steps later: its past slid on, the last past covariates repeated."""
    context_length = past_target.shape[1]
    past = batch.past_covariates
    if past.shape[2]:
        rows = xp.clip(arange_like(xp, past, context_length) + lead, None, context_length - 1)
        past = past[:, rows]
    return replace(
        batch,
        past_target=past_target,
        past_observed=past_observed,
        past_covariates=past,
        future_covariates=batch.future_covariates[:, lead : lead + context_length + 1],
    )


def _encoded(
    xp: ModuleType, covariates: Array, tensors: Mapping[str, Array], *, kind: str, layout: CovariateLayout
) -> Array:
    """Return [..., F] as [..., width]."""
    if not layout.categories:
        return _standardised(xp, covariates, tensors[f"{kind}_mean"], tensors[f"{kind}_scale"])
    parts = []
    if layout.numbers:
        numbers = covariates[..., list(layout.numbers)]
        parts.append(_standardised(xp, numbers, tensors[f"{kind}_mean"], tensors[f"{kind}_scale"]))
    for column, size in layout.categories:
        codes = covariates[..., column]
        codes = integers(xp, xp.clip(xp.where(xp.isfinite(codes), codes, 0.0), 0, size))
        table = tensors[f"{kind}_embedding.{column}"]
        parts.append(xp.concatenate([table.mean(0)[None], table], 0)[codes])
    return xp.concatenate(parts, -1)


def _standardised(xp: ModuleType, covariates: Array, mean: Array, scale: Array) -> Array:
    values = (covariates - mean) / scale
    return xp.clip(xp.where(xp.isfinite(values), values, 0.0), -COVARIATE_LIMIT, COVARIATE_LIMIT)
