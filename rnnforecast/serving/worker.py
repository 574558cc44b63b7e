"""A process that forecasts: it reads requests from its standard input and writes answers to its standard output.

Each request is computed as `rnnforecast predict MODEL --data -` would compute it, with the rows on standard input, so that
both give the same bytes. A frame is the length of a header, the length of a body, the header (JSON) and the body.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import sys
import warnings
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, BinaryIO, cast

from rnnforecast.data.csv_writer import csv_blocks
from rnnforecast.errors import ExitCode, ModelFileError, ResourceError, RnnForecastError
from rnnforecast.escaping import json_text
from rnnforecast.frozen import dataclass
from rnnforecast.model_io.base import BASE, base_ensemble
from rnnforecast.serving.request import Kind, parse_request
from rnnforecast.store.names import split_spec
from rnnforecast.store.registry import Registry
from rnnforecast.workflows.model_rows import Files
from rnnforecast.workflows.predict import ForecastRequest, forecast_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rnnforecast.workflows.forecasts.predict_result import PredictResult

LENGTHS = struct.Struct(">QQ")
#: Memory of a process that forecasts; a request that needs more is answered with an error.
MEMORY_BYTES = 4 * 2**30
#: Rows may unpack to this many times the largest body.
UNPACKED = 8
#: Status of an answer by the exit code of its error.
STATUSES = {
    ExitCode.USAGE: 400,
    ExitCode.INPUT: 400,
    ExitCode.DATA: 422,
    ExitCode.STALE: 422,
    ExitCode.DIVERGED: 422,
    ExitCode.RESOURCES: 503,
    ExitCode.LOCKED: 503,
    ExitCode.TRY_LATER: 503,
}
#: Season lengths whose networks are ready before the first request: none, days, months, hours.
_WARM_SEASONS = (1, 7, 12, 24)


#: Answers of `base` that are kept for the same request again, and the largest of them.
MAX_KEPT, MAX_KEPT_BYTES = 512, 2**18


@dataclass(frozen=True)
class WorkerSettings:
    """What is the same for all requests: the store, the model of requests that name none, and the largest body."""

    store: str | None
    model: str
    max_body: int

    def to_json(self) -> str:
        """Return the settings as one argument of a command line."""
        return json.dumps(asdict(self))


def answer(header: Mapping[str, object], body: bytes, settings: WorkerSettings) -> tuple[dict[str, object], bytes]:
    """Return status and facts of an answer, and its body: a forecast, or an error as `--format json` prints it."""
    key = hashlib.sha256(json.dumps(header, sort_keys=True).encode() + b"\0" + body).digest()
    if key in _kept:
        _kept[key] = kept = _kept.pop(key)  # now the newest
        return kept
    try:
        result = _forecast(header, body, settings)
        text = _as_bytes(result, cast("Kind", header["answer"]))
    except RnnForecastError as error:
        return _failure(error, _status(error))
    except MemoryError:
        full = ResourceError(
            "the forecast needs more memory than a request may take", hint="send fewer series or steps"
        )
        return _failure(full, 503)
    except RecursionError as error:
        return _failure(RnnForecastError(f"the request is nested too deeply: {error}", code="E_SERVE_BODY"), 400)
    except Exception as error:
        bug = RnnForecastError(f"this is a bug in rnnforecast ({type(error).__name__})", code="E_INTERNAL")
        sys.stderr.write(f"rnnforecast serve: {type(error).__name__} in a request\n")
        return _failure(bug, 500)
    found: dict[str, object] = {"status": 200, "model": result.model, "num_series": result.num_series}
    # a stored model may have a new version by the next request, `base` is always the same
    if result.model == BASE and len(text) <= MAX_KEPT_BYTES:
        _kept[key] = found, text
        if len(_kept) > MAX_KEPT:
            del _kept[next(iter(_kept))]
    return found, text


_kept: dict[bytes, tuple[dict[str, object], bytes]] = {}


def _forecast(header: Mapping[str, object], body: bytes, settings: WorkerSettings) -> PredictResult:
    query = cast("Mapping[str, list[str]]", header["query"])
    cap = UNPACKED * settings.max_body
    asked = parse_request(cast("Kind", header["kind"]), query, body, cap=cap)
    chosen = asked.settings(max_bytes=cap)
    model = asked.model or settings.model
    check_model(model, store=settings.store)
    request = ForecastRequest(
        horizon=chosen.data.horizon,
        quantiles=chosen.evaluation.quantiles if "quantiles" in chosen.evaluation.model_fields_set else None,
        reading=chosen.data,
    )
    with _standard_input(asked.rows):
        return forecast_request(request, model, data=Files(("-",)), store=settings.store)


def check_model(model: str, *, store: str | None) -> None:
    """Raise ModelFileError for a model that is neither `base` nor one of the store: no path is looked at."""
    if model != BASE and split_spec(model)[0] not in Registry(store).names():
        raise ModelFileError(
            f"the server has no model `{model[:200]}`",
            hint="`rnnforecast models list` and GET /health list the models",
            code="E_MODEL_UNKNOWN",
        )


@contextmanager
def _standard_input(payload: bytes) -> Iterator[None]:
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(payload))
    try:
        yield
    finally:
        sys.stdin = before


def _as_bytes(result: PredictResult, kind: Kind) -> bytes:
    if kind == "csv":
        return b"".join(csv_blocks(result.frame))
    if kind == "arrow":
        import pyarrow as pa

        table, sink = pa.Table.from_pandas(result.frame, preserve_index=False), pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue())
    return (json_text(result.to_dict()) + "\n").encode("utf-8", "backslashreplace")


def _status(error: RnnForecastError) -> int:
    if isinstance(error, ModelFileError):
        return 404 if error.code == "E_MODEL_UNKNOWN" else 500
    return STATUSES.get(error.exit_code, 500)


def _failure(error: RnnForecastError, status: int) -> tuple[dict[str, object], bytes]:
    return {"status": status, "code": error.code}, error_body(error)


def error_body(error: RnnForecastError) -> bytes:
    """Return the JSON document of an error."""
    return (json_text({"error": error.to_dict()}) + "\n").encode("utf-8", "backslashreplace")


def pack(header: Mapping[str, object], body: bytes) -> bytes:
    """Return a frame."""
    text = json.dumps(header).encode()
    return LENGTHS.pack(len(text), len(body)) + text + body


def main(arguments: list[str]) -> int:
    """Answer requests until standard input ends; the first frame says that the process is ready."""
    requests, answers = sys.stdin.buffer, _own_stdout()
    settings = WorkerSettings(**json.loads(arguments[0]))
    warnings.simplefilter("ignore")
    _limit_memory()
    for season_length in _WARM_SEASONS:
        base_ensemble(season_length)
    _send(answers, {"ready": True}, b"")
    while lengths := requests.read(LENGTHS.size):
        header_size, body_size = LENGTHS.unpack(lengths)
        header = json.loads(requests.read(header_size))
        _send(answers, *answer(header, requests.read(body_size), settings))
    return 0


def _own_stdout() -> BinaryIO:
    """Return standard output for answers alone; what a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(hard, MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _send(stream: BinaryIO, header: Mapping[str, object], body: bytes) -> None:
    stream.write(pack(header, body))
    stream.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
