"""The screen of `predict --shard`: the parts of one worker, failures with their fix, and how much of all is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnnforecast.cli.render.blocks import Space, duration, heading, quiet_table, safe, screen, under
from rnnforecast.findings import plural
from rnnforecast.workflows.shards.results import ShardResult

if TYPE_CHECKING:
    from rich.console import RenderableType

_STYLES = {"done": "green", "unchanged": "dim", "failed": "bold red"}
_SHOWN_PARTS = 20


@screen.register(ShardResult)
def _shard_screen(result: ShardResult, _space: Space) -> list[RenderableType]:
    counts = [(status, sum(part.status == status for part in result.parts)) for status in _STYLES]
    told = ", ".join(f"{count} {status}" for status, count in counts if count) or "nothing to do"
    table = quiet_table([("part", "fold"), ("", "left"), ("series", "right"), ("rows", "right"), ("took", "right")])
    # failures first: they are what is left to do
    ordered = sorted(result.parts, key=lambda part: part.status != "failed")
    for part in ordered[:_SHOWN_PARTS]:
        counted = ("", "") if part.status == "failed" else (f"{part.num_series:,}", f"{part.num_rows:,}")
        table.add_row(safe(part.part), safe(part.status, _STYLES[part.status]), *counted, duration(part.seconds))
    title = heading(f"Shard {result.shard}: {told}", f"{result.model}, {duration(result.seconds)}")
    blocks = [under(title, table) if result.parts else title]
    if len(ordered) > _SHOWN_PARTS:
        blocks.append(safe(f"  and {len(ordered) - _SHOWN_PARTS} more (--format json lists all)", "dim"))
    for part in (part for part in ordered[:_SHOWN_PARTS] if part.status == "failed"):
        lines = [safe(f"{part.message}"), *([safe(f"fix: {part.hint}", "dim")] if part.hint else [])]
        blocks.append(under(heading(part.part, str(part.error)), *lines))
    left = result.num_parts - result.num_done
    whole = (
        f"{result.num_done} of {plural(result.num_parts, 'part')} done"
        if not left
        else f"{left} of {plural(result.num_parts, 'part')} left"
    )
    return [*blocks, safe(f"{whole}: {result.output}")]
