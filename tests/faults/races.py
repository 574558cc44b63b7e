"""Two runs at once, and readers while a file is replaced."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from rnnforecast.errors import ExitCode
from rnnforecast.store.registry import Registry
from tests.faults.scenes import STORE, Scene, Stage, ledger_lines
from tests.faults.tally import Tally
from tests.house import ROOT

_WRITER = """
import sys
from rnnforecast.store.files import replace_file
path, num_times = sys.argv[1], int(sys.argv[2])
for number in range(num_times):
    content = number.to_bytes(4, "little") * (1_000 + number * 37 % 50_000)
    replace_file(path, lambda stream: stream.write(content) and None)
"""


def start_pairs(stage: Stage, scene: Scene, *, num_pairs: int) -> Tally:
    """Start a command twice at the same moment: both succeed, or one reports that the other holds the lock."""
    tally = Tally(f"pairs {scene.name}")
    for number in range(num_pairs):
        place = stage.copy()
        pair = [stage.zygote.begin(scene.words, place, every_step=scene.every_step) for _ in range(2)]
        for child in pair:
            child.go()
        ended = [child.wait() for child in pair]
        codes = [each.code for each in ended]
        tally.num_runs += 1
        tally.codes.update(codes)
        where = f"pair {number} of {scene.name}"
        if 0 not in codes or not set(codes) <= {0, int(ExitCode.LOCKED)}:
            tally.note(where, [f"ended with {codes}: {' '.join(each.output[-200:] for each in ended if each.code)}"])
        tally.note(where, stage.problems(scene, place) + stage.unfinished(scene, place) + stage.leftovers(place))
        tally.note(where, _miscounted(scene, place, codes.count(0)))
        shutil.rmtree(place)
    return tally


def _miscounted(scene: Scene, place: Path, num_done: int) -> list[str]:
    """Name versions that two writers both took, and runs of jobs that overlap."""
    if scene.name == "train":
        added = len(Registry(place / STORE).select("good")[1]) - 2
        return [] if added == num_done else [f"{num_done} trainings ended well, {added} versions were added"]
    events = [line["event"] for line in ledger_lines(place) if line["event"] in ("run_start", "run_end")]
    return [] if events == ["run_start", "run_end"] * (len(events) // 2) else [f"runs overlap: {events}"]


def read_while_replaced(folder: Path, *, num_replacements: int, num_reads: int) -> Tally:
    """Read a file over and over while another process replaces it: every read is complete."""
    tally = Tally("readers")
    path = folder / "out.bin"
    path.write_bytes(_content(0))
    command = [sys.executable, "-c", _WRITER, str(path), str(num_replacements)]
    num_seen, last = 0, b""
    with subprocess.Popen(command, cwd=ROOT) as writer:
        while tally.num_runs < num_reads or writer.poll() is None:
            tally.num_runs += 1
            try:
                content = path.read_bytes()
            except OSError as error:
                tally.note(f"read {tally.num_runs}", [f"could not be read: {error}"])
                continue
            if content != last:
                num_seen, last = num_seen + 1, content
                if content != _content(int.from_bytes(content[:4], "little")):
                    tally.note(f"read {tally.num_runs}", [f"torn: {len(content)} bytes"])
    tally.figures = {"replacements": num_replacements, "changes_seen": num_seen}
    tally.codes[int(writer.returncode)] += 1
    if writer.returncode != 0:
        tally.note("the writer", [f"ended with {writer.returncode}"])
    return tally


def _content(number: int) -> bytes:
    """Return the content of the writer at this iteration."""
    return number.to_bytes(4, "little") * (1_000 + number * 37 % 50_000)
