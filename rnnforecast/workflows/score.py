"""`score`: compare logged forecasts with actuals, and test for drift."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rnnforecast.config import DataSettings
from rnnforecast.data.read import ReadResult, read_series
from rnnforecast.data.sources import remembered, without_file
from rnnforecast.data.tables.in_memory import Data, inputs_of
from rnnforecast.errors import ModelFileError, UsageError
from rnnforecast.evaluation.metrics import score as score_windows
from rnnforecast.evaluation.metrics import score_per_lead
from rnnforecast.evaluation.verdict import judge, overlap_of
from rnnforecast.findings import plural
from rnnforecast.store.ledger import LEDGER_LEVELS, Issued, Ledger
from rnnforecast.store.manifest import InputRecord, Manifest, Roles
from rnnforecast.store.registry import Registry, default_store
from rnnforecast.workflows.model_rows import RENEWED_SETTINGS, data_settings
from rnnforecast.workflows.monitoring.choose_ledger import Selection, choose_ledger, nothing_logged
from rnnforecast.workflows.monitoring.drift_checks import watch_forecasts, watch_inputs
from rnnforecast.workflows.monitoring.freshness import Age, check_age, parse_age
from rnnforecast.workflows.monitoring.join_actuals import Joined, join_actuals
from rnnforecast.workflows.monitoring.score_result import ScoreResult
from rnnforecast.workflows.predict_and_log import baseline_name

FORECAST = "forecast"
_LEVELS = (*LEDGER_LEVELS[:2], 0.5, *LEDGER_LEVELS[2:])


def score(
    model: str | None = None,
    *,
    data: Data | None = None,
    last: int | None = None,
    all_versions: bool = False,
    max_age: str | None = None,
    reading: DataSettings | None = None,
    store: str | Path | None = None,
) -> ScoreResult:
    """Join the logged forecasts of a name with the actuals that have arrived since.

    `model` is `NAME`, or `NAME@VERSION` for the forecasts of one version; `base` means those that it made for the files
    `data`, where there are several. `data` are the files that hold the actuals (default: those of the training, read
    again), `reading` their query, size limit and wait; `last` scores the newest cutoffs alone. The tests for drift look
    at the forecasts of the active version, so that they restart with a new one; with `all_versions` at all. Nothing is
    written.

    Raises ModelFileError where no forecast was logged or a ledger file is damaged, InputError, DataError,
    StaleError with `max_age`, UsageError.
    """
    started = time.monotonic()
    age = parse_age(max_age) if max_age is not None else None
    if last is not None and last < 1:
        raise UsageError(f"`--last {last}` leaves nothing to score", hint="name at least 1 cutoff")
    place, data = Path(store or default_store()), inputs_of(data)
    selection = choose_ledger(place, model, data)
    issued = Ledger(place, selection.name).read(version=selection.version)
    if issued is None:
        raise _of_categories(place, selection) or nothing_logged(place, model)
    read, findings = _read_actuals(issued, data, age, reading)
    joined = join_actuals(issued, read.series)
    scored = joined if last is None else joined.select(_newest_cutoffs(joined, last))
    versions = np.unique(issued.version)
    tested_versions = versions if all_versions else np.array([_tested_version(place, selection, int(versions[-1]))])
    tested = joined if all_versions else joined.select(_served_by(issued, place, selection, int(tested_versions[0])))
    inputs, input_notes = watch_inputs(read.series, name=selection.name, version=selection.version, store=place)
    live = _live(scored)
    return ScoreResult(
        name=selection.name,
        versions=tuple(versions.tolist()),
        paths=tuple(read.paths),
        freq=read.series.freq.alias,
        baseline=_baseline_of(issued),
        num_issued=scored.issued.num_rows,
        num_scored=int(scored.scored.sum()),
        num_pending=int(scored.pending.sum()),
        num_missing=int(scored.missing.sum()),
        num_unknown=int(scored.unknown.sum()),
        num_series=len(np.unique(scored.number[scored.scored])),
        cutoffs=tuple(read.series.freq.to_timestamps(np.unique(scored.cutoffs[scored.scored]))),
        watches=(*watch_forecasts(tested, read.series.freq), inputs),
        tested_versions=tuple(tested_versions.tolist()),
        findings=(*read.findings, *findings),
        notes=(*([selection.note] if selection.note else []), *_notes(scored), *input_notes),
        seconds=time.monotonic() - started,
        **live,
    )


def _of_categories(store: Path, selection: Selection) -> UsageError | None:
    """Return the error for a model whose forecasts are never logged, None for another one."""
    try:
        manifest = Registry(store).resolve(selection.name).manifest
    except ModelFileError:
        return None
    if manifest is None or manifest.categorical is None:
        return None
    message = f"{manifest.label} forecasts categories, which are not logged"
    hint = f"`rnnforecast evaluate {shlex.quote(manifest.name)}` scores it on past windows"
    return UsageError(message, hint=hint, code="E_RUN_CATEGORIES")


def _tested_version(store: Path, selection: Selection, newest: int) -> int:
    """Return the version to test: the named one, the active one, else the newest in the ledger."""
    if selection.version is not None:
        return selection.version
    try:
        return Registry(store).resolve(selection.name).version
    except ModelFileError:
        return newest


def _served_by(issued: Issued, store: Path, selection: Selection, version: int) -> np.ndarray:
    """Mark forecasts of a version and of what it serves now (a stand-in restarts the tests): bool [N]."""
    chosen = issued.version == version
    try:
        stand_in = Registry(store).resolve(selection.name).stand_in if selection.version is None else None
    except ModelFileError:
        return np.asarray(chosen)
    methods = np.array(issued.method, dtype=object)[issued.served]
    return np.asarray(chosen & (methods == stand_in)) if stand_in is not None else chosen


def _baseline_of(issued: Issued) -> str:
    """Return the name of the logged naive forecast; older ledgers have the season alone."""
    return str(issued.facts.get("baseline") or baseline_name(int(issued.facts["season_length"])))  # type: ignore[arg-type]


def _read_actuals(
    issued: Issued, data: Sequence[str | Path], age: Age | None, reading: DataSettings | None
) -> tuple[ReadResult, list[Any]]:
    manifest = _manifest_of(issued.facts)
    lost = without_file(manifest.input.paths)
    if not data and (lost or not manifest.input.paths):
        why = f"come from {lost}" if lost else "are tied to no file"
        message = f"the forecasts of `{manifest.name}` {why}: the file with the actuals is unknown"
        raise UsageError(message, hint="name it: `--data FILE`")
    paths = list(data) if data else remembered(manifest.input.paths, label=f"`{manifest.name}`")
    changes: dict[str, object] = {"past": (), "future": (), "static": (), "future_data": (), "calendar_features": ()}
    if reading is not None:
        changes |= {name: getattr(reading, name) for name in RENEWED_SETTINGS if name in reading.model_fields_set}
    read = read_series(paths, data_settings(manifest).model_copy(update=changes))
    kept = tuple(finding for finding in read.findings if finding.code != "N_COLUMN_UNUSED")  # nor are covariates here
    return replace(read, findings=kept), check_age(read.series, age)


def _manifest_of(facts: Mapping[str, Any]) -> Manifest:
    """Return a manifest from the facts in the ledger, so that actuals are read like the model's rows."""
    try:
        return Manifest(
            name=str(facts["name"]),
            settings=facts.get("settings", {}),
            roles=Roles.model_validate(facts["roles"]),
            freq=facts["freq"],
            season_length=facts["season_length"],
            horizon=facts["horizon"],
            quantile_levels=(0.5,),
            input=InputRecord(paths=tuple(facts.get("paths", ()))),
        )
    except (KeyError, ValueError, TypeError) as error:
        message = f"the ledger of `{facts.get('name')}` lacks the facts for reading its rows"
        hint = "move its newest part away: the forecasts in it are then not scored"
        raise ModelFileError(message, hint=hint, code="E_LEDGER_DAMAGED") from error


def _newest_cutoffs(joined: Joined, count: int) -> np.ndarray:
    """Mark the steps of the newest cutoffs that have a scored step, or to later ones: bool [N]."""
    distinct = np.unique(joined.cutoffs[joined.scored])[-count:]
    return np.asarray(joined.cutoffs >= (distinct[0] if len(distinct) else joined.cutoffs.min()))


def _live(joined: Joined) -> dict[str, Any]:
    """Return metrics, metrics by lead time and verdict; empty where no actual has arrived yet."""
    if not joined.scored.any():
        return {"metrics": {}, "per_lead": (), "verdict": None}
    windows, actuals = joined.windows, joined.windows.actuals()
    quantiles = np.concatenate(
        [windows.quantiles[..., :2], windows.forecast[..., None], windows.quantiles[..., 2:]], axis=-1
    )
    naive = windows.baseline[..., None]
    baseline = _baseline_of(joined.issued)
    ours = score_windows(quantiles, actuals, quantile_levels=_LEVELS)
    theirs = score_windows(naive, actuals, quantile_levels=(0.5,))
    leads = score_per_lead(quantiles, actuals, quantile_levels=_LEVELS)
    naive_leads = score_per_lead(naive, actuals, quantile_levels=(0.5,))
    rows = [
        {"lead": lead + 1, **leads.row(lead), "baseline_mase": naive_leads.row(lead)["mase"]}
        for lead in range(len(leads))
        if leads.num_scored[lead]
    ]
    kept = ("lead", "num_scored", "mase", "baseline_mase", "mae", "coverage")
    losses = {FORECAST: windows.losses(windows.forecast), baseline: windows.losses(windows.baseline)}
    verdict = judge(losses, windows.series, methods=FORECAST, overlap=_overlap(windows.cutoffs, joined))
    return {
        "metrics": {FORECAST: ours.row(), baseline: theirs.row()},
        "per_lead": tuple({key: row[key] for key in kept} for row in rows),
        "verdict": verdict.to_dict(),
    }


def _overlap(cutoffs: np.ndarray, joined: Joined) -> int:
    """Return the number of later cutoffs whose steps overlap, from the usual distance between cutoffs."""
    steps = np.diff(np.unique(cutoffs))
    horizon = int(joined.issued.lead.max())
    return overlap_of(horizon, max(int(np.median(steps)), 1)) if len(steps) else 0


def _notes(joined: Joined) -> list[str]:
    notes = []
    if not joined.scored.any():
        notes.append("no actual has arrived yet: nothing can be scored")
    unknown = int(joined.unknown.sum())
    if unknown:
        issued = joined.issued
        names = sorted({issued.ids[item] for item in np.unique(issued.item[joined.unknown])})
        notes.append(f"not scored: {plural(unknown, 'step')} of series that are not in the data, such as {names[0]}")
    missing = int(joined.missing.sum())
    if missing:
        notes.append(f"not scored: {plural(missing, 'past step')} without an actual")
    revised = joined.revised & joined.scored
    if revised.any():
        notes.append(
            f"{int(revised.sum())} of {int(joined.scored.sum())} scored steps were forecast from a last value that "
            "has changed: history was revised, or the data are others"
        )
    return notes
