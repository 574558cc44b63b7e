from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rnnforecast.training.allocator import keep_freed_memory, return_freed_memory

# a buffer above the threshold that glibc starts with is written, freed and written again: who clears the pages?
PROBE = """
import resource, sys
from rnnforecast.training.allocator import keep_freed_memory
import numpy as np
kept = keep_freed_memory() if sys.argv[1] == "keep" else True
def touch():
    return np.ones(1 << 19)  # 4 MiB
held = [touch()]; held.clear()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    held.append(touch()); held.clear()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"), reason="not glibc"
)
def test_a_buffer_that_is_freed_is_used_again_without_new_pages() -> None:
    run = subprocess.run([sys.executable, "-c", PROBE, "keep"], capture_output=True, text=True, check=True)
    kept, num_faults = run.stdout.split()
    assert kept == "True"
    assert int(num_faults) < 20 * 64


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert not keep_freed_memory()
    return_freed_memory()


@pytest.mark.parametrize("error", [ValueError("unrecognized configuration name"), OSError(22, "Invalid argument")])
def test_other_c_libraries_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(_name: str) -> str:
        raise error

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "confstr", refuse)
    assert not keep_freed_memory()
