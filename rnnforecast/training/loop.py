"""The training loop: one screen of plain torch over batches gathered from flat tensors.

Axis legend: B batch, H horizon, W windows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from rnnforecast.data.windows import FlatSeries, WindowBatch, gather
from rnnforecast.frozen import dataclass
from rnnforecast.progress import Progress
from rnnforecast.training.allocator import keep_freed_memory, return_freed_memory
from rnnforecast.training.fit_result import Fit
from rnnforecast.training.recipe import FitSettings
from rnnforecast.training.sampling import WindowSampler
from rnnforecast.training.state import Run, ValidationWindows

if TYPE_CHECKING:
    from rnnforecast.networks.engine import Trainable
    from rnnforecast.training.checkpoints import FitCheckpoint
    from rnnforecast.training.processes import Team

WARM_UP_FRACTION = 0.1
# the pace is measured every so many steps and the rest planned by it; the first step does not count, as torch loads
# much on first use
PACE_STEPS = 8


@dataclass(frozen=True)
class TrainWindows:
    """Windows for gradient steps, and the series they lie in, as tensors on one device."""

    flat: FlatSeries
    sampler: WindowSampler
    team: Team | None = None  # the processes that divide each batch

    def draw(self, network: Trainable, batch_size: int, generator: torch.Generator) -> WindowBatch:
        """Draw the windows of one gradient step and gather what the network reads of them; in a team, of its part."""
        windows = self.sampler.draw(batch_size, generator)
        if self.team is not None:
            windows = windows.select(self.team.part())
        lengths = {"context_length": network.context_length, "horizon": network.training_horizon}
        return gather(self.flat, windows, **lengths, xp=torch)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread in a fit in this process: between small operations others spin, in the way of other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _without_denormals() -> Iterator[None]:
    """Count numbers too small for full precision as 0: gradients that vanish over 300 steps would take eight times as long."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@_without_denormals()
def fit_network(
    network: Trainable,
    train_windows: TrainWindows,
    fit: FitSettings,
    *,
    validation_windows: ValidationWindows | None,
    seed: int,
    budget_seconds: float | None,
    progress: Progress,
    checkpoint: FitCheckpoint | None = None,
) -> Fit:
    """Fit a network in place: AdamW, warm-up and cosine to zero, clipped gradients, best weights kept.

    A run stops when `patience` validations brought no better score, or when it is far behind forecasts without training. A
    team calls this in every process; the first saves.

    A loss or gradient that is not finite rolls the run back to the last good weights at half the rate; the third time
    raises DivergedError. With a `checkpoint` the run resumes from it and is saved there; the result is the same to the
    byte.
    """
    keep_freed_memory()
    team = train_windows.team
    saved = checkpoint if team is None or team.rank == 0 else None
    run = Run(network, fit, validation_windows=validation_windows, seed=seed, team=team)
    run.start(checkpoint)
    pace_from = (run.step, time.monotonic())
    while run.step < run.num_steps and not run.is_stopped:
        # forward and backward
        batch = train_windows.draw(network, fit.batch_size, run.generator)
        teacher_forcing = fit.teacher_forcing * (1 - run.step / run.num_steps)
        loss = network.loss(batch, teacher_forcing=teacher_forcing, generator=run.generator)
        run.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        if team is not None:
            value = team.average(run.optimiser.gradients, value)
        norm = run.optimiser.clip(fit.gradient_clip)
        if not (math.isfinite(value) and math.isfinite(norm)):
            run.roll_back(value, norm)
            continue
        # step
        run.optimiser.step(run.rate * _schedule(run.step, run.num_steps))
        run.record_step(value, norm)
        if pace_from[0] == 0 and run.step == 1:
            pace_from = (1, time.monotonic())
        if budget_seconds is not None:
            steps = _affordable_steps(run, pace_from, left=budget_seconds - run.seconds)
            run.num_steps = steps if team is None else int(team.smallest(steps))
        # evaluate
        if run.is_validation_step:
            run.validate()
        # save
        if saved is not None:
            saved.save_if_due(run.to_checkpoint)
        # log
        progress.update(run.step, loss=value, score=run.best.score)
    if saved is not None:
        saved.finish(run.to_checkpoint)
    return_freed_memory()
    return run.result()


def _schedule(step: int, num_steps: int) -> float:
    """Return the factor of the learning rate: linear warm-up over a tenth of the steps, then half a cosine to zero."""
    warm_up = max(1, round(WARM_UP_FRACTION * num_steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, num_steps - warm_up)))


def _affordable_steps(run: Run, pace_from: tuple[int, float], *, left: float) -> int:
    """Return the steps of a run that has so many seconds left: never more than before, as a busy machine may slow down."""
    if left <= 0:
        return run.step
    if run.step % PACE_STEPS or run.step <= pace_from[0]:
        return run.num_steps
    pace = (time.monotonic() - pace_from[1]) / (run.step - pace_from[0])
    return _steps_in_budget(run.num_steps, run.step, pace=pace, left=left)


def _steps_in_budget(num_steps: int, done: int, *, pace: float, left: float) -> int:
    """Return the steps affordable at `pace` seconds a step in the seconds left, a tenth of them kept for validation."""
    affordable = done + int(0.9 * left / pace)
    return max(done + 1, min(num_steps, affordable))
