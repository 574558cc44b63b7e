"""A server with one process, and a client for it."""

from __future__ import annotations

import http.client
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rnnforecast.serving.run import ServeOptions, serve

MAX_BODY = 65536
TIMEOUT = 20


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.document["error"]["code"])


@dataclass
class Client:
    port: int
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {**self.headers, **names})
            found = connection.getresponse()
            return Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())
        finally:
            connection.close()

    def post(self, body: bytes, query: str = "", *, kind: str = "text/csv", **headers: str) -> Answer:
        return self("POST", f"/forecast{query}", body, Content_Type=kind, **headers)

    def ask(self, document: object, **headers: str) -> Answer:
        return self.post(json.dumps(document).encode(), kind="application/json", **headers)


def start(monkeypatch: pytest.MonkeyPatch, store: Path, options: ServeOptions, *, token: str = "") -> Client:
    """Start a server in a thread; it ends with the tests."""
    monkeypatch.setenv("RNNFORECAST_TOKEN", token)
    addresses: list[str] = []
    started = threading.Event()

    def ready(address: str) -> None:
        addresses.append(address)
        started.set()

    work = threading.Thread(target=serve, kwargs={"store": store, "options": options, "ready": ready}, daemon=True)
    work.start()
    assert started.wait(90)
    return Client(int(addresses[0].rsplit(":", 1)[1]))


@pytest.fixture(scope="module")
def folder(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the folder with `good.csv` and a store that holds `good@1`."""
    place = tmp_path_factory.mktemp("serving") / "work"
    shutil.copytree(trained_folder, place)
    return place


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Client]:
    options = ServeOptions(port=0, workers=1, max_body=str(MAX_BODY), request_timeout=f"{TIMEOUT}s")
    with pytest.MonkeyPatch.context() as patch:
        yield start(patch, folder / ".rnnforecast", options)
