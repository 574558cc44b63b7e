"""Where training starts: from the network that comes with the tool, from random weights, or not at all.

On one short series every training made the forecasts of the pretrained network worse on average, in our trials and
whatever the steps; a panel or a long series teaches it, and it teaches the others. Each of these is a voice of the
forecast, and the Theta method another; `usual_shares` says how much each counts before held-out origins are asked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from rnnforecast.config import NetworkSettings, TrainingSettings
from rnnforecast.errors import UsageError

if TYPE_CHECKING:
    from rnnforecast.config import Settings
    from rnnforecast.members import PretrainedSettings
    from rnnforecast.training.recipe import DataFacts, Recipe

#: `scratch`: random weights alone; `as it is`: the pretrained network, not fitted; `tuned`: the pretrained network,
#: fitted; `both`: that beside networks from random weights.
Plan = Literal["scratch", "as it is", "tuned", "both"]

#: The voices of a forecast, by the names that reports give them.
AS_IT_IS, TUNED, SCRATCH, THETA = "as it is", "fitted further", "from scratch", "theta"

# what held on the training parts of public panels and on single files: one series, whatever its length, and short ones
# teach less than many long ones
_SHARES = {SCRATCH: 0.15, TUNED: 0.3, AS_IT_IS: 0.4, THETA: 0.15}
_SHARES_OF_LONG_PANEL = {SCRATCH: 0.4, TUNED: 0.4, AS_IT_IS: 0.1, THETA: 0.1}
LONG_SERIES_LENGTH = 300
#: Fewer series than this are no panel: what is seen of one says little about another.
SMALLEST_PANEL = 10
# the season is all that the Theta method knows of a clock: above this many steps there are others beside it
LONGEST_THETA_SEASON = 13

# fewer observed steps than this in all teach a network less than it knows already
FEWEST_STEPS_TO_TUNE = 500
TUNING_STEPS = {"quick": 100, "normal": 200, "best": 500}
TUNING_BATCH_SIZE = 64
TUNING_RATE = 5e-4


def choose_plan(facts: DataFacts, settings: Settings) -> tuple[Plan, str]:
    """Choose where to start, and say why; what the user asked for stands.

    Raises UsageError for a pretrained start beside what it would ignore: covariates, a shape of the network, a number
    of them.
    """
    asked = settings.training.from_
    if asked == "scratch":
        return "scratch", "given (--from)"
    if facts.num_covariates:
        if asked == "pretrained":
            raise _ignored("covariates", "reads none", fix="name no covariates")
        if settings.training.effort == "quick" or facts.num_steps < FEWEST_STEPS_TO_TUNE:
            return "scratch", "the network that comes with the tool reads no covariates (--from)"
    if settings.network != NetworkSettings():
        if asked == "pretrained":
            raise _ignored("the flags of the network", "has its own shape", fix="leave them out")
        return "scratch", "a network of your own was described (--from)"
    if asked == "pretrained" and settings.training.num_members not in (None, 1):
        raise _ignored("--num-members", "is one", fix="leave it out")
    if settings.training.effort == "quick" and asked is None:
        return "as it is", "quick: nothing is fitted (--effort, --from)"
    if facts.num_steps < FEWEST_STEPS_TO_TUNE:
        return "as it is", f"{facts.num_steps} observed steps teach less than the pretrained network knows (--from)"
    if asked == "pretrained":
        return "tuned", "given (--from)"
    who = "others from scratch, which alone read the covariates" if facts.num_covariates else "others from scratch"
    return "both", f"{facts.num_steps:,} observed steps teach the pretrained network and {who} (--from)"


def usual_shares(facts: DataFacts, plan: Plan, settings: Settings) -> dict[str, float]:
    """Return the share of each voice of a plan before any held-out origin is asked; they sum to 1.

    A network that the user described speaks alone, unless `theta_share` was given.
    """
    voices = {
        "scratch": (SCRATCH, THETA),
        "as it is": (AS_IT_IS, THETA),
        "tuned": (TUNED, AS_IT_IS, THETA),
        "both": (SCRATCH, TUNED, AS_IT_IS, THETA),
    }[plan]
    is_long_panel = facts.num_series >= SMALLEST_PANEL and facts.median_length >= LONG_SERIES_LENGTH
    table = _SHARES_OF_LONG_PANEL if is_long_panel else _SHARES
    shares = {name: table[name] for name in voices}
    given = settings.training.theta_share
    if given is not None:
        theta = given
    elif facts.season_length > LONGEST_THETA_SEASON or settings.network != NetworkSettings():
        theta = 0.0
    else:
        theta = table[THETA]
    networks = sum(share for name, share in shares.items() if name != THETA)
    return {name: theta if name == THETA else (1 - theta) * share / networks for name, share in shares.items()}


def _ignored(what: str, why: str, *, fix: str) -> UsageError:
    return UsageError(
        f"`--from pretrained` would ignore {what}: the network that comes with the tool {why}",
        hint=f"{fix}, or train with `--from scratch`",
        code="E_RUN_CONFIG",
    )


def with_pretrained(
    recipe: Recipe, member: PretrainedSettings, plan: Plan, *, training: TrainingSettings | None = None
) -> Recipe:
    """Return the recipe with the pretrained network in it, as the plan says; `training` holds what the user gave."""
    given = TrainingSettings() if training is None else training
    tuning = replace(
        recipe.fit,
        num_steps=0 if plan == "as it is" else given.num_steps or TUNING_STEPS[given.effort],
        batch_size=given.batch_size or TUNING_BATCH_SIZE,
        learning_rate=given.learning_rate or TUNING_RATE,
    )
    if plan != "both":
        return replace(recipe, members=(member,), fit=tuning, tuning=tuning, groups=())
    return replace(
        recipe,
        members=(*recipe.members, member),
        tuning=tuning,
        groups=(*(0 for _ in recipe.members), 1),
    )
