from __future__ import annotations

import re
from pathlib import Path

import pytest

from rnnforecast.errors import OutputError
from rnnforecast.workflows.batch.records.ledger import History
from rnnforecast.workflows.batch.records.prometheus import metrics_text, write_metrics
from rnnforecast.workflows.batch.results import BatchResult, JobResult, exit_code_of

_LINE = re.compile(r'([a-z_]+)\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\} (-?\d+(?:\.\d+)?)')
ODD = 'a"b\\c\nd'


def _result(*jobs: JobResult) -> BatchResult:
    return BatchResult("/srv/nightly.toml", "store", "r1", "ledger", 3, jobs, num_workers=1, seconds=2.5)


JOBS = (JobResult("shops", "done", 0, seconds=1.5, num_rows=28, num_warnings=2), JobResult(ODD, "failed", 13))


def _samples(text: str) -> dict[tuple[str, str], float]:
    found = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            match = _LINE.fullmatch(line)
            assert match is not None, line
            found[match[1], match[2]] = float(match[3])
    return found


def test_every_line_is_a_comment_or_a_sample_of_the_text_format() -> None:
    history = History()
    history.add({"event": "job_end", "job": "shops", "status": "done", "time": "2024-03-01T00:00:00+00:00"})
    samples = _samples("".join(metrics_text(_result(*JOBS), history, now=1_700_000_000.0)))
    file = 'jobs_file="/srv/nightly.toml"'
    assert samples["rnnforecast_batch_exit_code", file] == 3
    assert samples["rnnforecast_batch_jobs", f'{file},status="failed"'] == 1
    assert samples["rnnforecast_job_success_timestamp_seconds", f'{file},job="shops"'] == 1_709_251_200
    assert samples["rnnforecast_job_rows", f'{file},job="shops"'] == 28
    assert samples["rnnforecast_job_exit_code", f'{file},job="a\\"b\\\\c\\nd"'] == 13


def test_each_metric_is_explained_and_typed_once() -> None:
    text = "".join(metrics_text(_result(*JOBS), History(), now=0.0))
    names = {name for name, _ in _samples(text)}
    assert sorted(re.findall(r"# TYPE (\w+) gauge", text)) == sorted(names)
    assert sorted(re.findall(r"# HELP (\w+) .+", text)) == sorted(names)


def test_a_job_that_never_succeeded_has_no_time_of_success() -> None:
    text = "".join(metrics_text(_result(*JOBS), History(), now=0.0))
    assert "rnnforecast_job_success_timestamp_seconds" not in text


def test_the_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "rnnforecast.prom"
    path.write_text("old\n" * 1_000)
    write_metrics(path, _result(*JOBS), History(), now=0.0)
    assert "old" not in path.read_text()
    assert [entry.name for entry in tmp_path.iterdir()] == ["rnnforecast.prom"]
    with pytest.raises(OutputError, match="does not exist"):
        write_metrics(tmp_path / "no" / "x.prom", _result(*JOBS), History(), now=0.0)


@pytest.mark.parametrize(
    ("codes", "whole"),
    [
        ([0, 0], 0),
        ([0, 13], 3),
        ([13, 13], 13),
        ([13, 10], 13),
        ([22, 75, 14], 14),
        ([75, 21], 75),
        ([10, 1], 1),
        ([139, 10], 139),
    ],
)
def test_the_exit_code_is_0_3_or_that_of_the_first_of_the_most_severe_failures(codes: list[int], whole: int) -> None:
    jobs = [JobResult(str(number), "failed" if code else "done", code) for number, code in enumerate(codes)]
    assert exit_code_of(jobs) == whole
