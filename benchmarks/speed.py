"""Speed beside other libraries: windows a second at their own architecture, time to their accuracy, a nightly job.

Every library runs in an environment of its own (`--prepare` makes them under `--envs`), every measurement in a process
of its own, with one thread on one core, in turn. Look-back, batch and steps of a task are the same for all; the network
is one layer of 64 units. Windows a second are batch x steps over the processor time of the whole fit, ours with choosing,
validation and calibration in it. Time to accuracy is that of the command as it is, under growing time budgets.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from processes import FailedError, Run, measure
from publish import FOLDER, Table, chosen, make_parser
from speed_tasks import PLANS, Work, prepare

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

PEERS = {"neuralforecast": "gru", "darts": "gru", "gluonts": "lstm"}
OURS = ("gru", "lstm")
BUDGETS = ("1s", "2s", "5s", "10s", "20s", "40s", "none")
SCRIPTS = FOLDER / "peers"
HEADER = ("who", "network", "windows/s", "ours, GRU", "ours, LSTM", "% of peak", "seconds of fit", "peak MB", "error")


@dataclass
class Contender:
    """One line of a task: how it is run, and what was found."""

    name: str
    cell: str
    command: list[str]
    folder: Path
    unrolled: int = 0
    runs: list[Run] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    failure: str | None = None

    def seconds(self) -> float:
        """Return the median seconds of a fit."""
        return statistics.median(run.figures["fit_seconds"] for run in self.runs)


def main() -> None:
    options = _options()
    peers = chosen(options.peers, PEERS, option="--peers")
    if options.prepare:
        for peer in peers:
            prepare_peer(peer, options.envs)
    if options.data is None:
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core for all, inherited by every process
    tasks = chosen(options.tasks, PLANS, option="--tasks")
    with tempfile.TemporaryDirectory() as name:
        for task in tasks:
            folder = Path(name) / task
            work = prepare(task, options.data, folder, num_steps=options.num_steps, max_series=options.max_series)
            table = Table(f"speed_{task.lower()}", HEADER, dry_run=options.dry_run)
            table.attempt(task, partial(measure_task, table, work, peers, options))
            table.write()
            if task == "T1":
                jobs = Table("speed_predict", ("job", "median s", "peak MB", "ours is"), dry_run=options.dry_run)
                jobs.attempt("jobs", partial(measure_jobs, jobs, work, peers, options))
                jobs.write()


def _options() -> argparse.Namespace:
    parser = make_parser(__doc__ or "", needs_data=False)
    parser.add_argument("--peers", default=None, metavar="A,B", help=f"only these of {', '.join(PEERS)}")
    parser.add_argument("--tasks", default=None, metavar="T1,T3", help=f"only these of {', '.join(PLANS)}")
    parser.add_argument(
        "--envs", type=Path, default=FOLDER.parent / ".peers", help="folder of the environments (default .peers)"
    )
    parser.add_argument("--prepare", action="store_true", help="make the environments first")
    parser.add_argument("--runs", type=int, default=3, help="runs of each fit, in turn (default 3)")
    parser.add_argument("--job-runs", type=int, default=5, help="runs of each nightly job, in turn (default 5)")
    trial = parser.add_argument_group("to try the script, not to publish")
    trial.add_argument("--num-steps", type=int, default=None, help="steps of every fit")
    trial.add_argument("--max-series", type=int, default=None, help="only about so many series of each panel")
    trial.add_argument("--budgets", default=",".join(BUDGETS), help="time budgets of the default, in order")
    options = parser.parse_args()
    if options.num_steps or options.max_series:
        options.dry_run = True
    return options


def prepare_peer(peer: str, envs: Path) -> None:
    """Make the environment of a peer; an index with CPU builds of torch saves 4 GB."""
    if not (envs / peer / "bin" / "python").is_file():
        subprocess.run([sys.executable, "-m", "venv", str(envs / peer)], check=True)
    packages = SCRIPTS / f"{peer}.txt"
    subprocess.run([str(envs / peer / "bin" / "python"), "-m", "pip", "install", "-q", "-r", str(packages)], check=True)


def interpreter(peer: str, envs: Path) -> str:
    """Return the Python of a peer. Raises FileNotFoundError where its environment was not made."""
    path = (envs / peer / "bin" / "python").absolute()
    if not path.is_file():
        raise FileNotFoundError(f"no environment for {peer}: run with --prepare")
    return str(path)


def measure_task(table: Table, work: Work, peers: list[str], options: argparse.Namespace) -> Iterator[list[str]]:
    """Measure all contenders of one task in turn, then yield their rows."""
    contenders = list(make_contenders(work, peers, options.envs))
    peaks = [peak()]
    for number in range(options.runs):
        for contender in contenders:
            measure_once(contender, work)
            if contender.runs and contender.failure is None:
                seconds = contender.runs[-1].figures["fit_seconds"]
                print(f"run {number + 1}: {contender.name} {contender.cell}: {seconds:.2f} s", flush=True)
        peaks.append(peak())
    sound = [one for one in contenders if _is_ours(one) and one.runs]
    ours = {one.cell: work.plan.batch_size * work.num_steps / one.seconds() for one in sound}
    for contender in contenders:
        yield task_row(contender, work, ours, max(peaks))
    yield from time_to_accuracy(table, work, contenders, options)
    table.notes.append(
        f"{work.plan.words}: look-back {work.plan.context_length}, horizon {work.plan.horizon}, batch "
        f"{work.plan.batch_size}, {work.num_steps} steps; medians of {options.runs} runs in turn, one thread on one "
        f"core; seconds of processor. `ours, GRU` and `ours, LSTM`: how many times as many windows a second. "
        f"Error: {work.plan.metric} of the test part. Peak: {max(peaks):.0f} GFLOP/s, float32 matrix products in the same "
        "run; % of it by the recurrent layer alone. Ours has 13 quantiles for each step; gluonts samples 100 paths and "
        "reads lags too."
    )


def make_contenders(work: Work, peers: list[str], envs: Path) -> Iterator[Contender]:
    """Yield ours and every peer that has an environment; one that has none is a row that says so."""
    root = work.file.parent
    for cell in OURS:
        command = [sys.executable, str(SCRIPTS / "run_rnnforecast.py"), "matched", str(work.file)]
        folder = root / f"ours-{cell}"
        yield Contender("rnnforecast", cell, [*command, str(folder), cell], folder)
    for peer in peers:
        folder = root / peer
        unrolled = work.plan.horizon if peer == "gluonts" else 0
        contender = Contender(peer, PEERS[peer], [], folder, unrolled)
        try:
            script = str(SCRIPTS / f"run_{peer}.py")
            contender.command = [interpreter(peer, envs), script, "fit", str(work.file), str(folder)]
        except FileNotFoundError as error:
            contender.failure = str(error)
        yield contender


def measure_once(contender: Contender, work: Work) -> None:
    """Fit once; a failure is kept and the contender is left alone from then on."""
    if contender.failure is not None:
        return
    contender.folder.mkdir(exist_ok=True)
    try:
        contender.runs.append(measure(contender.command, contender.folder))
        if not _is_ours(contender):
            contender.errors.append(work.score(contender.folder / "forecast.csv"))
    except (FailedError, OSError, ValueError) as error:
        contender.failure = f"{error}"
        print(f"{contender.name} {contender.cell}: {error}", file=sys.stderr, flush=True)


def task_row(contender: Contender, work: Work, ours: dict[str, float], peak_flops: float) -> list[str]:
    """Return the row of one contender."""
    label = [contender.name, f"{contender.cell} 1 x 64"]
    if contender.failure is not None or not contender.runs:
        return [*label, f"failed: {' '.join(str(contender.failure).split()).replace('|', '/')[:160]}"]
    seconds = contender.seconds()
    pace = work.plan.batch_size * work.num_steps / seconds
    share = 100 * work.operations(cell=contender.cell, unrolled=contender.unrolled) / seconds / (1e9 * peak_flops)
    times = ["" if cell not in ours or _is_ours(contender) else f"{ours[cell] / pace:.1f} x" for cell in OURS]
    megabytes = statistics.median(run.megabytes for run in contender.runs)
    error = f"{statistics.median(contender.errors):.3f}" if contender.errors else ""
    return [*label, f"{pace:,.0f}", *times, f"{share:.0f}", f"{seconds:.2f}", f"{megabytes:.0f}", error]


def time_to_accuracy(
    table: Table, work: Work, contenders: list[Contender], options: argparse.Namespace
) -> Iterator[list[str]]:
    """Yield the rows of the default under growing budgets, until its error is that of the best peer."""
    scored = [one for one in contenders if one.errors and one.failure is None]
    best = min(scored, key=lambda one: statistics.median(one.errors), default=None)
    target = statistics.median(best.errors) if best is not None else 0.0
    script = str(SCRIPTS / "run_rnnforecast.py")
    ladder = [("base, fitted to nothing", ["base"]), *((f"default, {b}", ["default", b]) for b in _budgets(options))]
    for number, (label, (verb, *budget)) in enumerate(ladder):
        folder = work.file.parent / f"default-{number}"
        folder.mkdir()
        command = [sys.executable, script, verb, str(work.file), str(folder), *budget]
        try:
            run = measure(command, folder)
            error = work.score(folder / "forecast.csv")
        except (FailedError, OSError, ValueError) as failure:
            yield ["rnnforecast", label, f"failed: {' '.join(str(failure).split()).replace('|', '/')[:160]}"]
            continue
        spent = run.figures["fit_seconds"]
        total = spent + run.figures["predict_seconds"]
        yield ["rnnforecast", label, "", "", "", "", f"{spent:.2f}", f"{run.megabytes:.0f}", f"{error:.3f}"]
        if best is not None and error <= target:
            theirs = best.seconds()
            done = (
                "base, fitted to nothing, in {} s with reading"
                if verb == "base"
                else "the default in {} s with reading, judging"
            )
            table.notes.append(
                f"The error of the best peer, {best.name} ({target:.3f}, {theirs:.2f} s of fit), is reached by "
                f"{done.format(f'{total:.2f}')} and forecasting: {100 * total / theirs:.0f} % of it."
            )
            if verb == "default":
                return
    table.notes.append("The default did not reach the error of the best peer." if best else "No peer was measured.")


def _budgets(options: argparse.Namespace) -> list[str]:
    return [word for word in options.budgets.split(",") if word]


def measure_jobs(table: Table, work: Work, peers: list[str], options: argparse.Namespace) -> Iterator[list[str]]:
    """Measure whole processes that load a saved model, read one series and write its forecast, in turn."""
    root = work.file.parent
    store = root / "job"
    shutil.rmtree(store, ignore_errors=True)
    store.mkdir()
    program = str(Path(sys.executable).with_name("rnnforecast"))
    train = [program, "train", str(work.single), "--horizon", str(work.plan.horizon), "--name", "job", "--quiet"]
    measure(train, store)
    jobs = {"rnnforecast predict": [program, "predict", "job", "--data", str(work.single), "--output", "job.csv"]}
    jobs["rnnforecast predict base"] = [program, "predict", "base", *jobs["rnnforecast predict"][3:]]
    folders = dict.fromkeys(jobs, store)
    for peer in peers:
        if (root / peer / "model").is_dir():
            script = str(SCRIPTS / f"run_{peer}.py")
            jobs[peer] = [interpreter(peer, options.envs), script, "predict", str(work.file), str(root / peer)]
            folders[peer] = root / peer
    runs: dict[str, list[Run]] = {name: [] for name in jobs}
    broken: dict[str, str] = {}
    for number in range(options.job_runs + 1):
        for name, command in jobs.items():
            try:
                run = measure(command, folders[name])
            except FailedError as error:
                broken[name] = str(error)
                continue
            if number:  # the first fills the file cache
                runs[name].append(run)
        print(f"jobs, run {number} at {time.strftime('%H:%M:%S')}", flush=True)
    ours = statistics.median(run.seconds for run in runs["rnnforecast predict"])
    for name, found in runs.items():
        if not found:
            yield [name, f"failed: {broken.get(name, '')[:160]}"]
            continue
        seconds = statistics.median(run.seconds for run in found)
        megabytes = statistics.median(run.megabytes for run in found)
        yield [name, f"{seconds:.2f}", f"{megabytes:.0f}", f"{seconds / ours:.1f} x as fast"]
    table.notes.append(
        f"Whole processes, medians of {options.job_runs} runs in turn; the peers' models are those of T1."
    )


def peak() -> float:
    """Return the GFLOP/s of matrix products in a process of its own."""
    return measure([sys.executable, str(SCRIPTS / "run_rnnforecast.py"), "peak"], SCRIPTS).figures["gigaflops"]


def _is_ours(contender: Contender) -> bool:
    return contender.name == "rnnforecast"


if __name__ == "__main__":
    main()
