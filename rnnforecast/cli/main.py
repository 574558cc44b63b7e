"""The front door: find the command, run it, and turn whatever happens into an exit code."""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import os
import signal
import sys
import threading
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import typer

from rnnforecast.cli.command import LazyGroup
from rnnforecast.cli.failures import (
    Terminated,
    report,
    report_bug,
    report_ending,
    silence_broken_pipe,
)
from rnnforecast.errors import ResourceError, RnnForecastError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: The usage error of the command line parser, which Typer carries inside itself and does not export by name.
ParserError: type[Exception] = typer.BadParameter.__mro__[1]


class Commands(LazyGroup):
    """All commands of `rnnforecast`."""

    summaries: ClassVar[Mapping[str, str]] = {
        "train": "read a file, fit a network, judge it beside naive forecasts, store it",
        "predict": "forecast the steps after the last row, with intervals",
        "score": "issued forecasts against the actuals: live accuracy, coverage, drift",
        "evaluate": "score a stored model on past origins",
        "compare": "networks and naive forecasts side by side on the same origins",
        "inspect": "what is read in a file and every finding; trains nothing",
        "models": "list, show, verify, promote, roll back, prune and remove stored models",
        "batch": "many jobs from one TOML file, unattended; one bad job never hurts another",
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
        help="Forecast time series with recurrent networks, and say honestly whether they beat naive forecasts.",
        example="rnnforecast train prices.csv\nrnnforecast predict",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; nothing but a programming error in here escapes."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller, who wants to read nothing from it
            setattr(sys, name, io.TextIOWrapper(io.FileIO(os.devnull, "w"), encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a sign the terminal cannot show must not end the run
    debug = "--debug" in words
    # No plugin has a say in our settings, and looking for one reads the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # NumPy reads this as it is loaded. Forecasts are spread over the cores batch by batch; matrix products with threads
    # of their own beside that doubled the processor time. torch counts its threads by OMP_NUM_THREADS instead.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with _signals(), _rare_garbage_collection(), warnings.catch_warnings():
        if not debug and not sys.warnoptions:
            warnings.simplefilter("ignore")
        try:
            return _run(words, as_json=_wants_json(words), debug=debug)
        except BrokenPipeError:
            return silence_broken_pipe()


def run() -> NoReturn:
    """Run the command line as a process of its own, and end it.

    Taking modules down one by one costs a fifth of a forecast, and everything of ours is closed by now: what others
    left to be done at the end is done, and the process ends.
    """
    code = main()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody listens any more; `main` has said so in its code
            stream.flush()
    os._exit(code)


@contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    """Look for garbage rarely: loading modules leaves none, and looking for it took a tenth of the start."""
    thresholds = gc.get_threshold()
    gc.set_threshold(2_000_000, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def _run(words: list[str], *, as_json: bool, debug: bool) -> int:
    app = build_app()
    try:
        with app.make_context("rnnforecast", list(words)) as context:
            app.invoke(context)
        sys.stdout.flush()
    except typer.Exit as end:
        return int(end.exit_code)
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, typer.Abort, Terminated) as ending:
        return report_ending(ending, stream=sys.stderr)
    except RnnForecastError as error:
        return report(error, as_json=as_json, debug=debug, stream=sys.stderr)
    except MemoryError:
        full = ResourceError("memory ran out", hint="lower --batch-size, --hidden-size or --context-length")
        return report(full, as_json=as_json, debug=debug, stream=sys.stderr)
    except ParserError as error:
        return report(_usage_error(error), as_json=as_json, debug=debug, stream=sys.stderr)
    except Exception as error:
        return report_bug(error, as_json=as_json, debug=debug, stream=sys.stderr)
    return 0


def _usage_error(error: Any) -> UsageError:
    command = error.ctx.command_path if error.ctx is not None else "rnnforecast"
    message = error.format_message().rstrip(".").replace("'", "`").replace("Value error, ", "")
    return UsageError(message[:1].lower() + message[1:], hint=f"see `{command} --help`")


def _wants_json(words: Sequence[str]) -> bool:
    """Return whether errors are wanted as JSON; read before parsing, for errors of parsing too."""
    pairs = zip(words, [*words, ""][1:], strict=True)
    return any(word == "--format=json" or (word == "--format" and value == "json") for word, value in pairs)


@contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack like Ctrl-C does; signals belong to the main thread alone.

    The first one is enough: those that follow must not disturb the way out. A signal that was ignored when the run
    began (`nohup`) stays ignored.
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
