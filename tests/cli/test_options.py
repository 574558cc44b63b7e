from __future__ import annotations

import types
import typing
from typing import Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from rnnforecast.cli.flags import DATA_FLAGS, EVALUATION_FLAGS, NETWORK_FLAGS, SETTINGS, TRAINING_FLAGS, Flag
from rnnforecast.config import DataSettings, EvaluationSettings, NetworkSettings, Settings, TrainingSettings
from rnnforecast.grammars import Duration

GROUPS: list[tuple[tuple[Flag, ...], type[BaseModel]]] = [
    (DATA_FLAGS, DataSettings),
    (NETWORK_FLAGS, NetworkSettings),
    (TRAINING_FLAGS, TrainingSettings),
    (EVALUATION_FLAGS, EvaluationSettings),
]
PAIRS = [
    pytest.param(flag, model.model_fields[flag.name], id=flag.name)
    for flags, model in GROUPS
    for flag in flags
    if flag.name in model.model_fields
]


def _kind(annotation: object) -> object:
    """Return the type of one value: `int | None` is int, a tuple of names is str, a union of literals is their set."""
    arguments = [each for each in get_args(annotation) if each is not types.NoneType]
    if get_origin(annotation) in (types.UnionType, typing.Union):
        return _kind(arguments[0])
    if get_origin(annotation) is tuple:
        return _kind(arguments[0])
    if get_origin(annotation) is typing.Annotated:
        return _kind(arguments[0])
    return tuple(arguments) if get_origin(annotation) is Literal else annotation


@pytest.mark.parametrize(("flags", "model"), GROUPS)
def test_every_setting_is_a_flag_of_the_same_word_and_every_flag_a_setting(
    flags: tuple[Flag, ...], model: type[BaseModel]
) -> None:
    assert [flag.name for flag in flags] == list(model.model_fields)


@pytest.mark.parametrize(("flag", "field"), PAIRS)
def test_flag_and_setting_have_the_same_words(flag: Flag, field: typing.Any) -> None:
    assert flag.help == field.description


@pytest.mark.parametrize(("flag", "field"), PAIRS)
def test_flag_and_setting_have_the_same_default(flag: Flag, field: typing.Any) -> None:
    default = None if field.default == () else field.default
    assert flag.default == (str(default) if isinstance(default, Duration) else default)


@pytest.mark.parametrize(("flag", "field"), PAIRS)
def test_flag_and_setting_take_the_same_values(flag: Flag, field: typing.Any) -> None:
    kind = _kind(field.annotation)
    if flag.name == "quantiles":  # one text of levels, parted by commas
        assert flag.kind is str
    elif flag.choices:
        assert flag.choices == kind
    else:
        assert flag.kind is (str if kind is Duration else kind)
    assert flag.repeated == (get_origin(field.annotation) is tuple and flag.name != "quantiles")


def test_a_flag_that_is_not_given_is_none() -> None:
    assert all(types.NoneType in get_args(get_args(flag.annotation)[0]) for flag in SETTINGS)


def test_settings_built_from_no_flag_are_the_default_ones() -> None:
    from rnnforecast.cli.settings import load_settings

    assert load_settings({flag.name: None for flag in SETTINGS}) == Settings()
