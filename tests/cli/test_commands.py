"""The real commands on a small file: exit code, stdout and stderr of each."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rnnforecast.cli.main import main
from tests.cli.conftest import RunCommand
from tests.cli.schemas import problems

#: As small as a network can be: these tests are about the commands, not about accuracy.
SMALL = ("--num-steps", "3", "--num-members", "1", "--hidden-size", "4", "--context-length", "12", "--quiet")
Write = Callable[[Path], None]


def _monthly(path: Path, *, columns: tuple[str, ...] = ("sales",), steps: bool = False) -> Path:
    lines = [",".join(("step" if steps else "month", *columns))]
    for row in range(72):
        timestamp = row + 5 if steps else f"{2015 + row // 12}-{row % 12 + 1:02d}-01"
        values = (100 + row + 20 * math.sin(row * math.pi / 6) + 7 * place for place in range(len(columns)))
        lines.append(f"{timestamp}," + ",".join(f"{value:.3f}" for value in values))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with three files and the models `sales`, `steps` and `pair` in its store."""
    folder = tmp_path_factory.mktemp("workplace")
    files = {
        "sales": _monthly(folder / "sales.csv"),
        "steps": _monthly(folder / "steps.csv", steps=True),
        "pair": _monthly(folder / "pair.csv", columns=("north", "south")),
    }
    extra = {"pair": ("--target", "north", "--target", "south")}
    for name, path in files.items():
        words = ("train", str(path), *extra.get(name, ()), *SMALL, "--store", str(folder / "store"))
        assert main(words) == 0
    return folder


@pytest.fixture(autouse=True)
def _in_workplace(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    monkeypatch.setenv("RNNFORECAST_STORE", str(workplace / "store"))


def test_train_shows_what_it_assumed_the_metrics_the_verdict_and_the_next_command(run: RunCommand) -> None:
    ended = run("train", "sales.csv", *SMALL, "--name", "shown")
    assert ended.code == 0
    for words in ("Data  1 series, 72 rows", "month", "MS", "12 steps", "seasonal-naive", "Stored shown@1"):
        assert words in ended.out
    assert "rnnforecast predict shown" in ended.out.splitlines()[-1]


def test_sums_show_how_many_steps_are_in_each(run: RunCommand, tmp_path: Path) -> None:
    days = np.datetime64("2024-01-01") + np.arange(80)  # the next week is cut at both ends: it begins on a Thursday
    path = tmp_path / "days.csv"
    path.write_text("day,sales\n" + "".join(f"{day},{10 + number % 7}\n" for number, day in enumerate(days)))
    ended = run("predict", "base", "--data", str(path), "--horizon", "14", "--sum", "week", "--quiet")
    assert ended.code == 0
    rows = [line.split() for line in ended.out.splitlines() if line.strip().startswith("2024-")]
    assert [row[:2] for row in rows[:3]] == [["2024-03-21", "4"], ["2024-03-25", "7"], ["2024-04-01", "3"]]


def test_quiet_training_writes_nothing_to_stderr(run: RunCommand) -> None:
    assert run("train", "sales.csv", *SMALL, "--name", "quiet").err == ""


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("inspect", ("inspect", "sales.csv")),
        ("train", ("train", "sales.csv", *SMALL, "--name", "json")),
        ("predict", ("predict", "sales")),
        ("predict", ("predict", "steps", "--horizon", "30")),
        ("predict", ("predict", "pair", "--output", "pair-forecast.csv")),
        ("evaluate", ("evaluate", "sales", "--num-windows", "2")),
        ("compare", ("compare", "sales.csv", *SMALL, "--methods", "gru,naive")),
        ("models", ("models", "list")),
        ("models", ("models", "verify")),
        ("models show", ("models", "show", "sales")),
        ("doctor", ("doctor",)),
    ],
)
def test_every_command_writes_one_json_document_of_its_documented_schema(
    run: RunCommand, schema: str, words: tuple[str, ...]
) -> None:
    ended = run(*words, "--format", "json")
    assert ended.code == 0
    assert problems(json.loads(ended.out), schema) == []


@pytest.mark.parametrize(
    "words",
    [
        ("inspect", "sales.csv"),
        ("predict", "pair"),
        ("evaluate", "sales", "--num-windows", "2"),
        ("compare", "sales.csv", *SMALL, "--methods", "gru"),
        ("models", "list"),
        ("doctor",),
    ],
)
def test_every_command_writes_csv_with_as_many_cells_in_each_row(run: RunCommand, words: tuple[str, ...]) -> None:
    rows = list(csv.reader(io.StringIO(run(*words, "--format", "csv").out)))
    assert len(rows) > 1
    assert {len(row) for row in rows} == {len(rows[0])}


@pytest.mark.parametrize("command", ["evaluate", "report", "diagnose"])
def test_a_command_reads_rows_for_the_pretrained_model_as_predict_does(
    run: RunCommand, command: str, tmp_path: Path
) -> None:
    lines = [f"2024-02-{day:02d};{shop};{'ns'[shop]};{day % 7 + shop},5" for shop in (0, 1) for day in range(1, 30)]
    path = tmp_path / "shops.csv"
    path.write_text("\n".join(["day;shop;region;sold", *lines]) + "\n", encoding="utf-8")
    page = ("--output", str(tmp_path / "page.html")) if command == "report" else ()
    words = ("--target", "sold", "--id", "shop", "--static", "region", "--decimal", ",", "--horizon", "3")
    ended = run(command, "base", str(path), *words, *page, "--format", "json")
    found = json.loads(ended.out)
    assert (ended.code, found["model"]) == (0, "base")
    assert command != "evaluate" or {row["lead"] for row in found["per_lead"]} == {1, 2, 3}


def test_predict_without_a_word_takes_the_newest_model_and_says_so(run: RunCommand) -> None:
    ended = run("predict")
    assert ended.code == 0
    assert "the newest" in ended.err
    assert "80 % interval" in ended.out


def test_a_table_of_forecasts_starts_after_the_last_row(run: RunCommand) -> None:
    lines = run("predict", "sales", "--horizon", "2").out.splitlines()
    assert lines[0] == "sales  2 steps ahead by sales@1"
    assert [line.split()[0] for line in lines[2:4]] == ["2021-01-01", "2021-02-01"]


def test_integer_steps_stay_integers_in_json(run: RunCommand) -> None:
    document = json.loads(run("predict", "steps", "--horizon", "2", "--format", "json").out)
    assert document["cutoffs"] == [76]
    assert [row[0] for row in document["rows"]] == [77, 78]


def test_two_targets_are_two_series_on_the_screen(run: RunCommand) -> None:
    shown = run("predict", "pair").out
    assert "steps of 2 series" in shown
    assert all(target in shown for target in ("north", "south"))


def test_output_writes_a_file_and_says_how_many_rows(run: RunCommand) -> None:
    ended = run("predict", "sales", "--horizon", "3", "--output", "forecast.csv")
    assert ended.out == "3 rows written to forecast.csv  sales@1, 1 series\n"
    assert len(Path("forecast.csv").read_text(encoding="utf-8").splitlines()) == 4


def test_output_to_stdout_is_the_csv_alone(run: RunCommand) -> None:
    ended = run("predict", "sales", "--horizon", "3", "--output", "-")
    rows = list(csv.reader(io.StringIO(ended.out)))
    assert (len(rows), rows[0][:3]) == (4, ["month", "cutoff", "forecast"])


def test_quantiles_name_the_columns(run: RunCommand) -> None:
    ended = run("predict", "sales", "--quantiles", "0.05,0.5,0.95", "--format", "json")
    assert json.loads(ended.out)["columns"] == [
        "month",
        "cutoff",
        "forecast",
        "mean",
        "q0.05",
        "q0.5",
        "q0.95",
        "method",
    ]


def test_a_config_file_has_the_words_of_the_flags(run: RunCommand) -> None:
    Path("settings.toml").write_text('horizon = 7\ntarget = "south"\n', encoding="utf-8")
    document = json.loads(run("inspect", "pair.csv", "--config", "settings.toml", "--format", "json").out)
    assert (document["assumptions"]["horizon"], document["assumptions"]["target"]) == (7, ["south"])


def test_require_win_shows_the_result_and_ends_with_code_20_unless_it_is_a_win(run: RunCommand) -> None:
    ended = run("train", "sales.csv", *SMALL, "--name", "required", "--require", "win")
    assert ended.code == 20
    assert "Stored required@1" in ended.out
    assert ended.err.startswith("error: `--require win` was set, but the verdict is a ")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("train", "nowhere.csv"), 10, "nowhere.csv"),
        (("inspect", "nowhere.csv"), 10, "nowhere.csv"),
        (("predict", "sales", "--data", "nowhere.csv"), 10, "nowhere.csv"),
        (("predict", "unknown"), 12, "no model named `unknown`"),
        (("evaluate", "unknown"), 12, "no model named `unknown`"),
        (("compare", "sales.csv", "--methods", "gruu"), 2, "unknown method `gruu`"),
        (("predict", "sales", "--output", "sales.csv/f.csv"), 14, "sales.csv"),
        (("predict", "sales", "--output", "forecast.pdf"), 2, "forecast.pdf"),
        (("train", "sales.csv", "--target", "profit"), 13, "profit"),
    ],
)
def test_a_rejection_has_its_code_names_its_cause_and_leaves_stdout_empty(
    run: RunCommand, words: tuple[str, ...], code: int, message: str
) -> None:
    ended = run(*words)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err
    assert "\nhint: " in ended.err


@pytest.mark.parametrize("words", [("predict", "sales"), ("predict", "sales", "--output", "lean.csv")])
def test_predict_imports_neither_torch_nor_scipy(words: tuple[str, ...]) -> None:
    code = (
        "import sys; from rnnforecast.cli.main import main\n"
        f"code = main({words!r})\n"
        "print([name for name in ('torch', 'scipy', 'utilsforecast') if name in sys.modules], file=sys.stderr)\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "rnnforecast", "models", "list"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[0].split()[1]) == (0, "models")


def test_a_process_of_its_own_ends_with_the_code_of_the_command_once_all_is_written_and_done() -> None:
    code = (
        "import atexit, sys; atexit.register(print, 'last of all'); "
        "sys.argv = ['rnnforecast', 'models', 'show', 'none']; from rnnforecast.cli.main import run; run()"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 12
    assert process.stdout == "last of all\n"
    assert "`none`" in process.stderr
