"""`rnnforecast serve`: answer requests for forecasts over HTTP."""

from __future__ import annotations

from rnnforecast.cli.command import build_command
from rnnforecast.cli.view import View
from rnnforecast.errors import UsageError
from rnnforecast.findings import plural
from rnnforecast.options import SERVE_WORKERS, SERVED_MODEL


def serve(
    view: View,
    model: str | None,
    host: str,
    port: int,
    workers: int | None,
    request_timeout: str,
    max_body: str,
    store: str | None,
) -> None:
    """Answer requests for forecasts over HTTP: POST /forecast, GET /health, /metrics and /docs.

    A request sends rows (JSON, CSV, Arrow or Parquet); the answer has the bytes that `predict` prints. If
    RNNFORECAST_TOKEN is set, requests must send it. Needs the extra `serve`.
    """
    from rnnforecast.serving.run import ServeOptions
    from rnnforecast.serving.run import serve as run

    if view.format != "table":
        raise UsageError("serve prints no result, so --format has no effect", hint="clients choose by `Accept`")
    num_requests = run(
        model,
        store=store,
        options=ServeOptions(host, port, workers, request_timeout, max_body),
        ready=lambda address: view.say(f"serving forecasts on {address} (Ctrl-C stops; {address}/docs explains)"),
    )
    view.say(f"stopped after {plural(num_requests, 'request')}")


command = build_command(serve, SERVED_MODEL, SERVE_WORKERS, example="rnnforecast serve --port 8000")
