"""Full disks: a limit on the size of files at any byte, and a small file system in memory if it can be mounted."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.faults.calls import judge
from tests.faults.scenes import Scene, Stage
from tests.faults.tally import Tally

_PAGE = 4096


def limit_files(stage: Stage, scene: Scene, *, num_sizes: int) -> Tally:
    """Run a scene under limits of the size of a file, evenly from none to the largest that it writes."""
    tally = Tally(f"file limit {scene.name}")
    largest = _largest_file(stage, scene)
    for size in _spread(largest, num_sizes):
        place = stage.copy()
        ended = stage.zygote.run(scene.words, place, every_step=scene.every_step, max_file_bytes=size)
        tally.num_runs += 1
        tally.codes[ended.code] += 1
        judge(tally, stage, scene, place, ended, f"{scene.name}, files of at most {size} bytes")
        shutil.rmtree(place)
    return tally


def fill_disk(stage: Stage, scene: Scene, *, max_sizes: int) -> Tally:
    """Run a scene on disks with 0, 1, 2, ... free pages until it fits (or `max_sizes` were tried)."""
    tally = Tally(f"full disk {scene.name}")
    tally.skipped = why_no_mount()
    for num_pages in range(0 if tally.skipped else max_sizes):
        with tempfile.TemporaryDirectory() as folder:
            used = _num_pages(stage.template)
            _mount(Path(folder), f"size={(used + num_pages) * _PAGE},nr_inodes=1000")
            try:
                place = stage.copy(Path(folder))
                _fill(Path(folder), num_pages)
                ended = stage.zygote.run(scene.words, place, every_step=scene.every_step)
                tally.num_runs += 1
                tally.codes[ended.code] += 1
                (Path(folder) / "ballast").unlink()
                _mount(Path(folder), "remount,size=64m")
                judge(tally, stage, scene, place, ended, f"{scene.name}, {num_pages} free pages")
            finally:
                subprocess.run(["umount", folder], check=False)
        if ended.code == 0:
            break
    return tally


def why_no_mount() -> str:
    """Return why no small disk can be mounted here, empty if it can."""
    if os.geteuid() != 0:
        return "only root may mount a small disk"
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            return f"no small disk may be mounted: {done.stderr.strip()[:200]}"
        subprocess.run(["umount", folder], check=False)
    return ""


def _fill(folder: Path, num_free_pages: int) -> None:
    """Leave exactly this many pages free."""
    state = os.statvfs(folder)
    surplus = state.f_bfree * state.f_frsize // _PAGE - num_free_pages
    (folder / "ballast").write_bytes(b"\1" * max(surplus, 0) * _PAGE)


def _mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)


def _num_pages(folder: Path) -> int:
    return sum(-(-path.lstat().st_size // _PAGE) + 1 for path in folder.rglob("*")) + 8


def _largest_file(stage: Stage, scene: Scene) -> int:
    place = stage.copy()
    stage.zygote.run(scene.words, place, every_step=scene.every_step)
    largest = max(path.stat().st_size for path in place.rglob("*") if _is_new(path, place, stage))
    shutil.rmtree(place)
    return largest


def _spread(largest: int, num_sizes: int) -> Sequence[int]:
    return sorted({largest * number // max(num_sizes - 1, 1) for number in range(num_sizes)})


def _is_new(path: Path, place: Path, stage: Stage) -> bool:
    """Return whether a run has written a file: it is new, or its content changed."""
    before = stage.template / path.relative_to(place)
    return path.is_file() and (not before.is_file() or before.read_bytes() != path.read_bytes())
