"""`diagnose`: what is measured, what is advised, and what the screen says."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import rnnforecast
from rnnforecast.charts.network_charts import attention_chart, memory_chart, occlusion_chart
from rnnforecast.charts.plot import write_picture
from rnnforecast.cli.main import main
from rnnforecast.cli.render import render
from rnnforecast.config import Settings
from rnnforecast.training import diagnosis
from rnnforecast.training.diagnosis import Health
from rnnforecast.workflows.diagnose import _advice, effective_memory, lag_blocks
from tests.cli import examples
from tests.workflows.toy import TINY, write_days


def _health(norms: list[float], **given: object) -> Health:
    health = Health("gru", 8, len(norms), 1, np.array(norms), 0.1, 0.1, gradient_norms=(0.5, 2.0))
    return replace(health, **given)  # type: ignore[arg-type]


def test_a_model_is_measured_with_three_cells_of_its_size(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(diagnosis, "NUM_STEPS", 2)
    assert main(["diagnose", "--format", "json", "--plot", "health.svg"]) == 0
    found = json.loads(capsys.readouterr().out)
    names = [row["name"] for row in found["networks"]]
    assert names[-3:] == ["rnn", "lstm", "gru"]
    assert len({row["hidden_size"] for row in found["networks"]}) == 1
    assert all(1 <= row["memory"] <= row["context_length"] for row in found["networks"])
    assert [len(curve["norms"]) == len(curve["lags"]) > 1 for curve in found["memory"]] == [True] * len(names)
    assert found["occlusion"][0]["first_lag"] == 1
    drawn = (workplace / "health.svg").read_text(encoding="utf-8")
    assert "How far back a gradient reaches" in drawn
    assert "How far back the forecast looks" in drawn


@pytest.mark.usefixtures("workplace")
def test_hidden_rows_move_the_forecast_of_the_pretrained_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "NUM_STEPS", 1)
    found = rnnforecast.diagnose("base", ["good.csv"])
    assert max(float(str(block["effect"])) for block in found.occlusion) > 0.05
    assert [row["is_own"] for row in found.networks] == [False] * 3


def test_memory_ends_where_the_norm_falls_below_one_per_cent() -> None:
    assert effective_memory(_health([0.5, 0.02, 0.009, 0.0])) == 2
    assert effective_memory(_health([0.5, 0.02, 0.009], segment_length=24)) == 48
    assert effective_memory(_health([0.9, 0.8])) == 2


def test_blocks_of_lags_cover_half_of_the_rows_without_overlap() -> None:
    blocks = lag_blocks(400)
    assert (blocks[0], blocks[-1][1]) == ((1, 1), 200)
    assert all(before[1] + 1 == after[0] for before, after in pairwise(blocks))
    assert lag_blocks(1) == [(1, 1)]


def test_advice_names_what_to_change() -> None:
    found = {
        "gru of prices@1": _health([0.5, 0.001, *[0.0] * 98]),
        "rnn": _health([20.0, 0.001, 0.0], gradient_norms=(2.0, 3.0)),
        "lstm": _health([0.9] * 3, saturated_gates=0.9),
        "gru": _health([0.9] * 3),
    }
    occlusion = [{"first_lag": 1, "last_lag": 3, "effect": 1.0}, {"first_lag": 4, "last_lag": 9, "effect": 0.01}]
    advice = "\n".join(_advice(found, occlusion, 144))  # type: ignore[arg-type]
    for words in (
        "reads 100 steps and remembers about 1: shorten `--context-length`",
        "a GRU remembers 3 steps where a vanilla RNN of its size remembers 1",
        "gradients grow through time in rnn",
        "clipped in rnn: lower `--learning-rate`",
        "saturated in lstm",
        "depends on the last 3 rows",
        "up to 144 steps apart",
    ):
        assert words in advice


def test_the_screen_shows_curves_bars_and_advice() -> None:
    shown = render(examples.diagnose_result(), stream=io.StringIO(), width=80)
    for words in (
        "Memory",
        "remembers",
        "gru",
        "17",
        "Gradients",
        "40 %",
        "What the forecast looks at",
        "2 to 5",
        "-  gates help",
    ):
        assert words in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_norm_of_zero_and_no_effect_are_drawn(tmp_path: Path) -> None:
    result = examples.diagnose_result()
    flat = replace(result, occlusion=tuple({**block, "effect": 0.0} for block in result.occlusion))
    write_picture([memory_chart(result), occlusion_chart(flat)], tmp_path / "flat.svg")
    assert "rnn 4 steps" in memory_chart(result).summary


def test_where_there_is_attention_its_map_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "NUM_STEPS", 2)
    settings = Settings.from_flat({
        **TINY, "from": "scratch", "mapping": "encoder-decoder", "attention": "dot", "theta_weight": 0.0
    })  # fmt: skip
    trained = rnnforecast.train([write_days(tmp_path)], settings, store=tmp_path / "store")
    result = rnnforecast.diagnose(trained.model, store=tmp_path / "store")
    sums: dict[object, float] = {}
    for row in result.attention:
        sums[row["step"]] = sums.get(row["step"], 0.0) + float(str(row["weight"]))
    assert list(sums.values()) == pytest.approx([1.0] * len(sums), abs=0.01)
    assert min(float(str(row["lag"])) for row in result.attention) == 0
    chart = attention_chart(result)
    assert chart is not None
    assert len(chart.rows) == len(result.attention)
    assert "What the decoder attends to" in render(result, stream=io.StringIO(), width=80)


def test_without_attention_there_is_no_map() -> None:
    result = replace(examples.diagnose_result(), attention=())
    assert attention_chart(result) is None
    assert "attends" not in render(result, stream=io.StringIO(), width=80)
