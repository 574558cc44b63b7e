from __future__ import annotations

import re
import subprocess
import sys

import pytest

from rnnforecast.cli.flags import DATA_FLAGS, ORIGIN_FLAGS, SETTINGS, Flag
from rnnforecast.cli.help import EXIT_CODES
from rnnforecast.errors import ExitCode
from tests.cli.conftest import RunCommand

COMMANDS = [
    ("train",),
    ("predict",),
    ("evaluate",),
    ("compare",),
    ("inspect",),
    ("doctor",),
    ("models", "list"),
    ("models", "show"),
    ("models", "verify"),
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
    ("command", "flags"),
    [("train", SETTINGS), ("compare", SETTINGS), ("inspect", DATA_FLAGS), ("evaluate", ORIGIN_FLAGS)],
)
def test_every_setting_stands_in_the_help(run: RunCommand, command: str, flags: tuple[Flag, ...]) -> None:
    shown = run(command, "--help").out
    for flag in flags:
        word = flag.word
        is_pair = flag.kind is bool and flag.opposite is None
        assert (f"--[no-]{word} " if is_pair else f"--{word} ") in shown


def test_flags_stand_under_their_panels_in_order(run: RunCommand) -> None:
    headings = re.findall(r"^(\w[\w ]*):$", run("train", "--help").out, flags=re.MULTILINE)
    assert headings == [
        "Arguments",
        "Data",
        "Clock",
        "Reading",
        "Network",
        "Training",
        "Evaluation",
        "Run",
        "Output",
        "Example",
        "Exit codes",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_format_quiet_and_debug(run: RunCommand, command: tuple[str, ...]) -> None:
    shown = run(*command, "--help").out
    assert all(flag in shown for flag in ("--format ", "--quiet ", "--debug "))


@pytest.mark.parametrize("command", COMMANDS + GROUPS)
def test_no_line_of_a_help_is_wider_than_eighty_columns(
    run: RunCommand, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert max(len(line) for line in run(*command, "--help").out.splitlines()) <= 80


def test_values_of_a_choice_are_never_broken_at_their_hyphens(run: RunCommand) -> None:
    shown = run("train", "--help").out
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
