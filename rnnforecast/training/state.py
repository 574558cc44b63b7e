"""Where a fit stands: all that its next step depends on, so that it can be saved and gone on from byte for byte."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rnnforecast.data.windows import Windows, gather
from rnnforecast.errors import DivergedError
from rnnforecast.store.checkpoint import Checkpoint
from rnnforecast.training.optimiser import AdamW

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rnnforecast.data.windows import FlatSeries
    from rnnforecast.networks.engine import Network
    from rnnforecast.training.checkpoints import FitCheckpoint
    from rnnforecast.training.recipe import FitSettings

MAX_ROLLBACKS = 2
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


class Facts(BaseModel):
    """What a checkpoint says beside its tensors."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    step: int = Field(ge=0)
    num_steps: int = Field(ge=0)
    rate: float
    num_rollbacks: int = Field(ge=0)
    num_clipped: int = Field(ge=0)
    best_step: int = Field(ge=0)
    best_score: float | None
    seconds: float = Field(ge=0)


class Run:
    """One fit between its first step and its last."""

    def __init__(self, network: Network, fit: FitSettings, *, watched: Watched | None, seed: int) -> None:
        self._network = network
        self._fit = fit
        self._started = time.monotonic()
        self.generator = torch.Generator().manual_seed(seed)
        self.optimiser = self._new_optimiser()
        self.keeper = Keeper(network, watched)
        self.num_steps = fit.num_steps
        self.rate = fit.learning_rate
        self.step = 0
        self._num_rollbacks = 0
        self._num_clipped = 0
        self._losses: list[float] = []

    @property
    def seconds(self) -> float:
        """How long the fit has taken, in all processes that worked on it."""
        return time.monotonic() - self._started

    @property
    def is_time_to_look(self) -> bool:
        """Whether validation looks at this step: ten times a run, and at its end."""
        return self.step % max(1, self.num_steps // NUM_VALIDATIONS) == 0 or self.step == self.num_steps

    def count_step(self, loss: float, norm: float) -> None:
        """Count a step that was taken."""
        self.step += 1
        self._losses.append(loss)
        self._num_clipped += norm > self._fit.gradient_clip

    def roll_back(self, loss: float, norm: float) -> None:
        """Go back to the last good weights at half the rate. Raises DivergedError the third time."""
        self._num_rollbacks, self.rate = self._num_rollbacks + 1, self.rate / 2
        if self._num_rollbacks > MAX_ROLLBACKS:
            raise diverged(self.step, loss, norm, self.rate)
        self.keeper.roll_back()
        self.optimiser = self._new_optimiser()

    def result(self) -> Fit:
        """Put the best weights into the network and return what the fit leaves behind. Raises DivergedError."""
        return Fit(
            weights={name: tensor.numpy() for name, tensor in self.keeper.restore_best().items()},
            best_step=self.keeper.best_step,
            num_steps=self.num_steps,
            best_score=self.keeper.best_score,
            losses=tuple(self._losses),
            clipped_share=self._num_clipped / max(self.step, 1),
            num_rollbacks=self._num_rollbacks,
            seconds=self.seconds,
        )

    def state(self) -> Checkpoint:
        """Return all that the next step depends on."""
        facts = Facts(
            step=self.step,
            num_steps=self.num_steps,
            rate=self.rate,
            num_rollbacks=self._num_rollbacks,
            num_clipped=self._num_clipped,
            best_step=self.keeper.best_step,
            best_score=self.keeper.best_score,
            seconds=self.seconds,
        )
        tensors = {name: tensor.detach().cpu().numpy() for name, tensor in self._tensors().items()}
        tensors["losses"] = np.array(self._losses, dtype=np.float64)
        return Checkpoint(facts.model_dump(mode="json"), tensors)

    def go_on_from(self, checkpoint: FitCheckpoint) -> None:
        """Take over a saved state where there is one that fits; what does not is noted and not used."""
        found = checkpoint.load()
        if found is None:
            return
        try:
            facts = Facts.model_validate(found.facts)
        except ValidationError as error:
            checkpoint.refuse(str(error.errors(include_url=False)[0]["msg"]))
            return
        problem = self._misfit(found.tensors, facts)
        if problem is not None:
            checkpoint.refuse(problem)
            return
        self._restore(found.tensors, facts)
        checkpoint.went_on(facts.step)

    def _restore(self, tensors: Mapping[str, np.ndarray], facts: Facts) -> None:
        weights = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
        self._network.load_state_dict(_below("network.", weights))
        self.optimiser.restore(_below("optimiser.", weights))
        self.generator.set_state(weights["generator"])
        self.keeper.restore(
            good=_below("good.", weights), best=_below("best.", weights), step=facts.best_step, score=facts.best_score
        )
        self.step, self.num_steps, self.rate = facts.step, facts.num_steps, facts.rate
        self._num_rollbacks, self._num_clipped = facts.num_rollbacks, facts.num_clipped
        self._losses = [float(loss) for loss in tensors["losses"]]
        self._started = time.monotonic() - facts.seconds

    def _misfit(self, tensors: Mapping[str, np.ndarray], facts: Facts) -> str | None:
        """Say what keeps a state from being one of this fit, None where nothing does."""
        wanted = {name: (tuple(tensor.shape), str(tensor.dtype)) for name, tensor in self._tensors().items()}
        found = {name: (tensor.shape, f"torch.{tensor.dtype}") for name, tensor in tensors.items() if name != "losses"}
        if wanted != found:
            return "it has other tensors"
        if "losses" not in tensors or tensors["losses"].shape != (facts.step,) or facts.step > facts.num_steps:
            return "its steps do not add up"
        return None

    def _tensors(self) -> Weights:
        parts = {
            "network.": dict(self._network.state_dict()),
            "optimiser.": self.optimiser.state(),
            "good.": self.keeper.good,
            "best.": self.keeper.best,
        }
        named = {prefix + name: tensor for prefix, part in parts.items() for name, tensor in part.items()}
        return {**named, "generator": self.generator.get_state()}

    def _new_optimiser(self) -> AdamW:
        return AdamW(self._network.parameters(), weight_decay=self._fit.weight_decay)


class Keeper:
    """Keeps the last good weights of a run, and the best on validation; without validation the last are the best."""

    def __init__(self, network: Network, watched: Watched | None) -> None:
        self._network = network
        self._watched = watched
        self.good = self.best = _copy_weights(network)
        self.best_step = 0
        self.best_score: float | None = None

    def look(self, step: int) -> None:
        """Keep the weights of this step as good where they score a number, and as best where validation says so."""
        if self._watched is None:
            self.good = self.best = _copy_weights(self._network)
            self.best_step = step
            return
        score = validation_score(self._network, self._watched.flat, self._watched.windows)
        if not math.isfinite(score):
            return
        self.good = _copy_weights(self._network)
        if self.best_score is None or score < self.best_score:
            self.best, self.best_step, self.best_score = self.good, step, score

    def restore(self, *, good: Weights, best: Weights, step: int, score: float | None) -> None:
        """Take over what another process has kept."""
        self.good, self.best, self.best_step, self.best_score = good, best, step, score

    def roll_back(self) -> None:
        """Go back to the last good weights."""
        self._network.load_state_dict(self.good)

    def restore_best(self) -> Weights:
        """Put the best weights into the network and return them. Raises DivergedError when none were good."""
        if self.best_step == 0:
            raise diverged(0, math.nan, math.nan, 0.0)
        self._network.load_state_dict(self.best)
        return self.best


@torch.no_grad()
def validation_score(network: Network, flat: FlatSeries, windows: Windows) -> float:
    """Loss over fixed windows, in the mode that forecasts (no dropout, no teacher forcing)."""
    network.eval()
    batch = gather(flat, windows, context_length=network.context_length, horizon=network.training_horizon)
    score = float(network.loss(batch, teacher_forcing=0.0, generator=None))
    network.train()
    return score


def diverged(step: int, loss: float, norm: float, rate: float) -> DivergedError:
    """Return the refusal of a run that left the finite numbers at `step`; `rate` is the next one to be tried."""
    cause = f"the loss was {loss}" if not math.isfinite(loss) else f"the gradient norm was {norm}"
    return DivergedError(
        f"training diverged at step {step + 1}: {cause}, {MAX_ROLLBACKS} returns to the last good weights did not help",
        hint=f"lower `--learning-rate` (last tried {2 * rate:.2g}) or `--gradient-clip`, and look for outliers with "
        "`rnnforecast inspect`",
        code="E_RUN_DIVERGED",
    )


def _copy_weights(network: Network) -> Weights:
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}


def _below(prefix: str, tensors: Weights) -> Weights:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
