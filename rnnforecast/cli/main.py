"""The entry point: find the command, run it, and turn the outcome into an exit code."""

from __future__ import annotations

import atexit
import errno
import gc
import importlib
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, NoReturn

import typer

from rnnforecast.cli.command import LazyGroup
from rnnforecast.cli.failures import Terminated, report, report_bug, report_stop, silence_broken_pipe
from rnnforecast.cli.text import give_up, output_error
from rnnforecast.errors import OutputError, ResourceError, RnnForecastError, UsageError

#: The usage error of the command line parser, which Typer carries inside itself and does not export by name.
ParserError: type[Exception] = typer.BadParameter.__mro__[1]
#: Flags of earlier versions, and what does the same now.
_REPLACED_FLAGS = {"--nonneg": "--floor 0"}


class Commands(LazyGroup):
    """All commands of `rnnforecast`."""

    summaries: ClassVar[Mapping[str, str]] = {
        "train": "train a model on a file, compare it with naive forecasts, and store it",
        "predict": "forecast the steps after the last row, with intervals",
        "score": "compare past forecasts with actuals: accuracy, coverage, drift",
        "detect": "find abnormal rows within a budget of false alarms",
        "stream": "answer rows as they arrive: forecast, score and alarm",
        "evaluate": "backtest a stored model and naive forecasts",
        "compare": "compare networks and naive forecasts; store nothing",
        "diagnose": "measure how far back recurrent networks remember on your rows",
        "report": "write one HTML page about a model: verdict, forecasts, errors, data",
        "script": "write a Python script that trains and forecasts like a stored model",
        "tune": "search the settings of a network within a time budget",
        "inspect": "show how a file is read, with every finding; train nothing",
        "models": "list, show, verify, promote, roll back, prune and remove stored models",
        "batch": "run many jobs from one TOML file, unattended",
        "serve": "answer requests for forecasts over HTTP",
        "doctor": "check this installation",
    }

    def load(self, name: str) -> Any:
        """Import the module of a command and return the command."""
        return importlib.import_module(f"rnnforecast.cli.{name}").command

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Answer `--version`; leave the rest to the group."""
        if args[:1] == ["--version"]:
            from importlib.metadata import version  # slow to import, and wanted here alone

            typer.echo(f"rnnforecast {version('rnnforecast')}")
            raise typer.Exit(0)
        return super().parse_args(ctx, args)


def build_app() -> Any:
    """Return the command line as one command."""
    return Commands.build(
        "rnnforecast",
        help="Forecast time series with recurrent networks, and report whether they beat naive forecasts.",
        example="rnnforecast train prices.csv\nrnnforecast predict",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a character that the terminal cannot show must not end the run
    debug = "--debug" in words
    # NumPy reads this when it is imported. Batches of forecasts already use all cores; threads inside matrix products
    # doubled the processor time. torch uses OMP_NUM_THREADS instead.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it would look for them in every installed package
    with _signals(), warnings.catch_warnings():
        if not debug and not sys.warnoptions:
            warnings.simplefilter("ignore")
        try:
            return _run(words, as_json=_wants_json(words), debug=debug)
        except BrokenPipeError:
            return silence_broken_pipe()


class ClosedOutput(io.TextIOBase):
    """Replaces a stdout that the caller closed: a result that cannot be delivered is an error."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        """Raise OutputError unless the text is empty."""
        if text:
            reason = "standard output could not be written: it is closed"
            raise OutputError(reason, hint="write the result to a file or a pipe", code="E_OUT_WRITE")
        return 0


def _replace_closed_streams() -> None:
    """Replace streams that the caller closed; their descriptors are taken, so that no file gets one of them."""
    if sys.stdout is None:
        os.open(os.devnull, os.O_WRONLY)
        sys.stdout = ClosedOutput()
    if sys.stderr is None:
        sys.stderr = io.TextIOWrapper(io.FileIO(os.devnull, "w"), encoding="utf-8")


def run() -> NoReturn:
    """Run the command line, then exit without tearing modules down, which took a fifth of the time of a forecast.

    Exit functions run, and both streams are flushed. Garbage is collected rarely: imports leave none, and looking for it
    took a tenth of the start-up.
    """
    gc.set_threshold(2_000_000, *gc.get_threshold()[1:])
    code = main()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the reader is gone; the exit code tells it
            stream.flush()
    os._exit(code)


def _run(words: list[str], *, as_json: bool, debug: bool) -> int:
    try:
        return _invoke(words)
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, typer.Abort, Terminated) as stop:
        return report_stop(stop, stream=sys.stderr)
    except RnnForecastError as error:
        return report(error, as_json=as_json, debug=debug, stream=sys.stderr)
    except MemoryError:
        return report(_no_memory(), as_json=as_json, debug=debug, stream=sys.stderr)
    except ParserError as error:
        return report(_usage_error(error, words), as_json=as_json, debug=debug, stream=sys.stderr)
    except Exception as error:
        known = _of_the_system(error)
        if known is not None:
            return report(known, as_json=as_json, debug=debug, stream=sys.stderr)
        return report_bug(error, as_json=as_json, debug=debug, stream=sys.stderr)


#: What the loader, the libraries of the networks, and the system say where memory or processes run out.
_NO_MEMORY = (
    "failed to map segment",
    "annot allocate memory",
    "can't allocate memory",
    "bad_alloc",
    "start new thread",
)


def _no_memory() -> ResourceError:
    return ResourceError("memory ran out", hint="lower --batch-size, --hidden-size or --context-length")


def _of_the_system(error: Exception) -> RnnForecastError | None:
    """Return the error of a system without space, files or memory; None for any other."""
    number = error.errno if isinstance(error, OSError) else None
    is_memory = isinstance(error, ImportError | RuntimeError) and any(words in str(error) for words in _NO_MEMORY)
    if is_memory or number == errno.ENOMEM:
        return _no_memory()
    if number in (errno.EMFILE, errno.ENFILE):
        return ResourceError("too many files are open", hint="raise the limit of this shell: `ulimit -n 1024`")
    if isinstance(error, OSError) and number in (errno.ENOSPC, errno.EDQUOT):
        give_up(sys.stdout)
        return output_error(error)
    return None


def _invoke(words: list[str]) -> int:
    """Run a command and deliver its output; returns its exit code. Raises OutputError where stdout cannot be written."""
    app, code = build_app(), 0
    try:
        with app.make_context("rnnforecast", list(words)) as context:
            app.invoke(context)
    except typer.Exit as end:
        code = int(end.exit_code)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        give_up(sys.stdout)
        raise output_error(error) from error
    return code


def _usage_error(error: Any, words: Sequence[str]) -> UsageError:
    command = error.ctx.command_path if error.ctx is not None else f"rnnforecast {words[0]}"
    flag = str(getattr(error, "option_name", None))
    now = _REPLACED_FLAGS.get(flag, "")
    if now and any(now.split()[0] in option.opts for option in error.ctx.command.params):
        return UsageError(f"no such option: {flag}", hint=f"use `{now}` instead")
    message = error.format_message().rstrip(".").replace("'", "`").replace("Value error, ", "")
    return UsageError(message[:1].lower() + message[1:], hint=f"see `{command} --help`")


def _wants_json(words: Sequence[str]) -> bool:
    """Return whether errors are printed as JSON; found before parsing, so that it holds for parsing errors too."""
    pairs = zip(words, [*words, ""][1:], strict=True)
    return any(word == "--format=json" or (word == "--format" and value == "json") for word, value in pairs)


@contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack like Ctrl-C does, in the main thread.

    Later signals are ignored during the clean-up. A signal that was ignored at the start (`nohup`) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]
    before = {number: signal.getsignal(number) for number in numbers}

    def terminate(number: int, frame: object) -> None:  # noqa: ARG001
        for each, handler in before.items():
            if handler != signal.SIG_IGN:
                signal.signal(each, signal.SIG_IGN)
        raise Terminated(number)

    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, terminate)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


if __name__ == "__main__":
    run()
