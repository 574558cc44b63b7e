"""Champion and challenger: whether a retrained model becomes the active one.

Both forecast the same test windows. The challenger was fitted before those rows; the champion is stored, and may have
been fitted on some of them: `input.fitted_until` of its manifest is the last such row. Steps until there would flatter
it and are excluded. If too few steps remain for a test, the records decide: the result of each against the naive
forecasts on its own test windows.

Axis legend: W windows, H horizon.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from rnnforecast.data.bounds import SeriesBounds
from rnnforecast.data.series import SeriesSet
from rnnforecast.errors import DataError, DivergedError, ModelFileError
from rnnforecast.evaluation.backtest import Backtest
from rnnforecast.evaluation.baselines import forecast_baseline
from rnnforecast.evaluation.metrics import scaled_errors
from rnnforecast.evaluation.verdict import Verdict, judge, overlap_of
from rnnforecast.findings import JSONValue
from rnnforecast.frozen import dataclass
from rnnforecast.members import ENSEMBLE
from rnnforecast.mixture.trained import TrainedForecaster
from rnnforecast.model_io.pack import check_shapes, frequency_of, last_fitted, unpack_ensemble
from rnnforecast.options import Activate
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.model_file import ModelFile
from rnnforecast.store.registry import Registry
from rnnforecast.store.versions import StoredModel
from rnnforecast.training.judge import Judgement
from rnnforecast.workflows.choose_model import served_manifest
from rnnforecast.workflows.model_rows import data_settings

Basis = Literal["first", "asked", "held-out", "records", "not comparable"]

_CHALLENGER, _CHAMPION = "challenger", "champion"


@dataclass(frozen=True)
class Activation:
    """The decision whether a new version becomes active, and its basis.

    `outcome` is the challenger's against the champion; `num_steps` were unseen by both; None where nothing was tested.
    """

    activate: bool
    basis: Basis
    reason: str
    champion: str | None = None
    outcome: str | None = None
    skill: float | None = None
    p_value: float | None = None
    num_steps: int | None = None

    def to_dict(self, *, model: str, is_active: bool) -> dict[str, JSONValue]:
        """Return the decision under the keys of the JSON document of `train`."""
        return {
            "activated": is_active,
            "active": model if is_active else self.champion,
            "champion": self.champion,
            "basis": self.basis,
            "outcome": self.outcome,
            "skill": self.skill if self.skill is not None and np.isfinite(self.skill) else None,
            "p_value": self.p_value,
            "num_steps": self.num_steps,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Challenger:
    """A tested model that is not stored yet: its forecasts and its result on the test windows."""

    series: SeriesSet
    judgement: Judgement
    served: str
    horizon: int
    gap: int
    window_step: int
    is_warm: bool = False  # started from a stored model: no held-out row is one that it was fitted on


def decide(registry: Registry, name: str, challenger: Challenger, *, activate: Activate) -> Activation:
    """Decide whether the challenger becomes the active version of `name`."""
    stored, problem = _champion(registry, name)
    if stored is None and problem is None:
        return Activation(True, "first", "it is the first version of its name")
    label = stored.label if stored is not None else name
    if activate != "auto":
        return Activation(activate == "always", "asked", f"`--activate {activate}` was asked for", champion=label)
    if stored is None:
        return Activation(True, "not comparable", f"the active version cannot be used: {problem}", champion=None)
    try:
        file = stored.load(check_shapes=check_shapes)
    except ModelFileError as error:
        reason = f"the active version cannot be used: {error.message}"
        return Activation(True, "not comparable", reason, champion=label)
    manifest = served_manifest(file.manifest, stored)
    differs = difference(manifest, challenger.series)
    if differs is not None:
        reason = f"{label} cannot forecast these rows: {differs}"
        return Activation(True, "not comparable", reason, champion=label)
    backtest = challenger.judgement.backtest
    tested = _on_held_out(file, manifest, challenger, backtest) if backtest is not None else None
    if tested is not None:
        return _by_test(tested[0], tested[1], label)
    return _by_records(manifest, challenger, label)


def _champion(registry: Registry, name: str) -> tuple[StoredModel | None, str | None]:
    """Return the active version, or its problem; neither for a new name."""
    if name not in registry.names():
        return None, None
    try:
        return registry.resolve(name), None
    except ModelFileError as problem:
        return None, problem.message


def difference(manifest: Manifest, series: SeriesSet) -> str | None:
    """Describe why a stored model cannot forecast the rows, None if it can."""
    roles, freq = manifest.roles, frequency_of(manifest)
    if (freq.unit, freq.multiple) != (series.freq.unit, series.freq.multiple):
        return f"its frequency is {freq.alias}, theirs {series.freq.alias}"
    pairs = {
        "targets": (roles.target, series.target_names),
        "past covariates": (roles.past, series.past_names),
        "future covariates": ((*roles.future, *roles.generated), series.future_names),
        "static covariates": (roles.static, series.static_names),
    }
    for words, (ours, theirs) in pairs.items():
        if tuple(ours) != tuple(theirs):
            return f"it was trained on other {words}"
    if manifest.categories != dict(series.categories):
        return "it was trained on other categories"
    return None


def _on_held_out(
    file: ModelFile, manifest: Manifest, challenger: Challenger, backtest: Backtest
) -> tuple[Verdict, int] | None:
    """Test both on the steps neither was fitted on; None where those are too few."""
    unseen = _unseen(manifest, challenger, backtest)
    if not unseen.any():
        return None
    try:
        theirs = scaled_errors(
            _forecast(file, manifest, challenger, backtest), backtest.actuals, quantile_levels=manifest.quantile_levels
        )
    except (DataError, DivergedError):  # the champion cannot forecast here: the records decide
        return None
    ours = backtest.scaled_errors()[challenger.served]
    losses = {_CHALLENGER: np.where(unseen, ours, np.nan), _CHAMPION: np.where(unseen, theirs, np.nan)}
    scored = ~np.isnan(losses[_CHALLENGER])
    if not scored.any():
        return None
    overlap = overlap_of(challenger.horizon, challenger.window_step)
    verdict = judge(losses, backtest.windows.series, methods=_CHALLENGER, against=(_CHAMPION,), overlap=overlap)
    return None if verdict.test == "none" else (verdict, int(scored.sum()))


def _unseen(manifest: Manifest, challenger: Challenger, backtest: Backtest) -> np.ndarray:
    """Mark scored steps that the champion was not fitted on: bool [W, H]; a naive forecast is not fitted."""
    windows, series = backtest.windows, challenger.series
    first = series.first_ordinals[windows.series] + windows.cutoffs + challenger.gap
    ordinals = first[:, None] + np.arange(challenger.horizon)
    if manifest.served != ENSEMBLE:
        return np.ones(ordinals.shape, dtype=bool)
    until = last_fitted(manifest, series.freq)
    return np.zeros(ordinals.shape, dtype=bool) if until is None else np.asarray(ordinals > until)


def _forecast(file: ModelFile, manifest: Manifest, challenger: Challenger, backtest: Backtest) -> np.ndarray:
    steps, series = challenger.gap + challenger.horizon, challenger.series
    if manifest.served == ENSEMBLE:
        forecast = TrainedForecaster(unpack_ensemble(file), series)(backtest.windows, steps)
    else:
        forecast = forecast_baseline(
            manifest.served, series, backtest.windows, horizon=steps, quantile_levels=manifest.quantile_levels
        )
    bounds = SeriesBounds.of(series, data_settings(manifest)).at(backtest.windows)
    return bounds.apply(np.asarray(forecast[:, challenger.gap :]))


def _by_test(verdict: Verdict, num_steps: int, label: str) -> Activation:
    is_worse = verdict.outcome == "loss"
    size = f"{abs(verdict.skill):.1f} % {'smaller' if verdict.skill >= 0 else 'larger'}"
    words = {"win": "significantly", "loss": "significantly", "tie": "not significantly"}[verdict.outcome]
    reason = (
        f"on the {num_steps} held-out steps that neither was fitted on its error is typically {size} than that of {label}, "
        f"{words} ({verdict.reason})"
    )
    return Activation(
        activate=not is_worse,
        basis="held-out",
        reason=reason,
        champion=label,
        outcome=verdict.outcome,
        skill=verdict.skill,
        p_value=verdict.p_value,
        num_steps=num_steps,
    )


def _by_records(manifest: Manifest, challenger: Challenger, label: str) -> Activation:
    """Compare the results of both against the naive forecasts, each on its own test windows."""
    ours = challenger.judgement.verdict
    theirs = manifest.verdict
    why = f"{label} was fitted on nearly all held-out rows, so the records decide"
    if challenger.is_warm:
        why = "too few windows to test on rows that neither was fitted on, so the records decide"
    if ours is None or theirs is None:
        missing = "the new one" if ours is None else label
        return Activation(True, "records", f"{why}: {missing} has none", champion=label)
    before = str(theirs.get("outcome"))
    lost = ours.outcome == "loss" and before != "loss"
    apart = ours.skill_interval[1] < _low(theirs)
    if lost:
        found = f"it loses to {ours.against}, which {label} did not"
    elif apart:
        found = f"its skill of {ours.skill:+.1f} % lies clearly below {_percent(theirs.get('skill'))} of {label}"
    else:
        found = f"its record against the naive forecasts ({ours.outcome}) is not clearly worse than before ({before})"
    return Activation(not (lost or apart), "records", f"{why}: {found}", champion=label, skill=None)


def _low(verdict: Mapping[str, object]) -> float:
    """Return the lower end of the skill interval of a stored verdict, minus infinity where it has none."""
    interval = verdict.get("skill_interval")
    low = interval[0] if isinstance(interval, list | tuple) and interval else None
    return float(low) if isinstance(low, int | float) else -np.inf


def _percent(value: object) -> str:
    return f"{value:+.1f} %" if isinstance(value, int | float) else "that"
