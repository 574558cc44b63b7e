"""What a model file keeps of its training besides the scores: the curves of each fit, and the test by lead time.

Both are for people to look at and small: long curves are thinned before they are stored.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

#: Points of a stored curve, and lead times of a stored test.
MAX_POINTS, MAX_LEADS = 64, 64
_MAX_METHODS, _MAX_LEVELS = 32, 99

_Steps = Annotated[tuple[int, ...], Field(max_length=MAX_POINTS)]
_Curve = Annotated[tuple[FiniteFloat, ...], Field(max_length=MAX_POINTS)]
_Errors = Annotated[tuple[FiniteFloat | None, ...], Field(max_length=MAX_LEADS)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class FitCurve(_Record):
    """The curves of one fit: means of the loss and of the gradient norm up to each of `steps`, and validation scores."""

    name: Annotated[str, Field(max_length=80)] = ""
    is_used: bool = True  # its network is part of the ensemble
    steps: _Steps = ()
    losses: _Curve = ()
    norms: _Curve = ()  # before clipping
    score_steps: _Steps = ()
    scores: _Curve = ()
    best_step: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _check_lengths(self) -> FitCurve:
        if not len(self.steps) == len(self.losses) == len(self.norms) or len(self.score_steps) != len(self.scores):
            raise ValueError("a curve has as many values as steps")
        return self


class LeadRecord(_Record):
    """The test by lead time, and how often actuals were below each quantile of the ensemble; fractions."""

    leads: Annotated[tuple[int, ...], Field(max_length=MAX_LEADS)] = ()
    mase: Annotated[dict[str, _Errors], Field(max_length=_MAX_METHODS)] = {}
    levels: Annotated[tuple[FiniteFloat, ...], Field(max_length=_MAX_LEVELS)] = ()
    below: Annotated[tuple[FiniteFloat, ...], Field(max_length=_MAX_LEVELS)] = ()  # empty without actuals
    num_scored: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _check_lengths(self) -> LeadRecord:
        if any(len(errors) != len(self.leads) for errors in self.mase.values()):
            raise ValueError("an error has one value for each lead time")
        if len(self.below) not in (0, len(self.levels)):
            raise ValueError("a calibration has one value for each level")
        return self
