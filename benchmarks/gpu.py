"""The same training on a GPU and on the CPU: windows a second, share of the peak, and the largest panel that fits.

Needs a GPU that torch can use; without one it says so and writes nothing. Each measurement is a process of its own:
seconds are those of a fit after a first short one, which loads what torch loads on first use.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from processes import measure as measure_process
from publish import FOLDER, Table, make_parser, words_of

from rnnforecast import Settings
from rnnforecast.data.calendar.frequency import parse_frequency
from rnnforecast.data.series import SeriesSet
from rnnforecast.progress import NoProgress
from rnnforecast.training.context import FitContext, TimeBudget
from rnnforecast.training.ensemble import fit_ensemble
from rnnforecast.training.recipe import choose_recipe, gather_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH_SIZES = (128, 1_024, 8_192)
HIDDEN_SIZES = (64, 128, 256)
PANEL_SIZES = (10_000, 100_000, 1_000_000, 3_000_000, 10_000_000)
ROWS_A_SERIES, HORIZON, SEASON_LENGTH, LOOK_BACK = 100, 12, 12, 48
WARM_UP_STEPS = 3
SPEED_HEADER = ("units", "batch", "device", "windows/s", "over the CPU", "% of peak", "ms a step")
PANEL_HEADER = ("series", "rows", "windows/s", "GPU memory MB", "seconds with the copy")
#: One layer that reads value by value, so that its arithmetic can be counted.
PLAIN: dict[str, object] = {
    "from": "scratch",
    "cell": "lstm",
    "mapping": "many-to-one",
    "num_layers": 1,
    "segment_length": 1,
    "context_length": LOOK_BACK,
    "base": "none",
    "skip": False,
    "num_members": 1,
}


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "one":
        print(json.dumps(measure_one(json.loads(sys.argv[2]))))
        return
    parser = make_parser(__doc__ or "", needs_data=None)
    parser.add_argument("--num-steps", type=int, default=50, help="steps of each fit (default 50)")
    parser.add_argument("--max-series", type=int, default=max(PANEL_SIZES), help="largest panel (default 10 million)")
    parser.add_argument("--devices", default="cpu,cuda", help="to try the script: cpu alone publishes nothing")
    options = parser.parse_args()
    devices = words_of(options.devices)
    if "cuda" in devices and not torch.cuda.is_available():
        print("no GPU here: nothing is measured, nothing is written")
        return
    dry_run = options.dry_run or "cuda" not in devices
    name = torch.cuda.get_device_name() if "cuda" in devices else "none"
    speed = Table("gpu_speed", SPEED_HEADER, dry_run=dry_run)
    for hidden_size in HIDDEN_SIZES:
        for batch_size in BATCH_SIZES:
            make = partial(speed_rows, hidden_size, batch_size, devices, options.num_steps)
            speed.attempt(f"{hidden_size}, batch {batch_size}", make)
    speed.notes.append(
        f"GPU: {name}. One LSTM layer, look-back {LOOK_BACK}, horizon {HORIZON}, {options.num_steps} steps after "
        "a few to warm up; % of the peak of float32 matrix products on that device, by the recurrent layer alone."
    )
    speed.write()
    panel = Table("gpu_panel", PANEL_HEADER, dry_run=dry_run)
    for num_series in PANEL_SIZES:
        if num_series <= options.max_series:
            panel.attempt(f"{num_series:,}", partial(panel_row, num_series, devices[-1], options.num_steps))
    panel.notes.append(
        f"GPU: {name}. {ROWS_A_SERIES} rows a series, networks as the tool chooses them, all rows there."
    )
    panel.write()


def speed_rows(hidden_size: int, batch_size: int, devices: list[str], num_steps: int) -> Iterator[list[str]]:
    """Yield the rows of one size of network and batch on every device."""
    cpu: float | None = None
    for device in devices:
        flat = {**PLAIN, "hidden_size": hidden_size, "batch_size": batch_size}
        found = in_process({"device": device, "num_series": 1_000, "num_steps": num_steps, "flat": flat, "peak": True})
        pace = batch_size * num_steps / found["seconds"]
        cpu = pace if device == "cpu" else cpu
        operations = 3.0 * 2 * 4 * hidden_size * (hidden_size + 1) * LOOK_BACK * pace
        times = f"{pace / cpu:.1f} x" if cpu is not None and device != "cpu" else ""
        share = f"{100e-9 * operations / found['gigaflops']:.0f}"
        step = f"{1e3 * found['seconds'] / num_steps:.1f}"
        yield [str(hidden_size), f"{batch_size:,}", device, f"{pace:,.0f}", times, share, step]


def panel_row(num_series: int, device: str, num_steps: int) -> Iterator[list[str]]:
    """Yield the row of one panel."""
    flat = {"from": "scratch", "num_members": 1}
    found = in_process({"device": device, "num_series": num_series, "num_steps": num_steps, "flat": flat})
    pace = found["batch_size"] * num_steps / found["seconds"]
    rows = num_series * ROWS_A_SERIES
    yield [f"{num_series:,}", f"{rows:,}", f"{pace:,.0f}", f"{found['megabytes']:,.0f}", f"{found['total']:.1f}"]


def in_process(request: dict[str, object]) -> dict[str, float]:
    """Measure in a process of its own, with the threads torch takes by itself."""
    command = [sys.executable, str(FOLDER / "gpu.py"), "one", json.dumps(request)]
    return measure_process(command, FOLDER, num_threads=None).figures


def measure_one(request: dict[str, object]) -> dict[str, float]:
    """Fit a few steps, then all of them: seconds of the second fit, of it all with the copy, and memory of the GPU."""
    device, num_steps = str(request["device"]), int(str(request["num_steps"]))
    series = make_panel(int(str(request["num_series"])))
    flat: dict[str, object] = {**dict(request["flat"]), "device": device, "num_steps": WARM_UP_STEPS}  # type: ignore[call-overload]
    fit(series, flat)
    started = time.perf_counter()
    seconds, batch_size = fit(series, {**flat, "num_steps": num_steps})
    found = {"seconds": seconds, "total": time.perf_counter() - started, "batch_size": float(batch_size)}
    found["megabytes"] = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else 0.0
    if request.get("peak"):
        found["gigaflops"] = gemm_peak(torch.device(device))
    return found


def fit(series: SeriesSet, flat: dict[str, object]) -> tuple[float, int]:
    """Fit the recipe of these settings, and return the seconds of its steps and its batch size."""
    settings = Settings.from_flat(flat)
    recipe = choose_recipe(gather_facts(series, horizon=HORIZON), settings)
    context = FitContext(TimeBudget(None, 1), NoProgress(), None)
    _, fits = fit_ensemble(series, recipe, validation=None, training=settings.training, context=context)
    return fits[0].seconds, recipe.fit.batch_size


def make_panel(num_series: int) -> SeriesSet:
    """Make series of a season and noise."""
    rows = num_series * ROWS_A_SERIES
    season = np.sin(2 * np.pi * np.arange(ROWS_A_SERIES) / SEASON_LENGTH)
    values = np.random.default_rng(0).normal(0, 0.3, size=(num_series, ROWS_A_SERIES))
    values += 10 + season
    return SeriesSet(
        id_columns=("item",),
        id_values=np.full((num_series, 1), "item", dtype=object),
        target_names=("y",),
        target_index=np.zeros(num_series, dtype=np.int64),
        time_column="date",
        values=values.reshape(-1),
        observed=np.ones(rows, dtype=bool),
        offsets=np.arange(num_series + 1, dtype=np.int64) * ROWS_A_SERIES,
        first_ordinals=np.zeros(num_series, dtype=np.int64),
        freq=parse_frequency("MS"),
        season_length=SEASON_LENGTH,
        past_covariates=np.empty((rows, 0), dtype=np.float32),
        future_covariates=np.empty((0, 0), dtype=np.float32),
        future_offsets=np.zeros(num_series + 1, dtype=np.int64),
        static_covariates=np.empty((num_series, 0), dtype=np.float32),
    )


def gemm_peak(device: torch.device) -> float:
    """Return the most GFLOP/s of a float32 product of square matrices on a device."""
    best = 0.0
    for size in (1_024, 4_096) if device.type == "cuda" else (512, 1_024):
        left, right = torch.rand(size, size, device=device), torch.rand(size, size, device=device)
        until = time.perf_counter() + 1.0
        while time.perf_counter() < until:
            if device.type == "cuda":
                torch.cuda.synchronize()
            started = time.perf_counter()
            torch.mm(left, right)
            if device.type == "cuda":
                torch.cuda.synchronize()
            best = max(best, 2e-9 * size**3 / (time.perf_counter() - started))
    return best


if __name__ == "__main__":
    main()
