"""A chart: what it shows in words, and its marks as a Vega-Lite specification, without size, colours or theme.

The same `Chart` is drawn as PNG or SVG (`charts.plot`) and in the page (`charts.page`). Colours in a specification are
roles such as `@forecast`; `themed` replaces them by the colours of light or dark. To add a mark to a chart, append a layer
to `Chart.layers`; layers read the rows of the chart unless they bring `data`.

Vega-Lite: Satyanarayan et al. (2017), "Vega-Lite: A Grammar of Interactive Graphics".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array, TimestampArray
from rnnforecast.frozen import dataclass

Spec = dict[str, Any]
Row = dict[str, Any]

#: Role -> its colour on a light and on a dark ground. Blue and orange are told from each other by the colour-blind too.
COLOURS = {
    "@ground": ("#ffffff", "#14171c"),
    "@ink": ("#1b1f24", "#e8eaed"),
    "@muted": ("#626b77", "#9aa4b1"),
    "@grid": ("#e6e9ed", "#2a3038"),
    "@history": ("#3c444f", "#c3cad3"),
    "@forecast": ("#1667d9", "#6ab0ff"),
    "@wide": ("#cfdff7", "#25405f"),
    "@narrow": ("#9dbff0", "#33598c"),
    "@other": ("#d9641a", "#ff9d5c"),
    "@third": ("#0e8a6d", "#4fd1ae"),
    "@fourth": ("#8a4bc4", "#c79bf2"),
    "@fifth": ("#a3761f", "#e3bd63"),
    "@quiet": ("#b7bec8", "#4d5662"),
    "@good": ("#0e8a6d", "#4fd1ae"),
    "@bad": ("#c62f3b", "#ff7b83"),
}
#: Roles of several methods or cells, in the order in which they are used.
SERIES_ROLES = ("@forecast", "@other", "@third", "@fourth", "@fifth", "@quiet", "@muted")
FONT = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
#: Most points of a line; more are drawn as the range of their neighbours.
MAX_POINTS = 5_000

#: Characters of a name in a chart.
MAX_LABEL = 60

#: What every object of JavaScript has.
_OWN_WORDS = re.compile(
    r"constructor|valueOf|hasOwnProperty|isPrototypeOf|propertyIsEnumerable|to(Locale)?String|__\w+__"
)

#: Alias of a frequency -> its step in words.
_UNITS = {"YS": "year", "YE": "year", "QS": "quarter", "QE": "quarter", "MS": "month", "ME": "month", "W": "week", "D": "day",
          "B": "working day", "h": "hour", "min": "minute", "s": "second"}  # fmt: skip
#: Roles of areas.
_AREAS = frozenset({"@wide", "@narrow"})
_HALF_DAY = 43_200_000  # milliseconds


@dataclass(frozen=True)
class Chart:
    """One chart: `title` says what is seen, `subtitle` what is drawn, `summary` is its text alternative.

    `rows` are the numbers behind the marks, `columns` the heads (field -> words) of the table that shows them.
    """

    title: str
    subtitle: str
    summary: str
    rows: tuple[Row, ...]
    layers: tuple[Spec, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    height: int = 300
    encoding: Spec = field(default_factory=dict)  # of all layers
    has_zoom: bool = False

    def spec(self) -> Spec:
        """Return the Vega-Lite specification, without size and theme."""
        whole: Spec = {"description": self.summary, "data": {"values": list(self.rows)}, "layer": list(self.layers)}
        if self.encoding:
            whole["encoding"] = self.encoding
        return whole


def themed(value: Any, *, dark: bool = False) -> Any:
    """Return a specification with roles replaced by colours."""
    if isinstance(value, str):
        return COLOURS[value][dark] if value in COLOURS else value
    if isinstance(value, dict):
        return {key: item if key == "values" else themed(item, dark=dark) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [themed(item, dark=dark) for item in value]
    return value


def config(*, scale: float = 1.0) -> Spec:
    """Return the look that all charts have in common, in roles; `scale` enlarges text for a slide."""
    small, usual = round(11 * scale, 1), round(12 * scale, 1)
    axis: Spec = {
        "labelColor": "@muted", "titleColor": "@muted", "gridColor": "@grid", "domainColor": "@grid",
        "tickColor": "@grid", "labelFontSize": small, "titleFontSize": small, "titleFontWeight": "normal",
        "labelPadding": 6, "titlePadding": 10, "domain": False, "ticks": False,
    }  # fmt: skip
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": axis,
        "axisX": {"grid": False, "ticks": True, "tickSize": 4, "domain": True, "labelFlush": True, "labelOverlap": True,
                  "labelSeparation": 8},
        "axisY": {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "end", "titleX": 0, "titleY": -10,
                  "titleBaseline": "bottom", "tickCount": 5},
        "legend": {"labelColor": "@ink", "titleColor": "@muted", "labelFontSize": usual, "symbolSize": 90 * scale,
                   "orient": "top", "direction": "horizontal", "title": None, "symbolStrokeWidth": 2.5 * scale,
                   "labelLimit": 260, "columnPadding": 18, "offset": 14},
        "title": {"color": "@ink", "subtitleColor": "@muted", "anchor": "start", "frame": "group",
                  "fontSize": round(19 * scale), "fontWeight": 600, "subtitleFontSize": round(12.5 * scale),
                  "subtitlePadding": 8, "offset": round(22 * scale)},
        "text": {"color": "@ink", "fontSize": usual},
        "line": {"strokeJoin": "round", "strokeCap": "round"},
        "header": {"labelColor": "@ink", "labelFontSize": round(13 * scale), "labelFontWeight": 600, "title": None,
                   "labelAnchor": "start"},
        "concat": {"spacing": 48},
    }  # fmt: skip


# Values for the rows of charts.


def shortened(text: str, length: int = MAX_LABEL) -> str:
    """Return text from a file for a chart: cut in its middle, control characters and direction marks as blanks.

    The library that draws mistakes words such as `constructor`, which its objects have, and `themed` those of `COLOURS`: an
    invisible sign makes them other words.
    """
    clean = "".join(sign if sign.isprintable() else " " for sign in text)
    if clean in COLOURS or _OWN_WORDS.fullmatch(clean):
        return f"{clean}\u200b"
    return clean if len(clean) <= length else f"{clean[: length // 2]}…{clean[-(length // 2 - 1) :]}"


def times(timestamps: TimestampArray) -> list[int]:
    """Return timestamps as Vega reads them: milliseconds since 1970, or the numbers of steps."""
    if timestamps.dtype.kind == "M":
        return [int(value) for value in timestamps.astype("datetime64[ms]").astype(np.int64).tolist()]
    return [int(value) for value in timestamps.tolist()]


def value(number: object) -> float | None:
    """Return a number for a chart: six significant digits, None where it is not finite."""
    if not isinstance(number, int | float | np.floating | np.integer) or not math.isfinite(number):
        return None
    return float(f"{float(number):.6g}")


def values(numbers: Float64Array) -> list[float | None]:
    """Return an array as `value` returns one."""
    return [value(number) for number in numbers.tolist()]


def step_words(alias: str) -> str:
    """Return the step of a frequency for people: `one month`, `30 minutes`; the alias where it has open days or hours."""
    found = re.fullmatch(r"(\d*)([A-Za-z]+)(-[A-Z]{3})?", alias)
    unit = _UNITS.get(found[2]) if found else None
    if found is None or unit is None:
        return alias
    return f"{found[1]} {unit}s" if found[1] not in ("", "1") else f"one {unit}"


def time_axis(timestamps: TimestampArray) -> Spec:
    """Return the encoding of `t`: dates, hours where there are any, or steps."""
    if timestamps.dtype.kind != "M":
        return quantity("t", title="step", scale={"nice": False, "zero": False})
    formats = {
        "year": "%Y", "quarter": "%b %Y", "month": "%b %Y", "week": "%d %b", "date": "%d %b", "day": "%d %b",
        "hours": "%H:%M", "minutes": "%H:%M", "seconds": "%H:%M:%S", "milliseconds": "%H:%M:%S",
    }  # fmt: skip
    axis = {"format": formats, "tickCount": 7, "title": None}
    return {"field": "t", "type": "temporal", "scale": {"type": "utc", "nice": False}, "axis": axis}


def time_format(timestamps: TimestampArray) -> Spec:
    """Return how a tooltip writes `t`."""
    if timestamps.dtype.kind != "M":
        return quantity("t", title="step")
    whole = np.asarray(times(timestamps[:2000])) % (2 * _HALF_DAY)
    form = "%a %d %b %Y" if not len(whole) or bool((whole == 0).all()) else "%a %d %b %Y, %H:%M"
    kind = {"type": "temporal", "scale": {"type": "utc"}, "formatType": "utc"}
    return {"field": "t", "title": "time", "format": form, **kind}


def thinned(length: int, *, most: int = MAX_POINTS) -> Int64Array:
    """Return where the buckets of a long line start: [at most `most`], one each row where it is short."""
    if length <= most:
        return np.arange(length, dtype=np.int64)
    return np.unique(np.linspace(0, length, most, endpoint=False).astype(np.int64))


# Marks.


def line(name: str, field_: str, *, width: float = 2.0, dash: Sequence[int] = (), zero: bool = False) -> Spec:
    """Return a line of a field, named in the legend; missing values leave a gap. All lines of a chart have one `zero`."""
    mark: Spec = {"type": "line", "strokeWidth": width, "clip": True, "invalid": "break-paths-show-domains"}
    if dash:
        mark["strokeDash"] = list(dash)
    return {"mark": mark, "encoding": {"y": y_axis(field_, zero=zero), "color": {"datum": name}}}


def band(name: str, low: str, high: str) -> Spec:
    """Return the area between two fields, named in the legend."""
    mark = {"type": "area", "clip": True, "opacity": 1, "invalid": "break-paths-show-domains"}
    return {"mark": mark, "encoding": {"y": y_axis(low), "y2": {"field": high}, "color": {"datum": name}}}


def quantity(field_: str, **more: Any) -> Spec:
    """Return the encoding of a field of numbers; a `title` of None leaves its axis without one."""
    return {"field": field_, "type": "quantitative", **more}


def tip(field_: str, title: str, form: str | None = None) -> Spec:
    """Return a line of a tooltip; `form` is the format of a number, "" the usual one."""
    number = {} if form is None else {"type": "quantitative"} | ({"format": form} if form else {})
    return {"field": field_, "title": title, **number}


def dashed(field_: str, *numbers: float, y: Spec, colour: Spec) -> Spec:
    """Return dashed horizontal lines at some numbers."""
    return {
        "data": {"values": [{field_: number} for number in numbers]},
        "mark": {"type": "rule", "strokeDash": [4, 4]},
        "encoding": {"x": None, "y": y, "color": colour},
    }


def y_axis(field_: str, *, zero: bool = False) -> Spec:
    """Return a vertical axis; it starts at zero where the length of a mark counts. What it shows is in the subtitle."""
    return quantity(field_, title=None, scale={"zero": zero, "nice": True})


def power_axis(field_: str, shown: Sequence[float]) -> Spec:
    """Return a vertical axis on a logarithmic scale, with a tick at powers of ten: at most five between the ends shown."""
    positive = [number for number in shown if number > 0] or [1.0]
    first, last = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    ticks = [float(f"1e{power}") for power in range(first, last + 1, max(1, -(-(last - first) // 4)))]
    label = "datum.value >= 1e-4 && datum.value < 1e6 ? format(datum.value, '~g') : format(datum.value, '.0e')"
    axis = {"values": ticks, "labelExpr": label}
    return {**y_axis(field_), "scale": {"type": "log", "nice": True}, "axis": axis}


def network_colours(names: Sequence[str]) -> Spec:
    """Return the encoding of colour by the field `network`."""
    roles = (SERIES_ROLES[place % len(SERIES_ROLES)] for place in range(len(names)))
    return {"field": "network", **colours(dict(zip(names, roles, strict=False)))}


def nearest(field_: str, words: str, x_words: str, *, form: str = ".4~g") -> Spec:
    """Return invisible points of several networks that say their numbers to the pointer."""
    return {
        "mark": {"type": "point", "size": 160, "opacity": 0, "filled": True, "clip": True},
        "encoding": {
            "y": quantity(field_),
            "tooltip": [tip("network", "network"), tip("t", x_words, ""), tip(field_, words, form)],
        },
    }


def colours(names: Mapping[str, str], *, has_legend: bool = True, symbol: str = "stroke") -> Spec:
    """Return the encoding of colour: name -> role, in the order of the legend, with its symbol."""
    scale = {"domain": list(names), "range": list(names.values())}
    legend: Spec | None = {"title": None, "symbolType": symbol, "symbolOpacity": 1} if has_legend else None
    if legend is not None and _AREAS & set(names.values()):  # an area is pale: its key must be as large as one
        legend["symbolType"] = "square"
    return {"type": "nominal", "scale": scale, "legend": legend}


def names_axis(field_: str, order: Sequence[object]) -> Spec:
    """Return a vertical axis of names in an order."""
    axis = {"labelLimit": 190, "labelColor": "@ink"}
    return {"field": field_, "type": "nominal", "sort": list(order), "title": None, "axis": axis}


def bars(y: Spec, x: Spec, *, colour: Spec, tips: Sequence[Spec], form: str) -> list[Spec]:
    """Return horizontal bars with the number at the end of each, in a format."""
    mark = {"type": "bar", "height": {"band": 0.62}, "cornerRadiusEnd": 3}
    ends = {"y": y, "x": quantity("end"), "text": quantity(x["field"], format=form), "color": {"value": "@ink"}}
    return [
        {"mark": mark, "encoding": {"y": y, "x": x, "color": colour, "tooltip": list(tips)}},
        {
            "transform": [{"calculate": f"max(datum.{x['field']}, 0)", "as": "end"}],
            "mark": {"type": "text", "align": "left", "dx": 6},
            "encoding": ends,
        },
    ]


def dots(y: Spec, *, colour: Spec, tips: Sequence[Spec], **encoding: Spec) -> Spec:
    """Return large points."""
    mark = {"type": "point", "filled": True, "size": 130, "opacity": 1}
    return {"mark": mark, "encoding": {**encoding, "y": y, "color": colour, "tooltip": list(tips)}}


def bars_height(count: int) -> int:
    """Return the height of a chart of so many bars, with its axis and its legend."""
    return 90 + 30 * count


def bars_scale(numbers: Sequence[object]) -> Spec:
    """Return the scale of bars from zero, with space for the number at the end of the longest."""
    most = max((number for number in numbers if isinstance(number, float)), default=0.0)
    return {"domain": [0, 1.12 * most if most > 0 else 1.0]}


def mark_at(t: object, words: str, *, role: str = "@muted") -> list[Spec]:
    """Return a dashed vertical line at a place of the horizontal axis, with words at its top."""
    data = {"values": [{"t": t, "words": words}]}
    rule = {"type": "rule", "color": role, "strokeDash": [3, 3], "clip": True}
    text = {"type": "text", "align": "right", "dx": -6, "dy": 3, "baseline": "top", "color": role}
    place = {"x": {"field": "t"}}
    words_at = {**place, "y": {"value": 0}, "text": {"field": "words"}, "color": {"value": role}}
    return [
        {"data": data, "mark": rule, "encoding": {**place, "color": {"value": role}}},
        {"data": data, "mark": text, "encoding": words_at},
    ]


def hover(x: Spec, fields: Mapping[str, str], *, form: str = ",.5~g") -> Spec:
    """Return a vertical line that follows the pointer and shows fields (field -> words) of the nearest row."""
    pointer = {"name": "pointer", "select": {"type": "point", "on": "pointerover", "nearest": True, "encodings": ["x"],
                                             "clear": "pointerout"}}  # fmt: skip
    return {
        "params": [pointer],
        "mark": {"type": "rule", "color": "@muted", "strokeWidth": 1, "clip": True},
        "encoding": {
            "color": {"value": "@muted"},
            "opacity": {"condition": {"param": "pointer", "empty": False, "value": 0.8}, "value": 0},
            "tooltip": [x, *(tip(name, words, form) for name, words in fields.items())],
        },
    }
