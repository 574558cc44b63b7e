"""The training loop: one screen of plain torch over batches gathered from flat tensors.

Axis legend: B batch, H horizon, W windows.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from rnnforecast.data.windows import Windows, gather
from rnnforecast.errors import DivergedError
from rnnforecast.training.optimiser import AdamW

if TYPE_CHECKING:
    import numpy as np

    from rnnforecast.data.windows import FlatSeries
    from rnnforecast.networks.engine import Network
    from rnnforecast.progress import Progress
    from rnnforecast.training.recipe import FitSettings
    from rnnforecast.training.sampling import WindowSampler

WARM_UP_SHARE = 0.1
MAX_ROLLBACKS = 2
# the pace is known well enough after this many steps to say how many fit into the budget; the first is no
# measure: torch loads much on first use
PACE_STEPS = 8
NUM_VALIDATIONS = 10

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Fit:
    """What a run of the loop leaves behind; `weights` are the best on validation, or the last without one."""

    weights: dict[str, np.ndarray]
    best_step: int
    num_steps: int  # done; fewer than asked when the time budget cut them
    best_score: float | None
    losses: tuple[float, ...]
    clipped_share: float
    num_rollbacks: int
    seconds: float


@dataclass(frozen=True)
class Watched:
    """Windows that the best weights are chosen on, and the series they lie in, as tensors on one device."""

    flat: FlatSeries
    windows: Windows


def fit_network(
    network: Network,
    flat: FlatSeries,
    sampler: WindowSampler,
    fit: FitSettings,
    *,
    watched: Watched | None,
    seed: int,
    budget_seconds: float | None,
    progress: Progress,
) -> Fit:
    """Fit a network in place: AdamW, warm-up and cosine to zero, clipped gradients, best weights kept.

    `flat` holds tensors on the device of the network, `watched` what validation looks at. A non-finite loss or
    gradient sends the run back to the last good weights at half the rate; the third time raises DivergedError.
    """
    started = time.monotonic()
    generator = torch.Generator().manual_seed(seed)
    optimiser = AdamW(network.parameters(), weight_decay=fit.weight_decay)
    keeper = _Keeper(network, watched)
    num_steps, rate, rollbacks, clipped, step = fit.num_steps, fit.learning_rate, 0, 0, 0
    losses: list[float] = []
    while step < num_steps:
        windows = sampler.draw(fit.batch_size, generator)
        batch = gather(flat, windows, context_length=network.context_length, horizon=network.training_horizon)
        forcing = fit.teacher_forcing * (1 - step / num_steps)
        loss = network.loss(batch, teacher_forcing=forcing, generator=generator)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = float(torch.nn.utils.clip_grad_norm_(network.parameters(), fit.gradient_clip))
        value = float(loss.detach())
        if not (math.isfinite(value) and math.isfinite(norm)):
            rollbacks, rate = rollbacks + 1, rate / 2
            if rollbacks > MAX_ROLLBACKS:
                raise _diverged(step, value, norm, rate)
            keeper.roll_back()
            optimiser = AdamW(network.parameters(), weight_decay=fit.weight_decay)
            continue
        optimiser.step(rate * _schedule(step, num_steps))
        step += 1
        losses.append(value)
        clipped += norm > fit.gradient_clip
        if step == 1:
            warmed_up = time.monotonic()
        if step == PACE_STEPS and budget_seconds is not None:
            left = started + budget_seconds - time.monotonic()
            num_steps = _steps_in_budget(num_steps, step, pace=(time.monotonic() - warmed_up) / (step - 1), left=left)
        if step % max(1, num_steps // NUM_VALIDATIONS) == 0 or step == num_steps:
            keeper.look(step)
        progress.update(step, loss=value, score=keeper.best_score)
    return Fit(
        weights={name: tensor.numpy() for name, tensor in keeper.restore_best().items()},
        best_step=keeper.best_step,
        num_steps=num_steps,
        best_score=keeper.best_score,
        losses=tuple(losses),
        clipped_share=clipped / max(step, 1),
        num_rollbacks=rollbacks,
        seconds=time.monotonic() - started,
    )


class _Keeper:
    """Keeps the last good weights of a run, and the best on validation; without validation the last are the best."""

    def __init__(self, network: Network, watched: Watched | None) -> None:
        self._network = network
        self._watched = watched
        self._good = self._best = _copy_weights(network)
        self.best_step = 0
        self.best_score: float | None = None

    def look(self, step: int) -> None:
        """Keep the weights of this step as good where they score a number, and as best where validation says so."""
        if self._watched is None:
            self._good = self._best = _copy_weights(self._network)
            self.best_step = step
            return
        score = validation_score(self._network, self._watched.flat, self._watched.windows)
        if not math.isfinite(score):
            return
        self._good = _copy_weights(self._network)
        if self.best_score is None or score < self.best_score:
            self._best, self.best_step, self.best_score = self._good, step, score

    def roll_back(self) -> None:
        """Go back to the last good weights."""
        self._network.load_state_dict(self._good)

    def restore_best(self) -> Weights:
        """Put the best weights into the network and return them. Raises DivergedError when none were good."""
        if self.best_step == 0:
            raise _diverged(0, math.nan, math.nan, 0.0)
        self._network.load_state_dict(self._best)
        return self._best


@torch.no_grad()
def validation_score(network: Network, flat: FlatSeries, windows: Windows) -> float:
    """Loss over fixed windows, in the mode that forecasts (no dropout, no teacher forcing)."""
    network.eval()
    batch = gather(flat, windows, context_length=network.context_length, horizon=network.training_horizon)
    score = float(network.loss(batch, teacher_forcing=0.0, generator=None))
    network.train()
    return score


def _schedule(step: int, num_steps: int) -> float:
    """Factor of the learning rate: linear warm-up over a tenth of the steps, then half a cosine to zero."""
    warm_up = max(1, round(WARM_UP_SHARE * num_steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, num_steps - warm_up)))


def _steps_in_budget(num_steps: int, done: int, *, pace: float, left: float) -> int:
    """Steps there is time for at `pace` seconds a step in the seconds left, a tenth of them kept for validation."""
    affordable = done + int(0.9 * left / pace)
    return max(done + 1, min(num_steps, affordable))


def _copy_weights(network: Network) -> Weights:
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}


def _diverged(step: int, loss: float, norm: float, rate: float) -> DivergedError:
    cause = f"the loss was {loss}" if not math.isfinite(loss) else f"the gradient norm was {norm}"
    return DivergedError(
        f"training diverged at step {step + 1}: {cause}, {MAX_ROLLBACKS} returns to the last good weights did not help",
        hint=f"lower `--learning-rate` (last tried {2 * rate:.2g}) or `--gradient-clip`, and look for outliers with "
        "`rnnforecast inspect`",
        code="E_RUN_DIVERGED",
    )
