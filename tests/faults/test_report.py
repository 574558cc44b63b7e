"""The table of results: made from the reports, and the same on the page."""

from __future__ import annotations

from tests.faults.report import collect, read_rows, table
from tests.house import ROOT

#: The minimum number of runs of each kind, by the start of its description.
ASKED = {
    "SIGKILL": 1_500,
    "files that may grow": 1_000,
    "power cuts": 2_000,
    "a command started twice": 1_000,
    "reads of a file": 1_000_000,
    "model files with": 10_000,
    "hostile model files": 150,
    "forecasts in a row": 1_000,
}


def test_the_page_shows_the_table_of_the_reports_that_are_kept() -> None:
    page = (ROOT / "docs" / "unattended.md").read_text(encoding="utf-8")
    shown = page.partition("<!-- rig: begin -->")[2].partition("<!-- rig: end -->")[0]
    assert shown.strip() == table(read_rows())


def test_the_reports_cover_the_whole_rig_and_have_no_failures() -> None:
    lines = collect(read_rows())
    assert {words: line.num_failures for words, line in lines.items() if line.num_failures} == {}
    for words, least in ASKED.items():
        assert sum(line.num_runs for key, line in lines.items() if key.startswith(words)) >= least, words


def test_parts_of_one_kind_are_one_line_and_skipped_ones_none() -> None:
    row = {"runs": 2, "problems": 1, "exit_codes": {"14": 2}, "skipped": ""}
    lines = collect(
        [
            {**row, "part": "errors train"},
            {**row, "part": "errors batch"},
            {**row, "part": "pairs train", "skipped": "x"},
        ]
    )
    (line,) = lines.values()
    assert (line.num_runs, line.num_failures, line.codes) == (4, 2, {"14": 4})
    assert line.details == ["`train` 2", "`batch` 2"]
