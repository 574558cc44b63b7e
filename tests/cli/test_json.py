from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from rnnforecast.errors import DataError
from rnnforecast.json_values import Document, plain, timestamp_to_json
from tests.cli import examples
from tests.cli.detect_examples import detect_result
from tests.cli.schemas import load_schemas, problems
from tests.cli.score_examples import score_result

DOCUMENTS: dict[str, list[Document]] = {
    "inspect": [examples.inspect_result()],
    "train": [examples.train_result(), examples.train_result(None)],
    "predict": [examples.predict_result(), examples.predict_result(["a", "b"], output="forecasts.csv")],
    "predict --shard": [examples.shard_result()],
    "evaluate": [examples.evaluate_result()],
    "diagnose": [examples.diagnose_result()],
    "report": [examples.report_result()],
    "script": [examples.script_result()],
    "compare": [examples.compare_result()],
    "tune": [examples.tune_result(), examples.tune_result(None)],
    "models": [
        examples.models_result(action) for action in ("list", "verify", "promote", "rollback", "prune", "remove")
    ],
    "models show": [examples.model_result()],
    "detect": [detect_result(), detect_result(num_alarms=0)],
    "score": [score_result(), score_result(alarms=("naive", "coverage_80")), score_result(empty=True)],
    "batch": [examples.batch_result(), examples.batch_result(signal=15)],
    "batch --check": [examples.batch_plan()],
    "batch --print": [examples.units_result()],
    "doctor": [examples.doctor_result(), examples.doctor_result(ok=False)],
}


@pytest.mark.parametrize("schema", DOCUMENTS)
def test_every_result_is_one_document_of_its_documented_schema(schema: str) -> None:
    for result in DOCUMENTS[schema]:
        document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
        assert problems(document, schema) == []


def test_an_error_is_a_document_of_its_documented_schema() -> None:
    error = DataError("two rows differ", hint="drop one", code="E_TIME_DUPLICATE", findings=[examples.FINDING])
    assert problems({"error": error.to_dict()}, "error") == []


def test_every_documented_schema_is_checked_here() -> None:
    assert set(load_schemas()) == {*DOCUMENTS, "common", "error"}


def test_the_checker_names_what_is_missing_undocumented_and_of_another_type() -> None:
    found = problems({"ok": "yes", "mood": 1}, "doctor")
    assert found == ["$: `checks` is missing", "$.ok: 'yes' is no boolean", "$: `mood` is not documented"]


def test_nan_becomes_null_and_integers_stay_integers() -> None:
    assert plain([float("nan"), np.float64("inf"), np.int64(3), 2.5]) == [None, None, 3, 2.5]


def test_integer_steps_stay_integers_in_rows_and_cutoffs() -> None:
    document = examples.predict_result(steps=True).to_dict()
    rows = document["rows"]
    assert isinstance(rows, list)
    assert isinstance(rows[0], list)
    assert rows[0][0] == 60
    assert isinstance(rows[0][0], int)
    assert document["cutoffs"] == [59]


@pytest.mark.parametrize(
    ("timestamp", "freq", "text"),
    [
        (np.datetime64("2024-03-01", "us"), "D", "2024-03-01"),
        (np.datetime64("2024-03-01", "us"), "h", "2024-03-01T00:00:00"),
        (pd.Timestamp("2024-03-01 14:30"), "30min", "2024-03-01T14:30:00"),
        (pd.Timestamp("2024-03-01", tz="Europe/Berlin"), "15min", "2024-03-01T00:00:00+01:00"),
        (np.datetime64("NaT", "us"), "D", None),
        (np.int64(7), "step", 7),
    ],
)
def test_timestamps_are_dates_on_long_calendars_and_date_times_on_short_ones(
    timestamp: object, freq: str, text: str | int | None
) -> None:
    assert timestamp_to_json(timestamp, freq) == text


def test_rows_written_to_a_file_are_null_in_the_document() -> None:
    document = examples.predict_result(output="forecasts.csv").to_dict()
    assert document["rows"] is None
    assert document["output"] == "forecasts.csv"
    assert document["num_rows"] == 10
