"""How long `rnnforecast --help` and `rnnforecast predict` take beside the imports they cannot do without.

Whole processes, run in turn with their peer so that both meet the same machine; medians of all runs.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from processes import measure
from publish import FOLDER, make_parser, publish

SERIES = FOLDER.parent / "sample_data" / "airline_passengers.csv"
PEER_OF_HELP = [sys.executable, "-c", "import typer, rich"]
PEER_OF_PREDICT = [sys.executable, "-c", "import pandas, pyarrow.parquet"]
#: The shipped network needs no model, so this is all a first forecast costs.
BASE = ["predict", "base", "--data", SERIES.name, "--output", "forecast.csv"]
#: Days of a market: its calendar is recognised by loading those of all countries.
PRICES = FOLDER.parent / "sample_data" / "prices.csv"


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=None)
    parser.add_argument("--runs", type=int, default=11, help="runs of each process (default 11)")
    options = parser.parse_args()
    program = str(Path(sys.executable).with_name("rnnforecast"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(SERIES, folder)
        shutil.copy(PRICES, folder)
        subprocess.run([program, "train", SERIES.name, "--quiet"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        rows = [
            compare([program, "--help"], PEER_OF_HELP, folder=folder, num_runs=options.runs, limit="3"),
            compare([program, "predict"], PEER_OF_PREDICT, folder=folder, num_runs=options.runs, limit="1.5"),
            compare([program, *BASE], PEER_OF_PREDICT, folder=folder, num_runs=options.runs, limit="1.5"),
            compare(
                [program, "predict", "--data", PRICES.name],
                PEER_OF_PREDICT,
                folder=folder,
                num_runs=options.runs,
                limit="1.5",
            ),
        ]
    header = ("command", "median s", "peak MB", "peer", "median s", "peak MB", "ratio", "ratio must be under")
    note = (
        f"{options.runs} runs of each in turn; `predict` reads the newest model and one series of 144 rows, `predict "
        "base` the same series and no model, `predict --data prices.csv` business days, whose market is recognised."
    )
    publish("startup", header, rows, notes=[note], dry_run=options.dry_run)


def compare(command: list[str], peer: list[str], *, folder: Path, num_runs: int, limit: str) -> list[str]:
    """Return the row of a command and its peer."""
    ours, theirs = [], []
    measure(command, folder, num_threads=None)  # fills the file cache and writes the byte code
    measure(peer, folder, num_threads=None)
    for _ in range(num_runs):
        ours.append(measure(command, folder, num_threads=None))
        theirs.append(measure(peer, folder, num_threads=None))
    seconds, peer_seconds = (statistics.median(run.seconds for run in runs) for runs in (ours, theirs))
    memory, peer_memory = (statistics.median(run.megabytes for run in runs) for runs in (ours, theirs))
    label = f"`rnnforecast {' '.join(command[1:])}`"
    peer_label = f'`python -c "{peer[-1]}"`'
    figures = [f"{seconds:.3f}", f"{memory:.0f}", peer_label, f"{peer_seconds:.3f}", f"{peer_memory:.0f}"]
    return [label, *figures, f"{seconds / peer_seconds:.2f}", limit]


if __name__ == "__main__":
    main()
