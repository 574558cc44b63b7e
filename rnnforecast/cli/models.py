"""`rnnforecast models`: list, show, verify, export, promote, roll back, prune and remove stored models."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import typer

from rnnforecast.cli.command import LazyGroup, build_command
from rnnforecast.cli.view import View
from rnnforecast.errors import ExitCode, UsageError
from rnnforecast.escaping import visible
from rnnforecast.options import ALL_MODELS, ALL_NAMES, MODEL_NAME, MODEL_VERSION, SOME_MODELS


def list_(view: View, store: str | None) -> None:
    """List all stored models, with horizon, score and verdict."""
    from rnnforecast.workflows.models import list_models

    view.show(list_models(store))


def show(view: View, model: str | None, store: str | None) -> None:
    """Show how a model was trained and evaluated, and on which data."""
    from rnnforecast.workflows.models import show_model

    view.show(show_model(model, store=store))


def verify(view: View, models: list[str] | None, expect_digest: str | None, store: str | None) -> None:
    """Read every byte of stored models and report damage; exit 12 if a model is damaged.

    With --expect-digest, also check that a file is the expected one.
    """
    from rnnforecast.workflows.models import verify_models

    result = verify_models(models or (), expect_digest=expect_digest, store=store)
    view.show(result)
    if not all(model["ok"] for model in result.models):
        raise typer.Exit(int(ExitCode.MODEL_FILE))


def export(view: View, model: str | None, onnx: str, store: str | None) -> None:
    """Write the networks of a model as an ONNX file, for programs without this package.

    The graph is compared with the forecasts of this package before it is written. A model with members that are not
    networks, such as the Theta method, is rejected.
    """
    from rnnforecast.workflows.export import export_model

    view.show(export_model(model, onnx=onnx, store=store))


def promote(view: View, model: str, store: str | None) -> None:
    """Make a version active: `predict`, `evaluate` and `score` use it for NAME."""
    from rnnforecast.workflows.models import promote_model

    view.show(promote_model(model, store=store))


def rollback(view: View, model: str, store: str | None) -> None:
    """Make the previously active version active again; run it twice to go back two steps."""
    from rnnforecast.workflows.models import rollback_model

    view.show(rollback_model(model, store=store))


def prune(view: View, keep: int, models: list[str] | None, dry_run: bool, store: str | None) -> None:
    """Remove old versions of each name, never the active one."""
    from rnnforecast.workflows.models import prune_models

    view.show(prune_models(models or (), keep=keep, dry_run=dry_run, store=store))


def remove(view: View, models: list[str], yes: bool, store: str | None) -> None:
    """Remove a version, or all versions of a name; ask first (without a terminal, --yes is required)."""
    from rnnforecast.workflows.models import find_models, remove_models

    found = [str(model["model"]) for model in find_models(models, store=store).models]
    if yes or _is_confirmed(found):
        view.show(remove_models(models, store=store))
    else:
        view.say("nothing was removed")


def _is_confirmed(found: list[str]) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        message = f"{', '.join(found)}: cannot ask for confirmation without a terminal, nothing was removed"
        raise UsageError(message, hint="add --yes")
    return typer.confirm(visible(f"remove {', '.join(found)}?"), err=True)


class ModelCommands(LazyGroup):
    """All commands of `rnnforecast models`; the default is `list`."""

    default: ClassVar[str | None] = "list"
    summaries: ClassVar[Mapping[str, str]] = {
        "list": "list all stored models",
        "show": "show how a model was trained and evaluated",
        "verify": "check stored models for damage",
        "export": "write the networks of a model as an ONNX file",
        "promote": "make a version active",
        "rollback": "make the previously active version active again",
        "prune": "remove old versions",
        "remove": "remove a version, or all versions of a name",
    }

    def load(self, name: str) -> Any:
        """Build one of the commands."""
        build = {
            "list": lambda: build_command(list_, example="rnnforecast models list"),
            "show": lambda: build_command(show, example="rnnforecast models show prices@2"),
            "verify": lambda: build_command(verify, ALL_MODELS, example="rnnforecast models verify"),
            "export": lambda: build_command(export, example="rnnforecast models export prices --onnx prices.onnx"),
            "promote": lambda: build_command(promote, MODEL_VERSION, example="rnnforecast models promote prices@2"),
            "rollback": lambda: build_command(rollback, MODEL_NAME, example="rnnforecast models rollback prices"),
            "prune": lambda: build_command(
                prune, ALL_NAMES, example="rnnforecast models prune prices --keep 5 --dry-run"
            ),
            "remove": lambda: build_command(remove, SOME_MODELS, example="rnnforecast models remove prices@1 --yes"),
        }
        return build[name]()


command = ModelCommands.build(
    "models",
    help="List, show, verify, export, promote, roll back, prune and remove stored models.",
    example="rnnforecast models list",
)
