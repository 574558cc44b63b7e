"""Columns of a Parquet file that would take far more memory than they take in the file, found before they are read.

The announced sizes have a cap. Where they cannot tell, a child process with limited memory and time reads first.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rnnforecast.data.files.compression import BOMB_BYTES, BOMB_RATIO
from rnnforecast.data.files.local import in_words
from rnnforecast.data.sources import Source
from rnnforecast.data.tables.parquet_pages import Chunk, Pages, chunks_of, pages_of

if TYPE_CHECKING:
    import pyarrow.parquet as pq


#: Rows that are read at once.
BATCH_ROWS = 2**16
#: Bytes of texts with shared prefixes above which a child process reads them first.
_PREFIX_BYTES = 2**28
#: Bytes that a number, a timestamp or a truth value takes at most in its page, levels included.
_WIDEST_VALUE = 64
_MIN_PAGE = 2**20
_PROBE_MEMORY = 2**31
#: The problem of a column whose key is not known.
ENCRYPTED = "encrypted values"
_UNREAD = "data that cannot be read: "
#: Begin the problem of a column whose bytes are not sound: no other limit would help.
DAMAGED = (f"{_UNREAD}OSError", f"{_UNREAD}Deserializing page header failed")
_PROBE_SECONDS = 60
_PROBE_CODE = f"""
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
for batch in file.iter_batches(batch_size={BATCH_ROWS}, columns=asked["columns"], use_threads=False):
    batch.validate(full=True)
"""


class ColumnLimits:
    """The columns of one file that can be read within limits; each is examined once."""

    def __init__(self, file: pq.ParquetFile, source: Source) -> None:
        self.source = source
        metadata = file.metadata
        paths = [metadata.schema.column(place).path for place in range(metadata.num_columns)]
        self._places = {path: place for place, path in reversed(list(enumerate(paths)))}
        self._groups = chunks_of(source.payload)
        self._pages: dict[tuple[str, bool], tuple[list[Chunk], Pages | None]] = {}
        self._problems: dict[tuple[str, bool], str | None] = {}
        self._probes: dict[str, str | None] = {}

    def problem_of(self, name: str, *, only_first: bool = False) -> str | None:
        """Return why a column is not read, in words, None where it can be; `only_first` examines one row group."""
        if name not in self._places:
            return None
        if (name, only_first) not in self._problems:
            self._problems[name, only_first] = self._examine(name, only_first=only_first)
        return self._problems[name, only_first]

    def with_dictionary(self, names: Sequence[str], *, only_first: bool = False) -> list[str]:
        """Return the text columns that can be read as a dictionary: a text then takes memory once, not in each row."""
        found = ((name, *self._announced(name, only_first=only_first)) for name in names)
        return [
            name for name, chunks, pages in found if chunks and chunks[0].is_text and pages and not pages.has_deltas
        ]

    def _announced(self, name: str, *, only_first: bool) -> tuple[list[Chunk], Pages | None]:
        """Return the chunks of a column and its pages; no chunks where the footer does not tell."""
        if (name, only_first) not in self._pages:
            place = self._places[name]
            groups = (self._groups or [])[: 1 if only_first else None]
            chunks = [group[place] for group in groups if place < len(group)]
            is_complete = bool(groups) and len(chunks) == len(groups)
            self._pages[name, only_first] = (chunks, pages_of(self.source.payload, chunks) if is_complete else None)
        return self._pages[name, only_first]

    def _examine(self, name: str, *, only_first: bool) -> str | None:
        chunks, pages = self._announced(name, only_first=only_first)
        if pages is None:
            return self._probe(name)
        if pages.unpacked > self._allowed(chunks, pages):
            return f"{in_words(pages.unpacked)} in {in_words(pages.packed)} of the file: it looks like a bomb"
        if pages.has_prefixes and pages.num_values * pages.largest > _PREFIX_BYTES:
            return self._probe(name)
        return None

    def _allowed(self, chunks: Sequence[Chunk], pages: Pages) -> int:
        """Return how many bytes a column may decompress to: the cap where the user named one, else what is usual."""
        if self.source.is_trusted:
            return self.source.cap
        if not chunks[0].is_text:
            return _WIDEST_VALUE * sum(chunk.num_rows for chunk in chunks) + _MIN_PAGE * len(chunks)
        return min(max(BOMB_BYTES, BOMB_RATIO * pages.packed), self.source.cap)

    def _probe(self, name: str) -> str | None:
        if name not in self._probes:
            self._probes[name] = probe_in_subprocess(self.source.payload, [name], memory=_PROBE_MEMORY)
        problem = self._probes[name]
        if problem is not None and "decrypt" in problem.lower():
            return ENCRYPTED
        return None if problem is None else f"{_UNREAD}{problem}"


def probe_in_subprocess(payload: bytes, columns: Sequence[str], *, memory: int) -> str | None:
    """Return None where a child process can read these columns with limited memory and time, else its error."""
    memory += 4 * len(payload)  # the child has a copy of it
    asked = json.dumps({"memory": memory, "seconds": _PROBE_SECONDS, "columns": list(columns)})
    command = [sys.executable, "-P", "-c", _PROBE_CODE, asked]
    try:
        done = subprocess.run(command, input=payload, capture_output=True, timeout=2 * _PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"reading it took more than {2 * _PROBE_SECONDS} seconds"
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"reading it ended with signal {-done.returncode}: it needs too much memory or is damaged"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it cannot be read"
