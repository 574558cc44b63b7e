from __future__ import annotations

import re
import subprocess
import sys

import pytest

from rnnforecast.cli.help import EXIT_CODES
from rnnforecast.errors import ExitCode
from rnnforecast.options import DATA_OPTIONS, FORECAST_OPTIONS, MODEL_OPTIONS, PANELS, SETTINGS, WINDOW_OPTIONS, Option
from tests.cli.conftest import RunCommand

COMMANDS = [
    ("train",),
    ("predict",),
    ("evaluate",),
    ("compare",),
    ("tune",),
    ("inspect",),
    ("doctor",),
    ("models", "list"),
    ("models", "show"),
    ("models", "verify"),
    ("models", "export"),
    ("models", "remove"),
]
GROUPS: list[tuple[str, ...]] = [(), ("models",)]
HEAVY = ("torch", "pandas", "pyarrow", "pydantic", "scipy", "numpy", "rich")


@pytest.mark.parametrize("command", COMMANDS + GROUPS)
def test_every_help_lists_the_exit_codes(run: RunCommand, command: tuple[str, ...]) -> None:
    shown = run(*command, "--help")
    assert (shown.code, shown.err) == (0, "")
    for code, words in EXIT_CODES.items():
        assert re.search(rf"\b{code}  {re.escape(words)}", shown.out)
    assert "128+N  ended by signal N" in shown.out


@pytest.mark.parametrize("command", COMMANDS + GROUPS)
def test_every_help_has_an_example_of_its_command(run: RunCommand, command: tuple[str, ...]) -> None:
    example = run(*command, "--help").out.partition("Example:\n")[2]
    assert example.startswith("  rnnforecast " + " ".join(command))


def test_exit_codes_of_the_help_are_those_of_the_errors() -> None:
    assert list(EXIT_CODES) == [int(code) for code in ExitCode]


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("train", tuple(SETTINGS.values())),
        ("compare", tuple(SETTINGS.values())),
        ("predict", FORECAST_OPTIONS),
        ("inspect", DATA_OPTIONS),
        ("evaluate", (*MODEL_OPTIONS, *WINDOW_OPTIONS)),
        ("report", MODEL_OPTIONS),
        ("diagnose", MODEL_OPTIONS),
    ],
)
def test_help_all_lists_every_setting(run: RunCommand, command: str, options: tuple[Option, ...]) -> None:
    shown = run(command, "--help", "all").out
    for option in options:
        is_pair = option.kind is bool and option.opposite is None
        assert (f"--[no-]{option.word} " if is_pair else f"--{option.word} ") in shown


def _headings(text: str) -> list[str]:
    return re.findall(r"^(\w[\w ]*)(?: \(.*\))?:$", text, flags=re.MULTILINE)


def test_help_all_lists_the_panels_in_order(run: RunCommand) -> None:
    assert _headings(run("train", "--help", "all").out) == [*PANELS, "Example", "Exit codes"]


@pytest.mark.parametrize("command", ["train", "predict", "evaluate", "compare", "inspect"])
def test_the_help_of_a_command_with_many_options_lists_the_common_ones_and_names_the_other_panels(
    run: RunCommand, command: str
) -> None:
    shown = run(command, "--help").out
    assert len(re.findall(r"^  --", shown, flags=re.MULTILINE)) <= 18
    assert all(word in shown for word in ("--time ", "--target ", "--format ", "--help, -h"))
    assert "--epoch-unit" not in shown
    assert _headings(shown)[-3:] == ["More options", "Example", "Exit codes"]
    assert f"More options (rnnforecast {command} --help PANEL):" in shown
    assert "  reading " in shown


def test_a_command_with_few_options_lists_them_all(run: RunCommand) -> None:
    shown = run("score", "--help").out
    assert all(word in shown for word in ("--max-bytes", "--timeout", "--debug"))
    assert "More options" not in shown


@pytest.mark.parametrize("words", [("--help", "reading"), ("-h", "Reading"), ("prices.csv", "--help", "reading")])
def test_help_with_a_panel_lists_that_panel_alone(run: RunCommand, words: tuple[str, ...]) -> None:
    shown = run("train", *words)
    assert (shown.code, shown.err) == (0, "")
    assert _headings(shown.out) == ["Reading"]
    assert "--missing-values " in shown.out
    assert "--epoch-unit" not in shown.out


def test_help_before_another_word_is_the_help_of_the_command(run: RunCommand) -> None:
    assert run("train", "--help", "prices.csv").out == run("train", "--help").out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_format_quiet_and_debug(run: RunCommand, command: tuple[str, ...]) -> None:
    shown = run(*command, "--help", "all").out
    assert all(flag in shown for flag in ("--format ", "--quiet ", "--debug "))


@pytest.mark.parametrize("command", COMMANDS + GROUPS)
def test_no_line_of_a_help_is_wider_than_eighty_columns(
    run: RunCommand, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words in ([], ["all"]):
        assert max(len(line) for line in run(*command, "--help", *words).out.splitlines()) <= 80


def test_values_of_a_choice_are_never_broken_at_their_hyphens(run: RunCommand) -> None:
    shown = run("train", "--help", "all").out
    assert all(value in shown for value in ("many-to-many", "encoder-decoder", "serve-baseline", "W-SUN"))


@pytest.mark.parametrize("words", [("--help",), ("train", "--help"), ("predict", "--help"), ("models", "--help")])
def test_help_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    code = (
        "import sys; from rnnforecast.cli.main import main\n"
        f"code = main({words!r})\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_version_is_one_line(run: RunCommand) -> None:
    assert re.fullmatch(r"rnnforecast \d+\.\d+\.\d+\n", run("--version").out)


def test_no_word_at_all_shows_the_help(run: RunCommand) -> None:
    assert run().out == run("--help").out
