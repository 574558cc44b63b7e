"""The page: one HTML file with everything in it, which loads nothing from anywhere.

Names and values of users get into it in two ways only: escaped (`html.escape`) as text of elements, or as JSON inside a
compressed block that the script of the page reads as data. The policy in its head allows the two scripts by their digests.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import numpy as np

from rnnforecast.charts.chart import COLOURS, Chart, config, shortened
from rnnforecast.charts.plot import drawing_package
from rnnforecast.findings import Finding

#: Rows of the table below a chart; of more, as many evenly spread.
MAX_TABLE = 60
#: Signs of a word without a blank.
MAX_WORD = 200
_LONG_WORD = re.compile(rf"\S{{{MAX_WORD},}}")
_SNIPPET = "window.vegaEmbed = vegaEmbed;"
_ZOOM = (("in", "Zoom in"), ("out", "Zoom out"), ("earlier", "Earlier"), ("later", "Later"), ("all", "All"))


@dataclass
class Page:
    """A page under construction: its sections in order, and the charts in them."""

    title: str
    eyebrow: str
    verdict: str = ""  # in a sentence
    outcome: tuple[str, str] | None = None  # class and word of the verdict
    tiles: list[tuple[str, str, str]] = field(default_factory=list)  # what, its value, more about it
    sections: list[tuple[str, str, str]] = field(default_factory=list)  # id, heading, content as HTML
    charts: dict[str, Chart] = field(default_factory=dict)
    panel: dict[str, Any] | None = None  # the series of the picker
    footer: str = ""

    def add(self, name: str, heading: str, *parts: str, lead: str = "") -> None:
        """Add a section; parts that are empty are left out, and a section without parts too."""
        kept = [part for part in parts if part]
        if kept:
            intro = f'<p class="lead">{text(lead)}</p>' if lead else ""
            self.sections.append((name, heading, intro + "".join(kept)))

    def figure(self, name: str, chart: Chart | None, *, is_half: bool = False) -> str:
        """Return a chart with its words and the numbers behind it, as HTML; nothing for None."""
        if chart is None:
            return ""
        self.charts[name] = chart
        half = " half" if is_half else ""
        tools = zoom_buttons() if chart.has_zoom and len(chart.rows) > 2 else ""
        return (
            f'<figure class="card{half}" data-chart="{name}"><figcaption><h3>{text(chart.title)}</h3>'
            f"<p>{text(chart.subtitle)}</p></figcaption>{tools}"
            f'<div class="chart" style="min-height:{chart.height}px"></div>'
            f"<details><summary>In words and numbers</summary><p>{text(chart.summary)}</p>{_numbers(chart)}</details></figure>"
        )

    def to_html(self) -> str:
        """Return the whole page. Raises ResourceError without the extra `report`."""
        library, script, style = chart_script().result(), _asset("page.js"), _asset("page.css")
        policy = (
            f"default-src 'none'; script-src '{_digest(library)}' '{_digest(script)}'; style-src 'unsafe-inline'; "
            "img-src data:; base-uri 'none'; form-action 'none'"
        )
        links = "".join(f'<a href="#{name}">{text(heading)}</a>' for name, heading, _ in self.sections)
        sections = "".join(
            f'<section id="{name}" aria-labelledby="{name}-h"><h2 id="{name}-h">{text(heading)}</h2>{content}</section>'
            for name, heading, content in self.sections
        )
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta name="referrer" content="no-referrer"><link rel="icon" href="data:,">'
            f"<title>{text(self.title)}</title><style>{style}</style></head><body>"
            '<a class="skip" href="#main">Skip to the content</a>'
            f'<div class="bar"><div class="wrap"><span class="brand">rnnforecast</span>'
            f'<nav aria-label="Sections">{links}</nav><button id="theme" type="button">Light / dark</button></div></div>'
            f'<main id="main" class="wrap"><header class="top"><p class="eyebrow">{text(self.eyebrow)}</p>'
            f"<h1>{text(self.title)}</h1>{self._chip()}{self._tiles()}</header>"
            "<noscript><p class='note'>The charts need JavaScript; words and tables do not.</p></noscript>"
            f"{sections}<footer>{self.footer}</footer></main>"
            f'<script type="application/octet-stream" id="chart-script">{_packed(library)}</script>'
            f'<script type="application/octet-stream" id="numbers">{_packed(self._payload())}</script>'
            f"<script>{script}</script></body></html>\n"
        )

    def _payload(self) -> str:
        charts = {
            name: {"spec": chart.spec(), "height": chart.height, "zoom": chart.has_zoom}
            for name, chart in self.charts.items()
        }
        content = {"charts": charts, "palette": COLOURS, "config": config(), "panel": self.panel}
        return json.dumps(content, separators=(",", ":"), allow_nan=False)

    def _chip(self) -> str:
        if self.outcome is None:
            return ""
        word = f'<span class="chip {self.outcome[0]}">{text(self.outcome[1])}</span>'
        return f'<p class="verdict">{word} {code_text(self.verdict)}</p>'

    def _tiles(self) -> str:
        tiles = "".join(
            f'<div class="tile"><dt>{text(what)}</dt><dd>{text(number)}<small>{text(more)}</small></dd></div>'
            for what, number, more in self.tiles
        )
        return f'<dl class="tiles">{tiles}</dl>' if tiles else ""


def text(words: object, *, is_whole: bool = False) -> str:
    """Return words as text of HTML: markup is escaped, control characters and direction marks are blanks.

    A word of `MAX_WORD` signs is cut in its middle, unless the text must be whole, as a command.
    """
    clean = "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in str(words))
    return html.escape(clean if is_whole else _LONG_WORD.sub(lambda found: shortened(found[0]), clean), quote=True)


def code_text(words: object) -> str:
    """Return words as `text` does, with words between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text(words))


def grid(*parts: str) -> str:
    """Return cards in a grid; nothing without any."""
    return f'<div class="grid">{"".join(parts)}</div>' if any(parts) else ""


def note(words: str) -> str:
    """Return a remark that a reader must not miss."""
    return f'<p class="note">{code_text(words)}</p>'


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, numeric: bool = True) -> str:
    """Return a table; all columns but the first are numbers unless `numeric` is false."""
    css = ["", *(' class="n"' if numeric else "" for _ in heads[1:])]
    head = "".join(f"<th{kind}>{text(name)}</th>" for kind, name in zip(css, heads, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{text(cell)}</td>" for kind, cell in zip(css, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def facts(pairs: Mapping[str, object]) -> str:
    """Return names and values as a card."""
    items = "".join(f"<dt>{text(name)}</dt><dd>{text(words)}</dd>" for name, words in pairs.items())
    return f'<dl class="card facts">{items}</dl>' if items else ""


def card(*parts: str) -> str:
    """Return content in a frame."""
    return f'<div class="card padded">{"".join(parts)}</div>'


def findings_list(findings: Sequence[Finding]) -> str:
    """Return findings as a card, errors first."""
    order = ("error", "warning", "note")
    items = "".join(
        f'<li class="{finding.severity}"><b>{finding.severity}</b>{code_text(finding.message)}'
        + (f"<span>{code_text(finding.fix)}</span>" if finding.fix else "")
        + "</li>"
        for finding in sorted(findings, key=lambda finding: order.index(finding.severity))
    )
    return f'<ul class="card findings">{items}</ul>' if items else ""


def number_words(number: object, *, digits: int = 4) -> str:
    """Return a number for people, a dash for what is none."""
    if number is None or isinstance(number, bool):
        return "–"
    if isinstance(number, int):
        return f"{number:,}"
    return f"{number:,.{digits}g}" if isinstance(number, float) else str(number)


def time_words(milliseconds: int) -> str:
    """Return a time of a chart for people."""
    return str(np.datetime64(milliseconds, "ms").astype("datetime64[m]")).replace("T", " ").removesuffix(" 00:00")


def zoom_buttons() -> str:
    """Return the buttons that zoom a chart: for the keyboard, and for fingers."""
    buttons = "".join(f'<button type="button" data-zoom="{action}">{words}</button>' for action, words in _ZOOM)
    return f'<div class="tools" role="group" aria-label="Zoom">{buttons}</div>'


def _numbers(chart: Chart) -> str:
    """Return the table below a chart."""
    heads = {key: words for key, words in chart.columns.items() if any(key in row for row in chart.rows)}
    if not heads or not chart.rows:
        return ""
    every = max(1, -(-len(chart.rows) // MAX_TABLE))
    is_time = chart.encoding.get("x", {}).get("type") == "temporal"
    rows = [
        [time_words(row["t"]) if key == "t" and is_time else number_words(row.get(key)) for key in heads]
        for row in chart.rows[::every]
    ]
    more = f"<p>every {every}th of {len(chart.rows):,} rows</p>" if every > 1 else ""
    return table(list(heads.values()), rows) + more


@functools.cache
def chart_script() -> Future[str]:
    """Begin to bundle the chart script of the installed package, which takes a second of another core."""
    pool = ThreadPoolExecutor(1)
    script = pool.submit(lambda: str(drawing_package().javascript_bundle(_SNIPPET)))
    pool.shutdown(wait=False)
    return script


def _asset(name: str) -> str:
    return resources.files("rnnforecast").joinpath("charts", name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """Return a script's digest as a Content-Security-Policy writes it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def _packed(content: str) -> str:
    """Return text compressed, as letters that need no escape; the same for the same text."""
    return base64.b64encode(gzip.compress(content.encode("utf-8", "replace"), 9, mtime=0)).decode("ascii")
