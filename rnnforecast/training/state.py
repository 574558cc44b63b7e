"""Training state: everything needed to resume a fit bit for bit, and the best weights so far."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rnnforecast.arrays import Float64Array
from rnnforecast.data.windows import FlatSeries, Windows, gather
from rnnforecast.errors import DivergedError
from rnnforecast.frozen import dataclass
from rnnforecast.networks.categorical import CategoricalForecaster
from rnnforecast.store.checkpoint import Checkpoint
from rnnforecast.training.ensemble_weights import Rival
from rnnforecast.training.fit_result import Fit
from rnnforecast.training.initial_weights import WORSE_THAN_BEFORE
from rnnforecast.training.optimiser import AdamW
from rnnforecast.training.recipe import FitSettings

if TYPE_CHECKING:
    from rnnforecast.networks.engine import Trainable
    from rnnforecast.training.checkpoints import FitCheckpoint
    from rnnforecast.training.processes import Team

MAX_ROLLBACKS = 2
NUM_VALIDATIONS = 10
#: A team divides so many validation windows; of fewer each scores all, which gives the score of one process.
SHARED_VALIDATION_WINDOWS = 64
#: What a checkpoint keeps of the steps taken so far: it grows with them.
_CURVES = {"losses", "norms", "scores"}

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class ValidationWindows:
    """Windows on which the best weights are chosen, and the series they lie in, as tensors on one device."""

    flat: FlatSeries
    windows: Windows
    rival: Rival | None = None  # forecasts without training of these windows


class TrainingState(BaseModel):
    """The scalars of a checkpoint; the tensors are stored with them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    step: int = Field(ge=0)
    num_steps: int = Field(ge=0)
    rate: float
    num_rollbacks: int = Field(ge=0)
    num_clipped: int = Field(ge=0)
    best_step: int = Field(ge=0)
    best_score: float | None
    num_stale: int = Field(ge=0)
    ratio: float | None = None
    seconds: float = Field(ge=0)


class Run:
    """One fit between its first step and its last."""

    def __init__(
        self,
        network: Trainable,
        fit: FitSettings,
        *,
        validation_windows: ValidationWindows | None,
        seed: int,
        team: Team | None = None,
    ) -> None:
        self._network = network
        self._fit = fit
        self._started = time.monotonic()
        self.generator = torch.Generator().manual_seed(seed)
        self.optimiser = self._new_optimiser()
        self.best = BestWeights(network, validation_windows, team)
        self.num_steps = fit.num_steps
        self.rate = fit.learning_rate
        self.step = 0
        self._num_rollbacks = 0
        self._num_clipped = 0
        self._losses: list[float] = []
        self._norms: list[float] = []

    @property
    def seconds(self) -> float:
        """Return how long the fit has taken, in all processes that worked on it."""
        return time.monotonic() - self._started

    @property
    def is_validation_step(self) -> bool:
        """Whether this step is validated: ten times a run, and at its end."""
        return self.step % max(1, self.num_steps // NUM_VALIDATIONS) == 0 or self.step == self.num_steps

    @property
    def is_stopped(self) -> bool:
        """Whether the last `patience` validations brought nothing, or the fit is far behind."""
        if self._fit.patience is None:
            return False
        return self.best.num_stale >= self._fit.patience or self.is_behind or self._is_worse_than_before

    @property
    def is_behind(self) -> bool:
        """Whether the weights were never near the forecasts without training, by the validations that decide it."""
        number, ratio = self._num_validations, self.best.ratio
        return ratio is not None and any(number >= at and ratio > limit for at, limit in self._fit.far_behind)

    @property
    def _num_validations(self) -> int:
        return self.step // max(1, self.num_steps // NUM_VALIDATIONS)

    @property
    def _is_worse_than_before(self) -> bool:
        """Whether weights that were fitted before became worse by the first validation."""
        first, *later = self.best.scores or [(1, 0.0)]
        return first[0] == 0 and bool(later) and later[0][1] > WORSE_THAN_BEFORE * first[1]

    def validate(self) -> None:
        """Score the weights, and compare them with the forecasts without training while that may end the fit."""
        self.best.validate(self.step)
        if self._num_validations <= max((at for at, _ in self._fit.far_behind), default=0):
            self.best.compare()

    def record_step(self, loss: float, norm: float) -> None:
        """Record a gradient step."""
        self.step += 1
        self._losses.append(loss)
        self._norms.append(norm)
        self._num_clipped += norm > self._fit.gradient_clip

    def roll_back(self, loss: float, norm: float) -> None:
        """Return to the last good weights at half the rate. Raises DivergedError the third time."""
        self._num_rollbacks, self.rate = self._num_rollbacks + 1, self.rate / 2
        if self._num_rollbacks > MAX_ROLLBACKS:
            raise diverged(self.step, loss, norm, self.rate)
        self.best.roll_back()
        self.optimiser = self._new_optimiser()

    def result(self) -> Fit:
        """Load the best weights into the network and return the result. Raises DivergedError."""
        return Fit(
            weights={name: tensor.numpy() for name, tensor in self.best.load_best().items()},
            best_step=self.best.step,
            num_steps=self.step,
            best_score=self.best.score,
            losses=tuple(self._losses),
            norms=tuple(self._norms),
            scores=tuple(self.best.scores),
            clipped_fraction=self._num_clipped / max(self.step, 1),
            num_rollbacks=self._num_rollbacks,
            seconds=self.seconds,
            is_stopped=self.is_stopped,
            is_behind=self.is_behind,
            ratio=self.best.ratio,
        )

    def to_checkpoint(self) -> Checkpoint:
        """Return everything that the next step depends on."""
        state = TrainingState(
            step=self.step,
            num_steps=self.num_steps,
            rate=self.rate,
            num_rollbacks=self._num_rollbacks,
            num_clipped=self._num_clipped,
            best_step=self.best.step,
            best_score=self.best.score,
            num_stale=self.best.num_stale,
            ratio=self.best.ratio,
            seconds=self.seconds,
        )
        tensors = {name: tensor.detach().cpu().numpy() for name, tensor in self._tensors().items()}
        tensors |= {
            "losses": np.array(self._losses, dtype=np.float64),
            "norms": np.array(self._norms, dtype=np.float64),
            "scores": np.array(self.best.scores, dtype=np.float64).reshape(-1, 2),
        }
        return Checkpoint(state.model_dump(mode="json"), tensors)

    def start(self, checkpoint: FitCheckpoint | None) -> None:
        """Resume from a checkpoint where there is one; otherwise score the first weights if they are fitted already."""
        if checkpoint is not None:
            self.resume(checkpoint)
        if self._fit.starts_fitted and self.step == 0:
            self.best.validate_start()

    def resume(self, checkpoint: FitCheckpoint) -> None:
        """Restore a saved state where there is one that fits; one that does not fit is noted and not used."""
        found = checkpoint.load()
        if found is None:
            return
        try:
            state = TrainingState.model_validate(found.facts)
        except ValidationError as error:
            checkpoint.reject(str(error.errors(include_url=False)[0]["msg"]))
            return
        problem = self._misfit(found.tensors, state)
        if problem is not None:
            checkpoint.reject(problem)
            return
        self._restore(found.tensors, state)
        checkpoint.count_resumed(state.step)

    def _restore(self, tensors: Mapping[str, np.ndarray], state: TrainingState) -> None:
        weights = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
        self._network.load_state_dict(_below("network.", weights))
        self.optimiser.restore(_below("optimiser.", weights))
        self.generator.set_state(weights["generator"])
        self.best.restore(
            good=_below("good.", weights), best=_below("best.", weights), step=state.best_step, score=state.best_score
        )
        self.best.num_stale, self.best.ratio = state.num_stale, state.ratio
        self.best.scores = [(int(step), score) for step, score in tensors["scores"].tolist()]
        self.step, self.num_steps, self.rate = state.step, state.num_steps, state.rate
        self._num_rollbacks, self._num_clipped = state.num_rollbacks, state.num_clipped
        self._losses, self._norms = tensors["losses"].tolist(), tensors["norms"].tolist()
        self._started = time.monotonic() - state.seconds

    def _misfit(self, tensors: Mapping[str, np.ndarray], state: TrainingState) -> str | None:
        wanted = {name: (tuple(tensor.shape), str(tensor.dtype)) for name, tensor in self._tensors().items()}
        found = {
            name: (tensor.shape, f"torch.{tensor.dtype}") for name, tensor in tensors.items() if name not in _CURVES
        }
        if wanted != found:
            return "it has other tensors"
        if not tensors.keys() >= _CURVES or state.step > state.num_steps or tensors["scores"].shape[1:] != (2,):
            return "its steps do not add up"
        if not tensors["losses"].shape == tensors["norms"].shape == (state.step,):
            return "its steps do not add up"
        return None

    def _tensors(self) -> Weights:
        parts = {
            "network.": dict(self._network.state_dict()),
            "optimiser.": self.optimiser.state(),
            "good.": self.best.last_good,
            "best.": self.best.weights,
        }
        named = {prefix + name: tensor for prefix, part in parts.items() for name, tensor in part.items()}
        return {**named, "generator": self.generator.get_state()}

    def _new_optimiser(self) -> AdamW:
        return AdamW(self._network.parameters(), weight_decay=self._fit.weight_decay)


class BestWeights:
    """The best weights of a run on validation, and the last good ones; without validation the last are the best."""

    def __init__(
        self, network: Trainable, validation_windows: ValidationWindows | None, team: Team | None = None
    ) -> None:
        self._network = network
        self._validation = validation_windows
        self._team = team
        self.last_good = self.weights = _copy_weights(network)
        self.step = 0
        self.score: float | None = None
        self.num_stale = 0  # validations since the best one
        self.ratio: float | None = None  # the smallest so far of the loss to that of forecasts without training
        self.scores: list[tuple[int, float]] = []

    def validate_start(self) -> None:
        """Score the weights that the fit starts from, where they are a candidate: those of a pretrained network."""
        if self._validation is not None:
            score = self._score(self._validation)
            self.score = score if math.isfinite(score) else None
            self._note(0, score)

    def validate(self, step: int) -> None:
        """Score the weights of this step; keep them as good where the score is finite, as best where it is lowest."""
        if self._validation is None:
            self.last_good = self.weights = _copy_weights(self._network)
            self.step = step
            return
        score = self._score(self._validation)
        self.num_stale += 1
        self._note(step, score)
        if not math.isfinite(score):
            return
        self.last_good = _copy_weights(self._network)
        if self.score is None or score < self.score:
            self.weights, self.step, self.score = self.last_good, step, score
            self.num_stale = 0

    def _note(self, step: int, score: float) -> None:
        if math.isfinite(score):
            self.scores.append((step, score))

    def _score(self, validation: ValidationWindows) -> float:
        if self._team is None:
            return validation_score(self._network, validation.flat, validation.windows)
        windows = validation.windows
        if len(windows) >= SHARED_VALIDATION_WINDOWS:
            windows = windows.select(self._team.part())
        return self._team.average((), validation_score(self._network, validation.flat, windows))

    def compare(self) -> None:
        """Compare the loss of the present weights with that of forecasts without training, where there are some."""
        if self._validation is None or self._validation.rival is None:
            return
        part = slice(None) if self._team is None else self._team.part()
        windows = self._validation.windows.select(part)
        ours, theirs = 1.0, 1.0  # a part may be empty
        if len(windows):
            quantiles = forecast_validation(self._network, self._validation.flat, windows)
            ours, theirs = self._validation.rival.losses(quantiles, part)
        if self._team is not None:
            ours, theirs = self._team.average((), ours), self._team.average((), theirs)
        ratio = ours / theirs if theirs > 0 else 1.0
        if math.isfinite(ratio):
            self.ratio = ratio if self.ratio is None else min(self.ratio, ratio)

    def restore(self, *, good: Weights, best: Weights, step: int, score: float | None) -> None:
        """Restore the weights of a checkpoint."""
        self.last_good, self.weights, self.step, self.score = good, best, step, score

    def roll_back(self) -> None:
        """Load the last good weights into the network."""
        self._network.load_state_dict(self.last_good)

    def load_best(self) -> Weights:
        """Load the best weights into the network and return them. Raises DivergedError when none were good."""
        if self.step == 0 and self.score is None:
            raise diverged(0, math.nan, math.nan, 0.0)
        self._network.load_state_dict(self.weights)
        return self.weights


@torch.no_grad()
def validation_score(network: Trainable, flat: FlatSeries, windows: Windows) -> float:
    """Return the loss over fixed windows, computed as in forecasting: no dropout, no teacher forcing."""
    network.eval()
    batch = gather(flat, windows, context_length=network.context_length, horizon=network.training_horizon, xp=torch)
    score = float(network.loss(batch, teacher_forcing=0.0, generator=None))
    network.train()
    return score


@torch.no_grad()
def forecast_validation(network: Trainable, flat: FlatSeries, windows: Windows) -> Float64Array:
    """Return the quantiles [W, H, Q] that a network forecasts after windows, in the units of the series."""
    if isinstance(network, CategoricalForecaster):
        raise TypeError("a network over categories has no quantiles")
    network.eval()
    batch = gather(flat, windows, context_length=network.context_length, horizon=network.training_horizon, xp=torch)
    quantiles: Float64Array = network.forecast(batch).cpu().numpy()
    network.train()
    return quantiles


def diverged(step: int, loss: float, norm: float, rate: float) -> DivergedError:
    """Return the error for a run that diverged at `step`; `rate` is the next learning rate to be tried."""
    cause = f"the loss was {loss}" if not math.isfinite(loss) else f"the gradient norm was {norm}"
    return DivergedError(
        f"training diverged at step {step + 1}: {cause}, {MAX_ROLLBACKS} returns to the last good weights did not help",
        hint=f"lower `--learning-rate` (last tried {2 * rate:.2g}) or `--gradient-clip`, and look for outliers with "
        "`rnnforecast inspect`",
        code="E_RUN_DIVERGED",
    )


def _copy_weights(network: Trainable) -> Weights:
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}


def _below(prefix: str, tensors: Weights) -> Weights:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
