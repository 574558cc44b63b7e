from __future__ import annotations

import importlib
import inspect
import types
import typing
from typing import Literal, get_args, get_origin

import pytest

from rnnforecast import options as table
from rnnforecast.cli.main import Commands
from rnnforecast.cli.models import ModelCommands
from rnnforecast.cli.settings import load_settings
from rnnforecast.config import DataSettings, EvaluationSettings, NetworkSettings, Settings, TrainingSettings
from rnnforecast.grammars import Duration
from rnnforecast.options import ARGUMENTS, DATA_OPTIONS, EVALUATION_OPTIONS, PANELS, SETTINGS, Option

FIELDS = {
    name: field
    for group in (DataSettings, NetworkSettings, TrainingSettings, EvaluationSettings)
    for name, field in group.model_fields.items()
}
ALL_OPTIONS = [
    option
    for value in vars(table).values()
    for option in (value if isinstance(value, tuple) else (value,))
    if isinstance(option, Option)
]
COMMANDS = [
    *((name,) for name in Commands.summaries if name != "models"),
    *(("models", name) for name in ModelCommands.summaries),
]


def _kind(annotation: object) -> object:
    """Return the type of one value: `int | None` is int, a tuple of names is str, a union of literals is their set."""
    arguments = [each for each in get_args(annotation) if each is not types.NoneType]
    if get_origin(annotation) in (types.UnionType, typing.Union, tuple, typing.Annotated):
        return _kind(arguments[0])
    return tuple(arguments) if get_origin(annotation) is Literal else annotation


def test_every_setting_has_an_option_and_every_option_of_the_table_a_setting() -> None:
    assert list(SETTINGS) == list(FIELDS)
    assert [option.name for option in DATA_OPTIONS] == list(DataSettings.model_fields)
    assert [option.name for option in EVALUATION_OPTIONS] == list(EvaluationSettings.model_fields)


@pytest.mark.parametrize("name", list(SETTINGS))
def test_the_option_of_a_setting_takes_the_values_of_its_field(name: str) -> None:
    option, kind = SETTINGS[name], _kind(FIELDS[name].annotation)
    if name == "quantiles":  # one text of levels, separated by commas
        assert option.kind is str
    elif option.choices:
        assert option.choices == kind
    else:
        assert option.kind is (str if kind is Duration else kind)
    assert option.repeated == (get_origin(FIELDS[name].annotation) is tuple and name != "quantiles")


def test_settings_built_from_no_flag_are_the_default_ones() -> None:
    assert load_settings(dict.fromkeys(SETTINGS)) == Settings()


@pytest.mark.parametrize("option", ALL_OPTIONS, ids=lambda option: option.name)
def test_every_option_is_declared_in_full(option: Option) -> None:
    assert option.panel in PANELS
    assert option.help
    assert not option.help.endswith(".")
    assert (option.panel == ARGUMENTS) <= (option.metavar is not None)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_takes_the_options_it_declares(command: tuple[str, ...]) -> None:
    group = Commands.build("rnnforecast", help="", example="")
    for word in command:
        group = group.load(word)
    module = importlib.import_module(f"rnnforecast.cli.{command[0]}")
    function = getattr(module, {"list": "list_"}.get(command[-1], command[-1]))
    taken = set(inspect.signature(function).parameters) - {"view", "flags"}
    declared = {option.name for option in group.options} - {"format", "quiet", "debug", "timeout"}
    assert taken <= declared
    assert declared - taken <= (set(SETTINGS) if "flags" in inspect.signature(function).parameters else set())


def test_the_help_of_an_option_ends_with_its_choices_and_default() -> None:
    option = Option("fill", "imputation", choices=("none", "zero"), default="none")
    assert option.full_help == "imputation (none | zero; default none)"
    assert Option("keep", "versions", required=True).full_help == "versions (required)"
    assert Option("refit", "train again", kind=bool, default=True).full_help == "train again (default on)"
    assert Option("levels", "levels", default=(0.1, 0.5)).full_help == "levels (default 0.1,0.5)"


def test_the_flags_of_an_option_follow_from_its_name() -> None:
    assert Option("num_steps", "", kind=int).flags == "--num-steps"
    assert Option("from_", "").flags == "--from"
    assert Option("refit", "", kind=bool).flags == "--refit/--no-refit"
    assert Option("dayfirst", "", kind=bool, opposite="monthfirst").flags == "--dayfirst/--monthfirst"
    assert Option("quiet", "", kind=bool, has_opposite=False).flags == "--quiet"
