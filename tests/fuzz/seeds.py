"""What fuzzing starts from: the bad inputs that are kept, and sound ones."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from tests.bad_input.test_cases import CASES
from tests.fuzz.doors import READINGS
from tests.store.builders import make_model
from tests.workflows.toy import fit, write_days

MAX_BYTES = 8_192
#: Words that a table is made of, for the mutations.
WORDS = (
    *("date", "y", "id", "NaN", "inf", "-inf", "1e999", "1e-320", "null", "true", "2024-01-01", "2024-02-30"),
    *("01/02/2024", "13/01/2024", "2024-W05", "2024-Q1", "1987 Q1", "2024-01-01T00:00:00Z", "+02:00", "24:00"),
    *(":60", "1700000000", "9999-12-31", "0001-01-01", "1677-09-21", "2262-04-12", "45292.5", "Jan", "Mai"),
    *("1,234", "1.234,5", "12%", "$5", "(123)", "kWh", ";", "|", "sep=;", "#", "PAR1"),
    *("\\xef\\xbb\\xbf", "\\x00", '\\"', '\\"\\"', "\\x09", "\\x0d\\x0a"),
)
JOBS = """
[defaults]
timeout = "1h"
retrain = "every 7d"
on_alarm = ["true"]
[[job]]
name = "a"
data = "a.csv"
horizon = 12
future_data = ["b.csv"]
output = "a-out.csv"
[[job]]
name = "b"
model = "a@1"
quantiles = [0.1, 0.5]
output = "sqlite:///x.db#t"
retrain = "on drift"
keep = 3
"""
SETTINGS = """
time = ["date", "hour"]
target = "close"
horizon = 12
quantiles = [0.1, 0.9]
cell = "lstm"
learning_rate = 1e-3
strict = true
calendar_features = "season"
"""


def write_seeds(door: str, folder: Path) -> None:
    """Write the seeds of one door into a folder, one file each."""
    for number, content in enumerate(_SEEDS[door]()):
        (folder / f"seed-{number:04d}").write_bytes(content)


def write_dictionary(path: Path) -> None:
    """Write the words that a table is made of, in the form that libFuzzer takes."""
    path.write_text("".join(f'"{word}"\n' for word in WORDS), encoding="utf-8")


def _tables() -> Iterator[bytes]:
    """Yield the files of the catalogue of bad input that are small."""
    for case in CASES:
        with tempfile.TemporaryDirectory() as name:
            try:
                made = case.make(Path(name))
                paths = [made] if isinstance(made, Path) else list(made)
                contents = [path.read_bytes() for path in paths if path.is_file()]
            except OSError:
                continue  # a case of paths, not of bytes
            yield from (content for content in contents if len(content) <= MAX_BYTES)


def _csv() -> Iterator[bytes]:
    for number, content in enumerate(one for one in _tables() if one[:4] != b"PAR1"):
        yield bytes([0]) + content
        yield bytes([number % len(READINGS)]) + content


def _parquet() -> Iterator[bytes]:
    timestamps = pd.date_range("2024-01-01", periods=12, freq="h")
    frame = pd.DataFrame({"t": timestamps, "y": np.arange(12.0), "id": pd.Categorical(["a", "b"] * 6)})
    for compression in (None, "snappy", "zstd"):
        stream = io.BytesIO()
        frame.to_parquet(stream, index=False, compression=compression)
        yield bytes([0]) + stream.getvalue()
    for content in _tables():
        if content[:4] == b"PAR1":
            yield bytes([0]) + content


def _toml() -> Iterator[bytes]:
    yield JOBS.encode()
    yield SETTINGS.encode()


def _model() -> Iterator[bytes]:
    from rnnforecast.store.model_file import write_model

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "toy.safetensors"
        write_model(path, make_model())
        contents = [path.read_bytes()]
        for cell in ("gru", "minlstm"):
            days = write_days(Path(name), name=f"{cell}.csv")
            fit(days, cell=cell, num_steps=1, hidden_size=2, context_length=7)
        contents += [one.read_bytes() for one in Path(name).rglob("store/**/*.safetensors")]
    for content in contents:
        yield b"\0" + content
        yield b"\1" + content


_SEEDS = {"csv": _csv, "parquet": _parquet, "toml": _toml, "model": _model}
