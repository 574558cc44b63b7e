from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from rnnforecast.errors import OutputError
from rnnforecast.workflows.batch.records import ledger
from rnnforecast.workflows.batch.records.ledger import History, Ledger, read_events, rotate


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def _append(path: Path, *events: dict[str, object]) -> None:
    book = Ledger(path)
    for event in events:
        book.append(event)  # type: ignore[arg-type]
    book.close()


def _end(job: str, status: str, run: str = "r1") -> dict[str, object]:
    return {"event": "job_end", "run": run, "job": job, "status": status}


def test_each_event_is_one_line_of_json(path: Path) -> None:
    _append(path, {"event": "run_start", "run": "r1"}, _end("a\nb\u2028", "done"))
    lines = path.read_bytes().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["run_start", "job_end"]
    assert path.read_bytes().isascii()


def test_only_its_owner_may_read_a_ledger(path: Path) -> None:
    _append(path, _end("a", "done"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_cut_off_by_a_crash_is_skipped_and_the_next_one_is_complete(path: Path) -> None:
    _append(path, _end("a", "done"), _end("b", "done"))
    path.write_bytes(path.read_bytes()[:-9])
    _append(path, _end("c", "done"))
    assert [event["job"] for event in read_events(path)] == ["a", "c"]


def test_complete_lines_before_any_cut_are_still_read(path: Path) -> None:
    _append(path, _end("a", "done"), _end("b", "failed"))
    content = path.read_bytes()
    first = content.index(b"\n")
    for length in range(len(content)):
        path.write_bytes(content[:length])
        found = [event["job"] for event in read_events(path)]
        assert found == ([] if length < first else ["a"] if length < len(content) - 1 else ["a", "b"])


def test_lines_that_are_not_an_event_are_skipped(path: Path) -> None:
    path.write_bytes(b'\xff\xfe\n[]\n{}\n"x"\n{"event": 3}\n{"event": "run_end"}\n')
    assert list(read_events(path)) == [{"event": "run_end"}]


def test_a_missing_ledger_is_empty(path: Path) -> None:
    assert list(read_events(path)) == []


def test_a_full_disk_leaves_no_part_of_a_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = Ledger(path)
    book.append({"event": "run_start"})
    before = path.read_bytes()
    whole = os.write

    def short(descriptor: int, content: bytes) -> int:
        return whole(descriptor, content[:5])

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(OutputError, match=r"the ledger `.*ledger.jsonl` was not written: no space left"):
        book.append({"event": "run_end"})
    monkeypatch.undo()
    assert path.read_bytes() == before
    book.append({"event": "run_end"})
    book.close()
    assert [event["event"] for event in read_events(path)] == ["run_start", "run_end"]


def test_a_failed_flush_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = Ledger(path)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="input/output error"):
        book.append({"event": "run_start"})
    book.close()


def test_a_ledger_that_is_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="was not written"):
        Ledger(path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_large_ledger_is_set_aside_and_its_history_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _append(path, {"event": "run_start", "run": "r1"}, _end("a", "done"), _end("a", "failed"), _end("b", "unchanged"))
    before, content = History.read(path), path.read_bytes()
    monkeypatch.setattr(ledger, "MAX_BYTES", 10)
    rotate(path, keep=before.essential_events())
    after = History.read(path)
    assert (after.last_run, after.last_outcomes, after.last_successes) == (
        "r1",
        before.last_outcomes,
        before.last_successes,
    )
    assert path.with_name("ledger.1.jsonl").read_bytes() == content


def test_a_small_ledger_and_a_missing_one_stay(path: Path) -> None:
    rotate(path, keep=[])
    assert not path.exists()
    _append(path, _end("a", "done"))
    rotate(path, keep=[])
    assert [event["job"] for event in read_events(path)] == ["a"]


def test_history_has_the_last_outcome_and_the_last_success_of_each_job(path: Path) -> None:
    _append(
        path,
        {"event": "run_start", "run": "r1"},
        _end("a", "done"),
        {"event": "run_start", "run": "r2"},
        _end("a", "failed", "r2"),
        _end("b", "unchanged", "r2"),
    )
    history = History.read(path)
    assert (history.last_outcomes.get("a") or {})["status"] == "failed"
    assert history.last_successes["a"]["run"] == "r1"
    assert [history.succeeded_in_last_run(job) for job in ("a", "b", "c")] == [False, True, False]
    assert history.last_outcomes.get("c") is None
