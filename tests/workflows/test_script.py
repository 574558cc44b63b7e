"""The script of a model does what its command did, byte for byte, and nothing that a file wrote becomes code."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path

import pytest

import rnnforecast
from rnnforecast.cli.main import main
from rnnforecast.store.manifest import InputRecord, Manifest
from rnnforecast.workflows.script import script_text

SMALL = ("--horizon", "4", "--num-steps", "6", "--num-members", "1", "--hidden-size", "4", "--from", "scratch")


def test_a_script_forecasts_the_same_bytes_as_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RNNFORECAST_STORE", raising=False)
    rows = "".join(f"2024-01-{day:02d},{10 + day % 7}\n" for day in range(1, 32))
    (tmp_path / "it's.csv").write_text("day,x\n" + rows, encoding="utf-8")
    assert main(["train", "it's.csv", "--name", "x", *SMALL]) == 0
    assert main(["predict", "x", "--output", "command.csv", "--no-ledger"]) == 0
    assert main(["script", "x", "--output", "again.py"]) == 0
    runpy.run_path("again.py")
    assert (tmp_path / "forecast.csv").read_bytes() == (tmp_path / "command.csv").read_bytes()


def test_values_of_a_model_file_stay_literals() -> None:
    evil = "x')\nimport os\n#"
    manifest = Manifest(
        name=evil, rnnforecast=evil, horizon=1, quantile_levels=(0.5,), settings={"target": [evil], "unknown": 1},
        input=InputRecord(paths=(evil,)),
    )  # fmt: skip
    tree = ast.parse(script_text(manifest))
    assert [node.names[0].name for node in ast.walk(tree) if isinstance(node, ast.Import)] == ["rnnforecast"]
    assert "unknown" not in script_text(manifest)


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["base"], "`base` was not trained by a command"),
        (["good", "--output", "again.txt"], "script again.txt does not end with .py"),
        (["good", "--output", ".rnnforecast/models/good/1.py"], "would overwrite the store"),
    ],
)
def test_a_script_that_cannot_be_is_rejected(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["script", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("workplace")
def test_a_script_goes_to_standard_output_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["script", "good"]) == 0
    assert capsys.readouterr().out == rnnforecast.script("good").text
