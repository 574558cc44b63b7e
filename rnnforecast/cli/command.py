"""Make commands from functions: declare their options, open the view, and stop one that takes too long (`--timeout`)."""

from __future__ import annotations

import inspect
import re
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar, Literal

import typer
from typer.core import TyperGroup

from rnnforecast.cli.help import MAX_HELP_WIDTH, PanelCommand, write_epilog
from rnnforecast.cli.view import View
from rnnforecast.errors import DataError, InputError, ResourceError, UsageError
from rnnforecast.options import ARGUMENTS, BY_NAME, DATA_OPTIONS, DEBUG, FORMAT, QUIET, TIMEOUT, Option


class TimedOut(BaseException):
    """Raised by the alarm; files are closed and temporary files removed, as after a signal."""


@contextmanager
def deadline(span: str | None) -> Iterator[None]:
    """Run the body for at most a duration such as `90s`; None sets no limit.

    Raises ResourceError when the time is over, UsageError for an invalid duration.
    """
    if span is None:
        yield
        return
    from rnnforecast.grammars import Duration  # `--help` does without it

    seconds = Duration.parse(span, option="--timeout").seconds
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        raise UsageError("--timeout needs the alarms of Linux or macOS", hint="leave it out", code="E_RUN_CONFIG")
    before = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except TimedOut as error:
        where = "".join(f": {note}" for note in getattr(error, "__notes__", ()))
        message = f"the command took longer than `--timeout {span}`{where}"
        hint = "allow more time, or find out what it waits for; stored models are unchanged"
        raise ResourceError(message, hint=hint, code="E_RUN_TIMEOUT") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _ring(number: int, frame: object) -> None:  # noqa: ARG001
    raise TimedOut


class LazyGroup(TyperGroup):
    """A group that imports only the command that is used.

    It has no parameter, not even `--help` (see `parse_args`): Typer would import pydantic for it.
    """

    summaries: ClassVar[Mapping[str, str]] = {}
    default: ClassVar[str | None] = None  # the command to run if none is named

    @classmethod
    def build(cls, name: str, *, help: str, example: str) -> Any:
        """Return the group as a command."""
        return cls(
            name=name,
            help=help,
            epilog=example,
            add_help_option=False,
            options_metavar="",
            rich_markup_mode=None,
            context_settings={"max_content_width": MAX_HELP_WIDTH},
        )

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the commands, of which none is loaded."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the example and the exit codes."""
        write_epilog(formatter, str(self.epilog))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Return a command, or None for an unknown name."""
        return self.load(cmd_name) if cmd_name in self.summaries else None

    def load(self, name: str) -> Any:
        """Return the command of a known name."""
        raise LookupError(name)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the names in the order of `--help`."""
        return list(self.summaries)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Show the help for `--help`, `-h` or nothing; otherwise look up a command.

        Without a command, the group runs its default command if it has one.
        """
        if self.default and (not args or (args[0].startswith("-") and args[0] not in ("--help", "-h"))):
            args = [self.default, *args]
        if not args or args[0] in ("--help", "-h"):
            typer.echo(self.get_help(ctx))
            raise typer.Exit(0)
        if args[0] not in self.summaries and not args[0].startswith("-"):
            raise _unknown_command(args[0], self.summaries, path=ctx.command_path)
        return super().parse_args(ctx, args)


def build_command(
    function: Callable[..., None], *options: Option, settings: Sequence[Option] = (), example: str
) -> Any:
    """Return the command of a function that takes a `View`, the `settings` that were given, and one parameter an option.

    A parameter is the constant of `rnnforecast.options` with its name, or the one of `options`. The docstring of the
    function is its help.
    """
    known = BY_NAME | {option.name: option for option in options}
    names = list(inspect.signature(function).parameters)[2 if settings else 1 :]
    with_timeout = (TIMEOUT,) if settings else ()  # a command with settings reads data
    shown = (*(known[name] for name in names), *settings, *with_timeout, FORMAT, QUIET, DEBUG)

    def run(**values: Any) -> None:
        del values["debug"]  # `main` reads it, to report errors
        view = View(values.pop("format"), values.pop("quiet"), out=sys.stdout, err=sys.stderr)
        given = {option.name: values.pop(option.name) for option in settings}
        with deadline(values.pop("timeout", None)):
            try:
                function(view, given, **values) if settings else function(view, **values)
            except (DataError, InputError) as error:
                error.hint = _with_missing_flags(error.hint, command.name, {option.word for option in shown})
                raise

    parameters = [_parameter(option, is_setting=option in settings) for option in shown]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = function.__doc__
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    context = {"help_option_names": ["--help", "-h"], "max_content_width": MAX_HELP_WIDTH}
    app.command(function.__name__.removesuffix("_"), cls=PanelCommand, epilog=example, context_settings=context)(run)
    command: Any = typer.main.get_command(app)
    for parameter in command.params:
        parameter._runtime_param = _OnlyGiven
    command.options = shown
    return command


def _with_missing_flags(hint: str | None, command: str, flags: Collection[str]) -> str | None:
    """Return a hint that says where the flags can be given that it names and the command lacks."""
    named = dict.fromkeys(re.findall(r"--([a-z-]*[a-z])", hint or ""))
    lacking = [f"`--{word}`" for word in named if word not in flags and any(word == one.word for one in DATA_OPTIONS)]
    if not hint or not lacking or "`rnnforecast " in hint:
        return hint
    return f"{hint}; `{command}` has no {' or '.join(lacking)}: give it to `train`, and name that model"


class _OnlyGiven:
    """In place of the parser of an option: Typer builds one with pydantic for every option, which took a tenth of a start.

    A version of Typer that does not read the attribute works as before.
    """

    @staticmethod
    def coerce(value: object, param: Any, ctx: Any) -> object:
        """Return the value of an option: None where it was not given, else what Typer makes of it."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        param._runtime_param = None
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)


def _parameter(option: Option, *, is_setting: bool) -> inspect.Parameter:
    """Return the parameter that Typer reads; a setting that is not given is None."""
    kind: Any = Literal[option.choices] if option.choices else option.kind
    kind = list[kind] if option.repeated else kind
    default = inspect.Parameter.empty if option.required else None if is_setting else option.default
    told: Any = {"help": option.full_help, "show_default": False, "metavar": option.placeholder}
    info: Any
    if option.panel == ARGUMENTS:
        info = typer.Argument(**told)
    else:
        info = typer.Option(option.flags, rich_help_panel=option.panel, min=option.minimum, **told)
    annotation: Any = Annotated[kind if default is inspect.Parameter.empty else kind | None, info]
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _unknown_command(word: str, known: Mapping[str, str], *, path: str) -> UsageError:
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    guess = f", did you mean `{near[0]}`?" if near else ""
    return UsageError(f"unknown command `{word}`{guess}", hint=f"`{path} --help` lists all commands")
