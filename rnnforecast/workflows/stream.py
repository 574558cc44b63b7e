"""`stream`: answer rows as they arrive, with networks that keep their hidden state; torch is not imported."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rnnforecast.config import DataSettings
from rnnforecast.data.calendar.frequency import Frequency, parse_frequency
from rnnforecast.data.calendar.infer_frequency import default_season_length
from rnnforecast.data.files.overwrite import Owned, check_outputs
from rnnforecast.data.write import STDOUT
from rnnforecast.detection.budget import AlarmBudget
from rnnforecast.errors import DataError, InputError, ModelFileError, OutputError, UsageError
from rnnforecast.escaping import visible
from rnnforecast.forecasting import Ensemble
from rnnforecast.frozen import dataclass
from rnnforecast.json_values import Document
from rnnforecast.model_io.base import BASE, base_ensemble
from rnnforecast.model_io.pack import frequency_of, unpack_ensemble
from rnnforecast.options import LineFormat
from rnnforecast.store.files import check_writable, lock
from rnnforecast.store.registry import Registry, default_store
from rnnforecast.streaming.engines import engine_of
from rnnforecast.streaming.lines import MAX_LINE, Columns, LineReader, LineWriter, guess_format
from rnnforecast.streaming.state import Position, SavedState
from rnnforecast.streaming.stream import HEADER, MALFORMED, RESTART, Answer, Stream, StreamOptions
from rnnforecast.workflows.alarm_actions import AlarmProcess
from rnnforecast.workflows.choose_model import open_model
from rnnforecast.workflows.monitoring.freshness import step_seconds

#: Bytes that are read at once; whole lines among them are answered together.
CHUNK_BYTES = 2**17
#: Bytes of a line that are kept: more characters than a line may have, whatever they are; the rest is dropped unread.
LONGEST_LINE_BYTES = 4 * (MAX_LINE + 1)
#: Lines that are answered together where windows are read again, which takes memory.
LINES_OF_WINDOWS = 256
SECONDS_TO_FOLLOW = 0.2
#: Bytes at the start of the input by which another file under its name is noticed.
_START_BYTES = 4_096


@dataclass(frozen=True)
class StreamRequest:
    """All options of `stream`.

    `input` and `output` are files (`-`: the standard streams); `reading` names the columns and the frequency for `base`.
    """

    model: str
    input: str = STDOUT
    output: str = STDOUT
    follow: bool = False
    line_format: LineFormat | None = None
    horizon: int = 1
    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)
    budget: str | None = None
    state: str | None = None
    save_every: int = 10_000
    max_series: int = 10_000
    reading: DataSettings = field(default_factory=DataSettings)


@dataclass(frozen=True)
class StreamResult(Document):
    """The counts of a stream at its end: lines by status, series and alarms."""

    model: str
    keeps_hidden_state: bool
    num_lines: int
    num_series: int
    num_alarms: int
    counts: Mapping[str, int]
    state: str | None
    notes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Served:
    """The model of a stream: its networks, the columns it reads, and its frequency."""

    label: str
    digest: str
    ensemble: Ensemble
    columns: Columns
    freq: Frequency


def stream(
    request: StreamRequest,
    *,
    store: str | Path | None = None,
    on_alarm: Sequence[str] = (),
    say: Callable[[str], None] = lambda _: None,
) -> StreamResult:
    """Answer each line of a stream with one line, flushed; returns at the end of the input.

    The state is saved every `save_every` lines and at the end. From a file into a file (`input`, `output` and `state`)
    each row is answered exactly once, wherever the process is killed: what was written after the last saved state is
    cut off, and those rows are read again. `say` is called with what happened meanwhile.

    Raises DataError at the end where no line could be read, UsageError, ModelFileError, InputError, OutputError, and
    LockedError while another stream keeps its state in the same file.
    """
    started = time.monotonic()
    served = _serve(request, store)
    run = Run(request, served, AlarmProcess(on_alarm, say), say)
    _check_files(request, store)
    with nullcontext() if request.state is None else lock(f"{request.state}.lock"):
        run.restore()
        run.loop()
    _check_readable(run.stream.counts)
    notes = [] if run.engine.keeps_hidden_state else [_window_note(served.label)]
    if served.ensemble.zero_shot_group is not None:
        notes.append(f"only the networks of {served.label} answer: what `predict` adds to them needs the whole history")
    return StreamResult(
        model=served.label,
        keeps_hidden_state=run.engine.keeps_hidden_state,
        num_lines=run.position.lines,
        num_series=len(run.stream.keys),
        num_alarms=run.num_alarms,
        counts=dict(run.stream.counts),
        state=request.state,
        notes=tuple(notes),
        seconds=time.monotonic() - started,
    )


def _check_readable(counts: Mapping[str, int]) -> None:
    """Raise DataError where every row was malformed: a job that nobody watches must not end well."""
    rows = sum(number for status, number in counts.items() if status not in (HEADER, RESTART))
    if rows and counts.get(MALFORMED) == rows:
        message = f"none of {rows:,} rows could be read"
        hint = "each answer says why; compare its words with the columns that the model was trained on"
        raise DataError(message, hint=hint)


def _window_note(label: str) -> str:
    return (
        f"{label} reads whole windows, so the newest rows are kept and read again after each row; a network that keeps its "
        "hidden state is quicker: `rnnforecast train ... --synchronous --normalisation causal --segment-length 1`"
    )


def _serve(request: StreamRequest, store: str | Path | None) -> Served:
    if request.model == BASE:
        return _serve_base(request.reading)
    if request.reading.model_fields_set:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(request.reading.model_fields_set))
        raise UsageError(
            f"{request.model} reads its columns as it was trained to: {flags} would change that", hint="leave them out"
        )
    stored = Registry(store).resolve(request.model)
    file = open_model(stored, reading=None)
    manifest = file.manifest
    roles, freq = manifest.roles, frequency_of(manifest)
    unread = [*roles.past, *roles.future, *roles.static, *roles.generated]
    if not roles.target:
        raise ModelFileError(f"{manifest.label} names no target", hint="train it again", code="E_MODEL_FORMAT")
    if unread or len(roles.target) > 1:
        what = f"covariates ({', '.join(unread)})" if unread else "several targets"
        message = f"{manifest.label} reads {what}: `stream` reads one target and nothing else"
        raise UsageError(message, hint="train a model of one target without covariates")
    columns = Columns(roles.time, roles.target[0], roles.id, freq.timezone is not None, freq.is_calendar)
    try:
        text = manifest.model_dump_json()
    except ValueError:  # a lone surrogate, which no training writes
        text = repr(manifest)
    digest = hashlib.sha256(text.encode())
    return Served(manifest.label, digest.hexdigest(), unpack_ensemble(file), columns, freq)


def _serve_base(reading: DataSettings) -> Served:
    missing = [name for name in ("target", "freq") if not getattr(reading, name)]
    if missing or len(reading.target) > 1:
        raise UsageError(
            f"`{BASE}` was not trained on your columns: name the target, the time column and the frequency of the stream",
            hint=f"`rnnforecast stream {BASE} --target value --time time --freq 5min`",
        )
    freq = parse_frequency(str(reading.freq))
    reading.reject_longer_seasons("`stream`")
    season = (*reading.season_length, default_season_length(freq))[0]
    columns = Columns(reading.time, reading.target[0], tuple(reading.id), is_calendar=freq.is_calendar)
    digest = hashlib.sha256(repr((columns, freq, season)).encode()).hexdigest()
    return Served(BASE, digest, base_ensemble(season), columns, freq)


def _check_files(request: StreamRequest, store: str | Path | None) -> None:
    """Check options that depend on each other, and that no file is read and written. Raises UsageError, OutputError."""
    if request.follow and request.input == STDOUT:
        raise UsageError("`--follow` follows a file", hint="name it: `--input FILE`")
    if request.input != STDOUT and not Path(request.input).is_file():
        raise InputError(f"{request.input} does not exist or is not a file", hint="check the path of `--input`")
    owned: list[Owned] = [("the input", request.input)] if request.input != STDOUT else []
    owned.append(("the store", store or default_store()))
    outputs = {"--output": None if request.output == STDOUT else request.output, "--state": request.state}
    check_outputs(outputs, owned)
    if request.output != STDOUT:
        check_writable(request.output)  # no link, which could lead to a file that is then cut
    if request.state is not None:
        if request.state == request.output:
            raise UsageError("`--state` and `--output` are the same file", hint="name two files")
        check_writable(request.state)


class Run:
    """One run of a stream."""

    def __init__(self, request: StreamRequest, served: Served, alarm: AlarmProcess, say: Callable[[str], None]) -> None:
        self._request, self._served, self._alarm, self._say = request, served, alarm, say
        self._freq = served.freq
        step = step_seconds(served.freq)
        budget = AlarmBudget.parse(request.budget) if request.budget is not None else AlarmBudget.usual(step)
        most = min(member.horizon for member in served.ensemble.members)
        if not 1 <= request.horizon <= most:
            raise UsageError(
                f"`--horizon {request.horizon}` is not between 1 and {most}, the steps {served.label} forecasts"
            )
        self.engine = engine_of(served.ensemble, request.horizon)
        log_budget = float(np.log10(budget.alarms_a_row(step)))
        options = StreamOptions(request.quantiles, request.horizon, log_budget, request.max_series)
        self.stream = Stream(self.engine, served.freq, served.ensemble.quantile_levels, options)
        self.digest = f"{served.digest}:{served.ensemble.quantile_levels}"
        self.position = Position()
        self.num_alarms = 0
        self._reader: LineReader | None = None
        self._writer: LineWriter | None = None
        self._since_saved = 0
        self._is_restored = False
        self._input_start = b""
        self._is_replaced = False  # the input, by another file under its name

    def restore(self) -> None:
        """Continue from the state file, where there is one. Raises InputError, ModelFileError."""
        if self._request.state is None:
            return
        saved = SavedState.load(
            Path(self._request.state), model=self._served.label, digest=self.digest, like=self.stream.empty(0)
        )
        if saved is None:
            return
        self._is_restored = True
        self.stream.keys = {key: number for number, key in enumerate(saved.keys)}
        self.stream.last, self.stream.arrays, self.position = saved.last, saved.arrays, saved.position
        self.stream.counts.update(saved.position.counts)
        self._say(
            f"continued after line {self.position.lines:,} with {len(saved.keys):,} series from {self._request.state}"
        )

    def save(self) -> None:
        """Replace the state file. Raises OutputError."""
        self._since_saved = 0
        if self._request.state is None:
            return
        count = len(self.stream.last)
        self.position.counts = dict(self.stream.counts)
        if self._input_start:
            self.position.start = _digest(self._input_start[: self.position.read])
        if self._reader is not None:
            self.position.header = self._reader.header
        arrays = {name: array[:count] for name, array in self.stream.arrays.items()}
        state = SavedState(
            self._served.label, self.digest, list(self.stream.keys), self.stream.last, arrays, self.position
        )
        state.save(Path(self._request.state))

    def loop(self) -> None:
        """Answer everything; the state is saved whenever it and the output agree.

        A file that is followed may be replaced (log rotation): it is read to its end, then the new one from its start.
        """
        with _open_output(self._request.output, self.position if self._is_restored else None) as output:
            self._answer_all(output)
            while self._is_replaced:
                self._say(f"{self._request.input} was replaced: the new file is read from its start")
                self.position.read, self.position.start, self._input_start = 0, "", b""
                self._answer_all(output)
        self._alarm.wait()

    def _answer_all(self, output: BinaryIO) -> None:
        """Answer what follows the position, to the end of the input."""
        self.save()  # before the first answer: without a state nobody could say where answers are from
        consistent = True
        try:
            for lines, num_bytes in self._chunks():
                consistent = False
                text = self._answer(lines)
                output.write(text)
                output.flush()
                self.position.read += num_bytes
                self.position.written += len(text)
                self.position.lines += len(lines)
                consistent = True
                self._since_saved += len(lines)
                if self._since_saved >= self._request.save_every:
                    self._sync(output)
        except BaseException:
            self._alarm.end()
            if consistent and self._since_saved:
                self._sync(output)
            raise
        self._sync(output)

    def _sync(self, output: BinaryIO) -> None:
        """Bring the output to the disk before the state that says how much of it there is."""
        if self._request.output != STDOUT:
            os.fsync(output.fileno())
        self.save()

    def _chunks(self) -> Iterator[tuple[list[str], int]]:
        """Yield whole lines as they arrive, and the bytes they took."""
        most = CHUNK_BYTES if self.engine.keeps_hidden_state else LINES_OF_WINDOWS
        for whole, dropped in whole_lines(self._blocks()):
            pieces = list(io.BytesIO(whole))  # cut at line feeds alone: a carriage return within a line does not end it
            for start in range(0, len(pieces), most):
                part = pieces[start : start + most]
                num_bytes = sum(map(len, part)) + (dropped if start == 0 else 0)
                yield [piece.decode("utf-8", "replace").rstrip("\r\n") for piece in part], num_bytes

    def _blocks(self) -> Iterator[bytes]:
        """Yield bytes as they arrive, and an empty block at the end. Raises InputError."""
        if self._request.input == STDOUT:
            while block := os.read(sys.stdin.fileno(), CHUNK_BYTES):
                yield block
            yield b""
            return
        path, self._is_replaced = Path(self._request.input), False
        try:
            with path.open("rb") as file:
                self._input_start = file.read(_START_BYTES)
                _check_same(path, file, self.position, self._input_start)
                file.seek(self.position.read)
                while True:
                    is_current = _is_current(path, file)  # before the read, which so finds all that was written to it
                    block = file.read(CHUNK_BYTES)
                    if block and len(self._input_start) < _START_BYTES:
                        self._input_start = os.pread(file.fileno(), _START_BYTES, 0)
                    if block:
                        yield block
                    elif self._request.follow and is_current:
                        _wait_for_more(path, file)
                    else:
                        self._is_replaced = self._request.follow
                        yield b""
                        return
        except OSError as error:
            raise InputError(
                f"{path} cannot be read: {(error.strerror or str(error)).lower()}", hint="check the path"
            ) from error

    def _answer(self, lines: Sequence[str]) -> bytes:
        if self._reader is None or self._writer is None:
            kind = self._request.line_format or guess_format(lines[0][:MAX_LINE])
            if self.position.header is not None:
                kind = "csv"
            columns = self._served.columns
            self._reader = LineReader(kind, columns, self.position.header)
            self._writer = LineWriter(kind, columns, self._request.quantiles, self._request.horizon)
        answers = self.stream.answer([self._reader.read(line) for line in lines])
        text = "".join([self._text(answer) for answer in answers])
        if self._request.output == STDOUT:
            text = visible(text, keep="\n\t")  # a terminal may show it
        return text.encode("utf-8", "backslashreplace")

    def _text(self, answer: Answer) -> str:
        writer = self._writer
        if writer is None:
            raise RuntimeError("no line was read yet")
        if answer.status == HEADER:
            return writer.header()
        score = answer.numbers[3]
        if score is not None and score > 1.0:
            self.num_alarms += 1
            self._alarm.start(answer)
        return writer.line(answer.row, answer.status, answer.numbers, answer.forecast)


def whole_lines(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield whole lines, and how many bytes of the first of them were dropped: those beyond `LONGEST_LINE_BYTES`.

    An empty block is the end: a last line without its end counts.
    """
    rest, dropped = b"", 0
    for block in blocks:
        new = block
        if block and len(rest) >= LONGEST_LINE_BYTES:
            end = block.find(b"\n")
            dropped += end if end >= 0 else len(block)
            new = block[end:] if end >= 0 else b""
            if not new:
                continue
        content = rest + new
        whole, newline, rest = content.rpartition(b"\n")
        if block == b"":
            whole, newline, rest = content, b"", b""
        if whole or newline:
            yield whole + newline, dropped
            dropped = 0


def _is_current(path: Path, file: BinaryIO) -> bool:
    """Tell whether the file at a path is still the one that is open; while there is none, it may come back."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return True


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _check_same(path: Path, file: BinaryIO, position: Position, start: bytes) -> None:
    size = os.fstat(file.fileno()).st_size
    if size >= position.read and position.start in ("", _digest(start[: position.read])):
        return
    reason = f"is shorter than the {position.read:,} bytes" if size < position.read else "does not begin as the file"
    message = f"{path} {reason} that {'were' if size < position.read else 'was'} already read: it is another file"
    hint = "name the file that was read before, or remove the state file to start anew"
    raise InputError(message, hint=hint, code="E_INPUT_SHRANK")


def _wait_for_more(path: Path, file: BinaryIO) -> None:
    time.sleep(SECONDS_TO_FOLLOW)
    if os.fstat(file.fileno()).st_size < file.tell():
        message = f"{path} became shorter while it was followed"
        hint = "append rows to it, or replace it by a new file, which is then read from its start"
        raise InputError(message, hint=hint, code="E_INPUT_SHRANK")


def _open_output(output: str, position: Position | None) -> BinaryIO:
    """Open the output behind what was answered when the state was saved; None: there is no state. Raises OutputError."""
    if output == STDOUT:
        return os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=CHUNK_BYTES)
    try:
        stream = Path(output).open("r+b" if Path(output).exists() else "w+b")  # noqa: SIM115  # the caller closes it
        size = stream.seek(0, os.SEEK_END)
        written = 0 if position is None else position.written
        if size < written or (position is None and size):
            stream.close()
            known = f"fewer than the {written:,} that were written"
            foreign = "and no state says where they are from"
            message = f"{output} holds {size:,} bytes, {known if size < written else foreign}"
            hint = "restore the file, or move it and the state file away to start anew"
            raise OutputError(message, hint=hint, code="E_OUT_FOREIGN")
        stream.truncate(written)
        stream.seek(written)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"{output} cannot be written: {reason}", hint="check the path") from error
    return stream
