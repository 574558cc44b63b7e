"""Results of `predict --shard`: one entry per part, and how much of all parts is done."""

from __future__ import annotations

from rnnforecast.errors import ExitCode
from rnnforecast.frozen import dataclass
from rnnforecast.json_values import Document


@dataclass(frozen=True)
class PartResult(Document):
    """One part of a shard: `done`, `unchanged` (done by an earlier run) or `failed`, with its error."""

    part: str
    status: str
    num_rows: int = 0
    num_series: int = 0
    num_warnings: int = 0
    seconds: float = 0.0
    exit_code: int = 0
    error: str | None = None  # its code
    message: str | None = None
    hint: str | None = None


@dataclass(frozen=True)
class ShardResult(Document):
    """The part of a folder of Parquet files that one worker forecast, and how much of all is done."""

    model: str
    shard: str
    by: str
    output: str
    parts: tuple[PartResult, ...]
    num_parts: int  # of all workers
    num_done: int  # of those
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0, the code of the failure where all failed, else that of a partial success."""
        failed = [part.exit_code for part in self.parts if part.status == "failed"]
        if not failed:
            return 0
        return failed[0] if len(failed) == len(self.parts) else int(ExitCode.PARTIAL)

    def _computed(self) -> dict[str, object]:
        return {"exit_code": self.exit_code}
