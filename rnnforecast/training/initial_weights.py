"""Choose the weights that training starts from: pretrained, random, or none, where nothing is trained.

In our trials every training on one short series made the zero-shot forecasts of the pretrained network worse on
average, for any number of steps; a panel or a long series improves them, and gives networks from scratch enough to
train on. The zero-shot ensemble of `mixture/`, which reads covariates known ahead and has the Theta method among its
members, is another group; `usual_weights` are the weights before validation.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeGuard

from rnnforecast.config import NetworkSettings, Settings, TrainingSettings
from rnnforecast.errors import UsageError
from rnnforecast.members import PretrainedSettings
from rnnforecast.options import STARTS

if TYPE_CHECKING:
    from rnnforecast.training.recipe import DataFacts, FitSettings, Recipe

#: `scratch`: random weights only; `zero-shot`: the zero-shot ensemble without training; `fine-tuned`: the pretrained
#: network, trained further, as well; `both`: networks from scratch too.
Plan = Literal["scratch", "zero-shot", "fine-tuned", "both"]

#: The groups of an ensemble, by their names in reports.
ZERO_SHOT, FINE_TUNED, SCRATCH, THETA = "zero-shot", "fine-tuned", "from scratch", "theta"

_GROUPS: dict[Plan, tuple[str, ...]] = {
    "scratch": (SCRATCH, THETA),
    "zero-shot": (ZERO_SHOT, THETA),
    "fine-tuned": (FINE_TUNED, ZERO_SHOT, THETA),
    "both": (SCRATCH, FINE_TUNED, ZERO_SHOT, THETA),
}

# chosen on the train rows of public panels and on single files; one series, of any length, and short ones give less to
# train on than many long ones
_WEIGHTS = {SCRATCH: 0.15, FINE_TUNED: 0.3, ZERO_SHOT: 0.4}
_WEIGHTS_OF_LONG_PANEL = {SCRATCH: 0.4, FINE_TUNED: 0.4, ZERO_SHOT: 0.2}
#: Of the Theta method, where it is not a member of the zero-shot ensemble.
_THETA_WEIGHT = 0.15
LONG_SERIES_LENGTH = 300
#: Fewer series than this do not count as a panel: one of them tells little about another.
SMALLEST_PANEL = 10
# fewer observed steps in total do not improve the pretrained network
FEWEST_STEPS_TO_FINE_TUNE = 500
FINE_TUNING_STEPS = {"quick": 100, "normal": 200, "best": 500}
FINE_TUNING_BATCH_SIZE = 64
FINE_TUNING_RATE = 5e-4
#: Fine-tuning ends after a tenth of its steps where the pretrained network is so many times as far off as the forecasts
#: without training, or as before: on 35 panels and files it never became better than before where it was 2 % worse by then.
TUNING_FAR_BEHIND: tuple[tuple[int, float], ...] = ((1, 1.3),)
WORSE_THAN_BEFORE = 1.02


def names_model(start: str | None) -> TypeGuard[str]:
    """Whether a training starts from a stored model."""
    return start is not None and start not in STARTS


def choose_plan(facts: DataFacts, settings: Settings) -> tuple[Plan, str]:
    """Choose the start of training, and return it with its reason; a choice of the user is final.

    Raises UsageError for `--from pretrained` with settings that it would ignore: covariates that are not known ahead, a
    shape of the network, a number of networks.
    """
    asked = settings.training.from_
    if asked == "scratch":
        return "scratch", "given (--from)"
    if facts.num_past_covariates or facts.num_static_covariates:
        if asked == "pretrained":
            raise _ignored(
                "covariates that are not known ahead", "reads none", fix="name them `--future`, or leave them out"
            )
        if facts.num_past_texts and (
            settings.training.effort == "quick" or facts.num_steps < FEWEST_STEPS_TO_FINE_TUNE
        ):
            return "scratch", "only networks from scratch read `--past` columns of text (--from)"
    if settings.network != NetworkSettings():
        if asked == "pretrained":
            raise _ignored("the network flags", "has its own shape", fix="leave them out")
        return "scratch", "the network flags describe another network than the pretrained one (--from)"
    if asked == "pretrained" and settings.training.num_members not in (None, 1):
        raise _ignored("--num-members", "is a single one", fix="leave it out")
    if settings.training.effort == "quick" and asked is None:
        return "zero-shot", "quick: the zero-shot ensemble is used without training (--effort, --from)"
    if facts.num_steps < FEWEST_STEPS_TO_FINE_TUNE and settings.training.effort != "best":
        too_few = f"too few observations ({facts.num_steps}) to fine-tune the pretrained network"
        return "zero-shot", f"{too_few}; the zero-shot ensemble is used without training (--effort best, --from)"
    if asked == "pretrained":
        return "fine-tuned", "given (--from)"
    if facts.is_random_walk and not facts.num_covariates and _leaves_training_open(settings):
        walk = "past changes say nothing about later ones (a random walk), so training would not help"
        return "zero-shot", f"{walk}; the zero-shot ensemble is used without training (--effort best trains, --from)"
    fitted = (
        "fine-tuned the pretrained network and trained others from scratch, with the zero-shot ensemble as third group"
    )
    return "both", f"{fitted} ({facts.num_steps:,} observations; --from)"


def _leaves_training_open(settings: Settings) -> bool:
    """Whether the user asked for no particular training."""
    training = settings.training
    return training.effort != "best" and training.num_steps is None and training.num_members is None


def usual_weights(
    facts: DataFacts, plan: Plan, settings: Settings, *, without: Collection[str] = ()
) -> dict[str, float]:
    """Return the weight of each group of a plan before any validation; they sum to 1.

    Groups `without` a network that is used have none. The Theta method has its own
    where `theta_weight` is given, and next to networks from scratch alone, unless the user described those.
    """
    is_long_panel = facts.num_series >= SMALLEST_PANEL and facts.median_length >= LONG_SERIES_LENGTH
    table = _WEIGHTS_OF_LONG_PANEL if is_long_panel else _WEIGHTS
    names = [name for name in _GROUPS[plan] if name not in without]
    weights = {name: table.get(name, _THETA_WEIGHT) for name in names}
    given = settings.training.theta_weight
    if given is not None:
        theta = given
    else:
        theta = _THETA_WEIGHT if plan == "scratch" and settings.network == NetworkSettings() else 0.0
    networks = sum(weight for name, weight in weights.items() if name != THETA)
    return {name: theta if name == THETA else (1 - theta) * weight / networks for name, weight in weights.items()}


def _ignored(setting: str, reason: str, *, fix: str) -> UsageError:
    message = f"`--from pretrained` would ignore {setting}: the pretrained network {reason}"
    return UsageError(message, hint=f"{fix}, or train with `--from scratch`", code="E_RUN_CONFIG")


def choose_tuning(fit: FitSettings, training: TrainingSettings) -> FitSettings:
    """Return how the pretrained network is trained further, next to networks that are fitted as `fit` says."""
    return replace(
        fit,
        num_steps=training.num_steps or FINE_TUNING_STEPS[training.effort],
        batch_size=training.batch_size or FINE_TUNING_BATCH_SIZE,
        learning_rate=training.learning_rate or FINE_TUNING_RATE,
        far_behind=TUNING_FAR_BEHIND if fit.far_behind else (),
        starts_fitted=True,
    )


def with_pretrained(
    recipe: Recipe, member: PretrainedSettings, plan: Plan, *, training: TrainingSettings | None = None
) -> Recipe:
    """Return the recipe with the pretrained network in it, as the plan says; `training` holds the user's settings."""
    tuning = choose_tuning(recipe.fit, TrainingSettings() if training is None else training)
    if plan == "zero-shot":
        tuning = replace(tuning, num_steps=0)
    if plan != "both":
        return replace(recipe, members=(member,), fit=tuning, tuning=tuning, groups=())
    return replace(
        recipe,
        members=(*recipe.members, member),
        tuning=tuning,
        groups=(*(0 for _ in recipe.members), 1),
    )
