"""Specification of a warm start: what is kept of the stored model, which rows may test it, and what is rejected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rnnforecast
from rnnforecast.errors import DataError, ModelFileError, UsageError
from rnnforecast.model_io.pack import check_shapes
from rnnforecast.store.registry import Registry
from rnnforecast.workflows.results import TrainResult
from tests.workflows.ensembles import give_weights
from tests.workflows.toy import TINY, days, fit, store_of, wave, write_csv, write_days


def trained_from(path: Path, **changes: object) -> TrainResult:
    settings = rnnforecast.Settings.from_flat({"from": "days", **changes})
    return rnnforecast.train([path], settings, store=store_of(path))


def weights_of(path: Path, label: str) -> dict[str, np.ndarray]:
    file = Registry(store_of(path)).resolve(label).load(check_shapes=check_shapes)
    return {name: tensor for name, tensor in file.tensors.items() if name.startswith("members.")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of 160 days, of which the model `days@1` has seen the first 120."""
    write_days(tmp_path, 120)
    fit(tmp_path / "days.csv", num_windows=2)
    return write_days(tmp_path, 160)


def test_the_networks_are_those_of_the_stored_model_and_its_name_gets_a_version(path: Path) -> None:
    before = weights_of(path, "days@1")
    result = trained_from(path, num_steps=20)
    assert result.model == "days@2"
    assert result.reasons["from"] == "given (--from): 1 network of days@1, trained further"
    assert result.assumptions["horizon"] == 7
    after = weights_of(path, "days@2")
    assert {name: tensor.shape for name, tensor in after.items()} == {n: t.shape for n, t in before.items()}
    assert any((after[name] != before[name]).any() for name in before)


def test_weights_that_no_step_improves_stay_to_the_bit(path: Path) -> None:
    before = weights_of(path, "days@1")
    result = trained_from(path, learning_rate=1.0, num_steps=1)
    assert any("did not improve on the validation rows: they stay as they were" in note for note in result.notes)
    assert all(np.array_equal(tensor, before[name]) for name, tensor in weights_of(path, "days@2").items())


def test_the_bare_name_is_kept_as_the_version_that_it_meant(path: Path) -> None:
    trained_from(path, num_steps=1)
    assert Registry(store_of(path)).resolve("days@2").manifest.settings["from"] == "days@1"  # type: ignore[union-attr]


def test_no_window_lies_within_the_rows_that_the_weights_were_fitted_on(path: Path) -> None:
    # 40 rows are new: five windows of seven days fit, one is left for validation, two are wanted
    assert trained_from(path, num_steps=1, num_windows=2).num_windows == 2
    # four of five test where more are wanted
    assert trained_from(path, num_steps=1, num_windows=9, **{"from": "days@1"}).num_windows == 4


def test_too_few_new_rows_are_rejected_with_their_number(path: Path) -> None:
    write_days(path.parent, 125)
    with pytest.raises(DataError, match=r"^5 rows came after those that days@1 was fitted on: .* needs 7") as caught:
        trained_from(path)
    assert "wait for more rows" in str(caught.value.hint)


def test_one_new_window_tests_and_nothing_is_chosen_on_it(path: Path) -> None:
    write_days(path.parent, 128)
    result = trained_from(path, num_steps=2)
    assert result.num_windows == 1
    assert "too few windows to test on rows that neither was fitted on" in str(result.activation)


def test_all_rows_of_another_series_are_new_whatever_their_timestamps(path: Path) -> None:
    other = write_csv(path.parent / "other.csv", date=days(120), value=wave(120, seed=5))
    result = trained_from(other, num_steps=1, num_windows=3)
    assert (result.model, result.num_windows) == ("days@2", 3)


def test_other_columns_are_read_by_the_flags_that_name_them(path: Path) -> None:
    other = write_csv(path.parent / "other.csv", day=days(120), kilos=wave(120, seed=5))
    result = trained_from(other, num_steps=1, time="day", target="kilos")
    assert result.assumptions["target"] == ["kilos"]
    assert result.reasons["freq"] == "as in days@1 (--from)"


def test_another_frequency_is_rejected(path: Path) -> None:
    weekly = write_csv(path.parent / "weekly.csv", date=days(160, step=7), value=wave(160))
    with pytest.raises(DataError, match="cannot start from days@1: its frequency is D, theirs W-MON"):
        trained_from(weekly, freq="W-MON")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden_size": 8}, "--hidden-size: a training that starts from days@1 has its networks, season and horizon"),
        ({"horizon": 14}, "--horizon: a training"),
        ({"season_length": 5}, "--season-length: a training"),
        ({"num_members": 3}, "--num-members: a training"),
        ({"cell": "lstm", "horizon": 2}, "--cell, --horizon: a training"),
    ],
)
def test_settings_of_another_network_are_rejected(path: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        trained_from(path, **changes)


def test_the_settings_of_the_first_training_may_be_given_again(path: Path) -> None:
    assert trained_from(path, **{**TINY, "num_steps": 1}).model == "days@2"


def test_an_unknown_model_is_answered_with_what_else_a_training_starts_from(path: Path) -> None:
    with pytest.raises(ModelFileError, match="`scrach`") as caught:
        trained_from(path, **{"from": "scrach"})
    assert "--from scratch" in str(caught.value.hint)


def test_base_has_another_word(path: Path) -> None:
    with pytest.raises(UsageError, match="names no stored model") as caught:
        trained_from(path, **{"from": "base"})
    assert "--from pretrained" in str(caught.value.hint)


def test_a_model_without_a_fitted_network_has_no_weights_to_start_from(tmp_path: Path) -> None:
    path = write_days(tmp_path, 90)
    rnnforecast.train([path], rnnforecast.Settings.from_flat({"horizon": 7}), store=store_of(path))
    with pytest.raises(UsageError, match="no network that was fitted"):
        trained_from(path)


def test_categories_keep_their_codes_and_new_words_are_reported(tmp_path: Path) -> None:
    def write(num_rows: int, words: list[str]) -> Path:
        kinds = [words[number % len(words)] for number in range(num_rows)]
        return write_csv(tmp_path / "days.csv", date=days(num_rows), value=wave(num_rows), kind=kinds)

    fit(write(120, ["b", "c"]), past="kind", num_windows=1)
    result = trained_from(write(160, ["a", "b", "c"]), num_steps=1)
    manifest = Registry(tmp_path / "store").resolve("days@2").manifest
    assert manifest is not None
    assert dict(manifest.categories) == {"kind": ("b", "c")}
    assert "W_CATEGORY_UNKNOWN" in [finding.code for finding in result.findings]


def test_covariates_far_from_those_that_scale_them_are_reported(tmp_path: Path) -> None:
    fit(write_csv(tmp_path / "days.csv", date=days(120), value=wave(120), heat=wave(120, seed=3)), past="heat")
    shifted = [1000 * value for value in wave(160, seed=3)]
    path = write_csv(tmp_path / "days.csv", date=days(160), value=wave(160), heat=shifted)
    [finding] = [each for each in trained_from(path, num_steps=1).findings if each.code == "W_START_SCALE"]
    assert "covariate `heat` lies" in finding.message


def test_covariates_that_are_gone_are_named(tmp_path: Path) -> None:
    fit(write_csv(tmp_path / "days.csv", date=days(120), value=wave(120), heat=wave(120, seed=3)), past="heat")
    with pytest.raises(DataError, match="heat"):
        trained_from(write_days(tmp_path, 160))


def test_all_groups_of_an_ensemble_start_from_their_own_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"num_steps": 2, "num_members": 1, "batch_size": 8, "horizon": 7, "effort": "best", "refit": True}
    path = write_days(tmp_path, 600)
    with monkeypatch.context() as patch:
        give_weights(patch, from_scratch=0.4, zero_shot=0.6)
        rnnforecast.train([path], rnnforecast.Settings.from_flat(names), store=store_of(path))
    before = Registry(store_of(path)).resolve("days@1").manifest
    write_days(tmp_path, 640)
    result = trained_from(path, num_steps=1)
    after = Registry(store_of(path)).resolve("days@2").manifest
    assert before is not None
    assert after is not None
    assert after.zero_shot_group is not None
    assert {member.model_dump_json() for member in after.members} <= {m.model_dump_json() for m in before.members}
    assert "of days@1, trained further" in result.reasons["from"]


def test_a_backtest_with_refit_says_why_it_cannot(path: Path) -> None:
    trained_from(path, num_steps=1)
    with pytest.raises(UsageError, match="days@2 started from days@1, which was fitted on rows of the windows"):
        rnnforecast.evaluate("days@2", refit=True, store=store_of(path))
