"""`rnnforecast evaluate`: backtest a stored model."""

from __future__ import annotations

from collections.abc import Mapping

from rnnforecast.cli.command import build_command
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View, check_plot
from rnnforecast.options import (
    FUTURE_DATA,
    MODEL,
    PLOT,
    REFIT_WINDOWS,
    SOURCE_OPTIONS,
    STORE,
    TEST_FILES,
    WINDOW_OPTIONS,
)


def evaluate(
    view: View,
    flags: Mapping[str, object],
    model: str | None,
    data: list[str] | None,
    future_data: list[str] | None,
    refit: bool,
    plot: str | None,
    store: str | None,
) -> None:
    """Backtest a stored model, and compare it with naive forecasts.

    Each window uses only rows up to its cutoff. Without DATA, the training file is read again.
    """
    import rnnforecast

    chosen = load_settings(flags)
    windows = chosen.evaluation
    check_plot(plot, inputs=data or ())
    with view.progress() as progress:
        result = rnnforecast.evaluate(
            model,
            rnnforecast.Files(tuple(data or ()), tuple(future_data or ()), chosen.data),
            num_windows=windows.num_windows,
            window_step=windows.window_step,
            gap=windows.gap,
            refit=refit,
            store=store,
            progress=progress,
        )
    view.plot(result, plot)
    view.show(result)


command = build_command(
    evaluate,
    *(MODEL, TEST_FILES, FUTURE_DATA, REFIT_WINDOWS, PLOT, STORE),
    settings=(*WINDOW_OPTIONS, *SOURCE_OPTIONS),
    example="rnnforecast evaluate prices --num-windows 12",
)
