"""What the values of series look like, as notes: ends that differ, short series, spikes, shifts, new units, many zeros.

Nothing is changed. Long panels are sampled: reading must not take longer for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.data.calendar.frequency import in_words
from rnnforecast.data.errors import quoted
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.timestamps.timezones import read_zone
from rnnforecast.findings import Finding, plural

#: Series that a finding names.
MAX_NAMED = 3
#: Series whose values are looked at, chosen evenly, and the newest rows of each.
MAX_SERIES = 100
MAX_ROWS = 20_000
#: A series is short that has fewer rows than this many seasons (or steps) while another has so many times as many.
SHORT_SEASONS, SHORT_ROWS, LONGER = 2, 8, 4
#: Spreads between a value and its neighbours from which on it is a spike, and the fraction of rows that may be spikes.
SPIKE_SPREADS = 30.0
MAX_SPIKES = 0.005
#: Blocks of a history that are compared, rows of a block at least, and what makes their levels differ.
NUM_BLOCKS, MIN_BLOCK = 24, 4
SHIFT_SPREADS, SHIFT_JUMPS = 6.0, 8.0
SCALE_FACTOR = 20.0
#: Fraction of zeros from which on a history is intermittent.
MIN_ZEROS = 0.5


def series_findings(series: SeriesSet) -> list[Finding]:
    """Return the notes about ends and lengths of all series, and about the values of some of them."""
    found = [*_different_ends(series), *_short(series)]
    spikes, shifts, scales, zeros = [], [], [], []
    step = -(-series.num_series // MAX_SERIES)
    for number in range(0, series.num_series, step):
        begin, end = map(int, series.offsets[number : number + 2])
        rows = slice(max(begin, end - MAX_ROWS), end)
        seen = np.flatnonzero(series.observed[rows])
        values = series.values[rows][seen]
        if len(values) < NUM_BLOCKS:
            continue
        places = seen + rows.start
        spikes += [(number, int(places[place])) for place in _spikes(values)]
        blocks, is_positive = _blocks(values), float(values.min()) >= 0
        sizes = values if is_positive else np.abs(values)
        border = _new_scale(sizes, blocks if is_positive else _blocks(sizes))
        if border:
            scales.append((number, int(places[border])))
        elif border := _shift(values, *blocks):
            shifts.append((number, int(places[border])))
        if float((values == 0).mean()) >= MIN_ZEROS and values.any():
            zeros.append((number, int(places[-1])))
    kinds = ((_rescaled, scales), (_shifted, shifts), (_spiked, spikes), (_intermittent, zeros))
    return [*found, *(note(series, *places[0], len(places)) for note, places in kinds if places)]


def _different_ends(series: SeriesSet) -> list[Finding]:
    """Return the note about series that end before the others."""
    ends = series.first_ordinals + series.lengths - 1
    early = np.flatnonzero(ends < ends.max())
    if not len(early):
        return []
    newest, *own = (
        in_words(one) for one in series.freq.to_timestamps(np.array([ends.max(), *ends[early[:MAX_NAMED]]]))
    )
    labels = series.item_ids
    named = _listed([f"{quoted(labels[index])} at {end}" for index, end in zip(early, own, strict=False)], len(early))
    message = (
        f"{len(early)} of {series.num_series} series end before {newest}: {named}; the forecast of each starts after its "
        "own end"
    )
    fix = "`--align` forecasts all from the latest timestamp; or leave out series that are over"
    return [Finding("N_SERIES_ENDS", message, column=series.time_column, value=own[0], count=len(early), fix=fix)]


def differing_seasons(series: SeriesSet, season_length: int, own: Mapping[int, int]) -> list[Finding]:
    """Return the note about series, by number, that repeat after other steps than the panel."""
    if not own or series.num_series == 1:
        return []
    labels = series.item_ids
    named = _listed(
        [f"{quoted(labels[one])} {length} steps" for one, length in list(own.items())[:MAX_NAMED]], len(own)
    )
    panel = f"{plural(season_length, 'step')}, the season of the panel" if season_length > 1 else "none for the panel"
    fix = f"train on them apart, with `--season-length {next(iter(own.values()))}`"
    message = (
        f"{len(own)} of {series.num_series} series have another season ({panel}): {named}; members without "
        "training and seasonal naive forecasts use the own season of each, trained networks that of the panel"
    )
    return [Finding("N_SERIES_SEASON", message, count=len(own), fix=fix)]


def _short(series: SeriesSet) -> list[Finding]:
    """Return the note about series much shorter than others: too short to show a season."""
    lengths = series.lengths
    needed = max(SHORT_SEASONS * series.season_length if series.season_length > 1 else 0, SHORT_ROWS)
    short = np.flatnonzero((lengths < needed) & (LONGER * lengths <= lengths.max()))
    if not len(short):
        return []
    labels = series.item_ids
    short = short[np.argsort(lengths[short], kind="stable")]
    named = _listed(
        [f"{quoted(labels[index])} {plural(int(lengths[index]), 'row')}" for index in short[:MAX_NAMED]], len(short)
    )
    message = (
        f"{len(short)} of {series.num_series} series have fewer than {needed} rows, the longest has "
        f"{int(lengths.max()):,}: {named}"
    )
    fix = "leave them out, or read their forecasts as guesses from few rows"
    return [Finding("N_SERIES_SHORT", message, count=len(short), fix=fix)]


def _spikes(values: Float64Array) -> Int64Array:
    """Return values far from both neighbours and from all others: measured in the spread of such distances."""
    if len(values) < 3:
        return np.zeros(0, dtype=np.int64)
    changes = np.diff(values)
    sizes = np.abs(changes)
    distance, spread = np.minimum(sizes[:-1], sizes[1:]), float(np.median(sizes))
    if not distance.max() > SPIKE_SPREADS * spread:
        return np.zeros(0, dtype=np.int64)
    distance = np.where(changes[:-1] * changes[1:] < 0, distance, 0.0)
    low, high = np.quantile(values, (0.01, 0.99))
    inner = values[1:-1]
    outside = (inner > high + (high - low)) | (inner < low - (high - low))
    found = 1 + np.flatnonzero((distance > SPIKE_SPREADS * spread) & outside)
    return found if spread > 0 and len(found) <= max(MAX_SPIKES * len(values), 1) else found[:0]


def _blocks(values: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return blocks of rows and the median of each: [B, rows of a block], [B]."""
    size = max(len(values) // NUM_BLOCKS, MIN_BLOCK)
    whole = values[len(values) % size :].reshape(-1, size)
    return whole, np.median(whole, axis=1)


def _border(low_side: Float64Array, high_side: Float64Array) -> tuple[int, float, float]:
    """Return the border of blocks with the widest distance between all before and all after it: its place and ends."""
    before, after = np.maximum.accumulate(low_side)[:-1], np.minimum.accumulate(high_side[::-1])[::-1][1:]
    place = int(np.argmax(after - before))
    return place + 1, float(before[place]), float(after[place])


def _new_scale(sizes: Float64Array, blocks: tuple[Float64Array, Float64Array]) -> int | None:
    """Return the row from which on all blocks are many times as large, or as small, as all before it."""
    (_, size), medians = blocks[0].shape, blocks[1]
    if len(medians) < 4 or not 0 < SCALE_FACTOR * float(medians.min()) < float(medians.max()):
        return None
    levels = np.log(medians)
    for sign in (1.0, -1.0):
        block, before, after = _border(sign * levels, sign * levels)
        usual = float(np.median(np.abs(np.diff(levels))))
        if (
            after - before > np.log(SCALE_FACTOR)
            and after - before > SHIFT_JUMPS * usual
            and 2 <= block <= len(levels) - 2
        ):
            return _sharpest(sign * np.log(np.maximum(sizes, 1e-300)), block, size, (before + after) / 2)
    return None


def _shift(values: Float64Array, blocks: Float64Array, medians: Float64Array) -> int | None:
    """Return the row from which on all blocks lie above, or below, all before it by more than they spread."""
    if len(medians) < 8:
        return None
    usual = float(np.median(np.abs(np.diff(medians))))
    for sign in (1.0, -1.0):
        block, before, after = _border(sign * medians, sign * medians)
        if not after - before > SHIFT_JUMPS * usual or not after > before or not 2 <= block <= len(medians) - 2:
            continue
        spread = float(np.median(np.median(np.abs(blocks - medians[:, None]), axis=1)))  # of few series: it takes long
        if after - before > SHIFT_SPREADS * spread:
            return _sharpest(sign * values, block, blocks.shape[1], (before + after) / 2)
    return None


def _sharpest(values: Float64Array, block: int, size: int, middle: float) -> int:
    """Return the first row around a border of blocks whose value is past the middle of both sides."""
    border = len(values) % size + block * size
    start = max(border - size, 0)
    past = values[start : border + size] > middle
    # the row before which most are on the one side, and after which most are on the other
    ahead = np.concatenate([[0], np.cumsum(np.where(past, -1, 1))])
    return start + int(np.argmax(ahead))


def _spiked(series: SeriesSet, number: int, row: int, count: int) -> Finding:
    when = _when(series, number, row)
    message = (
        f"{plural(count, 'value')} more than {SPIKE_SPREADS:g} spreads from both neighbours, such as "
        f"{series.values[row]:g} at {when}{_of(series, number)}"
    )
    return _noted(series, "N_VALUE_SPIKE", message, when, count, f"if it is wrong: `--mask {_span(when, when)}`")


def _shifted(series: SeriesSet, number: int, row: int, count: int) -> Finding:
    when, levels = _when(series, number, row), _levels(series, number, row)
    message = f"the level shifts at {when}{_of(series, number)}, from about {levels}{_more(count)}"
    fix = f"if the rows before it tell nothing: `--mask {_span('', _when(series, number, row - 1))}`"
    return _noted(series, "N_VALUE_SHIFT", message, when, count, fix)


def _rescaled(series: SeriesSet, number: int, row: int, count: int) -> Finding:
    when, levels = _when(series, number, row), _levels(series, number, row)
    message = f"the scale changes at {when}{_of(series, number)}, from about {levels}: another unit?{_more(count)}"
    fix = f"convert the rows to one unit, or leave those before it out: `--mask {_span('', _when(series, number, row - 1))}`"
    return _noted(series, "W_VALUE_SCALE", message, when, count, fix)


def _intermittent(series: SeriesSet, number: int, _: int, count: int) -> Finding:
    rows = slice(int(series.offsets[number]), int(series.offsets[number + 1]))
    fraction = float((series.values[rows][series.observed[rows]] == 0).mean())
    message = f"intermittent: {100 * fraction:.0f} % of the values are 0{_of(series, number)}{_more(count)}"
    fix = "the median of such a series is near 0 at each step: plan by means or by sums over the horizon"
    return _noted(series, "N_TARGET_INTERMITTENT", message, "0", count, fix)


def _noted(series: SeriesSet, code: str, message: str, value: str, count: int, fix: str) -> Finding:
    return Finding(code, message, column=series.target_names[0], value=value, count=count, fix=fix)


def _more(count: int) -> str:
    return f"; {count} such series" if count > 1 else ""


def _levels(series: SeriesSet, number: int, row: int) -> str:
    begin, end = int(series.offsets[number]), int(series.offsets[number + 1])
    middle: Callable[[slice], float] = lambda rows: float(np.nanmedian(series.values[rows]))  # noqa: E731
    return f"{middle(slice(begin, row)):.4g} to {middle(slice(row, end)):.4g}"


def _when(series: SeriesSet, number: int, row: int) -> str:
    """Return the timestamp of a flat row as the user writes it, in local time where the rows have a zone."""
    ordinal = series.first_ordinals[number] + row - series.offsets[number]
    timestamp = series.freq.to_timestamps(np.array([ordinal]))
    if series.freq.timezone is not None:
        timestamp = read_zone(series.freq.timezone, timestamp).to_local(timestamp)
    return in_words(timestamp[0])


def _span(first: str, last: str) -> str:
    text = f"{first}..{last}"
    return f"'{text}'" if " " in text else text


def _of(series: SeriesSet, number: int) -> str:
    return f" in series {quoted(series.item_ids[number])}" if series.num_series > 1 else ""


def _listed(named: Sequence[str], count: int) -> str:
    return ", ".join(named) + (f" and {count - len(named)} more" if count > len(named) else "")
