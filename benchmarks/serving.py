"""Requests a second and their times: `rnnforecast serve` with `base` and one series a request, against the bare forecast.

    python benchmarks/serving.py --seconds 20 --workers 2 --clients 4

The bare forecast is `forecast_request` in one process, one after the other, on the same rows.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def rows(length: int) -> bytes:
    """Return one daily series with a week in it as CSV."""
    rng = np.random.default_rng(0)
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


def served(port: int, body: bytes, *, horizon: int, seconds: float, clients: int) -> np.ndarray:
    """Return the times in seconds of requests by several clients at once, each over one connection."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
        while time.perf_counter() < end:
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


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure `rnnforecast serve`.")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--length", type=int, default=200)
    parser.add_argument("--horizon", type=int, default=14)
    options = parser.parse_args()
    body = rows(options.length)
    alone = bare(body, horizon=options.horizon, seconds=options.seconds / 2)
    command = [sys.executable, "-m", "rnnforecast", "serve", "--port", "0", "--workers", str(options.workers)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        if server.stderr is None:
            raise RuntimeError("no stderr")
        port = int(server.stderr.readline().split(" (")[0].rsplit(":", 1)[1])
        served(port, body, horizon=options.horizon, seconds=2, clients=options.clients)
        times = served(port, body, horizon=options.horizon, seconds=options.seconds, clients=options.clients)
        server.terminate()
    found = {
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}",
        "bare_ms": round(1e3 * float(np.median(alone)), 1),
        "bare_per_second": round(len(alone) / float(alone.sum()), 1),
        "served_per_second": round(len(times) / options.seconds, 1),
        "p50_ms": round(1e3 * float(np.quantile(times, 0.5)), 1),
        "p99_ms": round(1e3 * float(np.quantile(times, 0.99)), 1),
    }
    ratio = len(times) / options.seconds / (len(alone) / float(alone.sum()))
    print(json.dumps({**vars(options), **found, "ratio": round(ratio, 2)}, indent=1))


if __name__ == "__main__":
    main()
