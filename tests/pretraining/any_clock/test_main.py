from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pretraining.any_clock.__main__ import main
from pretraining.any_clock.export import read_arrays

SETTINGS = """
hidden_size = 8
head_size = 8
minutes = 0.02
[[clocks]]
seasons = [[12.0]]
domain = "monthly"
share = 1.0
history = [24, 40]
near = 12
far = 20
batch_size = 8
"""


def _main(*arguments: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code in (0, None)


def test_a_run_is_trained_exported_and_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings, run, weights = tmp_path / "run.toml", tmp_path / "run", tmp_path / "weights.safetensors"
    settings.write_text(SETTINGS)
    rows = pd.DataFrame({"unique_id": "a", "ds": range(80), "y": np.arange(80) % 12.0 + np.arange(80) ** 1.5})
    (tmp_path / "data" / "m3_monthly").mkdir(parents=True)
    rows.to_parquet(tmp_path / "data" / "m3_monthly" / "train.parquet")

    _main("train", str(run), "--settings", str(settings))
    _main("export", str(run), str(weights), "--settings", str(settings))
    _main("score", str(weights), "--data", str(tmp_path / "data"))

    assert read_arrays(weights)["norm.weight"].shape == (8,)
    shown = capsys.readouterr().out
    assert "m3_monthly" in shown
    assert "geometric mean" in shown


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("export", "nowhere", "out"), "no checkpoint"),
        (("train", "run", "--settings", "missing.toml"), "missing.toml"),
        (("score", "missing.safetensors", "--data", "."), "missing.safetensors"),
    ],
)
def test_bad_input_is_one_line_that_names_it(
    arguments: tuple[str, ...],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code not in (0, None)
    assert named in capsys.readouterr().err


def test_the_pace_of_the_series_is_printed_by_clock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "run.toml"
    settings.write_text(SETTINGS)
    _main("pace", "--settings", str(settings), "--num-batches", "2")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["12", "all"]
    assert all(" series/s of " in line for line in lines)
