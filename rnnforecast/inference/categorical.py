"""Probabilities of categories in NumPy: what a network adds to the transitions between categories.

Codes 0 to K - 1 are the categories, code K is a missing value.

Axis legend: B windows, C context_length, H horizon, K categories, d hidden_size.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.data.windows import WindowBatch
from rnnforecast.inference.equations import Tensors, linear, softmax
from rnnforecast.inference.forecaster import read_segments
from rnnforecast.inference.normalisation import Array, arange_like, integers, last_seen
from rnnforecast.inference.shapes import Shape, encoder_shapes
from rnnforecast.members import CategoricalSettings

#: The most frequent transition (a Markov chain of first order), and the frequencies of all categories.
MARKOV, MOST_FREQUENT = "markov", "most-frequent"
CATEGORICAL_BASELINES = (MARKOV, MOST_FREQUENT)


def categorical_shapes(settings: CategoricalSettings) -> dict[str, Shape]:
    """Return the shape of every tensor by name: `transitions` are log probabilities [H, K + 1, K]."""
    count, outputs = settings.num_categories, settings.horizon * settings.num_categories
    return encoder_shapes(settings, count + 1) | {
        "output.weight": (outputs, settings.hidden_size),
        "output.bias": (outputs,),
        "transitions": (settings.horizon, count + 1, count),
    }


def forecast_categories(settings: CategoricalSettings, tensors: Tensors, batch: WindowBatch) -> Float64Array:
    """Return the probability of each category at each step: [B, H, K].

    softmax(W h + b + log P^l[x]): P^l are the transitions over l steps from the newest category x that is known.
    """
    count = settings.num_categories
    codes = to_codes(np, batch.past_target, batch.past_observed, count)
    inputs = np.eye(count + 1, dtype=np.float32)[codes]  # [B, C, K + 1]
    final = read_segments(settings, tensors, inputs)[1]
    outputs = linear(final, tensors["output.weight"], tensors["output.bias"])
    outputs = outputs.reshape(len(codes), settings.horizon, count)
    return np.asarray(
        softmax(outputs.astype(np.float64) + follow(tensors["transitions"], codes, count)), dtype=np.float64
    )


def lengthened(transitions: Array, horizon: int) -> Float64Array:
    """Return log transitions [H, K + 1, K] for so many steps, those beyond H as of a Markov chain."""
    ahead = list(np.exp(np.asarray(transitions[:horizon], dtype=np.float64)))
    moves = np.exp(np.asarray(transitions[0, :-1], dtype=np.float64))
    moves /= moves.sum(axis=1, keepdims=True)
    while len(ahead) < horizon:
        ahead.append(np.concatenate([ahead[-1][:-1] @ moves, ahead[-1][-1:]]))
    return np.asarray(np.log(ahead))


def continued(probabilities: Float64Array, transitions: Array, horizon: int) -> Float64Array:
    """Return `horizon` steps of probabilities [B, H, K]: the first ones, or more by the transitions after the last one."""
    missing = horizon - probabilities.shape[1]
    if missing <= 0:
        return probabilities[:, :horizon]
    moves = np.exp(lengthened(transitions, missing)[:, :-1])
    return np.concatenate([probabilities, np.einsum("bk,lkj->blj", probabilities[:, -1], moves)], axis=1)


def follow(transitions: Array, codes: Array, num_categories: int) -> Float64Array:
    """Return the log probabilities that transitions [H, K + 1, K] give after codes [B, C]: [B, H, K] float64."""
    newest = last_known(np, codes, num_categories)[:, -1]
    return np.asarray(np.moveaxis(transitions[:, newest], 1, 0), dtype=np.float64)


def to_codes(xp: ModuleType, target: Array, observed: Array, num_categories: int) -> Array:
    """Return codes of targets, which count categories from 1 on: [B, N]."""
    return integers(xp, xp.where(observed, target - 1, num_categories))


def last_known(xp: ModuleType, codes: Array, num_categories: int) -> Array:
    """Return at each step the newest code that is known, K where there is none: [B, N]."""
    newest = last_seen(xp, codes < num_categories, 1)
    rows = integers(xp, arange_like(xp, codes, codes.shape[0]))[:, None]
    return xp.where(newest >= 0, codes[rows, xp.clip(newest, 0, None)], num_categories)
