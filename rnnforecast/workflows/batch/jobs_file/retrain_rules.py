"""When a job trains anew: the words of `retrain`, and what they mean for a model of a certain age."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from rnnforecast.errors import UsageError
from rnnforecast.grammars import Duration

_STEPS = re.compile(r"on new data(?: of (\d+) steps?)?")

#: A run that starts a little earlier than the last one did must not wait for a whole interval more.
_SLACK_SHARE = 0.05
_MAX_SLACK_SECONDS = 3_600.0

RULES = "`never`, `every 7d`, `on new data of 30 steps`, `on drift`"


@dataclass(frozen=True)
class RetrainRule:
    """When a stored model is trained anew; a job whose model does not exist, or was set otherwise, trains anyway."""

    kind: Literal["never", "every", "steps", "drift"] = "never"
    seconds: float = 0.0
    num_steps: int = 0
    text: str = "never"

    def is_due_at_age(self, age: float) -> bool:
        """Return whether a model whose training began `age` seconds ago is too old."""
        slack = min(self.seconds * _SLACK_SHARE, _MAX_SLACK_SECONDS)
        return self.kind == "every" and age >= self.seconds - slack

    def is_due_after(self, num_new_steps: int) -> bool:
        """Return whether so many steps after the last row of the training are enough."""
        return self.kind == "steps" and num_new_steps >= self.num_steps


def parse_rule(text: str) -> RetrainRule | None:
    """Return the rule that `never`, `every 7d`, `on new data of 30 steps` or `on drift` names; None for other words."""
    words = " ".join(text.split()).lower()
    if words == "never":
        return RetrainRule()
    if words.startswith("every "):
        try:
            interval = Duration.parse(words.removeprefix("every "), option="retrain")
        except UsageError:
            return None
        return RetrainRule("every", seconds=interval.seconds, text=words)
    if words == "on drift":
        return RetrainRule("drift", text=words)
    match = _STEPS.fullmatch(words)
    if match is None or int(match[1] or 1) < 1:
        return None
    return RetrainRule("steps", num_steps=int(match[1] or 1), text=words)
