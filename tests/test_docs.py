"""The documents say what the program does: commands run as written, generated pages are fresh, every word is there."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

import rnnforecast
from rnnforecast.cli.main import Commands, main
from rnnforecast.config import MAX_CATEGORIES, MAX_HORIZON, Settings
from rnnforecast.errors import ExitCode
from rnnforecast.options import SETTINGS
from rnnforecast.store.layout import MAX_FILE_BYTES, MAX_HEADER_BYTES
from rnnforecast.store.ledger import MAX_BYTES as MAX_LEDGER_BYTES
from rnnforecast.store.ledger import MAX_PARTS
from rnnforecast.workflows.batch.jobs_file.read import read_jobs
from tests.house import ROOT, run

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("sample_data/*.md"), *ROOT.glob("benchmarks/*.md")]
)
#: Added to commands that train: the words of the page are tested, not the accuracy.
QUICK = ["--num-steps", "2", "--num-members", "1"]


def test_generated_pages_are_fresh() -> None:
    result = run([sys.executable, "docs/make_docs.py", "--check"], cwd=ROOT)
    assert (result.returncode, result.stdout) == (0, ""), f"run `python docs/make_docs.py`: {result.stdout}"


def test_every_flag_is_documented() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    missing = [option.name for option in SETTINGS.values() if f"--{option.word}" not in _without_no(page)]
    assert missing == []


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert [key for key in Settings().to_flat() if f"| `{key}` |" not in page] == []


def test_every_command_is_in_the_readme() -> None:
    assert [name for name in Commands.summaries if f"`{name}" not in README] == []


@pytest.mark.parametrize(("story", "max_files"), [("train", 10), ("predict", 7)])
def test_a_story_of_the_architecture_has_few_files_that_exist(story: str, max_files: int) -> None:
    text = _between((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"), story)
    files = re.findall(r"^\d+\. `([^`]+)`", text, re.MULTILINE)
    assert 5 <= len(files) <= max_files
    assert [name for name in files if not (ROOT / "rnnforecast" / name).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_is_short() -> None:
    transcript = _between(README, "transcript")
    assert README.count("\n") - transcript.count("\n") <= 150


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = next(line for line in _shell_lines(README) if "pytest" in line).split(" && ")[-1]
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert command in [line.strip() for line in lines]


def test_the_readme_names_the_codes_of_this_version() -> None:
    table = README.partition("## Exit codes")[2].partition("## ")[0]
    named = {int(code) for code in re.findall(r"\| (\d+) \|", table)}
    assert named <= {int(code) for code in ExitCode}
    assert {0, 1, 2, 10, 12, 13, 14, 15} <= named


def test_the_commands_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RNNFORECAST_STORE", raising=False)
    ended = {words: main(_quickly(words)) for words in _commands(README)}
    assert ended == dict.fromkeys(ended, 0)
    assert len(ended) >= 8
    assert (tmp_path / "forecasts.csv").is_file()


def test_the_commands_of_the_sample_data_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "sample_data" / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"`rnnforecast ([^`]+)`", page)
    assert len(commands) == 7
    monkeypatch.chdir(ROOT)
    store = str(tmp_path / "store")
    for words in commands:
        assert main([*_quickly(words), "--store", store]) == 0
        assert main(["predict", "--store", store, "--output", str(tmp_path / "forecasts.csv")]) == 0


def test_the_python_example_of_the_readme_runs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    code = next(block for kind, block in _blocks(README) if kind == "python")
    quick = code.replace('{"horizon": 10}', '{"horizon": 10, "num_steps": 2, "num_members": 1}')
    assert quick != code
    result = run([sys.executable, "-c", quick], cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("prices@1 ")
    comment = next(line for line in code.splitlines() if "head()" in line).partition("#")[2]
    columns = re.findall(r"[\w.]+", comment.replace("...", ""))
    assert [name for name in columns if name not in result.stdout and name != "forecast"] == []


def test_the_examples_of_the_python_page_run(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    code = "\n".join(block for kind, block in _blocks(page) if kind == "python")
    quick = code.replace('{"horizon": 10}', '{"horizon": 10, "num_steps": 2, "num_members": 1}')
    assert quick != code
    result = run([sys.executable, "-c", quick], cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("prices@1 ")
    used = code + page.partition("## All public names")[0]
    assert [name for name in rnnforecast.__all__ if name not in used and not name.endswith("Result")] == []


def test_the_limits_page_has_the_limits_of_the_code() -> None:
    page = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    assert f"{MAX_HORIZON:,} steps" in page
    assert f"{MAX_CATEGORIES:,} most frequent" in page
    assert f"{MAX_FILE_BYTES // 2**30} GiB, header {MAX_HEADER_BYTES // 2**20} MiB" in page
    assert f"{MAX_PARTS:,} files or {MAX_LEDGER_BYTES // 2**20} MiB" in page


@pytest.mark.parametrize("name", ["README.md", "docs/reading-the-report.md", "docs/your-own-csv.md", "docs/panels.md"])
def test_a_transcript_shows_what_the_commands_print_today(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RNNFORECAST_STORE", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    page = (ROOT / name).read_text(encoding="utf-8")
    commands = re.findall(r"^\$ (.+)$", page, re.MULTILINE)
    assert commands
    for command in commands:
        program, _, words = command.partition(" ")
        if program != "rnnforecast":
            assert run(["bash", "-c", command], cwd=tmp_path).returncode == 0
            continue
        shown = page.partition(f"$ {command}\n")[2]
        assert main(_quickly(words)) == (int(ExitCode.DATA) if shown.startswith("error:") else 0)
        printed = capsys.readouterr().out
        assert [line for line in _lasting(printed) if line not in page] == []


def test_toml_examples_are_settings_or_jobs(tmp_path: Path) -> None:
    examples = [block for page in PAGES for kind, block in _blocks(page.read_text(encoding="utf-8")) if kind == "toml"]
    assert examples
    for example in examples:
        if "[[job]]" in example:
            (tmp_path / "jobs.toml").write_text(example, encoding="utf-8")
            read_jobs(tmp_path / "jobs.toml")
        else:
            Settings.from_flat(tomllib.loads(example))


def test_constraints_pin_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {re.split(r"[<>=!~ \[;]", requirement)[0] for requirement in wanted} - {"rnnforecast"}
    names |= {"gcsfs", "s3fs"}  # what the extras of fsspec bring
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0] for line in lines if "==" in line}
    assert names - pinned == set()
    assert [line for line in lines if not re.fullmatch(r"#.*|[a-z0-9-]+==[\w.]+", line)] == []


def _blocks(page: str) -> list[tuple[str, str]]:
    """Return kind and text of every fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def _shell_lines(page: str) -> list[str]:
    return [
        line.partition("  #")[0].strip() for kind, block in _blocks(page) if kind == "sh" for line in block.splitlines()
    ]


def _commands(page: str) -> list[str]:
    """Return the words after `rnnforecast` of every command of a page, those of the installing line too."""
    parts = [part.strip() for line in _shell_lines(page) for part in line.split("&&")]
    return [words for part in parts for program, _, words in [part.partition(" ")] if program.endswith("rnnforecast")]


def _quickly(words: str) -> list[str]:
    """Return the arguments of a command, with few training steps where it trains."""
    arguments = shlex.split(words)
    if arguments[0] not in ("train", "compare"):
        return arguments
    return [*arguments, *(QUICK[:2] if "state" in arguments else QUICK)]  # a target of categories has one network


def _between(page: str, section: str) -> str:
    return page.partition(f"<!-- {section}: begin -->")[2].partition(f"<!-- {section}: end -->")[0]


def _lasting(printed: str) -> list[str]:
    """Return the lines of a screen that do not depend on the weights: what was assumed, headings, where it lies."""
    starts = (
        "Data  ",
        "  time ",
        "  target ",
        "  id ",
        "  freq ",
        "  season ",
        "  horizon ",
        "Test  ",
        "  file ",
        "  next ",
    )
    return [line.rstrip() for line in printed.splitlines() if line.startswith(starts)]


def _without_no(page: str) -> str:
    return page.replace("--[no-]", "--")
