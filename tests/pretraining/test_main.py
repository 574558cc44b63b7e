"""`python -m rnnforecast.pretraining`: train, score, export."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from rnnforecast.pretraining.__main__ import app
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


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['x', '--help']\n"
        "import runpy\n"
        "try:\n    runpy.run_module('rnnforecast.pretraining', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules"
    )
    done = run([sys.executable, "-c", code])
    assert done.returncode == 0, done.stderr
    assert "export" in done.stdout
