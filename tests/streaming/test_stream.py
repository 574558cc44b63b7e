"""Specification of `stream`: rules for rows, state across restarts, and what is rejected."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

import rnnforecast
from rnnforecast.config import DataSettings
from rnnforecast.errors import DataError, InputError, ModelFileError, OutputError, RnnForecastError, UsageError
from rnnforecast.streaming.lines import Row
from rnnforecast.streaming.stream import Answer
from rnnforecast.workflows.alarm_actions import AlarmProcess, call_on_alarm
from rnnforecast.workflows.stream import LONGEST_LINE_BYTES, Run, StreamRequest, stream, whole_lines
from tests.house import ROOT
from tests.streaming.kills import kill_often
from tests.streaming.streams import assert_same, read_answers, run_stream, served, write_rows


def _request(folder: Path, **changes: object) -> StreamRequest:
    files = {"input": str(folder / "rows.csv"), "output": str(folder / "out.csv")}
    return StreamRequest(**{"model": "pump", **files, **changes})  # type: ignore[arg-type]


def _answers(folder: Path, rows: list[str], **changes: object) -> list[dict[str, str]]:
    (folder / "rows.csv").write_text("\n".join(rows) + "\n")
    run_stream(_request(folder, **changes))
    return read_answers(folder / "out.csv")


def test_one_line_out_for_each_line_in_with_forecast_and_score(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", 400)
    run, _ = run_stream(_request(tmp_path, horizon=2))
    found = read_answers(tmp_path / "out.csv")
    assert len(found) == 400
    assert list(found[0])[-6:] == ["q0.1_1", "q0.5_1", "q0.9_1", "q0.1_2", "q0.5_2", "q0.9_2"]
    assert found[100]["expected"] == found[99]["q0.5_1"]
    last = {name: float(found[-1][name]) for name in ("lower", "expected", "upper", "score")}
    assert last["lower"] < last["expected"] < last["upper"]
    assert run.stream.counts == {"header": 1, "ok": 400}


def test_late_doubled_missing_and_malformed_rows_have_a_rule_each(tmp_path: Path) -> None:
    found = _answers(
        tmp_path,
        [
            *("time,heat", "2024-01-01 00:00,50", "2024-01-01 01:00,51", "2024-01-01 01:00,52", "2024-01-01 00:30,50"),
            *("2024-01-01 05:00,50", "2024-01-01 06:00,warm", "2024-01-01 06:00,", "2030-01-01 00:00,50", "a,b,c"),
        ],
    )
    statuses = [row["status"].partition(":")[0] for row in found]
    assert statuses == ["ok", "ok", "duplicate", "late", "gap", "malformed", "ok", "restart", "malformed"]
    assert found[2]["q0.5"] == found[3]["q0.5"] == ""
    assert found[6]["q0.5"] != ""  # a missing value is read as missing


@pytest.mark.parametrize("end", [b"\n2024-01-01 01:00,51\n", b""])
def test_a_line_without_an_end_is_kept_in_part_and_answered_once(tmp_path: Path, end: bytes) -> None:
    start = b"time,heat\n2024-01-01 00:00,50\n"
    (tmp_path / "rows.csv").write_bytes(start + b"1" * (3 * LONGEST_LINE_BYTES) + end)
    run, _ = run_stream(_request(tmp_path, state=str(tmp_path / "state")))
    statuses = [row["status"] for row in read_answers(tmp_path / "out.csv")]
    assert statuses == ["ok", "malformed: longer than 1,000,000 characters", *(["ok"] if end else [])]
    assert run.position.read == (tmp_path / "rows.csv").stat().st_size
    again, _ = run_stream(_request(tmp_path, state=str(tmp_path / "state")))
    assert again.position.lines == run.position.lines


def test_the_bytes_of_a_long_line_are_counted_but_not_kept() -> None:
    blocks = [b"a\n", *[b"1" * 2**17] * 100, b"1\nb\nc", b"\n", b""]
    found = list(whole_lines(blocks))
    assert max(len(whole) for whole, _ in found) < LONGEST_LINE_BYTES + 2**18
    assert sum(len(whole) + dropped for whole, dropped in found) == sum(map(len, blocks))
    assert b"".join(whole for whole, _ in found).count(b"\n") == 4


def test_a_gap_is_the_same_as_rows_with_missing_values(tmp_path: Path) -> None:
    start = ["time,heat", "2024-01-01 00:00,50", "2024-01-01 01:00,51", "2024-01-01 02:00,55"]
    gap = _answers(tmp_path, [*start, "2024-01-01 05:00,50"])
    (tmp_path / "out.csv").unlink()
    missing = _answers(tmp_path, [*start, "2024-01-01 03:00,", "2024-01-01 04:00,", "2024-01-01 05:00,50"])
    assert gap[-1]["q0.5"] == missing[-1]["q0.5"]


def test_interleaved_series_are_answered_as_each_alone(tmp_path: Path) -> None:
    model = served(ids=("pump",))
    write_rows(tmp_path / "rows.csv", 60, pumps=("a", "b", "c"))
    run_stream(_request(tmp_path), model)
    together = [row for row in read_answers(tmp_path / "out.csv") if row["pump"] == "b"]
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    (tmp_path / "rows.csv").write_text("\n".join([lines[0], *(line for line in lines if ",b," in line)]) + "\n")
    (tmp_path / "out.csv").unlink()
    run_stream(_request(tmp_path), model)
    assert_same(together, read_answers(tmp_path / "out.csv"))


def test_more_series_than_accepted_are_answered_and_counted(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", 2, pumps=("a", "b", "c"))
    run, _ = run_stream(_request(tmp_path, max_series=2), served(ids=("pump",)))
    assert run.stream.counts["too many series"] == 2


def test_networks_that_read_windows_stream_too(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", 40)
    run, _ = run_stream(_request(tmp_path), served(can_step=False))
    assert not run.engine.keeps_hidden_state
    assert len(read_answers(tmp_path / "out.csv")) == 40


def test_a_model_trained_on_few_months_streams_by_its_networks_and_says_so(tmp_path: Path) -> None:
    months = [f"{year}-{month:02d},{100 + month + year % 7}" for year in (2021, 2022) for month in range(1, 13)]
    for name, rows in (("pump", months[:20]), ("rows", months)):
        (tmp_path / f"{name}.csv").write_text("\n".join(["month,heat", *rows]) + "\n")
    rnnforecast.train([tmp_path / "pump.csv"], store=tmp_path / "store")
    result = stream(_request(tmp_path), store=tmp_path / "store")
    assert (result.counts["ok"], len(read_answers(tmp_path / "out.csv"))) == (24, 24)
    assert "only the networks of pump@1 answer" in result.notes[1]


def test_a_stream_of_rows_that_cannot_be_read_ends_with_an_error_after_its_answers(tmp_path: Path) -> None:
    months = [f"{year}-{month:02d},{100 + month}" for year in (2021, 2022) for month in range(1, 13)]
    (tmp_path / "pump.csv").write_text("\n".join(["time,heat", *months]) + "\n")
    (tmp_path / "rows.csv").write_text("time,heat\nyesterday,50\ntoday,51\n")
    rnnforecast.train([tmp_path / "pump.csv"], store=tmp_path / "store")
    with pytest.raises(DataError, match="none of 2 rows could be read"):
        stream(_request(tmp_path), store=tmp_path / "store")
    assert [row["status"].partition(":")[0] for row in read_answers(tmp_path / "out.csv")] == ["malformed"] * 2


def test_a_restart_continues_as_if_there_had_been_none(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", 600)
    run_stream(_request(tmp_path))
    whole = read_answers(tmp_path / "out.csv")
    lines = (tmp_path / "rows.csv").read_text().splitlines(keepends=True)
    (tmp_path / "out.csv").unlink()
    for end in (1, 250, 601):
        (tmp_path / "rows.csv").write_text("".join(lines[:end]))
        _, said = run_stream(_request(tmp_path, state=str(tmp_path / "state")))
    assert said == [f"continued after line 250 with 1 series from {tmp_path / 'state'}"]
    assert_same(read_answers(tmp_path / "out.csv"), whole)


def test_answers_after_the_last_saved_state_are_cut_off_and_given_again(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", 300)
    request = _request(tmp_path, state=str(tmp_path / "state"))
    run_stream(request)
    whole = (tmp_path / "out.csv").read_text()
    with (tmp_path / "out.csv").open("a") as file:
        file.write("half a li")
    run_stream(request)
    assert (tmp_path / "out.csv").read_text() == whole


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_no_row_is_lost_and_none_answered_twice_wherever_it_is_killed(tmp_path: Path) -> None:
    assert kill_often(tmp_path, 15, rows=4_000) >= 1  # `python -m tests.streaming.kills` for more


def test_a_state_of_another_model_or_a_damaged_one_is_named(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", 20)
    request = _request(tmp_path, state=str(tmp_path / "state"))
    run_stream(request)
    with pytest.raises(ModelFileError, match="belongs to pump@1, or to other options"):
        run_stream(request, served(digest="b"))
    (tmp_path / "state").write_bytes((tmp_path / "state").read_bytes()[:-200])
    with pytest.raises(InputError, match="is not a state file of `stream`, or it is damaged"):
        run_stream(request)


def test_files_that_do_not_belong_together_are_rejected(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", 20)
    request = _request(tmp_path, state=str(tmp_path / "state"))
    run_stream(request)
    with pytest.raises(OutputError, match="no state says where they are from"):
        run_stream(replace(request, state=None))
    (tmp_path / "rows.csv").write_text("time,heat\n")
    with pytest.raises(InputError, match="shorter than the"):
        run_stream(request)


def test_an_output_behind_a_link_is_neither_written_nor_cut(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", 5)
    (tmp_path / "precious").write_text("x" * 9_000)
    (tmp_path / "out.csv").symlink_to("precious")
    reading = DataSettings(target=("heat",), time="time", freq="h")
    with pytest.raises(OutputError, match="is a symbolic link"):
        stream(_request(tmp_path, model="base", reading=reading), store=tmp_path / "store")
    assert (tmp_path / "precious").read_text() == "x" * 9_000


def test_a_command_that_hangs_does_not_hold_up_the_stream(tmp_path: Path) -> None:
    rows = ["time,heat"] + [
        f"2024-{1 + hour // 600:02}-{1 + hour // 24 % 25:02} {hour % 24:02}:00,50" for hour in range(600)
    ]
    rows += ["2024-01-26 00:00,9999"]
    call = [sys.executable, "-c", "import time; time.sleep(30)"]
    (tmp_path / "rows.csv").write_text("\n".join(rows) + "\n")
    started = time.monotonic()
    run, said = run_stream(_request(tmp_path, budget="1/day"), on_alarm=call)
    assert run.num_alarms >= 1
    assert said == ["the command of the alarm took longer than 1 s and was stopped"]
    assert time.monotonic() - started < 10


def test_the_error_of_an_unknown_model_reaches_python(tmp_path: Path) -> None:
    with pytest.raises(RnnForecastError, match="nobody"):
        stream(StreamRequest("nobody"), store=tmp_path)
    with pytest.raises(UsageError, match="name the target"):
        stream(StreamRequest("base"), store=tmp_path)


def test_a_collector_gets_an_answer_before_it_sends_the_next_line(tmp_path: Path) -> None:
    """Speak as telegraf `execd` and vector `exec` do: a line, then wait for its answer."""
    words = [
        sys.executable,
        "-m",
        "rnnforecast",
        "stream",
        "base",
        "--target",
        "heat",
        "--time",
        "time",
        "--freq",
        "min",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stdin=pipe, stdout=pipe, stderr=nothing) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for minute in range(3):
            line = f"pump,site=a heat={50 + minute}i {1_704_067_200 + 60 * minute}000000000\n"
            process.stdin.write(line.encode())
            process.stdin.flush()
            answer = process.stdout.readline().decode()
            assert answer.startswith('pump,site=a status="ok",alarm=false')
            assert answer.endswith(f" {1_704_067_200 + 60 * minute}000000000\n")
        process.stdin.close()
        assert process.stdout.read() == b""


def test_json_lines_are_answered_as_json(tmp_path: Path) -> None:
    lines = [json.dumps({"time": f"2024-01-01T0{hour}:00", "heat": 50 + hour}) for hour in range(5)]
    (tmp_path / "rows.jsonl").write_text("\n".join([*lines, "{oops"]))
    run_stream(StreamRequest("pump", input=str(tmp_path / "rows.jsonl"), output=str(tmp_path / "out.jsonl")))
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [answer["status"].partition(":")[0] for answer in found] == ["ok"] * 5 + ["malformed"]
    assert found[3]["expected"] == found[2]["q0.5"]


def test_a_followed_file_that_is_replaced_is_read_to_its_end_and_the_new_one_from_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"2024-01-01 {hour:02}:00,{50 + hour}" for hour in range(9)]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["time,heat", *rows[:3]]) + "\n")
    parts = iter([rows[3:5], rows[5:7], rows[7:]])

    def say(line: str) -> None:
        said.append(line)

    class RotatedError(Exception):
        """The file was replaced as often as it was to be."""

    def wait(_: Path, file: BinaryIO) -> None:
        part = next(parts, None)
        if part is None:
            raise RotatedError
        with open(f"/proc/self/fd/{file.fileno()}", "a") as old:  # whoever writes closes the old one late
            old.write(part[0] + "\n")
        new = path.with_suffix(".new")
        new.write_text("\n".join(["time,heat", *part[1:]]) + "\n")
        new.rename(path)

    said: list[str] = []
    monkeypatch.setattr("rnnforecast.workflows.stream._wait_for_more", wait)
    run = Run(_request(tmp_path, follow=True, state=str(tmp_path / "state")), served(), AlarmProcess([], say), say)
    with pytest.raises(RotatedError):
        run.loop()
    answers = [row for row in read_answers(tmp_path / "out.csv") if row["status"] != "status"]
    assert [row["time"] for row in answers] == [row.partition(",")[0] for row in rows]
    assert said == [f"{path} was replaced: the new file is read from its start"] * 3
    path.write_text("time,heat\n" + "2024-01-01 09:00,50\n" * 99)
    with pytest.raises(InputError, match="does not begin as the file that was already read"):
        run_stream(_request(tmp_path, state=str(tmp_path / "state")))


@pytest.mark.parametrize(
    "change",
    [
        {"position": {"read": -1}},
        {"position": {"read": "x"}},
        {"position": {"written": 2**70}},
        {"position": {"header": [1]}},
        {"position": {"counts": {"ok": "many"}}},
        {"last": ["soon"]},
        {"last": [2**70]},
        {"keys": 3},
    ],
    ids=str,
)
def test_a_state_with_values_that_no_stream_has_is_damaged(tmp_path: Path, change: dict[str, Any]) -> None:
    write_rows(tmp_path / "rows.csv", 20)
    request = _request(tmp_path, state=str(tmp_path / "state"))
    run_stream(request)
    with np.load(tmp_path / "state") as file:
        arrays = dict(file)
    header = json.loads(arrays.pop("header").tobytes())
    changed = {**header, **change, "position": {**header["position"], **change.get("position", {})}}
    with (tmp_path / "state").open("wb") as stream:
        np.savez(stream, header=np.frombuffer(json.dumps(changed).encode(), np.uint8), **arrays)
    with pytest.raises(InputError, match="is not a state file of `stream`, or it is damaged"):
        run_stream(request)


def test_a_state_that_unpacks_to_more_than_the_file_is_not_unpacked(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", 20)
    with (tmp_path / "state").open("wb") as stream:
        np.savez_compressed(stream, header=np.zeros(2**26, np.uint8))
    with pytest.raises(InputError, match="is not a state file"):
        run_stream(_request(tmp_path, state=str(tmp_path / "state")))


def test_nothing_in_an_answer_on_stdout_controls_a_terminal(tmp_path: Path, capfdbinary: Any) -> None:
    (tmp_path / "rows.csv").write_text(
        "time,pump,heat\n2024-01-01 00:00,\x1b]0;pwn\x07,50\n2024-01-01 01:00,a,\x1b[31m\n"
    )
    run_stream(StreamRequest("pump", input=str(tmp_path / "rows.csv")), served(ids=("pump",)))
    told = capfdbinary.readouterr().out
    assert b"\\x1b]0;pwn\\x07" in told
    assert b"\x1b" not in told


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a group of processes")
def test_a_command_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "started"
    code = f"import subprocess; p = subprocess.Popen(['sleep', '60']); print(p.pid, file=open({str(started)!r}, 'w')); p.wait()"
    monkeypatch.setattr("rnnforecast.workflows.alarm_actions.COMMAND_SECONDS", 2)
    finding = call_on_alarm([sys.executable, "-c", code], facts={})
    assert finding is not None
    assert "took longer than 2 s" in finding.message
    state = Path(f"/proc/{started.read_text().strip()}/stat")
    deadline = time.monotonic() + 5
    while (
        state.exists() and state.read_text().rpartition(")")[2].split()[0] not in "ZX" and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] in "ZX"


def test_a_stream_that_fails_ends_the_command_of_its_alarm(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", 20)
    alarm = AlarmProcess([sys.executable, "-c", "import time; time.sleep(60)"], lambda _: None)
    run = Run(_request(tmp_path), served(), alarm, lambda _: None)
    row = Row("", 0, "2024-01-01", 1.0)
    alarm.start(Answer(row, "ok", (1.0, 0.0, 2.0, 3.0), (1.0,)))

    def fail(_: list[str]) -> bytes:
        raise KeyboardInterrupt

    run._answer = fail  # type: ignore[assignment, method-assign]
    with pytest.raises(KeyboardInterrupt):
        run.loop()
    assert alarm._process is not None
    assert alarm._process.returncode == -9
