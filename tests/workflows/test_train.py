from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rnnforecast
from rnnforecast.errors import DivergedError, ExitCode, LostToBaselineError, UsageError
from rnnforecast.progress import NoProgress
from rnnforecast.store.model_file import read_model
from rnnforecast.store.registry import Registry
from rnnforecast.training import fit as fitting
from rnnforecast.training import split as splitting
from rnnforecast.training.judge import Judgement
from rnnforecast.training.loop import fit_network
from rnnforecast.training.parallel import CancelledError
from rnnforecast.workflows import train as module
from tests.workflows.toy import days, fit, forecast, store_of, wave, write_csv, write_days


def _lose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the verdict of every training be a loss."""
    judge = module._judge

    def lost(*arguments: object, **keywords: object) -> Judgement:
        judgement = judge(*arguments, **keywords)  # type: ignore[arg-type]
        assert judgement.verdict is not None
        return replace(judgement, verdict=replace(judgement.verdict, outcome="loss", against="seasonal-naive"))

    monkeypatch.setattr(module, "_judge", lost)


def test_training_twice_gives_the_same_tensors_and_forecasts(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    first, second = (fit(path, num_members=2) for _ in range(2))
    ours, theirs = read_model(first.path).tensors, read_model(second.path).tensors
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)
    frames = [forecast(path, model=each.model).frame for each in (first, second)]
    assert frames[0].equals(frames[1])


def test_a_model_is_stored_under_the_stem_of_its_file(tmp_path: Path) -> None:
    result = fit(write_days(tmp_path))
    assert result.model == "days@1"
    assert Path(result.path).is_file()


def test_settings_of_the_result_leave_nothing_open_that_the_recipe_chose(tmp_path: Path) -> None:
    settings = fit(write_days(tmp_path)).settings
    chosen = ("cell", "mapping", "num_layers", "context_length", "segment_length", "normalisation", "log", "head")
    assert [name for name in chosen if settings[name] is None] == []


def test_a_time_budget_cuts_the_steps_and_is_reported(tmp_path: Path) -> None:
    result = fit(write_days(tmp_path), num_steps=900_000, time_budget="0.2s")
    assert int(str(result.members[0]["num_steps"])) < 900_000
    assert any("the time budget 0.2s cut the training from 900000 to" in note for note in result.notes)


def test_a_time_budget_that_is_not_a_duration_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`time_budget`: invalid duration `soon`"):
        fit(write_days(tmp_path), time_budget="soon")


def test_without_refit_the_judged_weights_are_the_stored_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(fitting, "fit_again", refuse)
    path = write_days(tmp_path)
    fit(path, refit=False)
    assert [each.label for each in Registry(store_of(path)).list()] == ["days@1"]


def test_a_win_that_is_required_and_missed_is_an_error_of_its_own_after_storing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lose(monkeypatch)
    path = write_days(tmp_path)
    with pytest.raises(LostToBaselineError, match="`--require win` was set, but the verdict is a loss") as caught:
        fit(path).require_win()
    assert caught.value.exit_code == ExitCode.LOST
    assert "days@1 is stored" in caught.value.message
    assert [each.label for each in Registry(store_of(path)).list()] == ["days@1"]


def test_on_a_loss_the_winner_is_served_where_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lose(monkeypatch)
    path = write_csv(tmp_path / "week.csv", date=days(70), value=[1, 2, 3, 4, 5, 6, 7] * 10)
    assert fit(path, on_loss="serve-baseline", season_length=7).served == "seasonal-naive"
    result = forecast(path)
    assert set(result.frame["method"]) == {"seasonal-naive"}
    np.testing.assert_allclose(result.frame["forecast"], [1, 2, 3, 4, 5, 6, 7])
    assert any("`seasonal-naive` is served" in note for note in result.notes)


def test_on_a_loss_the_network_is_served_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _lose(monkeypatch)
    assert fit(write_days(tmp_path)).served == "ensemble"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), DivergedError("diverged")])
def test_what_ends_one_fit_is_what_the_user_sees_and_nothing_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def second_fails(*arguments: object, seed: int, **keywords: object) -> object:
        if seed == 1:
            raise error
        return fit_network(*arguments, seed=seed, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr("rnnforecast.training.ensemble.fit_network", second_fails)
    monkeypatch.setattr("rnnforecast.training.ensemble.torch.get_num_threads", lambda: 2)
    path = write_days(tmp_path)
    with pytest.raises(type(error)) as caught:
        fit(path, num_members=2, num_steps=2_000)
    assert not isinstance(caught.value, CancelledError)
    assert Registry(store_of(path)).list() == []


def test_a_series_too_short_to_hold_rows_out_is_learned_from_and_named(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "panel.csv",
        id=["long"] * 80 + ["short"] * 12,
        date=days(80) + days(12),
        value=wave(80) + wave(12),
    )
    result = fit(path, season_length=1)
    assert any("1 of 2 series are too short for test rows" in note for note in result.notes)
    assert sorted(set(forecast(path).frame["id"])) == ["long", "short"]


def test_fits_that_left_the_finite_numbers_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "rnnforecast.training.ensemble.fit_network",
        lambda *a, **k: replace(fit_network(*a, **k), num_rollbacks=2),
    )
    notes = fit(write_days(tmp_path)).notes
    assert "training became non-finite 2 times and resumed from the last good weights" in notes


@pytest.mark.parametrize(("refit", "expected"), [(None, ["fitting"]), (True, ["fitting", "fitting again on all rows"])])
def test_progress_is_told_of_every_fit(tmp_path: Path, refit: bool | None, expected: list[str]) -> None:
    stages: list[tuple[str, int]] = []

    class Watcher(NoProgress):
        def start(self, stage: str, total: int) -> None:
            stages.append((stage, total))

    flat = {"num_steps": 3, "num_members": 2, "hidden_size": 4, "horizon": 7, "refit": refit}
    rnnforecast.train(
        [write_days(tmp_path)], rnnforecast.Settings.from_flat(flat), store=tmp_path / "store", progress=Watcher()
    )
    assert [stage for stage, _ in stages] == expected
    assert stages[0][1] == 6


def test_of_very_many_series_the_report_says_how_many_were_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splitting, "MAX_TESTED_SERIES", 2)
    names = [name for name in "abcd" for _ in range(60)]
    path = write_csv(tmp_path / "panel.csv", id=names, date=days(60) * 4, value=wave(240))
    result = fit(path)
    assert any(
        note == "scores and verdict are based on 2 series, evenly spread over 4; `evaluate` scores all of them"
        for note in result.notes
    )
    assert not any("too short" in note for note in result.notes)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, None),
        ({"refit": False}, None),
        ({"batch_size": 32, "refit": True}, "`--batch-size`, `--refit` had no effect"),
    ],
)
def test_flags_about_fits_are_named_where_nothing_was_fitted(
    tmp_path: Path, given: dict[str, object], named: str | None
) -> None:
    path = tmp_path / "few.csv"
    path.write_text("y\n" + "\n".join(f"{step % 5 + step / 10}" for step in range(60)) + "\n")

    notes = rnnforecast.train(
        [path], rnnforecast.Settings.from_flat({"horizon": 3, **given}), store=tmp_path / "store"
    ).notes

    found = [note for note in notes if "had no effect" in note]
    assert len(found) == (named is not None)
    assert all(str(named) in note for note in found)
