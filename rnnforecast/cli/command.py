"""How a function becomes a command: shared options are added and the view is opened."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, get_type_hints

import typer

from rnnforecast.cli.deadline import deadline
from rnnforecast.cli.help import MAX_HELP_WIDTH, PanelCommand, PanelGroup
from rnnforecast.cli.options import Debug, OutputFormat, Quiet, Timeout
from rnnforecast.cli.view import View
from rnnforecast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rnnforecast.cli.flags import Flag


class LazyGroup(PanelGroup):
    """A group that knows the names of its commands and loads only the one that is asked for.

    It has no parameter of its own, not even `--help` (seen in `parse_args`): Typer would load pydantic for it.
    """

    summaries: ClassVar[Mapping[str, str]] = {}
    default: ClassVar[str | None] = None  # the command that is meant where none is named

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

    def summarise(self) -> Sequence[tuple[str, str]]:
        """Return name and one line of every command."""
        return list(self.summaries.items())

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
        """Show the help for `--help`, `-h` or nothing; look up a command otherwise.

        Nothing, or options without a command, mean the default command where the group has one.
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
    function: Callable[..., None], *, example: str, flags: Sequence[Flag] = (), name: str | None = None
) -> Any:
    """Return the command of a function that takes a `View`, the settings `flags` (if any) and its own options.

    The docstring of the function is its help.
    """
    hints = get_type_hints(function, include_extras=True)
    own = [p for p in inspect.signature(function).parameters.values() if p.name not in ("view", "flags")]
    own = [p.replace(annotation=hints[p.name], kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    settings = [_parameter(flag.name, flag.annotation, None) for flag in flags]
    timeout = [_parameter("timeout", Timeout, None)] if flags else []  # a command with settings reads data
    shared = [_parameter("format", OutputFormat, "table"), _parameter("quiet", Quiet, False)]
    shared.append(_parameter("debug", Debug, False))

    def run(**values: Any) -> None:
        del values["debug"]  # read from the command line by `main`, which alone reports errors
        view = View.on_terminal(format=values.pop("format"), quiet=values.pop("quiet"))
        given = {flag.name: values.pop(flag.name) for flag in flags}
        with deadline(values.pop("timeout", None)):
            function(view, given, **values) if flags else function(view, **values)

    signature = inspect.Signature([*own, *settings, *timeout, *shared])
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in signature.parameters.values()}
    run.__doc__ = function.__doc__
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    context = {"help_option_names": ["--help", "-h"], "max_content_width": MAX_HELP_WIDTH}
    app.command(name or function.__name__, cls=PanelCommand, epilog=example, context_settings=context)(run)
    return typer.main.get_command(app)


def _unknown_command(word: str, known: Mapping[str, str], *, path: str) -> UsageError:
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    guess = f", did you mean `{near[0]}`?" if near else ""
    return UsageError(f"no command `{word}`{guess}", hint=f"`{path} --help` lists all commands")


def _parameter(name: str, annotation: Any, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
