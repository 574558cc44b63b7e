"""`python -m pretraining`: train, score, export."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from pretraining.__main__ import app, main
from pretraining.export import read_widths
from pretraining.loop import read_average
from pretraining.settings import read_settings
from rnnforecast.store.model_file import read_model
from tests.house import run
from tests.pretraining.toy import write_toml


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """Return a folder with settings, a small panel, and a finished run in `run`."""
    write_toml(tmp_path / "run.toml")
    rows = [(name, step, 10.0 + step % 4 + size * step) for size, name in enumerate("ab") for step in range(30)]
    pd.DataFrame(rows, columns=["unique_id", "ds", "y"]).to_parquet(tmp_path / "panel.parquet")
    _call("train", tmp_path / "run", "--settings", tmp_path / "run.toml", "--workers", 0)
    return tmp_path


def _call(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_trained_run_leaves_a_checkpoint(trained: Path) -> None:
    assert (trained / "run" / "checkpoint.npz").exists()


def test_training_watches_panels_and_logs_their_scores(trained: Path) -> None:
    panel = f"{trained / 'panel.parquet'}:4:3:2"
    settings = trained / "run.toml"
    _call("train", trained / "again", "--settings", settings, "--workers", 0, "--panel", panel, "--watch-every", 3)
    records = [json.loads(line) for line in (trained / "again" / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    scores = [record["scores"] for record in records if "scores" in record]
    assert len(scores) == 2
    assert any(name.endswith("coverage") for name in scores[0])


def test_a_run_is_scored_on_panels(trained: Path) -> None:
    panel = f"{trained / 'panel.parquet'}:4:3"
    output = _call("score", trained / "run", "--settings", trained / "run.toml", "--panel", panel)
    assert output.startswith("step 6\n")
    assert "geometric mean / seasonal naive" in output


def test_a_run_is_exported_as_a_model_file(trained: Path) -> None:
    output = _call("export", trained / "run", trained / "base.safetensors", "--settings", trained / "run.toml")
    assert "step 6" in output
    assert read_model(trained / "base.safetensors").manifest.name == "base"


def test_a_run_begins_with_the_weights_of_another(trained: Path) -> None:
    settings = trained / "run.toml"
    _call("export", trained / "run", trained / "base.safetensors", "--settings", settings)
    settings.write_text(
        settings.read_text(encoding="utf-8").replace("num_steps = 6", "num_steps = 1\nlearning_rate = 1e-9")
    )
    _call("train", trained / "on", "--settings", settings, "--workers", 0, "--start", trained / "base.safetensors")
    before, after = (read_average(trained / name, read_settings(settings))[0] for name in ("run", "on"))
    for name, tensor in after.state_dict().items():
        torch.testing.assert_close(tensor, before.state_dict()[name], rtol=1e-2, atol=1e-3)


def test_width_factors_are_taken_from_another_file(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings, panel = ("--settings", trained / "run.toml"), ("--panel", f"{trained / 'panel.parquet'}:4:3:2")
    _call("export", trained / "run", trained / "one.safetensors", *settings, *panel)
    _call("export", trained / "run", trained / "two.safetensors", *settings, "--widths-of", trained / "one.safetensors")
    one, two = (read_widths(trained / f"{name}.safetensors")["quarter"] for name in ("one", "two"))
    assert (one != 1).any()
    assert (one == two).all()
    words = ("export", trained / "run", trained / "two.safetensors", *settings, *panel)
    assert "leave one of them out" in _refused(capsys, *words, "--widths-of", trained / "one.safetensors")


def test_weights_of_another_size_are_rejected(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = _refused(capsys, "train", trained / "on", "--settings", trained / "run.toml", "--start", "base")
    assert "another size than the settings (give the settings that they were trained with)" in line


def _refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Return the one line that a rejected call prints; exit code 2, nothing on stdout."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert end.value.code == 2
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize("command", [("score",), ("export", "out.safetensors"), ("history",)], ids=lambda c: str(c[0]))
def test_a_folder_without_a_run_is_rejected_in_one_line_with_the_fix(
    tmp_path: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    line = _refused(capsys, command[0], tmp_path / "nowhere", *command[1:])
    assert "No such file or directory (name the folder that `train` wrote)" in line


def test_a_history_that_is_not_a_log_is_rejected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.jsonl").write_text("half of a li", encoding="utf-8")
    assert f"no log of a run in {tmp_path}: Expecting value" in _refused(capsys, "history", tmp_path)


@pytest.mark.parametrize("command", [("train",), ("score",), ("export", "out.safetensors")], ids=lambda c: str(c[0]))
def test_a_bad_panel_and_bad_settings_are_rejected_before_anything_is_done(
    tmp_path: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    words = (command[0], tmp_path / "run", *command[1:])
    assert "not of the form PATH:SEASON_LENGTH:HORIZON" in _refused(capsys, *words, "--panel", "panel.parquet")
    assert "a panel is a Parquet file" in _refused(capsys, *words, "--panel", tmp_path / "none.parquet:12:18")
    assert "`--settings` takes a file" in _refused(capsys, *words, "--settings", tmp_path / "none.toml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("train",), ("score",), ("export", "out.safetensors")], ids=lambda c: str(c[0]))
def test_a_run_of_other_settings_is_rejected(
    trained: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = trained / "run.toml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("hidden_size = 8", "hidden_size = 16"))
    line = _refused(capsys, command[0], trained / "run", *command[1:], "--settings", settings)
    assert "holds networks of other settings than these (give the settings of that run" in line


def test_training_rejects_a_file_for_a_folder_and_a_device_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").touch()
    assert "run is no folder" in _refused(capsys, "train", tmp_path / "run")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    line = _refused(capsys, "train", tmp_path / "new", "--device", "cuda")
    assert "`--device cuda`: no such device is available here (leave it out to train on the CPU)" in line


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['x', '--help']\n"
        "import runpy\n"
        "try:\n    runpy.run_module('pretraining', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules"
    )
    done = run([sys.executable, "-c", code])
    assert done.returncode == 0, done.stderr
    assert "export" in done.stdout
