"""Settings of all tests."""

from __future__ import annotations

import os

# test processes run side by side: more threads each would only fight for the same cores
os.environ.setdefault("OMP_NUM_THREADS", "1")
