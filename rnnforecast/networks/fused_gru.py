"""The GRU over a whole sequence with its gradient written out: one product a step forward, one for all steps back.

The same equations and weights as `torch.nn.GRU`. On a CPU it is faster than that for batches of a hundred rows and
more, and it takes bfloat16 products with a float32 state, which `torch.nn.GRU` does not.

Axis legend: T steps, B batch, d hidden_size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class _Scan(torch.autograd.Function):
    """h_t = (1 - z_t) n_t + z_t h_{t-1} from h_0 = 0 over gates [T, B, 3 d] that the inputs gave."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        steps, batch, width = gates.shape[0], gates.shape[1], gates.shape[2] // 3
        hidden = gates.new_empty(steps + 1, batch, width, dtype=torch.float32)
        hidden[0] = 0
        opened = gates.new_empty(steps, batch, 2 * width, dtype=torch.float32)  # r, z
        candidate = torch.empty_like(hidden[1:])
        recurrent_new = torch.empty_like(hidden[1:])  # W_hn h + b_hn
        transposed, offset = weight.t(), bias.to(weight.dtype)
        for step in range(steps):
            recurrent = torch.addmm(offset, hidden[step].to(weight.dtype), transposed)
            torch.add(gates[step, :, : 2 * width], recurrent[:, : 2 * width], out=opened[step])
            reset, keep = opened[step].sigmoid_().tensor_split(2, dim=1)
            recurrent_new[step] = recurrent[:, 2 * width :]
            new = torch.addcmul(gates[step, :, 2 * width :], reset, recurrent_new[step], out=candidate[step])
            # 2 sigmoid(2 x) - 1 is tanh x, several times faster on a CPU
            new.mul_(2).sigmoid_().mul_(2).sub_(1)
            torch.lerp(new, hidden[step], keep, out=hidden[step + 1])
        ctx.save_for_backward(hidden, opened, candidate, recurrent_new, weight)
        return hidden[1:]

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden, opened, candidate, recurrent_new, weight = ctx.saved_tensors
        grad_hidden = grad_outputs[0]
        steps, batch, width = grad_hidden.shape
        grad_gates = hidden.new_empty(steps, batch, 3 * width)
        grad_recurrent = weight.new_empty(steps, batch, 3 * width)
        carried = torch.zeros_like(hidden[0])
        for step in range(steps - 1, -1, -1):
            reset, keep = opened[step].tensor_split(2, dim=1)
            new, before = candidate[step], hidden[step]
            total = carried.add_(grad_hidden[step])
            grad_new = grad_gates[step, :, 2 * width :]
            # d tanh: 1 - n^2, d sigmoid: s (1 - s)
            torch.mul(total.mul(1 - keep), torch.addcmul(torch.ones_like(new), new, new, value=-1), out=grad_new)
            grad_reset, grad_keep = grad_gates[step, :, :width], grad_gates[step, :, width : 2 * width]
            torch.mul(grad_new, recurrent_new[step], out=grad_reset)
            grad_reset.mul_(reset).mul_(1 - reset)
            torch.mul(total, before - new, out=grad_keep)
            grad_keep.mul_(keep).mul_(1 - keep)
            grad_recurrent[step, :, : 2 * width] = grad_gates[step, :, : 2 * width]
            grad_recurrent[step, :, 2 * width :] = grad_new * reset
            carried = torch.addmm((total * keep).to(weight.dtype), grad_recurrent[step], weight).to(torch.float32)
        flat = grad_recurrent.view(-1, 3 * width)
        grad_weight = flat.t() @ hidden[:-1].reshape(-1, width).to(weight.dtype)
        grad_bias = flat.sum(0, dtype=torch.float32)
        return grad_gates.to(weight.dtype), grad_weight, grad_bias


def library_gru(inputs: Tensor, weights: Sequence[Tensor], *, training: bool) -> Tensor:
    """Return the hidden states [T, B, d] of the GRU of the device's library over [T, B, d_in]: few launches for all steps.

    `weights` are those of `torch.nn.GRU` in its order: input, hidden, and the bias of each.
    """
    start = inputs.new_zeros(1, inputs.shape[1], weights[1].shape[1])
    hidden, _ = torch.gru(
        inputs,
        start,
        list(weights),
        has_biases=True,
        num_layers=1,
        dropout=0.0,
        train=training,
        bidirectional=False,
        batch_first=False,
    )
    return hidden


class FusedGRU(nn.Module):
    """One GRU layer, `torch.nn.GRU` in names of weights, order of gates (r, z, n) and results."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(hidden_size)
        self.weight_ih_l0 = nn.Parameter(torch.empty(3 * hidden_size, input_size).uniform_(-bound, bound))
        self.weight_hh_l0 = nn.Parameter(torch.empty(3 * hidden_size, hidden_size).uniform_(-bound, bound))
        self.bias_ih_l0 = nn.Parameter(torch.empty(3 * hidden_size).uniform_(-bound, bound))
        self.bias_hh_l0 = nn.Parameter(torch.empty(3 * hidden_size).uniform_(-bound, bound))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map [B, T, d_in] to hidden states [B, T, d] float32."""
        if inputs.is_cuda:
            weights = (self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0)
            return library_gru(inputs.transpose(0, 1), weights, training=self.training).transpose(0, 1).float()
        gates = nn.functional.linear(inputs.transpose(0, 1), self.weight_ih_l0, self.bias_ih_l0)
        weight = self.weight_hh_l0.to(gates.dtype)
        hidden: Tensor = _Scan.apply(gates, weight, self.bias_hh_l0)  # type: ignore[no-untyped-call]
        return hidden.transpose(0, 1)
