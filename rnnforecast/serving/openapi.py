"""The description of the server for programs (OpenAPI) and for people (one page without scripts)."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from rnnforecast.serving.request import ANSWERS, KINDS, OPEN_OPTIONS

if TYPE_CHECKING:
    from rnnforecast.findings import JSONValue
    from rnnforecast.options import Option

_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
_ERRORS = {
    "400": "an option, the document or the body is wrong",
    "401": "the token is missing or wrong",
    "404": "the server has no such model",
    "406": "no answer of the accepted media types",
    "408": "the body did not arrive in time",
    "413": "the body is too large",
    "415": "the media type of the body is none of those above, or it is encoded",
    "422": "the rows were read and rejected, each problem with its row, column and fix",
    "500": "the computation failed",
    "503": "too many requests, or too little memory; try again later",
    "504": "the forecast took too long",
}
_EXAMPLE: JSONValue = {
    "columns": {"date": ["2024-01-01", "2024-01-02", "2024-01-03"], "value": [10.5, 11, None]},
    "model": "base",
    "horizon": 7,
}


def openapi(*, version: str, needs_token: bool) -> dict[str, JSONValue]:
    """Return the OpenAPI document."""
    document: dict[str, JSONValue] = {
        "openapi": "3.1.0",
        "info": {"title": "rnnforecast", "version": version},
        "paths": {
            "/forecast": {"post": _forecast()},
            "/health": {"get": _get("The models, and whether forecasts can be made.", "application/json")},
            "/metrics": {"get": _get("Counts and times of requests, for Prometheus.", "text/plain")},
        },
    }
    if needs_token:
        document["components"] = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
        document["security"] = [{"token": []}]
    return document


def _forecast() -> dict[str, JSONValue]:
    data: dict[str, JSONValue] = {
        "rows": {"type": "array", "items": {"type": "object"}},
        "columns": {"type": "object", "additionalProperties": {"type": "array"}},
        "model": {"type": "string", "description": "NAME, NAME@VERSION or base"},
    }
    options: dict[str, JSONValue] = {word: _schema(option) for word, option in OPEN_OPTIONS.items()}
    file: JSONValue = {"schema": {"type": "string", "format": "binary"}}
    bodies: dict[str, JSONValue] = dict.fromkeys(KINDS, file)
    schema: JSONValue = {"type": "object", "properties": {**data, **options}, "additionalProperties": False}
    bodies["application/json"] = {"schema": schema, "example": _EXAMPLE}
    parameters: list[JSONValue] = [
        {"name": word, "in": "query", "schema": shown, "description": "not with a JSON body"}
        for word, shown in (("model", data["model"]), *options.items())
    ]
    answers: dict[str, JSONValue] = {media: {} for media in ANSWERS}
    responses: dict[str, JSONValue] = {"200": {"description": "the forecast", "content": answers}}
    responses |= {status: {"description": words} for status, words in _ERRORS.items()}
    return {
        "summary": "Forecast the steps after the last row of every series in the body.",
        "parameters": parameters,
        "requestBody": {"required": True, "content": bodies},
        "responses": responses,
    }


def _schema(option: Option) -> dict[str, JSONValue]:
    one: dict[str, JSONValue] = {"type": _TYPES[option.kind]}
    if option.choices:
        one["enum"] = list(option.choices)
    whole: dict[str, JSONValue] = {"type": "array", "items": one} if option.repeated else one
    return {**whole, "description": option.help}


def _get(summary: str, media: str) -> dict[str, JSONValue]:
    return {"summary": summary, "responses": {"200": {"description": "the present values", "content": {media: {}}}}}


def page() -> str:
    """Return the same as one HTML page."""
    options = "".join(
        f"<tr><td><code>{word}</code></td><td>{html.escape(option.full_help)}</td></tr>"
        for word, option in OPEN_OPTIONS.items()
    )
    errors = "".join(f"<tr><td>{status}</td><td>{html.escape(words)}</td></tr>" for status, words in _ERRORS.items())
    return _PAGE.format(
        options=options, errors=errors, bodies=", ".join(map(_code, KINDS)), answers=", ".join(map(_code, ANSWERS))
    )


def _code(text: str) -> str:
    return f"<code>{text}</code>"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>rnnforecast</title>
<meta name="viewport" content="width=device-width"><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
td {{ padding: .2rem 1rem .2rem 0; vertical-align: top }} pre {{ background: #f4f4f4; padding: 1rem; overflow: auto }}
</style></head><body>
<h1>rnnforecast</h1>
<p><code>POST /forecast</code> forecasts the steps after the last row of every series in the body.
<code>GET /health</code> lists the models, <code>GET /metrics</code> is for Prometheus,
<a href="openapi.json">openapi.json</a> for programs.</p>
<pre>curl --data-binary @prices.csv -H 'Content-Type: text/csv' -H 'Accept: text/csv' \\
     'http://127.0.0.1:8000/forecast?model=base&amp;horizon=14'
curl --json '{{"columns": {{"date": ["2024-01-01", "2024-01-02"], "value": [10.5, 11]}}, "horizon": 7}}' \\
     http://127.0.0.1:8000/forecast</pre>
<p>Bodies: {bodies}. Answers, by <code>Accept</code>: {answers}.</p>
<h2>Options</h2><p>In the query, or in the document of a JSON body. <code>model</code> is a name, <code>NAME@VERSION</code>
or <code>base</code>.</p><table>{options}</table>
<h2>Errors</h2><p>The document of an error names the problem and the fix, as <code>--format json</code> prints it.</p>
<table>{errors}</table></body></html>
"""
