"""Forecast windows with any network in NumPy, and say what tensors it needs: the door to the equations of each kind."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.windows import WindowBatch
from rnnforecast.inference import forecaster
from rnnforecast.inference.equations import Tensors
from rnnforecast.inference.pretrained import forecast_pretrained, pretrained_shapes
from rnnforecast.inference.shapes import Shape
from rnnforecast.members import Member, PretrainedSettings


def forecast_windows(member: Member, tensors: Tensors, batch: WindowBatch) -> np.ndarray:
    """Forecast the horizon after each window: [B, H, Q] float64 in original units, ascending along Q."""
    if isinstance(member, PretrainedSettings):
        return forecast_pretrained(member, tensors, batch)
    return forecaster.forecast_windows(member, tensors, batch)


def expected_shapes(member: Member) -> dict[str, Shape]:
    """Return the shape of every tensor of a network by name: what a model file must hold, no more and no less."""
    if isinstance(member, PretrainedSettings):
        return pretrained_shapes(member)
    return forecaster.expected_shapes(member)
