"""AdamW over plain tensors, through torch's functional form.

The class `torch.optim.AdamW` loads torch's compiler on first use, which costs seconds of start-up and is not needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch.optim.adamw import adamw

# the second moment of short runs must warm up within tens of steps, hence 0.99 instead of the usual 0.999
BETAS = (0.9, 0.99)
EPSILON = 1e-8
CLIP_EPSILON = 1e-6


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), one fused call a step."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], *, weight_decay: float) -> None:
        self._parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self._weight_decay = weight_decay
        self._first = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._second = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._steps = [torch.zeros((), device=parameter.device) for parameter in self._parameters]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @property
    def gradients(self) -> list[torch.Tensor]:
        """Return the gradient of every parameter that has one."""
        return [parameter.grad for parameter in self._parameters if parameter.grad is not None]

    @torch.no_grad()
    def clip(self, largest: float) -> float:
        """Return the norm of all gradients together, and scale them down to `largest` where it is above that."""
        gradients = self.gradients
        norm = float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))))
        if norm > largest:
            torch._foreach_mul_(gradients, largest / (norm + CLIP_EPSILON))
        return norm

    def state(self) -> dict[str, torch.Tensor]:
        """Return both moments and the number of steps of every parameter, by its place."""
        groups = {"first": self._first, "second": self._second, "steps": self._steps}
        return {f"{name}.{index}": tensor for name, group in groups.items() for index, tensor in enumerate(group)}

    @torch.no_grad()
    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over what `state` returned."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move every parameter that has a gradient."""
        used = [index for index, parameter in enumerate(self._parameters) if parameter.grad is not None]
        adamw(
            [self._parameters[index] for index in used],
            [gradient for index in used if (gradient := self._parameters[index].grad) is not None],
            [self._first[index] for index in used],
            [self._second[index] for index in used],
            [],
            [self._steps[index] for index in used],
            fused=self._parameters[0].device.type in ("cpu", "cuda"),
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=learning_rate,
            weight_decay=self._weight_decay,
            eps=EPSILON,
            maximize=False,
        )
