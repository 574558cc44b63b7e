"""Files made to harm: what they hold is not told, and no length of it takes the time of anyone."""

from __future__ import annotations

import base64
import json
import random
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnforecast.cli.main import main
from rnnforecast.config import MemberSettings
from rnnforecast.data.write import check_output
from rnnforecast.errors import ExitCode, ModelFileError, UsageError
from rnnforecast.model_io.pack import check_cost
from rnnforecast.store.layout import LENGTH, decode_header, encode_header
from rnnforecast.store.model_file import read_manifest, read_model, write_model
from tests.faults.hostile import _forged_manifests
from tests.house import modules, run
from tests.store.builders import make_model

DAYS = [f"2024-01-{day:02d}" for day in range(1, 29)]
#: Just below the longest cell that is read at all (128 KiB), and beyond it.
LENGTHS = (120_000, 1_000_000)
#: Seconds of the processor for all files, which need about two; a search in squares takes minutes for one.
_CPU_SECONDS = 30
#: Ends of a text that make careless patterns and parsers try again and again.
LONG_CELLS = {
    "digits": "9",
    "minus signs": "-",
    "brackets": "(",
    "exponent": "1e9",
    "thousands": "1 ",
    "points": "1.",
    "spaces": " ",
    "units": "1 kWh",
    "slashes": "1/",
    "apostrophes": "'",
}


#: Inspects every file given and prints the exit codes; ended by the system when it computes for too long.
_CHILD = f"""
import contextlib, io, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({_CPU_SECONDS}, {_CPU_SECONDS}))
from rnnforecast.cli.main import main
for path in sys.argv[1:]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(["inspect", path])
    print(code, len(said.getvalue()) < 5_000)
"""


def _rows(*, timestamp: str = DAYS[-1], value: str = "28") -> str:
    rows = [f"{day},{number}" for number, day in enumerate(DAYS[:-1], 1)]
    return "\n".join(["date,value", *rows, f"{timestamp},{value}"]) + "\n"


@pytest.mark.parametrize("role", ["value", "timestamp"])
def test_a_cell_of_any_length_is_rejected_before_it_costs_time_and_is_not_printed(tmp_path: Path, role: str) -> None:
    paths = []
    for kind, piece in LONG_CELLS.items():
        for length in LENGTHS:
            paths.append(tmp_path / f"{kind}-{length}.csv")
            cell = (piece * length)[: length - 1] + "x"
            paths[-1].write_text(_rows(**{role: cell}), encoding="utf-8")
    ended = run([sys.executable, "-c", _CHILD, *map(str, paths)])
    assert ended.returncode == 0, ended.stderr[-300:]
    assert ended.stdout.splitlines() == ["13 True"] * len(paths)


def _key_file(path: Path) -> list[str]:
    """Write what looks like a private key, and return its lines."""
    noise = base64.b64encode(random.Random(7).randbytes(1_500)).decode()
    lines = [noise[start : start + 70] for start in range(0, len(noise), 70)]
    marks = ("-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----")
    path.write_text("\n".join([marks[0], *lines, marks[1]]) + "\n", encoding="utf-8")
    return lines


@pytest.mark.parametrize("words", [("train",), ("inspect",), ("predict", "--data")], ids=lambda words: words[0])
@pytest.mark.parametrize("flags", [(), ("--no-header",), ("--format", "json")], ids=" ".join)
@pytest.mark.usefixtures("_here")
def test_no_line_of_a_key_that_was_given_as_data_is_told(
    words: tuple[str, ...], flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("id_ed25519", "rows.csv"):
        lines = _key_file(Path(name))
        assert main([*words, name, *flags]) in (2, 13)
        told = "".join(capsys.readouterr())
        assert told
        assert [line for line in lines if line[:12] in told] == []


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(
    "content",
    [
        "AWS_SECRET_ACCESS_KEY=canary1\nDB_PASSWORD=canary2\nTOKEN=canary3\n",
        "root:canary:20228:0:99999:7:::\ndaemon:canary:20228:0:99999:7:::\n" * 9,
        "mysql -u root -pcanary\nls -la, x\ncd /tmp\n" * 9,
        "2024-01-01 12:00:00 INFO password: canary\n" * 9,
        '{"key": "canary", "kind": "a"}\n' * 9,
        "# canary\nkey: canary\nuser: x\n" * 9,
        "canary, x\ncanary\ncanary\n" * 9,
    ],
    ids=["environment", "shadow", "history", "log", "json", "yaml", "ragged"],
)
@pytest.mark.parametrize(
    "words", [("inspect",), ("predict", "base", "--data"), ("inspect", "--target", "x", "--format=json")]
)
def test_no_content_of_a_file_without_a_table_is_told(
    content: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("env.csv").write_text(content)
    assert main([*words, "env.csv"]) == 13
    told = "".join(capsys.readouterr())
    assert told
    assert "canary" not in told


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_only_the_charts_write_what_a_browser_would_run() -> None:
    """`tests/charts/test_page.py` holds the escapes of the page of a report."""
    for output in ("report.html", "report.htm", "report.svg"):
        with pytest.raises(UsageError, match=r"ends with none of \.csv"):
            check_output(output)
    shown = [module for module in modules() if module.part in ("cli", "workflows", "data", "evaluation")]
    tag = re.compile(r"</?(html|script|svg|body|table|div)\b(?!\")", re.IGNORECASE)
    assert [module.name for module in shown if tag.search(module.source)] == []


KEPT = Path(__file__).parents[1] / "store" / "kept" / "gru.safetensors"
#: What a forged manifest says; whoever forges it computes its digests too.
FORGED: dict[str, dict[str, object]] = {
    "unit": {"freq": {"unit": "fortnight"}},
    "multiple 0": {"freq": {"unit": "day", "multiple": 0}},
    "multiple -3": {"freq": {"unit": "day", "multiple": -3}},
    "multiple text": {"freq": {"unit": "day", "multiple": "x"}},
    "multiple huge": {"freq": {"unit": "day", "multiple": 10**18}},
    "phase": {"freq": {"unit": "day", "phase": 10**30}},
    "zone": {"freq": {"unit": "day", "timezone": "Nowhere/X"}},
    "served": {"served": "no-such-thing"},
    "decimal": {"settings": {"decimal": "x"}},
    "date format": {"settings": {"date_format": "%Y-%Y"}},
    "size": {"settings": {"max_bytes": "9" * 400 + "T"}},
    "quantiles": {"settings": {"quantiles": [7]}},
    "levels": {"quantile_levels": []},
    "far levels": {"quantile_levels": [-5, 0.5, 7]},
    "metrics": {"metrics": {"ensemble": [1, 2]}},
    "outcome": {"verdict": {"outcome": "\x1b]0;pwn\x07\x1b[31mX"}},
    "no outcome": {"verdict": {}},
}


def _forge(path: Path, changes: dict[str, object]) -> None:
    """Write a sound small model with other values in its manifest, and digests that fit."""
    content = KEPT.read_bytes()
    end = LENGTH.size + int.from_bytes(content[: LENGTH.size], "little")
    text, specs = decode_header(content[:end], size=len(content), source="gru")
    manifest = {**json.loads(text), **changes}
    path.write_bytes(encode_header(json.dumps(manifest), specs) + content[end:])


@pytest.mark.parametrize("kind", FORGED)
@pytest.mark.usefixtures("_here")
def test_a_forged_manifest_ends_with_the_code_of_a_model_file(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("rows.csv").write_text(_rows().replace("date,value", _header()), encoding="utf-8")
    _forge(Path("sound.safetensors"), {})
    assert main(["predict", "sound.safetensors", "--data", "rows.csv", "--no-ledger"]) == 0
    _forge(Path("forged.safetensors"), FORGED[kind])
    capsys.readouterr()
    assert main(["predict", "forged.safetensors", "--data", "rows.csv"]) == ExitCode.MODEL_FILE
    assert main(["evaluate", "forged.safetensors", "rows.csv"]) == ExitCode.MODEL_FILE
    assert main(["predict", "forged.safetensors"]) == ExitCode.MODEL_FILE
    assert main(["models", "show", "forged.safetensors"]) == ExitCode.MODEL_FILE
    assert main(["models", "verify", "forged.safetensors"]) == ExitCode.MODEL_FILE
    assert "\x1b" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"roles": {}}, ExitCode.MODEL_FILE), ({"seed": 0, "rnnforecast": "\ud800"}, ExitCode.OK)],
    ids=["no target", "surrogate"],
)
@pytest.mark.usefixtures("_here")
def test_a_stream_of_a_forged_model_is_answered_or_ends_with_its_code(changes: dict[str, object], code: int) -> None:
    Path("rows.csv").write_text(_rows().replace("date,value", _header()), encoding="utf-8")
    _forge(Path("forged.safetensors"), changes)
    assert main(["stream", "forged.safetensors", "--input", "rows.csv", "--output", "out.csv"]) == code


@pytest.mark.usefixtures("_here")
def test_hostile_models_end_with_their_code_in_every_command_that_opens_them() -> None:
    for number, (kind, content) in enumerate(_forged_manifests()):
        path = f"{number}-{kind}.safetensors"
        Path(path).write_bytes(content)
        for words in (["predict", path], ["predict", path, "--data", "x.csv"], ["evaluate", path, "x.csv"]):
            assert (kind, main(words)) == (kind, ExitCode.MODEL_FILE)
        for action in ("show", "verify"):
            assert (kind, main(["models", action, path])) == (kind, ExitCode.MODEL_FILE)


@pytest.mark.parametrize(
    ("shape", "is_accepted"),
    [
        ({"mapping": "encoder-decoder", "attention": "additive", "context_length": 20_000, "horizon": 20_000}, False),
        ({"mapping": "encoder-decoder", "attention": "dot", "context_length": 100_000, "horizon": 100_000}, False),
        ({"mapping": "many-to-one", "context_length": 100_000, "horizon": 100_000}, False),
        ({"mapping": "many-to-one", "context_length": 8, "horizon": 100_000}, True),
        ({"mapping": "many-to-one", "context_length": 1_900, "horizon": 1_900}, False),
        ({"mapping": "encoder-decoder", "attention": "dot", "context_length": 6_000, "horizon": 6_000}, False),
        ({"context_length": 100_000, "horizon": 1, "hidden_size": 4_096}, False),
        ({"context_length": 2_000, "horizon": 1_000, "hidden_size": 64}, True),
        ({"mapping": "encoder-decoder", "attention": "additive", "context_length": 1_000, "horizon": 1_000}, True),
    ],
)
def test_what_a_forecast_costs_is_known_and_bounded_before_it_starts(
    shape: dict[str, object], is_accepted: bool
) -> None:
    member = MemberSettings.model_validate({"hidden_size": 2, "num_layers": 1, **shape})
    manifest = make_model().manifest.model_copy(update={"members": (member,), "horizon": member.horizon})
    if is_accepted:
        check_cost(manifest)
        return
    with pytest.raises(ModelFileError, match="are too large together: a forecast would take about"):
        check_cost(manifest)


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(
    "factors", [np.zeros((0, 13)), np.full((7, 13), -1.0), np.ones((7, 13), np.int64)], ids=["no", "low", "int"]
)
def test_forged_factors_are_rejected(factors: np.ndarray) -> None:
    Path("rows.csv").write_text(_rows().replace("date,value", _header()), encoding="utf-8")
    model = read_model(KEPT)
    write_model("forged.safetensors", replace(model, tensors={**model.tensors, "calibration.factors": factors}))
    assert main(["predict", "forged.safetensors", "--data", "rows.csv"]) == ExitCode.MODEL_FILE


def _header() -> str:
    """Return the columns of the kept model."""
    roles = read_manifest(KEPT).roles
    return ",".join([str(roles.time), *roles.target])
