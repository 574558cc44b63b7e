"""Kill a stream at random moments: no row is lost and none is answered twice.

`python -m tests.streaming.kills --kills 1000` prints how many kills there were and what was compared; the suite runs a few.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from pathlib import Path

from rnnforecast.workflows.stream import StreamRequest
from tests.streaming.streams import assert_same, read_answers, run_stream, write_rows

ROWS, SAVE_EVERY = 30_000, 700


def kill_often(folder: Path, kills: int, *, rows: int = ROWS, seed: int = 0) -> int:
    """Stream a file and kill the process `kills` times, anew from the start whenever it ends; returns the whole runs."""
    chance = random.Random(seed)
    data, expected = folder / "rows.csv", folder / "expected.csv"
    write_rows(data, rows)
    started = time.monotonic()
    run_stream(StreamRequest("pump", input=str(data), output=str(expected)))
    longest = (time.monotonic() - started) / 4
    answers = read_answers(expected)
    request = StreamRequest(
        "pump", input=str(data), output=str(folder / "out.csv"), state=str(folder / "state"), save_every=SAVE_EVERY
    )
    done = whole = 0
    while done < kills or whole == 0:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                run_stream(request)
                code = 0
            finally:
                os._exit(code)
        if done < kills:
            time.sleep(chance.uniform(0, longest))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            done += 1
            continue
        assert os.WEXITSTATUS(status) == 0
        assert_same(read_answers(folder / "out.csv"), answers)
        whole += 1
        if done < kills:
            (folder / "out.csv").unlink()
            (folder / "state").unlink()
    return whole


def main() -> None:
    """Run the kills and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole = kill_often(Path(folder), options.kills)
    print(f"{options.kills} kills, {whole} whole files of {ROWS:,} rows: every row answered once")


if __name__ == "__main__":
    main()
