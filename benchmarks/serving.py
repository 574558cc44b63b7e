"""Requests a second and their times: `rnnforecast serve` with `base` and one series a request, against the bare forecast.

    python benchmarks/serving.py --seconds 20 --workers 2 --clients 4

The bare forecast is `forecast_request` in one process, one after the other, on the same rows. By default every request has a
series that was not sent before; with `--series 1` all are the same, which a process of the server answers from memory.
`processor_ms` is what a request takes of the processors, server and processes together: it depends less on other load.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def rows(length: int, seed: int = 0) -> bytes:
    """Return one daily series with a week in it as CSV."""
    rng = np.random.default_rng(seed)
    days = np.datetime64("2024-01-01") + np.arange(length) * np.timedelta64(1, "D")
    values = 10 + np.sin(np.arange(length) * 2 * np.pi / 7) + 0.3 * rng.normal(size=length)
    return ("date,value\n" + "".join(f"{day},{value:.3f}\n" for day, value in zip(days, values, strict=True))).encode()


def bare(body: bytes, *, horizon: int, seconds: float) -> np.ndarray:
    """Return the times in seconds of forecasts in this process."""
    from rnnforecast.workflows.predict import ForecastRequest, forecast_request

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes(body)
        times: list[float] = []
        forecast_request(ForecastRequest(horizon=horizon), "base", data=[path])
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            started = time.perf_counter()
            forecast_request(ForecastRequest(horizon=horizon), "base", data=[path])
            times.append(time.perf_counter() - started)
    return np.array(times)


def served(port: int, bodies: Iterator[bytes], *, horizon: int, seconds: float, clients: int) -> np.ndarray:
    """Return the times in seconds of requests by several clients at once, each over one connection."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    lock = threading.Lock()

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
        while time.perf_counter() < end:
            with lock:
                body = next(bodies)
            started = time.perf_counter()
            connection.request("POST", f"/forecast?horizon={horizon}", body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"status {answer.status}")
            times.append(time.perf_counter() - started)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return np.array(times)


def processor_seconds(pid: int) -> float:
    """Return the time that a process and its children have had on a processor; Linux alone."""
    pids = [pid, *(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    ticks = 0
    for each in pids:
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure `rnnforecast serve`.")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--length", type=int, default=200)
    parser.add_argument("--series", type=int, default=100_000, help="distinct series")
    parser.add_argument("--horizon", type=int, default=14)
    options = parser.parse_args()
    body = rows(options.length)
    alone = bare(body, horizon=options.horizon, seconds=options.seconds / 2)
    command = [sys.executable, "-m", "rnnforecast", "serve", "--port", "0", "--workers", str(options.workers)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        if server.stderr is None:
            raise RuntimeError("no stderr")
        port = int(server.stderr.readline().split(" (")[0].rsplit(":", 1)[1])
        bodies = (rows(options.length, seed % options.series) for seed in itertools.count())
        served(port, bodies, horizon=options.horizon, seconds=2, clients=options.clients)
        before = processor_seconds(server.pid)
        times = served(port, bodies, horizon=options.horizon, seconds=options.seconds, clients=options.clients)
        used = processor_seconds(server.pid) - before
        server.terminate()
    found = {
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}",
        "bare_ms": round(1e3 * float(np.median(alone)), 1),
        "bare_per_second": round(len(alone) / float(alone.sum()), 1),
        "processor_ms": round(1e3 * used / len(times), 1),
        "served_per_second": round(len(times) / options.seconds, 1),
        "p50_ms": round(1e3 * float(np.quantile(times, 0.5)), 1),
        "p99_ms": round(1e3 * float(np.quantile(times, 0.99)), 1),
    }
    ratio = len(times) / options.seconds / (len(alone) / float(alone.sum()))
    print(json.dumps({**vars(options), **found, "ratio": round(ratio, 2)}, indent=1))


if __name__ == "__main__":
    main()
