"""What the values of series look like, for `inspect`: gaps, seasons, trend, changes of level, outliers, intermittency.

All but gaps and intermittency are those of the total (`profile.total_of`). N rows, S series.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.data.series import SeriesSet
from rnnforecast.findings import JSONValue, plural
from rnnforecast.json_values import timestamp_to_json
from rnnforecast.workflows.profile import autocorrelations, total_of

MAX_LISTED = 20
#: A residual of so many robust standard deviations is an outlier.
OUTLIER = 6.0
_MAD = 1.4826  # times the median absolute deviation: the standard deviation of normal values
_MAX_BLOCKS, _MIN_BLOCKS = 400, 6
_STRONG = 0.1
_WANDERING, _BLOCKS_PER_CHANGE = 0.5, 60
#: Boundaries of Syntetos, Boylan and Croston (2005): steps between demands, squared variation of its size.
_MAX_INTERVAL, _MAX_VARIATION = 1.32, 0.49
_DAY = 86_400.0
_SHOWN_CHANGES = 5


def profile_of(series: SeriesSet) -> dict[str, JSONValue]:
    """Return the profile of series as JSON values; parts that few rows do not show are empty or None."""
    ordinals, total = total_of(series)
    known = total[np.isfinite(total)]
    is_log = len(known) > 0 and bool((known > 0).all())  # a season in per cent of a growing level
    values = np.log(total) if is_log else total
    shape, strengths = _seasonal_shape(values, series)
    rest = values - shape
    found = autocorrelations(total, season_length=series.season_length)
    return {
        "gaps": _gaps(series),
        "seasons": strengths,
        "trend": _trend(values, shape, total, season_length=series.season_length),
        "changes": _changes(rest, ordinals, series, is_log=is_log),
        "autocorrelation": [
            {"lag": lag, "value": _short(found[lag])} for lag in dict.fromkeys((1, series.season_length)) if lag < len(found)
        ],
        "outliers": _outliers(rest, total, ordinals, series),
        "demand": _demand(series),
    }  # fmt: skip


def _gaps(series: SeriesSet) -> dict[str, JSONValue]:
    """Return how many rows are missing, in how many runs, and the longest runs with their ends."""
    missing = ~series.observed
    if not missing.any():
        return {"num_missing": 0, "num_gaps": 0, "longest": []}
    owner = np.repeat(np.arange(series.num_series), series.lengths)
    starts = np.flatnonzero(missing & np.append(True, (owner[1:] != owner[:-1]) | ~missing[:-1]))
    ends = np.flatnonzero(missing & np.append((owner[1:] != owner[:-1]) | ~missing[1:], True))
    order = np.argsort(-(ends - starts), kind="stable")[:MAX_LISTED]
    labels = series.item_ids
    first = series.first_ordinals - series.offsets[:-1]
    return {
        "num_missing": int(missing.sum()),
        "num_gaps": len(starts),
        "longest": [
            {
                "id": labels[owner[start]],
                "first": _when(series, int(start + first[owner[start]])),
                "last": _when(series, int(end + first[owner[start]])),
                "num_steps": int(end - start + 1),
            }
            for start, end in zip(starts[order].tolist(), ends[order].tolist(), strict=True)
        ],
    }


def season_candidates(series: SeriesSet) -> dict[int, str]:
    """Return season lengths to look at, in steps, with their names: day, week and year, and the one that was chosen."""
    found = {series.season_length: "chosen"} if series.season_length > 1 else {}
    found |= dict.fromkeys(series.longer_seasons, "named")
    freq = series.freq
    if freq.is_calendar:
        moments = freq.to_timestamps(np.array([0, 1_000], dtype=np.int64)).astype("datetime64[s]").astype(np.int64)
        step = float(moments[1] - moments[0]) / 1_000
        week = freq.slots * freq.weekmask.count("1") or 7 * _DAY / step
        for name, steps in (("day", freq.slots or _DAY / step), ("week", week), ("year", 365.25 / 7 * week)):
            if round(steps) > 1:
                found[round(steps)] = name
    return found


def _seasonal_shape(total: Float64Array, series: SeriesSet) -> tuple[Float64Array, list[JSONValue]]:
    """Return the seasonal part of the chosen season [N], and the strength of each candidate.

    Strength: 1 - var(rest) / var(season + rest) after a moving average (Wang, Smith and Hyndman 2006), cut at 0.
    """
    listed: list[JSONValue] = []
    shape = np.zeros(len(total))
    for length, name in season_candidates(series).items():
        if length > len(total) // 2:
            continue
        detrended = total - _moving_mean(total, length)
        place = np.arange(len(total)) % length
        means = _means(detrended, place, length)
        part = (means - np.nanmean(means))[place] if np.isfinite(means).any() else np.zeros(len(total))
        rest = detrended - part
        spread = np.nanvar(detrended)
        # a mean of n values explains 1 / n of noise
        periods = max(np.isfinite(detrended).sum() / length, 1.0)
        raw = 1 - np.nanvar(rest) / spread if spread > 0 else 0.0
        strength = max(0.0, (raw - 1 / periods) / (1 - 1 / periods)) if periods > 1 else 0.0
        listed.append({"length": length, "name": name, "strength": _short(float(strength))})
        if length == series.season_length:
            shape = np.nan_to_num(part)
    return shape, listed


def _trend(
    values: Float64Array, shape: Float64Array, total: Float64Array, *, season_length: int
) -> dict[str, JSONValue] | None:
    """Return the strength of the trend, and the change of the level over the whole history in per cent of its mean."""
    width = max(season_length, len(total) // 20, 2)
    if np.isfinite(total).sum() < 2 * width:
        return None
    spread = np.nanvar(values - shape)
    rest = float(np.nanvar(values - shape - _moving_mean(values, width)))
    strength = max(0.0, 1 - rest / float(spread)) if spread > 0 else 0.0
    level = _moving_mean(total, width)
    known = level[np.isfinite(level)]
    mean = float(np.nanmean(np.abs(total)))
    change = 100 * float(known[-1] - known[0]) / mean if len(known) and mean > 0 else None
    return {"strength": _short(strength), "change_percent": _short(change)}


def _changes(rest: Float64Array, ordinals: Int64Array, series: SeriesSet, *, is_log: bool) -> list[JSONValue]:
    """Return lasting changes of the level, in order of time: least squares by segments, a penalty for each of them.

    The series is cut into blocks of whole seasons; the segments are the optimum (Killick et al. 2012) with a penalty of
    3 log(n) times the long-run variance of their means, or of what a line leaves of them. Where what
    the segments leave is still strongly correlated, the level wanders as that of a random walk, and nothing is returned.
    """
    width = max(series.season_length, -(-len(rest) // _MAX_BLOCKS), 1)
    count = len(rest) // width
    if count < 2 * _MIN_BLOCKS:
        return []
    place = np.minimum((np.arange(len(rest)) - (len(rest) - count * width)) // width, count - 1)
    kept = place >= 0
    blocks = _means(rest[kept], place[kept], count)
    known = np.flatnonzero(np.isfinite(blocks))
    values = blocks[known]
    if len(values) < 2 * _MIN_BLOCKS:
        return []
    borders = _level_changes(values, known, is_log=is_log)
    first = int(ordinals[0]) + len(rest) - count * width
    found: list[JSONValue] = []
    for border, before, after in zip(borders[1:-1], borders[:-2], borders[2:], strict=True):
        low, high = float(values[before:border].mean()), float(values[border:after].mean())
        low, high = (math.exp(low), math.exp(high)) if is_log else (low, high)
        found.append({
            "start": _when(series, first + int(known[border]) * width), "before": _short(low), "after": _short(high)
        })  # fmt: skip
    return found[-MAX_LISTED:]


def _level_changes(values: Float64Array, place: Int64Array, *, is_log: bool) -> list[int]:
    """Return the borders of the segments of block means [n] at `place`: [0, ..., n]."""
    where = place / place[-1]
    if not is_log:  # squares of the largest numbers have no float
        values = values / max(float(np.abs(values).max()), 1e-300)
    trends = [np.zeros(len(values)), _line(where, values)]
    if is_log:  # a line in the units of the rows
        grown = _line(where, np.exp(values))
        trends.append(np.log(grown) if (grown > 0).all() else trends[-1])
    best: tuple[float, list[int]] = (math.inf, [0, len(values)])
    common = 0.0  # of both, so that they can be compared
    for number, base in enumerate(trends):
        left = values - base
        steps = np.diff(left)
        variance = max((_MAD * float(np.median(np.abs(steps - np.median(steps))))) ** 2 / 2, 1e-300)
        unit = 3 * math.log(len(values)) * variance
        common = common or unit
        penalty, coarse = unit, _segments(left, penalty=unit)
        while len(coarse) - 2 > max(1, len(values) // _BLOCKS_PER_CHANGE):  # many segments would follow a random walk
            penalty *= 2
            coarse = _segments(left, penalty=penalty)
        alike = _correlation(_without_levels(left, coarse))
        if alike > _WANDERING:
            continue
        unit *= (1 + alike) / (1 - alike)
        borders = _segments(left, penalty=unit)
        cost = float((_without_levels(left, borders) ** 2).sum()) + common * (len(borders) - 2 + (number > 0))
        best = min(best, (cost, borders))
    return best[1]


def _line(where: Float64Array, values: Float64Array) -> Float64Array:
    return np.asarray(np.polyval(np.polyfit(where, values, 1), where), dtype=np.float64)


def _without_levels(values: Float64Array, borders: Sequence[int]) -> Float64Array:
    return np.concatenate([values[a:b] - values[a:b].mean() for a, b in pairwise(borders)])


def _correlation(values: Float64Array) -> float:
    size = float((values**2).sum())
    return max(float((values[1:] * values[:-1]).sum()) / size, 0.0) if size > 0 else 0.0


def _segments(values: Float64Array, *, penalty: float) -> list[int]:
    """Return the borders of the segments [0, ..., n] of least squared error plus `penalty` each, exactly."""
    count = len(values)
    sums = np.append(0.0, np.cumsum(values))
    squares = np.append(0.0, np.cumsum(values**2))
    cost = np.full(count + 1, math.inf)
    cost[0], before = 0.0, np.zeros(count + 1, dtype=np.int64)
    for end in range(_MIN_BLOCKS, count + 1):
        start = np.arange(0, end - _MIN_BLOCKS + 1)
        size = end - start
        error = squares[end] - squares[start] - (sums[end] - sums[start]) ** 2 / size
        whole = cost[start] + error + penalty
        best = int(whole.argmin())
        cost[end], before[end] = whole[best], start[best]
    borders = [count]
    while borders[-1] > 0:
        borders.append(int(before[borders[-1]]))
    return borders[::-1]


def _outliers(rest: Float64Array, total: Float64Array, ordinals: Int64Array, series: SeriesSet) -> dict[str, JSONValue]:
    """Return how many rows are far from the level around them and the season, and the farthest of them."""
    nothing: dict[str, JSONValue] = {"num_rows": 0, "largest": []}
    if np.isfinite(rest).sum() < 20:
        return nothing
    residual = rest - _moving_median(rest, 7)
    spread = _MAD * float(np.nanmedian(np.abs(residual)))
    if not spread > 0:
        return nothing
    size = np.nan_to_num(np.abs(residual)) / spread
    places = np.flatnonzero(size > OUTLIER)
    largest = places[np.argsort(-size[places], kind="stable")][:5]
    return {
        "num_rows": len(places),
        "largest": [
            {"timestamp": _when(series, int(ordinals[place])), "value": _short(float(total[place]))}
            for place in largest.tolist()
        ],
    }  # fmt: skip


def _demand(series: SeriesSet) -> dict[str, JSONValue]:
    """Return how many series are smooth, erratic, intermittent or lumpy (Syntetos, Boylan and Croston 2005), and zeros."""
    owner = np.repeat(np.arange(series.num_series), series.lengths)
    known = series.observed & np.isfinite(series.values)
    positive = known & (series.values != 0)
    rows = np.bincount(owner[known], minlength=series.num_series)
    demands = np.bincount(owner[positive], minlength=series.num_series)
    sums = np.bincount(owner[positive], weights=series.values[positive], minlength=series.num_series)
    squares = np.bincount(owner[positive], weights=series.values[positive] ** 2, minlength=series.num_series)
    chosen = demands > 0
    mean = sums[chosen] / demands[chosen]
    variation = (squares[chosen] / demands[chosen] - mean**2) / np.maximum(mean**2, 1e-300)
    is_rare, is_uneven = rows[chosen] / demands[chosen] > _MAX_INTERVAL, variation > _MAX_VARIATION
    kinds = {"smooth": ~is_rare & ~is_uneven, "erratic": ~is_rare & is_uneven, "intermittent": is_rare & ~is_uneven,
             "lumpy": is_rare & is_uneven}  # fmt: skip
    zeros = 1 - float(demands.sum()) / max(int(rows.sum()), 1)
    return {"zero_fraction": _short(zeros), **{name: int(found.sum()) for name, found in kinds.items()}}


def suggestions(profile: Mapping[str, Any], series: SeriesSet) -> list[str]:
    """Return settings worth a try, each with its reason, in plain sentences."""
    found = []
    strengths = {season["length"]: season["strength"] or 0.0 for season in profile["seasons"]}
    strong = [season for season in profile["seasons"] if strengths[season["length"]] >= _STRONG]
    best = max(strong, key=lambda season: float(season["strength"]), default=None)
    known = (series.season_length, *series.longer_seasons)
    chosen = strengths.get(series.season_length, 0.0)
    chosen = chosen if chosen >= _STRONG else 0.0
    if best is not None and best["length"] not in known and best["strength"] > chosen + _STRONG:
        found.append(
            f"`--season-length {best['length']}`: the season of a {best['name']} is the strongest ({best['strength']:.2f})"
        )
    if profile["demand"]["intermittent"] + profile["demand"]["lumpy"] > series.num_series / 2:
        found.append("`--resample` to longer steps, or judge by RMSSE: demand is intermittent")
    if profile["gaps"]["num_missing"] > series.num_rows / 10:
        found.append("`--fill` or a coarser `--resample`: more than a tenth of the rows are missing")
    return found


def profile_words(profile: Mapping[str, Any]) -> dict[str, str]:
    """Return a profile as a few lines for people, by name; parts without anything to say are left out."""
    gaps, trend, outliers, demand = (profile[key] for key in ("gaps", "trend", "outliers", "demand"))
    found = {"gaps": "no row is missing"}
    if gaps["num_missing"]:
        longest = gaps["longest"][0]
        named = f" of {longest['id']}" if longest["id"] else ""
        until = f" to {_day(longest['last'])}" if longest["num_steps"] > 1 else ""
        found["gaps"] = (
            f"{plural(gaps['num_missing'], 'row')} missing in {plural(gaps['num_gaps'], 'gap')}; the longest{named} has "
            f"{plural(longest['num_steps'], 'step')}, {_day(longest['first'])}{until}"
        )
    if profile["seasons"]:
        found["seasons"] = "strength (0 to 1) " + ", ".join(
            f"{season['strength']:.2f} of {season['length']} steps ({season['name']})" for season in profile["seasons"]
        )
    if trend is not None and trend["change_percent"] is not None:
        found["trend"] = (
            f"strength {trend['strength']:.2f}; the level changes by {_number(trend['change_percent'], '+', digits=3)} % in all"
        )
    if profile["changes"]:
        earlier = len(profile["changes"]) - _SHOWN_CHANGES
        found["changes"] = (f"{earlier} earlier ones; " if earlier > 0 else "") + "; ".join(
            f"{_day(change['start'])} from {_number(change['before'])} to {_number(change['after'])}"
            for change in profile["changes"][-_SHOWN_CHANGES:]
        )
    known = [each for each in profile["autocorrelation"] if each["value"] is not None]
    if known:
        found["autocorrelation"] = ", ".join(
            f"{each['value']:.2f} after {plural(each['lag'], 'step')}" for each in known
        )
    if outliers["num_rows"]:
        farthest = outliers["largest"][0]
        rows = plural(outliers["num_rows"], "row")
        found["outliers"] = f"{rows}, the farthest {_day(farthest['timestamp'])} ({_number(farthest['value'])})"
    kinds = [f"{demand[name]:,} {name}" for name in ("smooth", "erratic", "intermittent", "lumpy") if demand[name]]
    zeros = round(100 * (demand["zero_fraction"] or 0))
    if kinds and zeros:
        found["demand"] = f"{', '.join(kinds)} series; {zeros} % zeros"
    return found


def _number(value: float, sign: str = "", *, digits: int = 4) -> str:
    """Return a number of so many digits, or with all those before the decimal mark: 0.1234, 1,234,567."""
    return format(value, f"{sign},.0f" if 1_000 <= abs(value) < 1e15 else f"{sign}.{digits}g")


def _day(timestamp: object) -> str:
    return str(timestamp).replace("T", " ").removesuffix(":00").removesuffix(" 00:00")


def _when(series: SeriesSet, ordinal: int) -> JSONValue:
    return timestamp_to_json(series.freq.to_timestamps(np.array([ordinal]))[0], series.freq.alias)


def _means(values: Float64Array, groups: Int64Array, count: int) -> Float64Array:
    known = np.isfinite(values)
    sums = np.bincount(groups[known], weights=values[known], minlength=count)
    counts = np.bincount(groups[known], minlength=count)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _moving_mean(values: Float64Array, width: int) -> Float64Array:
    """Return the mean of the `width` values around each; NaN where fewer than half of them are known."""
    known = np.isfinite(values)
    before, after = width // 2, width - width // 2
    sums = np.append(0.0, np.cumsum(np.where(known, values, 0.0)))
    counts = np.append(0, np.cumsum(known))
    low = np.maximum(np.arange(len(values)) - before, 0)
    high = np.minimum(np.arange(len(values)) + after, len(values))
    number = counts[high] - counts[low]
    return np.where(number * 2 >= width, (sums[high] - sums[low]) / np.maximum(number, 1), np.nan)


def _moving_median(values: Float64Array, width: int) -> Float64Array:
    padded = np.pad(values, width // 2, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # windows without a value
        found: Float64Array = np.nanmedian(windows, axis=1)
    return found


def _short(number: float | None) -> float | None:
    return float(f"{number:.4g}") if number is not None and np.isfinite(number) else None
