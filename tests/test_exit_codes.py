"""What users do wrong, and how each run ends: the exit code, the words, the way out, and nothing lost."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import torch

from rnnforecast.cli.main import main
from rnnforecast.errors import ExitCode
from rnnforecast.store.files import lock
from tests.conftest import DAYS, GOOD_ROWS
from tests.house import run_cli

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HEADER = "date,value"
MODEL = ".rnnforecast/models/good/1.safetensors"


@dataclass(frozen=True)
class Mistake:
    """A command line, the files it meets, and what it must say: `words` all stand in the message."""

    name: str
    arguments: str
    code: ExitCode
    words: Sequence[str]
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)


def _changed(row: int, text: str) -> list[str]:
    """Return the good file with another text in one line (the header is line 1)."""
    rows = [HEADER, *GOOD_ROWS]
    return [*rows[: row - 1], text, *rows[row:]]


BAD_DATA = [
    Mistake("an empty file", "train bad.csv", ExitCode.DATA, ["bad.csv", "empty"], {"bad.csv": []}),
    Mistake("a header only", "train bad.csv", ExitCode.DATA, ["bad.csv", "0 data rows"], {"bad.csv": [HEADER]}),
    Mistake(
        "no numeric column",
        "train bad.csv",
        ExitCode.DATA,
        ["bad.csv", "no numeric column", "`name` holds text", "--target"],
        {"bad.csv": ["date,name", *(f"{day},pump" for day in DAYS)]},
    ),
    Mistake(
        "a target of one word",
        "train bad.csv --target name",
        ExitCode.DATA,
        ["target `name`", "one category", "`pump`", "--target"],
        {"bad.csv": ["date,name,value", *(f"{day},pump,{number}" for number, day in enumerate(DAYS))]},
    ),
    Mistake(
        "a number with a unit",
        "train bad.csv",
        ExitCode.DATA,
        ["bad.csv", "row 12", "`value`", "`12 EUR`"],
        {"bad.csv": _changed(12, f"{DAYS[10]},12 EUR")},
    ),
    Mistake(
        "a target that is missing everywhere",
        "train bad.csv",
        ExitCode.DATA,
        ["`value`", "every target value is missing"],
        {"bad.csv": [HEADER, *(f"{day}," for day in DAYS)]},
    ),
    Mistake(
        "an infinite value",
        "train bad.csv",
        ExitCode.DATA,
        ["bad.csv", "row 12", "`value`", "infinite"],
        {"bad.csv": _changed(12, f"{DAYS[10]},inf")},
    ),
    Mistake(
        "a timestamp twice with different values",
        "train bad.csv",
        ExitCode.DATA,
        ["bad.csv", "2024-01-10", "rows 11, 12", "102.9", "999"],
        {"bad.csv": [*_changed(11, GOOD_ROWS[9])[:11], f"{DAYS[9]},999", *GOOD_ROWS[10:]]},
    ),
    Mistake(
        "dates that can be read in two ways",
        "train bad.csv",
        ExitCode.DATA,
        ["bad.csv", "`date`", "08/01/2024", "YYYY-MM-DD"],
        {"bad.csv": [HEADER, *(f"0{n % 9 + 1}/0{n % 7 + 1}/2024,{n}" for n in range(50))]},
    ),
    Mistake(
        "too few rows",
        "train bad.csv --horizon 5",
        ExitCode.DATA,
        ["has 3", "needs 4", "rnnforecast predict base"],
        {"bad.csv": [HEADER, *GOOD_ROWS[:3]]},
    ),
    Mistake("a target that is not there", "train good.csv --target close", ExitCode.DATA, ["`close`", "`value`"]),
    Mistake("a time column that is not there", "train good.csv --time day", ExitCode.DATA, ["`day`", "`date`"]),
    Mistake("an id column that is not there", "train good.csv --id shop", ExitCode.DATA, ["`shop`", "`date`"]),
]

BAD_INPUT = [
    Mistake("a file that is not there", "train goood.csv", ExitCode.INPUT, ["goood.csv does not exist", "good.csv"]),
    Mistake("a folder", "train .", ExitCode.INPUT, ["is a folder"]),
    Mistake("a pattern without a match", "train *.parquet", ExitCode.INPUT, ["no file matches", "*.parquet"]),
    Mistake("fresh data that are not there", "predict good --data new.csv", ExitCode.INPUT, ["new.csv does not exist"]),
]

BAD_USAGE = [
    Mistake("no such command", "trian good.csv", ExitCode.USAGE, ["`trian`", "--help"]),
    Mistake("no data named", "train", ExitCode.USAGE, ["`DATA`"]),
    Mistake("no such flag", "train good.csv --horizn 3", ExitCode.USAGE, ["--horizn", "--horizon"]),
    Mistake("no such cell", "train good.csv --cell transformer", ExitCode.USAGE, ["`transformer`", "`gru`", "`lstm`"]),
    Mistake("a horizon of zero", "train good.csv --horizon 0", ExitCode.USAGE, ["`horizon` = 0"]),
    Mistake("a negative horizon", "train good.csv --horizon -3", ExitCode.USAGE, ["`horizon` = -3"]),
    Mistake("an absurd horizon", "train good.csv --horizon 1000000000", ExitCode.USAGE, ["1000000000", "100000"]),
    Mistake("a horizon of text", "train good.csv --horizon soon", ExitCode.USAGE, ["`--horizon`", "integer"]),
    Mistake("no horizon to predict", "predict --horizon 0", ExitCode.USAGE, ["`horizon` = 0"]),
    Mistake("an absurd horizon to predict", "predict --horizon 1000000000", ExitCode.USAGE, ["1000000000"]),
    Mistake("a level above one", "predict --quantiles 0.5,2", ExitCode.USAGE, ["`quantiles`", "2"]),
    Mistake("no such frequency", "train good.csv --freq fortnight", ExitCode.USAGE, ["`fortnight`", "15min"]),
    Mistake("no such duration", "train good.csv --time-budget soon", ExitCode.USAGE, ["`soon`", "90s"]),
    Mistake("no such method", "compare good.csv --methods prophet", ExitCode.USAGE, ["`prophet`", "seasonal-naive"]),
    Mistake(
        "two flags against each other",
        "train good.csv --attention dot --mapping many-to-one",
        ExitCode.USAGE,
        ["`attention`", "`encoder-decoder`"],
    ),
    Mistake("stdout for two things", "predict --output - --format csv", ExitCode.USAGE, ["--output -", "csv"]),
    Mistake("an unknown kind of output", "predict --output out.ods", ExitCode.USAGE, ["out.ods", ".csv", ".parquet"]),
    Mistake("no configuration", "train good.csv --config my.toml", ExitCode.USAGE, ["my.toml", "looked in"]),
    Mistake(
        "three wrong keys at once",
        "train good.csv --config my.toml",
        ExitCode.USAGE,
        ["3 problems in my.toml", "`horizn`", "did you mean `horizon`?", "`cel`", "`seed` = 'x'"],
        {"my.toml": ["horizn = 3", 'cel = "gru"', 'seed = "x"']},
    ),
    Mistake(
        "no TOML", "train good.csv --config my.toml", ExitCode.USAGE, ["not valid TOML"], {"my.toml": ["horizon: 3"]}
    ),
    Mistake("removal unasked", "models remove good", ExitCode.USAGE, ["nothing was removed", "--yes"]),
]

BAD_MODEL = [
    Mistake("no such model", "predict shop", ExitCode.MODEL_FILE, ["`shop`", "`good`"]),
    Mistake("no such version", "predict good@7", ExitCode.MODEL_FILE, ["`good`", "7", "`1`"]),
    Mistake("an empty store", "predict --store elsewhere", ExitCode.MODEL_FILE, ["no model is stored", "train"]),
]

BAD_OUTPUT = [
    Mistake(
        "an output below a file",
        "predict --output good.csv/out.csv",
        ExitCode.OUTPUT,
        ["`good.csv` is a file", "folder"],
    ),
    Mistake("a folder as output", "predict --output out.csv", ExitCode.OUTPUT, ["out.csv"], {"out.csv/x": ["1"]}),
    Mistake("a store in a file", "train good.csv --store good.csv", ExitCode.OUTPUT, ["good.csv", "was not written"]),
    Mistake("a store below a file", "train good.csv --store good.csv/x", ExitCode.OUTPUT, ["was not written"]),
]

MISTAKES = BAD_DATA + BAD_INPUT + BAD_USAGE + BAD_MODEL + BAD_OUTPUT


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_ends_with_its_code_its_words_and_a_hint(
    mistake: Mistake, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(mistake.files, workplace)
    before = _digests(workplace)
    code = main(mistake.arguments.split())
    shown = capsys.readouterr()
    assert (code, shown.out) == (int(mistake.code), ""), shown.err
    assert "Traceback" not in shown.err
    assert "error: " in shown.err
    assert "hint: " in shown.err
    unwrapped = " ".join(shown.err.split())
    assert [words for words in mistake.words if words not in unwrapped] == []
    assert _digests(workplace) == before


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_one_json_document_where_json_is_wanted(
    mistake: Mistake, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(mistake.files, workplace)
    code = main([*mistake.arguments.split(), "--format=json"])
    shown = capsys.readouterr()
    error = json.loads(shown.err)["error"]
    assert (code, error["exit_code"], shown.out) == (int(mistake.code), int(mistake.code), "")
    assert error["hint"]


def test_unsorted_rows_are_sorted_with_a_message(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write({"bad.csv": [HEADER, *GOOD_ROWS[50:], *GOOD_ROWS[:50]]}, workplace)
    assert _findings("bad.csv", capsys) == [("note", 1)]


def test_an_exact_duplicate_is_dropped_with_a_message(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write({"bad.csv": [HEADER, *GOOD_ROWS[:10], GOOD_ROWS[9], *GOOD_ROWS[10:]]}, workplace)
    assert _findings("bad.csv", capsys) == [("warning", 1)]


def test_gaps_are_masked_with_a_message(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write({"bad.csv": [HEADER, *GOOD_ROWS[:10], *GOOD_ROWS[15:]]}, workplace)
    assert [count for _, count in _findings("bad.csv", capsys)] == [5]


@pytest.mark.parametrize("place", [20, 2_000, -20], ids=["header", "middle", "end"])
def test_a_damaged_model_file_is_rejected(place: int, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = workplace / MODEL
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert main(["predict"]) == ExitCode.MODEL_FILE
    shown = capsys.readouterr()
    assert MODEL in shown.err
    assert "hint: " in shown.err
    assert main(["models", "verify"]) == ExitCode.MODEL_FILE


def test_a_model_file_cut_short_is_rejected(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = workplace / MODEL
    path.write_bytes(path.read_bytes()[:1_000])
    assert main(["predict"]) == ExitCode.MODEL_FILE
    assert "cut short" in capsys.readouterr().err


def test_a_pickle_is_not_a_model_file(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / MODEL).write_bytes(b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.")
    assert main(["predict"]) == ExitCode.MODEL_FILE
    assert MODEL in capsys.readouterr().err


def test_a_store_that_another_run_holds_is_left_alone(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnnforecast.store.registry._WAIT_SECONDS", 0)
    with lock(workplace / ".rnnforecast" / "models.lock"):
        code = main(["models", "remove", "good", "--yes"])
    assert code == ExitCode.LOCKED
    assert "another run holds the lock" in capsys.readouterr().err
    assert (workplace / MODEL).is_file()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_rejected(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(workplace / "good.csv"), "--device", "cuda"]) == ExitCode.RESOURCES
    assert "`cuda`" in capsys.readouterr().err


def test_a_bug_is_reported_as_one_and_its_traceback_is_kept_in_a_file(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("off by one")

    monkeypatch.setattr("rnnforecast.inspect", broken)
    monkeypatch.setattr("tempfile.tempdir", str(workplace))
    assert main(["inspect", "good.csv"]) == ExitCode.INTERNAL
    shown = capsys.readouterr()
    assert "off by one" in shown.err
    assert "Traceback" not in shown.err
    assert "Traceback" in next(workplace.glob("*.log")).read_text(encoding="utf-8")


def test_the_process_ends_with_the_code(tmp_path: Path) -> None:
    result = run_cli("predict", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (int(ExitCode.MODEL_FILE), "")
    assert "Traceback" not in result.stderr


def test_the_names_of_the_exit_codes_are_frozen() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "INTERNAL": 1,
        "USAGE": 2,
        "PARTIAL": 3,
        "INPUT": 10,
        "LOCKED": 11,
        "MODEL_FILE": 12,
        "DATA": 13,
        "OUTPUT": 14,
        "RESOURCES": 15,
        "DIVERGED": 16,
        "LOST": 20,
        "DRIFT": 21,
        "STALE": 22,
        "COVERAGE": 23,
        "ABNORMAL": 24,
        "TRY_LATER": 75,
    }


def _write(files: Mapping[str, Sequence[str]], folder: Path) -> None:
    for name, lines in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _digests(folder: Path) -> dict[str, str]:
    """Return what lies in a folder; a mistake must leave all of it alone and add nothing."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _findings(name: str, capsys: pytest.CaptureFixture[str]) -> list[tuple[str, int]]:
    """Return severity and count of what `inspect` finds in a file."""
    assert main(["inspect", name, "--format", "json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    return [(finding["severity"], finding["count"]) for finding in findings]
