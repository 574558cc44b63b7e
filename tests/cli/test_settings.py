from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.cli.settings import load_settings
from rnnforecast.config import Settings
from rnnforecast.data.covariates.scenario import parse_change
from rnnforecast.errors import UsageError
from rnnforecast.options import SETTINGS


def _write(folder: Path, text: str) -> str:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_keys_of_the_file_are_the_words_of_the_flags(tmp_path: Path) -> None:
    path = _write(tmp_path, 'horizon = 12\ntarget = ["a", "b"]\ncell = "lstm"\nquantiles = [0.1, 0.9]\n')
    settings = load_settings({}, config=path)
    assert (settings.data.horizon, settings.data.target) == (12, ("a", "b"))
    assert (settings.network.cell, settings.evaluation.quantiles) == ("lstm", (0.1, 0.9))


def test_a_flag_beats_the_file(tmp_path: Path) -> None:
    path = _write(tmp_path, "horizon = 12\nseed = 3\n")
    settings = load_settings({"horizon": 7, "seed": None}, config=path)
    assert (settings.data.horizon, settings.training.seed) == (7, 3)


def test_a_flag_can_switch_off_what_the_file_switches_on(tmp_path: Path) -> None:
    path = _write(tmp_path, "bidirectional = true\n")
    assert load_settings({"bidirectional": False}, config=path).network.bidirectional is False


def test_unknown_keys_are_named_all_at_once_with_the_file(tmp_path: Path) -> None:
    path = _write(tmp_path, 'horizn = 3\nsells = "gru"\nhidden_sise = 3\nhorizon = 0\n')
    with pytest.raises(UsageError) as caught:
        load_settings({}, config=path)
    assert f"4 problems in {path}" in caught.value.message
    for word in ("unknown key `horizn`, did you mean `horizon`?", "`sells`", "`hidden_sise`", "`horizon` = 0"):
        assert word in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml cannot be read: no such file"):
        load_settings({}, config=str(tmp_path / "none.toml"))


def test_a_file_that_is_not_valid_toml_is_rejected_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not valid TOML: .*line 2"):
        load_settings({}, config=_write(tmp_path, "horizon = 3\nseed : 4\n"))


def test_quantiles_are_one_text_of_levels() -> None:
    assert load_settings({"quantiles": "0.1, 0.5,0.9"}).evaluation.quantiles == (0.1, 0.5, 0.9)


def test_a_level_that_is_named_twice_is_one_and_levels_are_counted() -> None:
    assert load_settings({"quantiles": "0.9,0.5,0.9000000001,0.5"}).evaluation.quantiles == (0.9, 0.5)
    with pytest.raises(UsageError, match="181 levels, at most 99"):
        load_settings({"quantiles": ",".join(str(place / 200) for place in range(10, 191))})


def test_a_horizon_of_zero_is_rejected_with_its_value() -> None:
    with pytest.raises(UsageError, match="`horizon` = 0: input should be greater than or equal to 1"):
        load_settings({"horizon": 0})


@pytest.mark.parametrize(("key", "value"), [("hidden_size", -3), ("context_length", 10**9), ("num_layers", 99)])
def test_negative_and_huge_sizes_are_rejected(key: str, value: int) -> None:
    with pytest.raises(UsageError, match=f"`{key}` = {value}"):
        load_settings({key: value})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "nan", "1e400"])
@pytest.mark.parametrize("key", [name for name, option in SETTINGS.items() if option.kind is float])
def test_a_number_that_is_not_finite_is_rejected(key: str, value: object) -> None:
    with pytest.raises(UsageError, match="finite number"):
        Settings.from_flat({key: value})


def test_not_a_number_in_a_file_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("floor = nan\ncap = 1e400\nquantiles = [0.5, inf]\n")
    with pytest.raises(UsageError, match="3 problems") as raised:
        load_settings({}, config=str(tmp_path / "bad.toml"))
    assert str(raised.value).count("finite number") == 3


def test_a_message_names_a_large_bound_in_few_digits() -> None:
    with pytest.raises(UsageError, match=r"`floor` = -1e\+301: input should be greater than or equal to -1e\+300"):
        Settings.from_flat({"floor": -1e301})
    with pytest.raises(UsageError, match=r"`horizon` = 1e\+30: input"):
        Settings.from_flat({"horizon": 10**30})


def test_a_negative_zero_is_zero() -> None:
    assert str(Settings.from_flat({"floor": "-0"}).data.floor) == "0.0"


@pytest.mark.parametrize("text", ["price=1e400x", "price=+1e400", "price=1e400", "price=+1e30%"])
def test_a_change_of_a_covariate_is_a_number_that_networks_read(text: str) -> None:
    with pytest.raises(UsageError, match=r"more than 1e\+18"):
        parse_change(text)
