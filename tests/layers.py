"""The layers of the package, its outside dependencies, and where a newcomer looks for ten features.

`tests/test_architecture.py` checks these tables; `docs/make_docs.py` writes them into ARCHITECTURE.md.
"""

from __future__ import annotations

#: Subpackage or module -> layer; it imports only from lower layers, or from itself.
LAYERS = {
    "arrays": 0,
    "errors": 0,
    "frozen": 0,
    "escaping": 0,
    "findings": 0,
    "grammars": 0,
    "masking": 0,
    "options": 0,
    "progress": 0,
    "config": 0,
    "json_values": 0,
    "members": 0,
    "store": 1,
    "data": 2,
    "inference": 3,
    "networks": 4,
    "evaluation": 5,
    "forecasting": 6,
    "mixture": 7,
    "model_io": 7,
    "detection": 7,
    "streaming": 8,
    "training": 8,
    "workflows": 9,
    "charts": 10,
    "serving": 10,
    "rnnforecast": 11,
    "cli": 12,
    "__main__": 13,
}

#: Subpackage or module -> packages from outside (the standard library is open to all).
OUTSIDE = {
    "arrays": {"numpy"},
    "json_values": {"numpy"},
    "config": {"pydantic"},
    "grammars": {"holidays"},
    "members": {"pydantic"},
    "data": {"numpy", "pandas", "pyarrow", "fsspec", "holidays", "duckdb", "psycopg", "openpyxl"},
    "store": {"numpy", "pydantic", "filelock", "pyarrow"},
    "inference": {"numpy", "threadpoolctl"},
    "networks": {"numpy", "torch"},
    "evaluation": {"numpy", "scipy", "statsforecast"},
    "forecasting": {"numpy"},
    "detection": {"numpy"},
    "streaming": {"numpy"},
    "training": {"numpy", "pydantic", "ray", "torch"},
    "mixture": {"numpy"},
    "model_io": {"numpy"},
    "workflows": {
        *("numpy", "onnxruntime", "optuna", "pandas", "pyarrow", "pydantic", "pydantic_core", "sqlalchemy"),
    },
    "charts": {"numpy"},
    "serving": {"pyarrow", "starlette", "uvicorn"},
    "cli": {"numpy", "typer", "rich"},
}

#: A file shorter than `MIN_LINES` -> why it is a file.
SHORT_FILES = {
    "__main__": "`python -m rnnforecast`",
    "arrays": "array types for all layers",
    "progress": "a protocol that training and the command line share",
    "cli.diagnose": "one file for each command",
    "cli.doctor": "one file for each command",
    "cli.script": "one file for each command",
    "cli.inspect": "one file for each command",
    "workflows.inspect": "one file for each command",
    "cli.render.notices": "without Rich, so that `predict` starts quickly",
    "data.rows": "two types that several modules of data share",
    "inference.engine": "a protocol that both engines implement",
}

#: Feature -> file name that a newcomer guesses, and text that the file has (both regular expressions).
FEATURES = {
    "MASE": (r"evaluation/metrics\.py", r"mase"),
    "test split": (r"(training|workflows)/.*split\.py", r"test|held"),
    "learning-rate schedule": (r"training/(loop|optimi[sz]er|.*schedule)\.py", r"cos\("),
    "model file": (r"store/model_file\.py", r"def write_model"),
    "duplicate timestamps": (r"data/(.*/)?duplicates\.py", r"duplicate"),
    "metric table on screen": (r"cli/render/metrics\.py", r"[Tt]able"),
    "delimiter detection": (r"data/(.*/)?(csv_dialect|delimiter\w*|sniff\w*)\.py", r"delimiter"),
    "day/month order": (r"data/(.*/)?(day_month\w*|date_formats?|formats)\.py", r"[Dd]ay"),
    "best checkpoint on validation": (r"training/(best\w*|validation|checkpoint\w*|state)\.py", r"[Bb]est"),
    "ensemble weights": (r"training/ensemble_weights\.py", r"weight"),
}
