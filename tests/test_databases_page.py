"""The commands of `docs/databases.md` run as they are written, on a copy of the sample data."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from typing import TYPE_CHECKING

from rnnforecast.cli.main import main
from tests.databases import ask
from tests.house import ROOT, run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

QUICK = ("--num-steps", "2", "--num-members", "1", "--hidden-size", "4")


def test_the_commands_of_the_page_run_and_fill_the_tables_they_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RNNFORECAST_STORE", raising=False)
    page = (ROOT / "docs" / "databases.md").read_text(encoding="utf-8")
    block = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0]
    for line in block.splitlines():
        program, *words = shlex.split(line)
        if program == "python":
            ended = run([sys.executable, *words], cwd=tmp_path)
            assert ended.returncode == 0, ended.stderr
        else:
            assert main([*words, *(QUICK if words[0] == "train" else ())]) == 0, line
    assert ask("sqlite:///shop.db", "SELECT DISTINCT model FROM forecasts") == [("base:prices",)]
    assert ask("sqlite:///shop.db", "SELECT model, count(*) FROM close_forecasts") == [("close@1", 5)]
    assert ask("duckdb:///shop.duckdb", "SELECT count(*) FROM forecasts") == [(5,)]
