"""A second wall against files made to hurt: a child process with little memory and time reads them first.

Only files whose metadata promise far more than their size are tried so; all others are read at once.
"""

from __future__ import annotations

import json
import subprocess
import sys

_SECONDS = 60
_CODE = """
import json, resource, sys
asked = json.loads(sys.argv[1])
for kind, limit in ((resource.RLIMIT_AS, asked["memory"]), (resource.RLIMIT_CPU, asked["seconds"])):
    hard = resource.getrlimit(kind)[1]  # a job may have less than is asked for
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(kind, (limit, limit))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
import pyarrow as pa
import pyarrow.parquet as pq
file = pq.ParquetFile(pa.BufferReader(sys.stdin.buffer.read()), page_checksum_verification=True)
for batch in file.iter_batches(batch_size=65536, columns=asked["columns"], use_threads=False):
    batch.validate(full=True)
"""


def survives(payload: bytes, columns: list[str], *, memory: int) -> str | None:
    """Return None where a child process could read these columns within its memory and time, else why it could not."""
    memory += 4 * len(payload)  # it is held there too
    asked = json.dumps({"memory": memory, "seconds": _SECONDS, "columns": columns})
    command = [sys.executable, "-P", "-c", _CODE, asked]
    try:
        done = subprocess.run(command, input=payload, capture_output=True, timeout=2 * _SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"reading it took more than {2 * _SECONDS} seconds"
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"reading it ended with signal {-done.returncode}: it asks for more than it may hold, or is damaged"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it cannot be read"
