"""Why timestamps repeat with other values, and what settles it: clocks put back, days and months exchanged, or neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnnforecast.data.calendar.infer_frequency import in_words
from rnnforecast.data.calendar.snap import exchanged_days
from rnnforecast.data.timestamps.timezones import is_clock_put_back

if TYPE_CHECKING:
    from rnnforecast.arrays import TimestampArray


def reason_for_repeats(
    repeated: TimestampArray, timestamps: TimestampArray, *, name: str
) -> tuple[str, str, str] | None:
    """Return code, words and fix where repeated timestamps have a likely cause; None where nothing is known.

    `timestamps` are all timestamps of the rows, the repeated ones among them, in the time column `name`.
    """
    if timestamps.dtype.kind != "M" or not len(repeated):
        return None
    exchanged = exchanged_days(repeated, timestamps)
    if exchanged is not None:
        shown = ", ".join(in_words(day) for day in exchanged[:3])
        words = f"with day and month exchanged they would fill gaps ({shown}): some rows may be written month first"
        return "E_TIME_ORDER_MIXED", words, "rewrite the column as YYYY-MM-DD"
    if is_clock_put_back(repeated):
        words = "the timestamps repeat as those of a clock that was put back"
        fix = "name the zone of the clock as `--tz Europe/Berlin --ambiguous infer`, or join rows with --duplicates"
        return "E_TIME_FOLD", words, fix
    if 2 * len(repeated) > len(timestamps) and bool((timestamps == timestamps.astype("datetime64[D]")).all()):
        words = "most dates have several rows: the time of day, or the name of the series, may stand in another column"
        fix = (
            f"name the column of hours too, as `--time {name},hour`, the columns that tell series apart with --id, "
            "or join such rows with --duplicates sum|mean|first|last"
        )
        return "E_TIME_DUPLICATE", words, fix
    return None
