"""The search for settings: what is searched and measured, how a study is continued, and what is rejected."""

from __future__ import annotations

import builtins
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import rnnforecast
from rnnforecast.cli.main import main
from rnnforecast.config import Settings
from rnnforecast.errors import DataError, ModelFileError, OutputError, ResourceError, RnnForecastError, UsageError
from rnnforecast.training.recipe import choose_recipe, gather_facts
from rnnforecast.workflows.results import TuneResult
from rnnforecast.workflows.tuning.study import CHOICES, Space, Study
from tests.training.toy import make_series
from tests.workflows.toy import wave, write_csv, write_days

pytest.importorskip("optuna")

SHORT = {"num_steps": 2, "hidden_size": 4, "num_layers": 1, "horizon": 7, "num_windows": 1, "context_length": 14}


def _tune(
    path: Path, *, trials: int = 2, output: Path | None = None, name: str | None = None, **flags: object
) -> TuneResult:
    settings = Settings.from_flat({**SHORT, **flags})
    return rnnforecast.tune([path], settings, store=path.parent / "store", num_trials=trials, output=output, name=name)


def _space(**flags: object) -> Space:
    settings = Settings.from_flat(flags)
    facts = gather_facts(make_series(np.array(wave(60)), np.array(wave(60))), horizon=4)
    return Space.of(choose_recipe(facts, settings), settings.network, settings.training, longest=60)


def _study(path: Path, *, data: str = "rows") -> Study:
    return Study(path, _space(), data=data, seed=0)


def test_the_usual_settings_come_first_and_the_best_are_written_for_config(tmp_path: Path) -> None:
    output = tmp_path / "tuned.toml"
    result = _tune(write_days(tmp_path), output=output)
    first = next(trial for trial in result.trials if trial["trial"] == 1)
    assert (first["cell"], first["mapping"], first["learning_rate"]) == ("gru", "many-to-many", 5e-3)
    assert tomllib.loads(output.read_text()) == result.settings
    assert set(result.settings) == {"from", "cell", "mapping", "normalisation", "learning_rate"}
    assert result.metrics.keys() >= {"tuned", "default", "naive"}
    assert result.verdict is not None
    assert (result.verdict["method"], result.verdict["against"]) == ("tuned", "default")
    Settings.from_flat(tomllib.loads(output.read_text()))


def test_the_same_command_continues_its_study(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    before = _tune(path, trials=1)
    after = _tune(path, trials=1, time_budget="20s")
    assert (before.num_trials_before, after.num_trials_before, len(after.trials)) == (0, 1, 2)
    assert {trial["trial"]: trial for trial in after.trials}[1] == before.trials[0]


def test_a_study_of_other_rows_is_rejected_and_another_name_keeps_both(tmp_path: Path) -> None:
    _tune(write_days(tmp_path), trials=1)
    path = write_csv(tmp_path / "days.csv", date=[f"2024-01-{day:02}" for day in range(1, 32)], value=list(range(31)))
    with pytest.raises(UsageError, match="was made with other data, options or versions") as caught:
        _tune(path, trials=1, horizon=3, season_length=1)
    assert "--name" in str(caught.value.hint)
    assert _tune(path, trials=1, horizon=3, season_length=1, name="other").num_trials_before == 0


def test_options_that_are_given_are_not_searched() -> None:
    assert set(_space().choices) == {*CHOICES, "context_length"}
    space = _space(cell="lstm", learning_rate=0.01)
    assert "cell" not in space.choices
    assert not space.searches_rate


def test_a_trial_behind_the_median_after_a_window_is_pruned(tmp_path: Path) -> None:
    study = _study(tmp_path / "study.db")

    for loss in (1.0, 1.1, 0.9, 1.2, 5.0, 0.5):
        study.run(lambda settings, _, loss=loss: [loss] * len(settings), num_windows=2)  # type: ignore[misc]
    assert [(trial.number, trial.state, trial.loss) for trial in study.trials()] == [
        (6, "complete", 0.5),
        (3, "complete", 0.9),
        (1, "complete", 1.0),
        (2, "complete", 1.1),
        (4, "complete", 1.2),
        (5, "pruned", None),
    ]
    assert study.importance() == {}


def test_a_trial_that_was_interrupted_counts_as_failed_in_the_next_run(tmp_path: Path) -> None:
    def interrupted(*_: object) -> list[float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _study(tmp_path / "study.db").run(interrupted, num_windows=1)
    study = _study(tmp_path / "study.db")
    assert [(trial.state, trial.loss) for trial in study.trials()] == [("failed", None)]
    assert study.num_before == 1


def test_a_file_that_is_not_a_study_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    path.write_bytes(b"x" * 5_000)
    with pytest.raises(OutputError, match=r"cannot be used: .*not a database"):
        _study(path)
    assert path.read_bytes() == b"x" * 5_000


def test_the_result_is_not_written_over_what_is_read_or_stored(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    with pytest.raises(UsageError, match="would overwrite the data"):
        _tune(path, output=path)
    (tmp_path / "store").mkdir()
    with pytest.raises(UsageError, match="would overwrite the store"):
        _tune(path, output=tmp_path / "store" / "models" / "days" / "active")
    with pytest.raises(UsageError, match=r"does not end with \.toml"):
        _tune(path, output=tmp_path / "notes.txt")
    (tmp_path / "c.toml").write_text("num_steps = 2\n")
    assert main(["tune", str(path), "--config", str(tmp_path / "c.toml"), "--output", str(tmp_path / "c.toml")]) == 2
    assert (tmp_path / "c.toml").read_text() == "num_steps = 2\n"


def _run_sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (["create trigger t after insert on trials begin select 1; end"], "triggers or views"),
        (["update trial_params set param_name = 'future_data' where param_name = 'cell'"], "that is not searched"),
        (["update trial_params set param_value = 99"], "cannot be used"),
        (["update trial_params set distribution_json = '{{'"], "cannot be used"),
        (["update trials set state = 'SOON'"], "cannot be used"),
        (["delete from study_user_attributes"], "was made with other data"),
        (["update study_user_attributes set value_json = '[[['"], "cannot be used"),
    ],
)
def test_a_forged_study_is_rejected_and_none_of_its_settings_is_taken(
    tmp_path: Path, statements: list[str], reason: str
) -> None:
    path = write_days(tmp_path)
    _tune(path, trials=1)
    _run_sql(tmp_path / "store" / "tuning" / "days.db", *statements)
    with pytest.raises(RnnForecastError, match=reason):
        _tune(path, trials=1, output=tmp_path / "tuned.toml")
    assert not (tmp_path / "tuned.toml").exists()


def test_a_study_behind_a_link_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.db").write_bytes(b"")
    (tmp_path / "study.db").symlink_to("elsewhere.db")
    with pytest.raises(ModelFileError, match="is a symbolic link"):
        _study(tmp_path / "study.db")
    assert (tmp_path / "elsewhere.db").read_bytes() == b""


@pytest.mark.parametrize("folder", ["a?b", "a#b", "{x}", "a%20b"])
def test_any_name_of_a_store_is_the_place_of_the_study(tmp_path: Path, folder: str) -> None:
    _study(tmp_path / folder / "study.db")
    assert (tmp_path / folder / "study.db").stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == [folder]


def test_rows_without_a_window_before_the_test_rows_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few rows"):
        _tune(
            write_csv(tmp_path / "few.csv", date=[f"2024-01-{day:02}" for day in range(1, 15)], value=list(range(14)))
        )


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def without(name: str, *arguments: object, **keywords: object) -> object:
        if name == "optuna":
            raise ImportError(name)
        return load(name, *arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ResourceError, match="optuna") as caught:
        _study(tmp_path / "study.db")
    assert caught.value.hint == "pip install 'rnnforecast[tune]'"


def test_a_short_file_is_searched_within_the_rows_before_its_oldest_window(tmp_path: Path) -> None:
    settings = Settings.from_flat({"num_steps": 1, "hidden_size": 4, "num_layers": 1, "horizon": 2})
    path = write_days(tmp_path, 20)
    result = rnnforecast.tune([path], settings, store=tmp_path / "store", num_trials=3)
    lengths = {int(str(trial["context_length"])) for trial in result.trials}
    assert [trial["state"] for trial in result.trials].count("failed") == 0
    assert max(lengths) <= 10  # the rows before the oldest window
