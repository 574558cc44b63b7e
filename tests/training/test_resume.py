"""A training that was ended resumes when the same command is given again, and stores the same model."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rnnforecast
from rnnforecast.cli.main import main
from rnnforecast.progress import NoProgress
from rnnforecast.store.model_file import read_model
from rnnforecast.store.registry import Registry
from rnnforecast.training import checkpoints
from rnnforecast.training.resume import digest_series
from rnnforecast.training.state import Run
from rnnforecast.workflows.results import TrainResult
from tests.training.toy import make_series, wave
from tests.workflows.ensembles import write_panel
from tests.workflows.toy import TINY, store_of, write_days

RESUMED = "the training resumed from its checkpoint"


class EndedError(Exception):
    """Stands for whatever ends a process."""


class EndsAfter(NoProgress):
    """Ends a training after so many steps of both its rounds."""

    def __init__(self, num_steps: int) -> None:
        self._left = num_steps

    def update(self, step: int, *, loss: float | None = None, score: float | None = None) -> None:  # noqa: ARG002
        self._left -= 1
        if self._left == 0:
            raise EndedError


@pytest.fixture(autouse=True)
def _save_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "INTERVAL_SECONDS", 0.0)


def _train(path: Path, *, end_after: int = 0, store: Path | None = None, **changes: object) -> TrainResult:
    settings = rnnforecast.Settings.from_flat({**TINY, "num_members": 2, **changes})
    progress = EndsAfter(end_after) if end_after else None
    return rnnforecast.train([path], settings, store=store or store_of(path), progress=progress)


def _tensors(result: TrainResult) -> dict[str, bytes]:
    return {name: tensor.tobytes() for name, tensor in read_model(result.path).tensors.items()}


@pytest.mark.parametrize(("end_after", "refit"), [(4, None), (12, True)])
def test_a_training_that_was_ended_stores_the_model_it_would_have_stored(
    tmp_path: Path, end_after: int, refit: bool | None
) -> None:
    path = write_days(tmp_path)
    with pytest.raises(EndedError):
        _train(path, end_after=end_after, refit=refit)
    assert [*(store_of(path) / "checkpoints").rglob("*.checkpoint")] != []
    resumed, whole = _train(path, refit=refit), _train(path, store=tmp_path / "other", refit=refit)
    assert _tensors(resumed) == _tensors(whole)
    assert (resumed.metrics, resumed.verdict) == (whole.metrics, whole.verdict)
    assert any(note.startswith(RESUMED) for note in resumed.notes)
    assert not any("checkpoint" in note for note in whole.notes)
    assert not (store_of(path) / "checkpoints").exists()


def test_a_blend_that_was_ended_in_its_second_fit_is_the_one_it_would_have_been(tmp_path: Path) -> None:
    path = write_panel(tmp_path)
    blend: dict[str, object] = {"hidden_size": None, "num_members": 1, "num_steps": 2, "refit": True}
    with pytest.raises(EndedError):
        _train(path, end_after=6, **blend)  # type: ignore[arg-type]
    resumed = _train(path, **blend)  # type: ignore[arg-type]
    whole = _train(path, store=tmp_path / "other", **blend)  # type: ignore[arg-type]
    assert _tensors(resumed) == _tensors(whole)
    first, second = (read_model(result.path).manifest for result in (resumed, whole))
    assert (first.groups, first.group_weights, first.theta_weight) == (
        second.groups,
        second.group_weights,
        second.theta_weight,
    )
    assert len(first.group_weights) > 1
    assert any(note.startswith(RESUMED) for note in resumed.notes)


@pytest.mark.parametrize("change", ["data", "settings"])
def test_a_training_of_other_data_or_settings_begins_anew_and_says_so(tmp_path: Path, change: str) -> None:
    path = write_days(tmp_path)
    with pytest.raises(EndedError):
        _train(path, end_after=4)
    if change == "data":
        write_days(tmp_path, seed=2)
    result = _train(path, **({"seed": 7} if change == "settings" else {}))  # type: ignore[arg-type]
    assert f"a checkpoint of this name was made with other {change} and was not used" in result.notes
    assert not any(note.startswith(RESUMED) for note in result.notes)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_saves_the_training_and_the_same_command_continues(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    command = ["train", "good.csv", "--horizon", "7", "--num-steps", "6", "--num-members", "1", "--hidden-size", "4"]
    monkeypatch.setattr(checkpoints, "INTERVAL_SECONDS", 3600.0)
    record_step = Run.record_step

    def end_at_third(run: Run, loss: float, norm: float) -> None:
        record_step(run, loss, norm)
        if run.step == 3:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "record_step", end_at_third)
        assert main(command) == code
    said = capsys.readouterr().err
    assert "nothing that was stored before is changed" in said
    assert "the training so far is saved: the same command resumes it" in said
    assert [each.label for each in Registry(workplace / ".rnnforecast").list()] == ["good@1"]
    assert main(command) == 0
    assert f"{RESUMED}: 3 steps of one fit were already done" in capsys.readouterr().err


def test_the_digest_of_series_sees_every_array_and_every_name() -> None:
    series = make_series(wave(60), wave(50))
    others = [
        replace(series, values=series.values + 1),
        replace(series, first_ordinals=series.first_ordinals + 1),
        replace(series, season_length=5),
        replace(series, id_values=np.array([["a"], ["b"]], dtype=object)),
        replace(series, target_names=("z",)),
        replace(series, static_names=("size",), static_covariates=np.ones((2, 1), np.float32)),
    ]
    assert digest_series(make_series(wave(60), wave(50))) == digest_series(series)
    assert len({digest_series(each) for each in [series, *others]}) == 7
