"""`script`: a short Python script on the public API that trains and forecasts as the command of a stored model did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from rnnforecast.config import Settings
from rnnforecast.data.files.overwrite import check_outputs
from rnnforecast.data.sources import without_file
from rnnforecast.errors import UsageError
from rnnforecast.model_io.base import BASE
from rnnforecast.store.files import check_writable, replace_bytes
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.registry import default_store, is_path
from rnnforecast.workflows.models import load_model
from rnnforecast.workflows.results import ScriptResult

_FOLDER, _FORECAST = "script-store", "forecast.csv"


def script(
    model: str | None = None, *, output: str | Path | None = None, store: str | Path | None = None
) -> ScriptResult:
    """Return a script that does what the training of a model (default: the newest) did, and then forecasts.

    It reads the same files by the settings that were given, stores the model in a separate folder, and writes the forecast
    as CSV: the same bytes as the command, on the same rows, processor and version. With `output` it is written there.

    Raises ModelFileError, OutputError, and UsageError for `base`, for rows from standard input, and for an output that is
    not a .py file.
    """
    if model == BASE:
        message = f"`{BASE}` was not trained by a command"
        hint = f'name a model of `rnnforecast models list`; `rnnforecast.predict("{BASE}", data=[FILE])` forecasts'
        raise UsageError(message, hint=hint, code="E_RUN_CONFIG")
    if output is not None:
        if Path(output).suffix != ".py":
            raise UsageError(
                f"script {output} does not end with .py", hint="name it so: `train.py`", code="E_RUN_OUTPUT"
            )
        check_outputs({"--output": output}, [("the store", store or default_store())])
        check_writable(Path(output))
    manifest = load_model(model, store=store).manifest
    lost = without_file(manifest.input.paths)
    if lost:
        message = f"`{manifest.label}` was trained on {lost}, which a script cannot read again"
        raise UsageError(message, hint="save the rows in a file and train on it", code="E_RUN_CONFIG")
    text = script_text(manifest)
    if output is not None:
        replace_bytes(output, text.encode("utf-8"))
    notes = []
    if manifest.settings.get("time_budget") is not None:
        notes.append("--time-budget cut the training by the clock: a second one may end elsewhere")
    if model is not None and is_path(model):
        notes.append(f"the script opens what {model} names, a model from outside the store: read it before you run it")
    return ScriptResult(manifest.label, text, None if output is None else str(output), tuple(notes))


def script_text(manifest: Manifest) -> str:
    """Return the script of a model; every value from its file is a Python literal."""
    given = "".join(f"    {key!r}: {value!r},\n" for key, value in _given(manifest).items())
    settings = f"Settings.from_flat({{\n{given}}})" if given else "Settings()"
    paths = ", ".join(repr(path) for path in manifest.input.paths)
    return (
        f"# Repeats the training and the forecast of {manifest.label!a}, which rnnforecast {manifest.rnnforecast!a} made.\n"
        "import rnnforecast\n\n"
        f"settings = rnnforecast.{settings}\n"
        f"trained = rnnforecast.train([{paths}], settings, name={manifest.name!r}, store={_FOLDER!r})\n"
        'print(trained.model, trained.verdict and trained.verdict["outcome"])\n\n'
        f"forecast = rnnforecast.predict(trained.model, store={_FOLDER!r}, output={_FORECAST!r})\n"
        'print(len(forecast.frame), "rows written to", forecast.output)\n'
    )


def _given(manifest: Manifest) -> Mapping[str, object]:
    """Return the settings that differ from the defaults of this version."""
    usual = json.loads(json.dumps(Settings().to_flat()))
    return {key: value for key, value in manifest.settings.items() if key in usual and value != usual[key]}
