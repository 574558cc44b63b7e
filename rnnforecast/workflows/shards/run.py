"""`predict --shard I/N`: forecast the parts of one worker, each written whole with a record of what it was made from."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rnnforecast.data.files.overwrite import Owned, check_outputs
from rnnforecast.data.files.remote import is_url
from rnnforecast.errors import LockedError, OutputError, RnnForecastError, UsageError
from rnnforecast.frozen import dataclass
from rnnforecast.model_io.base import BASE
from rnnforecast.progress import NoProgress
from rnnforecast.store.files import lock, sweep_temporaries
from rnnforecast.store.registry import Registry, default_store
from rnnforecast.workflows.model_rows import Files, load
from rnnforecast.workflows.monitoring.freshness import check_age, parse_age
from rnnforecast.workflows.predict import ForecastRequest, forecast_request
from rnnforecast.workflows.shards.manifest import Done, Manifest, contents_of, file_digest, inputs_of
from rnnforecast.workflows.shards.plan import Part, Shard, plan_parts
from rnnforecast.workflows.shards.results import PartResult, ShardResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rnnforecast.options import ShardBy
    from rnnforecast.progress import Progress


@dataclass(frozen=True)
class Work:
    """What the parts of a shard have in common."""

    request: ForecastRequest
    model: str
    files: Files
    store: str | Path | None
    id_columns: tuple[str, ...]
    manifest: Manifest
    digest: str

    def look(self, part: Part) -> Done | None:
        """Return the record of a part that is done."""
        return self.manifest.look(part, inputs=inputs_of(part), request=self.digest)


#: Forecasts parts somewhere, and yields the number of each part with its result, in any order.
Runner: TypeAlias = Callable[["Sequence[Part]", Work], "Iterator[tuple[int, PartResult]]"]


def predict_shard(
    request: ForecastRequest,
    model: str,
    *,
    data: Files,
    shard: Shard,
    by: ShardBy = "file",
    store: str | Path | None = None,
    progress: Progress | None = None,
    on: Runner | None = None,
) -> ShardResult:
    """Forecast one worker's part of a folder of Parquet files; `request.output` is the folder of the forecasts.

    The parts are forecast one after the other in this process, or by `on`.

    What an earlier run has done is not done again: same inputs, model and options, and an output as it was written; with
    `max_age` its rows are read again, and a part whose rows became too old fails. A part that fails affects no other.
    Raises UsageError, ModelFileError, InputError and DataError before the first part, and LockedError while another run
    works on the same shard.
    """
    started = time.monotonic()
    label, digest, id_columns = _identify(request, model, by=by, store=store, known_ahead=data.known_ahead)
    output = _output_folder(request, data, store)
    workers = plan_parts(data.rows, shard, by=by, id_columns=id_columns)
    _check_apart(output, data, request.what_if, workers)
    manifest = Manifest(output)
    notes = manifest.check_parts([part for each in workers for part in each], by=by)
    work = Work(request, label, data, store, id_columns, manifest, digest)
    parts, results = workers[shard.number - 1], dict[int, PartResult]()
    progress = progress or NoProgress()
    manifest.prepare()
    with _only_one(manifest, shard):
        sweep_temporaries(output)
        progress.start("parts", len(parts))
        for number, result in (on or one_by_one)(parts, work):
            results[number] = result
            progress.update(len(results))
        progress.finish()
    others = [part for number, each in enumerate(workers) if number != shard.number - 1 for part in each]
    num_done = sum(result.status != "failed" for result in results.values()) + sum(
        work.look(part) is not None for part in others
    )
    return ShardResult(
        model=label,
        shard=str(shard),
        by=by,
        output=str(output),
        parts=tuple(results[number] for number in range(len(parts))),
        num_parts=len(parts) + len(others),
        num_done=num_done,
        seconds=time.monotonic() - started,
        notes=notes,
    )


def one_by_one(parts: Sequence[Part], work: Work) -> Iterator[tuple[int, PartResult]]:
    """Forecast parts in this process; yields the number of each, and its result."""
    for number, part in enumerate(parts):
        yield number, forecast_part(part, work)


def forecast_part(part: Part, work: Work) -> PartResult:
    """Forecast one part, unless it is done, and keep its record."""
    started = time.monotonic()
    try:
        done = work.look(part)
        if done is not None:
            _check_age(part, work)
            return PartResult(part.name, "unchanged", done.num_rows, done.num_series, done.num_warnings, done.seconds)
        # before the rows are read: a file that is written meanwhile is another one the next time
        inputs = inputs_of(part)
        with tempfile.TemporaryDirectory() as folder:
            rows = _rows_of(part, work, Path(folder))
            counts = (0, 0, 0) if rows is None else _write_part(part, work, rows)
        target = work.manifest.output_of(part)
        seconds = time.monotonic() - started
        sha256 = "" if rows is None else file_digest(target)
        work.manifest.add(Done(part.name, inputs, work.digest, target.name, sha256, *counts, seconds))
        return PartResult(part.name, "done", *counts, seconds)
    except RnnForecastError as error:
        return failure(part, error, seconds=time.monotonic() - started)


def failure(part: Part, error: RnnForecastError, *, seconds: float = 0.0) -> PartResult:
    """Return the result of a part that could not be forecast."""
    return PartResult(
        part.name,
        "failed",
        seconds=seconds,
        exit_code=int(error.exit_code),
        error=error.code,
        message=error.message,
        hint=error.hint,
    )


def _check_age(part: Part, work: Work) -> None:
    """Raise StaleError where the rows of a part became older than the request allows, though they did not change."""
    if work.request.max_age is None:
        return
    age = parse_age(work.request.max_age)
    with tempfile.TemporaryDirectory() as folder:
        rows = _rows_of(part, work, Path(folder))
        if rows is not None:
            files = Files((rows,), work.files.known_ahead)
            reading = work.request.reading
            loaded = load(work.model, data=files, store=work.store, reading=reading, horizon=work.request.horizon)
            check_age(loaded.series, age)


def _rows_of(part: Part, work: Work, folder: Path) -> str | None:
    """Return the file with the rows of a part, None for a part without any series."""
    if part.shard is None:
        return part.paths[0]
    import pyarrow.parquet as pq

    table = part.read(work.id_columns)
    if not table.num_rows:
        return None
    path = folder / f"{part.name}.parquet"
    pq.write_table(table, path)
    return str(path)


def _write_part(part: Part, work: Work, rows: str) -> tuple[int, int, int]:
    """Write the forecasts of a part; return the numbers of rows, series and warnings."""
    request = replace(work.request, output=work.manifest.output_of(part), gains=False)
    files = Files((rows,), work.files.known_ahead)
    result = forecast_request(request, work.model, data=files, store=work.store)
    warnings = sum(finding.severity == "warning" for finding in result.findings)
    return len(result.frame), result.num_series, warnings


def _identify(
    request: ForecastRequest,
    model: str,
    *,
    by: ShardBy,
    store: str | Path | None,
    known_ahead: Sequence[str | Path],
) -> tuple[str, str, tuple[str, ...]]:
    """Return the version that all parts are forecast with, the digest of model and options, and the id columns.

    Files that all parts read count by their content, whatever path names them.
    """
    reading = request.reading
    if model == BASE:
        label, weights = BASE, ""
        ids = reading.id if reading is not None else ()
    else:
        stored = Registry(store).resolve(model)
        label, weights = stored.label if model.partition("@")[0] == stored.name else model, file_digest(stored.path)
        ids = stored.manifest.roles.id if stored.manifest is not None else ()
    if not ids:
        raise UsageError(
            f"{label} does not say which column identifies the series of the files",
            hint="name it with `--id COLUMN`" if model == BASE else "train a model on a panel, or forecast with `base`",
            code="E_RUN_CONFIG",
        )
    options = {**asdict(replace(request, output=None, reading=None, max_age=None, what_if=None, gains=True)), "by": by}
    options |= {"model": label, "weights": weights, "rnnforecast": metadata.version("rnnforecast")}
    left_out = {"wait", "max_bytes", "future_data"}
    options["reading"] = None if reading is None else reading.model_dump(mode="json", exclude=left_out)
    ahead = known_ahead or (() if reading is None else reading.future_data)
    options["known_ahead"] = contents_of(ahead, option="--future-data")
    options["what_if"] = contents_of(() if request.what_if is None else (request.what_if,), option="--what-if")
    text = json.dumps(options, sort_keys=True, default=str)
    return label, hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(), tuple(ids)


def _output_folder(request: ForecastRequest, data: Files, store: str | Path | None) -> Path:
    """Return the folder of the forecasts. Raises UsageError where there is none, or where it is that of the rows."""
    if not data.rows or request.output is None:
        missing = "--data" if not data.rows else "--output"
        raise UsageError(
            f"--shard needs {missing}", hint="`rnnforecast predict MODEL --data FOLDER --shard 2/8 --output FOLDER`"
        )
    output = Path(request.output)
    if output.exists() and not output.is_dir():
        raise OutputError(
            f"the output `{output}` of a shard is a file, not a folder",
            hint="name a folder: each part is a Parquet file in it",
        )
    owned: list[Owned] = [("the data", path) for path in (*data.rows, *data.known_ahead)]
    check_outputs({"--output": output}, [*owned, ("the store", store or default_store())])
    return output


def _check_apart(output: Path, data: Files, what_if: str | Path | None, workers: Sequence[Sequence[Part]]) -> None:
    """Raise UsageError where outputs would lie among the rows, or match a pattern that names them."""
    folder = os.path.realpath(output)
    parts = [part for each in workers for part in each]
    others = map(str, (*data.known_ahead, what_if or ""))
    paths = {path for path in (*(path for part in parts for path in part.paths), *others) if path and not is_url(path)}
    among = next((path for path in sorted(paths) if os.path.realpath(os.path.dirname(path)) == folder), None)
    if among is not None:
        raise UsageError(
            f"--output `{output}` is the folder of the data: `{among}`",
            hint="name another folder for the output",
            code="E_OUT_IS_INPUT",
        )
    check_outputs({"--output": output / f"{parts[0].name}.parquet"}, [("the data", item) for item in data.rows])


@contextmanager
def _only_one(manifest: Manifest, shard: Shard) -> Iterator[None]:
    """Hold the lock of a shard. Raises LockedError while another worker has it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(manifest.lock_path(str(shard))))
        except LockedError as error:
            raise LockedError(
                f"another worker has shard {shard} of this output",
                hint=f"give each worker another number, from 1 to {shard.count}",
                code=error.code,
            ) from error
        yield
