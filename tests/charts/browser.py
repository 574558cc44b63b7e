"""Chromium without a window, spoken to through two pipes: what a page says, shows and asks for.

The protocol is that of its developer tools, one JSON message after the other, each ended by a zero byte.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_PATIENCE = 60.0


class Browser:
    """One page in a browser; `console` collects its errors, `requests` whatever it asked for."""

    def __init__(self, folder: Path, *, width: int = 1400, height: int = 900, dark: bool = False) -> None:
        to_browser, self._writer = os.pipe()
        self._reader, from_browser = os.pipe()
        self.console: list[str] = []
        self.requests: list[str] = []
        self._number = 0
        self._buffer = b""
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        flags += [
            f"--user-data-dir={folder}",
            "--remote-debugging-pipe",
            "--no-first-run",
            "--disable-background-networking",
        ]

        def connect() -> None:
            high = os.dup(to_browser), os.dup(from_browser)  # the pipes may have the numbers 3 and 4 themselves
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._process = subprocess.Popen(
            [str(CHROMIUM), *flags, "about:blank"], preexec_fn=connect, close_fds=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._writer)
        os.close(self._reader)
        self._process.terminate()
        self._process.wait(timeout=20)

    def resize(self, width: int, height: int) -> None:
        """Set the size of the window."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, path: Path) -> float:
        """Open a file, wait until its script has run, and return the seconds that took."""
        started = time.monotonic()
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("document.documentElement && document.documentElement.dataset.ready === 'yes'")
        return time.monotonic() - started

    def wait_for(self, condition: str) -> None:
        """Wait until an expression is true. Raises TimeoutError with the errors of the page."""
        until = time.monotonic() + _PATIENCE
        while not self.value(condition):
            if time.monotonic() > until:
                raise TimeoutError(f"{condition} is not true; the page says {self.console}")
            time.sleep(0.02)

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return found["result"].get("value")

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Draw the whole page, or what the window shows, as PNG."""
        if whole:
            height = min(int(self.value("document.documentElement.scrollHeight")), 12_000)
            width = int(self.value("innerWidth"))
            self.resize(width, height)
            self.wait_for(
                "[...document.querySelectorAll('figure[data-chart] .chart')].every((c) => c.querySelector('svg'))"
            )
            time.sleep(0.4)
        shot = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol and return its result. Raises RuntimeError for an error."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if hasattr(self, "_session"):
            message["sessionId"] = self._session
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._reader, 1 << 20)
            if not part:
                raise RuntimeError("the browser has ended")
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _note(self, event: dict[str, Any]) -> None:
        method, about = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.console.append(str(about["exceptionDetails"].get("exception", {}).get("description", about)))
        elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            self.console.append(" ".join(str(each.get("value", each.get("description"))) for each in about["args"]))
        elif method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.console.append(about["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
