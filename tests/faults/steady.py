"""Many runs in a row, and the cost of writing safely."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from rnnforecast.store.files import replace_file
from tests.faults.scenes import Stage
from tests.faults.tally import Tally
from tests.house import ROOT

_MAX_SLOPE = 1024  # bytes of memory a run
_RUNS_FOR_A_SLOPE = 500  # memory grows by many pages at once: fewer runs show no trend

_SOAK = """
import gc, json, os, sys
import rnnforecast
folder, num_runs = sys.argv[1], int(sys.argv[2])
os.chdir(folder)
seen = []
for number in range(num_runs):
    rnnforecast.predict("good", output="out.csv")
    if number >= num_runs // 5:
        pages = int(open("/proc/self/statm").read().split()[1])
        files = sum(len(names) for _, _, names in os.walk("."))
        gc.collect()
        seen.append((pages * 4096, len(os.listdir("/proc/self/fd")), files, len(gc.get_objects())))
print(json.dumps(seen))
"""


def run_in_a_row(stage: Stage, *, num_runs: int) -> Tally:
    """Forecast over and over in one process: memory, descriptors and files do not grow."""
    tally = Tally("runs in a row")
    place = stage.copy()
    command = [sys.executable, "-c", _SOAK, str(place), str(num_runs)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    tally.num_runs = num_runs
    tally.codes[done.returncode] += 1
    if done.returncode != 0:
        tally.note("the process", [f"ended with {done.returncode}: {done.stderr[-300:]}"])
        return tally
    memory, descriptors, files, objects = (list(column) for column in zip(*json.loads(done.stdout), strict=True))
    slope = statistics.linear_regression(range(len(memory)), memory).slope
    tally.figures = {"bytes_a_run": round(slope, 1), "descriptors": descriptors[-1], "files": files[-1]}
    tally.figures["objects_a_run"] = round((objects[-1] - objects[0]) / len(objects), 2)
    if objects[-1] - objects[0] >= len(objects):
        tally.note("objects", [f"went from {objects[0]:,} to {objects[-1]:,}"])
    if slope > _MAX_SLOPE and num_runs >= _RUNS_FOR_A_SLOPE:
        tally.note("memory", [f"grows by {slope:,.0f} bytes a run"])
    if len(set(descriptors)) > 1 or len(set(files)) > 1:
        first, last = (descriptors[0], files[0]), (descriptors[-1], files[-1])
        tally.note("descriptors and files", [f"went from {first} to {last}"])
    shutil.rmtree(place)
    return tally


def weigh_safety(folder: Path, *, num_times: int, num_bytes: int) -> Tally:
    """Compare the safe replacement of a file with a plain write of the same bytes."""
    tally = Tally(f"price of safety, {num_bytes:,} bytes")
    content, path = os.urandom(num_bytes), folder / "out.bin"

    def seconds_of(write_once: Callable[[], object]) -> float:
        taken = []
        for _ in range(num_times):
            started = time.perf_counter()
            write_once()
            taken.append(time.perf_counter() - started)
        return statistics.median(taken)

    plain = seconds_of(lambda: path.write_bytes(content))
    safe = seconds_of(lambda: replace_file(path, lambda stream: _write(stream, content)))
    tally.num_runs = 2 * num_times
    tally.figures = {"plain_ms": round(plain * 1e3, 3), "safe_ms": round(safe * 1e3, 3)}
    if safe - plain > max(0.05 * plain, 0.05):
        tally.note("the price", [f"{(safe - plain) * 1e3:.1f} ms over {plain * 1e3:.1f} ms"])
    return tally


def _write(stream: BinaryIO, content: bytes) -> None:
    stream.write(content)
