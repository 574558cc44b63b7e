"""`rnnforecast report`: write one HTML file about a model, to look at and to send on."""

from __future__ import annotations

from collections.abc import Mapping

from rnnforecast.cli.command import build_command
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View
from rnnforecast.errors import UsageError
from rnnforecast.options import MODEL_OPTIONS, PAGE_MEMORY, PAGE_OUTPUT, PAGE_OVERWRITE, REFIT_WINDOWS, TEST_FILES


def report(
    view: View,
    flags: Mapping[str, object],
    model: str | None,
    data: list[str] | None,
    refit: bool,
    diagnose: bool,
    output: str | None,
    overwrite: bool,
    store: str | None,
) -> None:
    """Write one HTML page about a model: verdict, forecasts of every series, errors on past windows, data and settings.

    The page contains its charts, loads nothing from anywhere, and can be sent on. Without MODEL, the newest model is
    reported; without DATA, its training file is read again.
    """
    import rnnforecast

    if overwrite and output is not None:
        raise UsageError("--overwrite has no effect: --output replaces the file it names", hint="leave it out")
    reading = load_settings(flags).data
    with view.progress() as progress:
        result = rnnforecast.report(
            model,
            rnnforecast.Files(tuple(data or ()), reading.future_data, reading),
            output="report.html" if overwrite else output,
            refit=refit,
            diagnose=diagnose,
            store=store,
            progress=progress,
            command=view.command,
        )
    view.show(result)


command = build_command(
    report,
    TEST_FILES,
    REFIT_WINDOWS,
    PAGE_MEMORY,
    PAGE_OUTPUT,
    PAGE_OVERWRITE,
    settings=MODEL_OPTIONS,
    example="rnnforecast report prices --output prices.html",
)
