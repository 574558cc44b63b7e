"""The doors that take bytes of strangers: each eats one input and lets nothing out but the rejections of the package."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rnnforecast.cli.render import render
from rnnforecast.cli.settings import load_settings
from rnnforecast.config import Settings
from rnnforecast.data.read import read_series
from rnnforecast.errors import RnnForecastError
from rnnforecast.model_io.pack import check_shapes, frequency_of, unpack_ensemble
from rnnforecast.store.model_file import read_model
from rnnforecast.workflows.batch.jobs_file.read import read_jobs
from rnnforecast.workflows.inspect import inspect

Door = Callable[[bytes], bool]

#: The first byte of an input chooses the flags of the reading; the file follows.
READINGS: tuple[dict[str, object], ...] = (
    {},
    {"strict": True, "redact_values": True},
    {"duplicates": "mean", "inf": "missing", "skip_bad_rows": True, "percent": True},
    {"resample": "1h", "aggregate": "mean", "tz": "Europe/Berlin", "ambiguous": "infer", "nonexistent": "shift"},
    {"header": False, "number_format": "financial", "missing_values": "x", "short": "pad"},
    {"dayfirst": True, "decimal": ",", "thousands": ".", "fill": "linear", "drop_last_partial": True},
    {"time": "none", "sample": 7, "comment": "#"},
    {"excel_dates": True, "calendar": "learned", "locale": "de", "strip_units": "kWh"},
    {"epoch_unit": "s", "resample": "D", "aggregate": "count", "fill": "season"},
)
_PREFIX = b'{"__metadata__":{"header_sha256":"'
_FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))


def csv_door(data: bytes) -> bool:
    """Read bytes as a table of text, as `inspect` does; return whether it was accepted."""
    return _inspect(data[:1], data[1:], "rows.csv")


def parquet_door(data: bytes) -> bool:
    """Read bytes as Parquet, whatever their first four are."""
    return _inspect(data[:1], b"PAR1" + data[5:], "rows.parquet")


def toml_door(data: bytes) -> bool:
    """Read bytes as a file of jobs and as a file of settings."""
    path = _write(data, "jobs.toml")
    accepted = False
    for read in (lambda: read_jobs(path), lambda: load_settings({}, config=str(path))):
        try:
            read()
            accepted = True
        except RnnForecastError as error:
            _check_refusal(error)
    return accepted


def model_door(data: bytes) -> bool:
    """Read bytes as a model; where the first is odd, the digests are made right first, as an attacker would."""
    content = data[1:]
    path = _write(sealed(content) if data[:1] and data[0] % 2 else content, "model.safetensors")
    try:
        model = read_model(path, check_shapes=check_shapes)
        model.context()
        unpack_ensemble(model)
        frequency_of(model.manifest)
    except RnnForecastError as error:
        _check_refusal(error)
        return False
    assert all(np.isfinite(one).all() for name, one in model.tensors.items() if name.startswith("members."))
    return True


def sealed(content: bytes) -> bytes:
    """Return a model file with the digests that its payload and its header have."""
    length = int.from_bytes(content[:8], "little")
    if length > len(content) - 8 or not content[8:].startswith(_PREFIX):
        return content
    header, payload = content[8 : 8 + length], content[8 + length :]
    digest = hashlib.sha256(payload).hexdigest().encode()
    header = re.sub(rb'(payload_sha256\\":\\")[0-9a-f]{64}', rb"\g<1>" + digest, header)
    blank = content[:8] + _PREFIX + b"0" * 64 + header[len(_PREFIX) + 64 :]
    place = slice(8 + len(_PREFIX), 8 + len(_PREFIX) + 64)
    return blank[: place.start] + hashlib.sha256(blank).hexdigest().encode() + blank[place.stop :] + payload


def _inspect(choice: bytes, content: bytes, name: str) -> bool:
    warnings.simplefilter("error", RuntimeWarning)  # a number that is none is told by a warning alone
    settings = Settings.from_flat(READINGS[(choice[0] if choice else 0) % len(READINGS)])
    path = _write(content, name)
    try:
        result = inspect([path], settings)
    except RnnForecastError as error:
        _check_refusal(error)
        return False
    json.dumps(result.to_dict(), allow_nan=False)
    render(result, stream=io.StringIO())
    if len(content) % 16 == 0:
        _check_series(path, settings)
    return True


def _check_series(path: Path, settings: Settings) -> None:
    """Hold an accepted table to what every later room takes for granted."""
    series = read_series([path], settings.data).series
    assert np.isfinite(series.values[series.observed]).all()
    assert np.isnan(series.values[~series.observed]).all()
    assert series.offsets[-1] == len(series.values)
    assert (series.lengths > 0).all()


def _check_refusal(error: RnnForecastError) -> None:
    assert error.message.strip()
    json.dumps([finding.to_dict() for finding in error.findings], allow_nan=False)


def _write(content: bytes, name: str) -> Path:
    path = _FOLDER / name
    path.write_bytes(content)
    return path


DOORS: dict[str, Door] = {"csv": csv_door, "parquet": parquet_door, "toml": toml_door, "model": model_door}
