"""The recurrent trunk of the pretrained network in NumPy, over series that begin at different segments.

Segments are packed: those of all series that end at one time stand together, longest series first, so every step is one
product with the rows that have begun, and nothing is computed for segments before a series.

Axis legend: B series, T segments, N segments of all series, d hidden_size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.arrays import BoolArray, FloatArray, Int64Array
from rnnforecast.frozen import dataclass
from rnnforecast.inference.equations import MOST_PIECES, SMALL_PRODUCT, Tensors, linear

NORM_EPSILON = 1e-5


class FixedTensors(dict[str, np.ndarray]):
    """Tensors that never change: their recurrences are laid out once, and states after no input are kept."""

    def __init__(self, tensors: Tensors) -> None:
        """Take the tensors of one network."""
        super().__init__(tensors)
        self.recurrences: dict[str, _Recurrence] = {}
        self.after_nothing: list[FloatArray] | None = None


@dataclass(frozen=True)
class Packing:
    """How segments of series with `lengths` [B] segments each are packed."""

    order: Int64Array  # [B] series, longest first
    inside: BoolArray  # [T, B] in that order: which segments there are
    sizes: list[int]  # [T] series that have begun

    @classmethod
    def of(cls, lengths: Int64Array) -> Packing:
        """Order series by their numbers of segments, all above 0."""
        order = np.argsort(-lengths, kind="stable")
        inside = np.arange(int(lengths.max()), 0, -1)[:, None] <= lengths[order]
        return cls(order, inside, inside.sum(axis=1).tolist())

    def pack(self, padded: FloatArray) -> FloatArray:
        """Return the segments [N, d] of series [B, T, d] that end with their last segment."""
        return padded[self.order].swapaxes(0, 1)[self.inside]


def run_trunk(
    tensors: Tensors, states: FloatArray, sizes: Sequence[int], start: Sequence[FloatArray]
) -> tuple[FloatArray, list[FloatArray]]:
    """Read packed segments [N, d]: return the last state of each series [B, d], and all recurrent states of each layer.

    Per layer h + GRU(norm(h)), then h + W_2 relu(W_1 norm(h)). `start` holds the recurrent states before [B, d] of each layer.
    """
    ends = []
    for layer, before in enumerate(start):
        prefix = f"trunk.layers.{layer}."
        recurrence = _recurrence(tensors, f"{prefix}recurrent.")
        hidden = recurrence.run(_norm(tensors, f"{prefix}recurrent_norm", states), sizes, before)
        ends.append(hidden)
        states = states + hidden
        if layer == len(start) - 1:
            states = states[-sizes[-1] :]  # no later layer reads the others
        normed = _norm(tensors, f"{prefix}forward_norm", states)
        wide = linear(normed, tensors[f"{prefix}widen.weight"], tensors[f"{prefix}widen.bias"])
        np.maximum(wide, 0, out=wide)
        states = states + linear(wide, tensors[f"{prefix}narrow.weight"], tensors[f"{prefix}narrow.bias"])
    return _norm(tensors, "trunk.norm", states), ends


def _norm(tensors: Tensors, name: str, values: FloatArray) -> FloatArray:
    """Layer normalisation (Ba et al. 2016) over the last axis."""
    normed: FloatArray = values - values.mean(axis=-1, keepdims=True)
    variance = np.einsum("...d,...d->...", normed, normed)[..., None] / values.shape[-1]
    normed *= 1 / np.sqrt(variance + NORM_EPSILON)
    normed *= tensors[f"{name}.weight"]
    normed += tensors[f"{name}.bias"]
    return normed


@dataclass(frozen=True)
class _Recurrence:
    """A GRU (`cells.gru_step`) with one matrix a gate, in the order r, z, n.

    Weights of the sigmoids are halved, which changes no digit: sigmoid(x) = (1 + tanh(x / 2)) / 2.
    """

    weight_ih: FloatArray  # [3, d, d], transposed
    bias_ih: FloatArray  # [3, 1, d]
    weight_hh: FloatArray
    bias_hh: FloatArray

    @classmethod
    def of(cls, tensors: Tensors, prefix: str) -> _Recurrence:
        """Lay out the tensors below `prefix`."""
        found = []
        for name in ("weight_ih_l0", "bias_ih_l0", "weight_hh_l0", "bias_hh_l0"):
            gates = tensors[prefix + name].reshape(3, -1, tensors[prefix + "weight_hh_l0"].shape[1]).copy()
            gates[:2] *= 0.5
            found.append(np.ascontiguousarray(gates.swapaxes(1, 2)) if "weight" in name else gates)
        return cls(*found)

    def run(self, inputs: FloatArray, sizes: Sequence[int], start: FloatArray) -> FloatArray:
        """Return the state after each packed segment: [N, d]."""
        gates = np.matmul(inputs, self.weight_ih)  # [3, N, d]
        gates += self.bias_ih
        outputs = np.empty_like(inputs)
        hidden, end = start[: sizes[0]], 0
        for size in sizes:
            if size > len(hidden):
                hidden = np.concatenate([hidden, start[len(hidden) : size]])
            begin, end = end, end + size
            recurrent = self._product(hidden)
            sigmoids, candidate = recurrent[:2], recurrent[2]
            sigmoids += gates[:2, begin:end]
            np.tanh(sigmoids, out=sigmoids)
            sigmoids *= 0.5
            sigmoids += 0.5
            candidate *= sigmoids[0]
            candidate += gates[2, begin:end]
            np.tanh(candidate, out=candidate)
            following = np.subtract(hidden, candidate, out=outputs[begin:end])
            following *= sigmoids[1]
            following += candidate
            hidden = following
        return outputs

    def _product(self, hidden: FloatArray) -> FloatArray:
        """Return W_h h + b_h of each gate: [3, B, d]."""
        rows, width = hidden.shape
        most = SMALL_PRODUCT // width**2
        size = -(-rows // -(-rows // most)) if most < rows <= MOST_PIECES * most else rows
        gates = np.empty((3, rows, width), dtype=hidden.dtype)
        for first in range(0, rows, size):
            np.matmul(hidden[first : first + size], self.weight_hh, out=gates[:, first : first + size])
        gates += self.bias_hh
        return gates


def _recurrence(tensors: Tensors, prefix: str) -> _Recurrence:
    known = tensors.recurrences if isinstance(tensors, FixedTensors) else {}
    if prefix not in known:
        known[prefix] = _Recurrence.of(tensors, prefix)
    return known[prefix]
