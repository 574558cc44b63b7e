"""No command writes over what it reads: rows, covariates, settings, or the store, whatever option names them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import rnnforecast
from tests.cli.conftest import RunCommand

JOBS = """[[job]]
name = "a"
model = "base"
data = "good.csv"
what_if = "plan.csv"
output = "other.csv"

[[job]]
name = "b"
model = "base"
data = "good.csv"
output = "plan.csv"
"""


@pytest.mark.parametrize(
    ("words", "victim", "what"),
    [
        (["evaluate", "good", "--output", "stored.csv"], "stored.csv", "the data"),
        (["evaluate", "--output", "stored.csv"], "stored.csv", "the data"),
        (["evaluate", "base", "good.csv", "--output", "good.csv"], "good.csv", "the data"),
        (
            ["predict", "base", "--data", "good.csv", "--what-if", "plan.csv", "--output", "plan.csv", "--future", "x",
             "--future-data", "known.csv"],
            "plan.csv",
            "the covariates of --what-if",
        ),
        (["tune", "good.csv", "--config", "c.toml", "--output", "c.toml"], "c.toml", "the settings"),
        (["tune", "good.csv", "--output", ".rnnforecast/models/good/active"], ".rnnforecast/models/good/active", "the store"),
        (["batch", "jobs.toml"], "plan.csv", "the `what_if` of job `a`"),
        (["batch", "jobs.toml", "--check"], "plan.csv", "the `what_if` of job `a`"),
        (["compare", "good.csv", "--config", "c.svg", "--plot", "c.svg"], "c.svg", "the settings"),
        (["inspect", "good.csv", "--config", "c.html", "--report", "c.html"], "c.html", "the settings"),
        (["evaluate", "good", "good.csv", "--future-data", "f.html", "--report", "f.html"], "f.html", "the data"),
        (["report", "good", "good.csv", "--future-data", "f.html", "--output", "f.html"], "f.html", "the data"),
        (["predict", "good", "--report", "stored.html"], "stored.html", "the data"),
        (["evaluate", "good", "--plot", "stored.png"], "stored.png", "the data"),
        (["report", "good", "--output", "stored.html"], "stored.html", "the data"),
        (["evaluate", "good", "good.csv", "--store", "s", "--plot", "s/a.png"], "s/a.png", "the store"),
        (["predict", "good", "--output", "sqlite:///f.html#t", "--report", "f.html"], "f.html", "the table of --output"),
        (["detect", "good.csv", "--config", "c.csv", "--output", "c.csv"], "c.csv", "the settings"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_no_output_is_written_over_what_the_command_reads(
    workplace: Path, run: RunCommand, words: list[str], victim: str, what: str
) -> None:
    for name in ("stored.csv", "stored.html", "stored.png"):
        os.link(rnnforecast.load_model("good").manifest.input.paths[0], workplace / name)
    (workplace / "s").mkdir()
    (workplace / "s" / "a.png").write_bytes(b"a picture")
    (workplace / "jobs.toml").write_text(JOBS)
    for name in ("c.toml", "c.svg", "c.html", "c.csv"):
        (workplace / name).write_text("horizon = 3\n")
    rows = (workplace / "good.csv").read_text().replace("value", "x")
    for name in ("plan.csv", "known.csv", "f.html"):
        (workplace / name).write_text(rows)
    before = (workplace / victim).read_bytes()
    ended = run(*words)
    assert ended.code == 2
    assert f"would overwrite {what}" in " ".join(ended.err.split())
    assert (workplace / victim).read_bytes() == before
