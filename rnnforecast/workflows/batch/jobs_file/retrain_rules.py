"""When a job retrains its model: the values of `retrain`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from rnnforecast.errors import UsageError
from rnnforecast.frozen import dataclass
from rnnforecast.grammars import Duration

_STEPS = re.compile(r"on new data(?: of (\d+) steps?)?")

#: A run that starts a little earlier than the last one must not skip a whole interval.
_MAX_SLACK = 0.05  # of the interval
_MAX_SLACK_SECONDS = 3_600.0
#: Clocks of two machines differ a little, and one that is set back by summer time is not an error.
_MAX_AHEAD_SECONDS = 3_600.0

RULES = "`never`, `every 7d`, `on new data of 30 steps`, `on drift`, `warm`, `warm every 7d`"


@dataclass(frozen=True)
class RetrainRule:
    """When a stored model is trained again; a missing model, or one with other settings, is always trained.

    A warm rule starts from the weights of the stored model. `num_steps` 0 means as many as its horizon.
    """

    kind: Literal["never", "every", "steps", "drift"] = "never"
    seconds: float = 0.0
    num_steps: int = 0
    text: str = "never"
    is_warm: bool = False

    def is_due_at_age(self, age: float) -> bool:
        """Return whether a model whose training began `age` seconds ago is too old, or dated in the future."""
        slack = min(self.seconds * _MAX_SLACK, _MAX_SLACK_SECONDS)
        return self.kind == "every" and (age >= self.seconds - slack or is_in_future(age))

    def is_due_after(self, num_new_steps: int, *, horizon: int) -> bool:
        """Return whether there are enough steps after the last row of the training."""
        return self.kind == "steps" and num_new_steps >= (self.num_steps or horizon)


def is_in_future(age: float) -> bool:
    """Return whether an age is so far below zero that a clock was wrong, then or now."""
    return age < -_MAX_AHEAD_SECONDS


def parse_rule(text: object) -> RetrainRule:
    """Return the rule for one of the texts in `RULES`. Raises ValueError for anything else."""
    words = " ".join(text.split()).lower() if isinstance(text, str) else ""
    if words == "never":
        return RetrainRule()
    if words == "warm":
        return RetrainRule("steps", text=words, is_warm=True)
    if words.startswith(("warm every ", "warm on ")):
        return replace(parse_rule(words.removeprefix("warm ")), text=words, is_warm=True)
    if words == "on drift":
        return RetrainRule("drift", text=words)
    if words.startswith("every "):
        try:
            interval = Duration.parse(words.removeprefix("every "), option="retrain")
        except UsageError as error:
            raise ValueError(error.message) from None
        return RetrainRule("every", seconds=interval.seconds, text=words)
    match = _STEPS.fullmatch(words)
    if match is None or int(match[1] or 1) < 1:
        raise ValueError(f"`{text}` is not one of {RULES}")
    return RetrainRule("steps", num_steps=int(match[1] or 1), text=words)
