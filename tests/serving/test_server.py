"""Forecasts over HTTP: the bytes of the command line, errors with their fix, and nothing that a request can break."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnnforecast.cli.main import main
from rnnforecast.errors import ModelFileError, OutputError, ResourceError, UsageError
from rnnforecast.serving import worker
from rnnforecast.serving.run import ServeOptions, serve
from tests.serving.conftest import MAX_BODY, Client, start

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
ROWS: Mapping[str, list[object]] = {
    "date": [f"2024-01-{day:02d}" for day in range(1, 29)],
    "value": [10.25 + day % 7 for day in range(28)],
}


def csv_of(columns: Mapping[str, Sequence[object]]) -> bytes:
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    return ("\n".join(lines) + "\n").encode()


def on_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rows: bytes, *words: str
) -> str:
    """Return what `predict` prints for rows on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(rows)))
    assert main(["predict", *words, "--data", "-", "--no-ledger"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("model", ["base", "good", "good@1"])
def test_a_csv_answer_has_the_bytes_of_the_command_line(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    rows = (folder / "good.csv").read_bytes()
    answer = client.post(rows, f"?model={model}&horizon=5&quantiles=0.1,0.9", Accept="text/csv")
    store = str(folder / ".rnnforecast")
    words = (model, "--horizon", "5", "--quantiles", "0.1,0.9", "--output", "-", "--store", store)
    assert answer.status == 200
    assert answer.body.decode() == on_command_line(monkeypatch, capsys, rows, *words)


def test_a_json_answer_is_the_document_of_the_command_line_but_for_its_time(
    client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = client.post(csv_of(ROWS))
    printed = on_command_line(monkeypatch, capsys, csv_of(ROWS), "base", "--format", "json")
    seconds = [f'"seconds": {json.loads(text)["seconds"]}'.encode() for text in (answer.body, printed)]
    assert answer.body.replace(seconds[0], b"") == printed.encode().replace(seconds[1], b"")


def test_the_same_request_again_has_the_same_bytes_and_another_one_has_not(client: Client) -> None:
    first, again, other = (client.post(csv_of(ROWS), query) for query in ("?horizon=3", "?horizon=3", "?horizon=4"))
    assert (first.status, again.status, other.status) == (200, 200, 200)
    assert first.document["rows"] == again.document["rows"]
    assert (len(again.document["rows"]), len(other.document["rows"])) == (3, 4)


def test_a_process_answers_the_same_request_again_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = worker.WorkerSettings(store=None, model="base", max_body=2**20)
    header = {"kind": "csv", "answer": "json", "query": {"horizon": ["3"]}}
    first = worker.answer(header, csv_of(ROWS), settings)
    monkeypatch.setattr(worker, "_forecast", None)

    assert worker.answer(dict(reversed(header.items())), csv_of(ROWS), settings) == first
    assert worker.answer({**header, "query": {"horizon": ["4"]}}, csv_of(ROWS), settings)[0]["status"] == 500


def test_json_rows_json_columns_arrow_and_parquet_give_the_forecast_of_the_csv(client: Client) -> None:
    table = pa.table(ROWS)
    stream, file = io.BytesIO(), io.BytesIO()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    pq.write_table(table, file)
    answers = [
        client.post(csv_of(ROWS), "?horizon=3"),
        client.ask({"columns": ROWS, "horizon": 3}),
        client.ask({"rows": table.to_pylist(), "horizon": 3}),
        client.post(stream.getvalue(), "?horizon=3", kind=ARROW),
        client.post(file.getvalue(), "?horizon=3", kind=PARQUET),
    ]
    assert [answer.status for answer in answers] == [200] * 5
    assert len({json.dumps(answer.document["rows"]) for answer in answers}) == 1


def test_an_arrow_answer_has_the_rows_of_the_json_answer(client: Client) -> None:
    answer = client.ask({"columns": ROWS, "horizon": 3}, Accept=ARROW)
    table = pa.ipc.open_stream(answer.body).read_all()
    expected = client.ask({"columns": ROWS, "horizon": 3}).document
    assert table.column_names == expected["columns"]
    assert table["forecast"].to_pylist() == [row[2] for row in expected["rows"]]


def test_options_of_a_request_are_those_of_the_command_line(client: Client) -> None:
    columns: Mapping[str, Sequence[object]] = {
        "shop": ["a"] * 28 + ["b"] * 28,
        "day": ROWS["date"] * 2,
        "x": ROWS["value"] * 2,
        "y": ROWS["value"] * 2,
    }
    document = client.ask({"columns": columns, "target": ["y"], "id": ["shop"], "season_length": 7, "horizon": 2})
    assert document.status == 200
    assert [row[0] for row in document.document["rows"]] == ["a", "a", "b", "b"]
    repeated = client.post(csv_of(columns), "?target=x&target=y&id=shop&season-length=7&horizon=2")
    assert repeated.document["num_series"] == 4


def test_health_lists_the_models_and_metrics_count_requests(client: Client) -> None:
    assert client("GET", "/health").document == {
        "ok": True, "workers": 1, "models": ["base", "good"], "default": "base",
    }  # fmt: skip
    client.ask({"columns": ROWS, "horizon": 1})
    client.ask({"nonsense": 1})
    text = client("GET", "/metrics").body.decode()
    assert 'rnnforecast_serve_requests_total{status="200"}' in text
    assert 'rnnforecast_serve_requests_total{status="400"}' in text
    assert "rnnforecast_serve_workers 1\n" in text
    assert 'rnnforecast_serve_request_seconds_bucket{le="+Inf"}' in text


def test_the_page_and_its_document_name_every_option(client: Client) -> None:
    page, document = client("GET", "/docs").body.decode(), client("GET", "/openapi.json").document
    body = document["paths"]["/forecast"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"rows", "columns", "model", "horizon", "freq", "target", "tz"} <= body["properties"].keys()
    assert not {"query", "future-data", "max-bytes", "dataset"} & body["properties"].keys()
    assert all(f"<code>{word}</code>" in page for word in ("horizon", "freq", "target"))


@pytest.mark.parametrize(
    ("document", "status", "code", "words"),
    [
        ([], 400, "E_SERVE_BODY", "not an object"),
        ({}, 400, "E_SERVE_BODY", "either `rows` or `columns`"),
        ({"rows": [], "columns": {}}, 400, "E_SERVE_BODY", "either `rows` or `columns`"),
        ({"rows": [1]}, 400, "E_SERVE_BODY", "not a list of objects"),
        ({"columns": {"a": 1}}, 400, "E_SERVE_BODY", "not an object of lists"),
        ({"columns": {"a": [1, 2], "b": [1]}}, 422, "E_SERVE_BODY", "`b` has 1 values, `a` has 2"),
        ({"columns": {"a": [1, [2]]}}, 422, "E_SERVE_BODY", "row 2 of the column `a`"),
        ({"columns": {"a": [1, "x"]}}, 422, "E_SERVE_BODY", "column `a` are not of one type"),
        ({"columns": {"a": [10**30]}}, 422, "E_SERVE_BODY", "column `a`"),
        ({"columns": {**ROWS, "value": ["?"] * 28}}, 422, "E_", "value"),
        ({"columns": ROWS, "horizon": 0}, 400, "E_", "horizon"),
        ({"columns": ROWS, "horizon": 10**9}, 400, "E_", "horizon"),
        ({"columns": ROWS, "horizon": True}, 400, "E_SERVE_OPTION", "`horizon` is neither true nor false"),
        ({"columns": ROWS, "target": [True]}, 400, "E_SERVE_OPTION", "`target` is neither true nor false"),
        ({"columns": ROWS, "horizont": 2}, 400, "E_SERVE_OPTION", "unknown option `horizont`"),
        ({"columns": ROWS, "query": "select 1"}, 400, "E_SERVE_OPTION", "cannot set `query`"),
        ({"columns": ROWS, "future-data": ["/etc/passwd"]}, 400, "E_SERVE_OPTION", "cannot set `future-data`"),
        ({"columns": ROWS, "max_bytes": "1TB"}, 400, "E_SERVE_OPTION", "cannot set `max-bytes`"),
        ({"columns": ROWS, "model": 3}, 400, "E_SERVE_OPTION", "`model` is not text"),
        ({"columns": ROWS, "model": "nobody"}, 404, "E_MODEL_UNKNOWN", "no model `nobody`"),
        ({"columns": ROWS, "model": "good@9"}, 404, "E_MODEL_UNKNOWN", "has no version 9"),
    ],
)
def test_a_wrong_request_is_answered_with_its_problem(
    client: Client, document: object, status: int, code: str, words: str
) -> None:
    answer = client.ask(document)
    assert (answer.status, answer.code.startswith(code)) == (status, True)
    assert words in answer.document["error"]["message"]


def test_a_request_cannot_make_the_server_look_at_a_path(client: Client, folder: Path) -> None:
    stored = next((folder / ".rnnforecast").rglob("*.safetensors"))
    for name in (str(stored), str(folder / "good.csv"), "../good", "sqlite:///x.db#t", "http://127.0.0.1:1/a.csv", "-"):
        answer = client.ask({"columns": ROWS, "model": name})
        assert (answer.status, answer.code) == (404, "E_MODEL_UNKNOWN")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "text/csv", 422),
        (b"\x00" * 1000, "text/csv", 422),
        (b"{", "application/json", 400),
        (b"[" * 50_000, "application/json", 400),
        (b'{"columns": {"a": [NaN]}}', "application/json", 400),
        (b'{"columns": {"a": [' + b"9" * 6000 + b"]}}", "application/json", 400),
        (b'{"columns": {"a": ["\\ud800"]}}', "application/json", 422),
        (b'{"columns": {"a": [1], "\\ud800": [1]}}', "application/json", 422),
        (b'{"rows": [{"a": 1, "\\udfff": 1}]}', "application/json", 422),
        (b'{"columns": {"a": [1], "a": [2]}}', "application/json", 422),
        (b'{"rows": [{"a": 1, "a": 2}]}', "application/json", 422),
        (b'{"columns": {"a": [1]}, "horizon": 1, "horizon": 2}', "application/json", 400),
        (
            b'{"rows": [' + b"{}," * 9_000 + b'{"a": 1' + b"".join(b',"%d":1' % n for n in range(900)) + b"}]}",
            "application/json",
            422,
        ),
        (b"\xff\xff\xff\xff\x10", ARROW, 422),
        (b"PAR1" + b"\x00" * 100 + b"PAR1", PARQUET, 422),
        (csv_of(ROWS), "image/png", 415),
        (csv_of(ROWS), "", 415),
    ],
)
def test_a_body_that_is_not_a_table_is_rejected(client: Client, body: bytes, kind: str, status: int) -> None:
    answer = client.post(body, kind=kind)
    assert answer.status == status
    assert answer.document["error"]["message"]


def test_a_body_above_the_cap_is_rejected_before_it_is_read(client: Client) -> None:
    answer = client("POST", "/forecast", b"", Content_Type="text/csv", Content_Length=str(2**30))
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    chunked = b"".join(b"400\r\n" + b"x" * 1024 + b"\r\n" for _ in range(MAX_BODY // 1024 + 1))
    with socket.create_connection(("127.0.0.1", client.port), timeout=30) as raw:
        head = (
            "POST /forecast HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        with contextlib.suppress(ConnectionError):
            raw.sendall(head.encode() + chunked)
        assert raw.recv(100).startswith(b"HTTP/1.1 413")


def test_a_small_body_that_unpacks_to_a_large_one_is_rejected(client: Client) -> None:
    import gzip

    answer = client.post(gzip.compress(b"date,value\n" + b"0" * 50_000_000, 9))
    assert (answer.status, answer.code) == (422, "E_DATA_SIZE")


def test_answers_that_nobody_accepts_and_encoded_bodies_are_rejected(client: Client) -> None:
    assert client.post(csv_of(ROWS), Accept="image/png").status == 406
    assert client.post(csv_of(ROWS), Content_Encoding="gzip").status == 415
    assert client.post(csv_of(ROWS), "?horizon=1&horizon=2").code == "E_SERVE_OPTION"
    assert client.post(b"{}", "?horizon=1", kind="application/json").code == "E_SERVE_OPTION"
    assert client("GET", "/forecast").status == 405
    assert client("GET", "/nothing").status == 404


def test_a_web_page_elsewhere_cannot_use_a_server_without_a_token(client: Client) -> None:
    assert client("GET", "/health", Host="attacker.example").status == 403
    assert client("GET", "/health", Host=f"localhost:{client.port}").status == 200


def test_a_thousand_bad_requests_leave_the_server_as_it_was(client: Client) -> None:
    rng = random.Random(5)
    whole = json.dumps({"columns": ROWS, "horizon": 3}).encode()
    kinds = ("application/json", "text/csv", ARROW, PARQUET)
    statuses = []
    for number in range(1000):
        body = bytearray(whole if number % 2 else csv_of(ROWS))
        for _ in range(rng.randrange(1, 40)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        statuses.append(client.post(bytes(body[: rng.randrange(len(body))]), kind=kinds[number % 4]).status)
    assert set(statuses) <= {200, 400, 422}
    assert client.ask({"columns": ROWS, "horizon": 3}).status == 200
    assert "rnnforecast_serve_workers_replaced_total 0\n" in client("GET", "/metrics").body.decode()


def test_a_forecast_over_the_time_limit_and_a_killed_process_do_not_stop_the_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start(monkeypatch, folder / ".rnnforecast", ServeOptions(port=0, workers=1, request_timeout="1s"))
    many = b"id,step,value\n" + b"".join(
        b"%d,%d,%d\n" % (item, step, step % 5) for item in range(20_000) for step in range(20)
    )
    late = client.post(many, "?time=step&id=id&target=value")
    assert (late.status, late.code) == (504, "E_RUN_TIMEOUT")
    deadline = time.monotonic() + 60
    while not client("GET", "/health").document["ok"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "rnnforecast_serve_workers_replaced_total 1\n" in client("GET", "/metrics").body.decode()


def test_connections_that_end_no_request_are_closed_and_take_bounded_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnnforecast.serving.run._IDLE_SECONDS", 0.5)
    monkeypatch.setattr("rnnforecast.serving.app.MAX_HELD", 1)
    client = start(monkeypatch, folder / ".rnnforecast", ServeOptions(port=0, workers=1, max_body="64KiB"))
    head = b"POST /forecast HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 65536\r\n\r\n"
    with contextlib.ExitStack() as stack:
        sent = [b"", b"GET /hea", head + bytes(40_000), head + bytes(40_000)]
        silent, cut, first, second = (
            stack.enter_context(socket.create_connection(("127.0.0.1", client.port), timeout=20)) for _ in sent
        )
        for connection, content in zip((silent, cut, first, second), sent, strict=True):
            connection.sendall(content)
            time.sleep(0.1)
        assert second.recv(12) == b"HTTP/1.1 503"
        assert silent.recv(1) == cut.recv(1) == b""
        first.sendall(bytes(25_536))
        assert first.recv(9) == b"HTTP/1.1 "
    assert client.ask({"columns": ROWS, "horizon": 1}).status == 200


def test_a_token_is_needed_where_there_is_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = start(monkeypatch, folder / ".rnnforecast", ServeOptions(port=0, workers=1), token="a long secret")
    assert client("GET", "/health").document == {"ok": True, "workers": 1}
    assert "models" in client("GET", "/health", Authorization="Bearer a long secret").document
    for sent in ("", "Bearer wrong", "a long secret"):
        answer = client.ask({"columns": ROWS}, Authorization=sent)
        assert (answer.status, answer.code, answer.headers["www-authenticate"]) == (401, "E_SERVE_TOKEN", "Bearer")
    assert client("GET", "/metrics").status == 401
    assert client.ask({"columns": ROWS, "horizon": 1}, Authorization="Bearer a long secret").status == 200


def test_an_address_that_others_reach_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RNNFORECAST_TOKEN", raising=False)
    with pytest.raises(UsageError, match="other machines can reach `0\\.0\\.0\\.0`"):
        serve(options=ServeOptions(host="0.0.0.0"))
    with pytest.raises(UsageError, match="invalid port 70000"):
        serve(options=ServeOptions(port=70000))
    with pytest.raises(ModelFileError, match="no model `nobody`") as caught:
        serve("nobody", options=ServeOptions(port=0))
    assert "rnnforecast models list" in str(caught.value.hint)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OutputError, match="cannot be used"):
        serve(options=ServeOptions(port=taken.getsockname()[1]))


def test_without_the_extra_its_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnforecast.serving.run._PACKAGES", ("no_such_package",))
    with pytest.raises(ResourceError, match="no_such_package") as raised:
        serve(options=ServeOptions(port=0))
    assert raised.value.hint == "pip install 'rnnforecast[serve]'"


def test_the_command_serves_until_it_is_told_to_stop_and_loads_no_torch(folder: Path) -> None:
    script = (
        "import sys; from rnnforecast.cli.main import main; code = main(sys.argv[1:]);"
        "print('torch' in sys.modules); sys.exit(code)"
    )
    command = [sys.executable, "-c", script, "serve", "--port", "0", "--workers", "1", "--store", str(folder / "none")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        line = process.stderr.readline()
        port = int(line.split(" (")[0].rsplit(":", 1)[1])
        assert Client(port).ask({"columns": ROWS, "horizon": 1}).status == 200
        os.kill(process.pid, signal.SIGTERM)
        assert process.stderr.read() == "stopped after 1 request\n"
        assert process.stdout.read() == "False\n"
        assert process.wait(30) == 0


def test_a_format_without_effect_is_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--format", "csv"]) == 2
    assert "--format has no effect" in capsys.readouterr().err
