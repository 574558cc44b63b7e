"""`rnnforecast evaluate`: backtest a stored model."""

from __future__ import annotations

from collections.abc import Mapping

from rnnforecast.cli.command import build_command
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View, check_drawings
from rnnforecast.options import MODEL_OPTIONS, REFIT_WINDOWS, TEST_FILES, WINDOW_OPTIONS, WINDOWS_OUTPUT


def evaluate(
    view: View,
    flags: Mapping[str, object],
    model: str | None,
    data: list[str] | None,
    refit: bool,
    output: str | None,
    plot: str | None,
    report: str | None,
    store: str | None,
) -> None:
    """Backtest a stored model and compare it with naive forecasts.

    Each window uses only rows up to its cutoff. Without DATA, the training file is read again.
    """
    import rnnforecast

    chosen = load_settings(flags)
    windows = chosen.evaluation
    files = rnnforecast.Files(tuple(data or ()), chosen.data.future_data, chosen.data)
    check_drawings(plot, report, files=files, model=model, store=store)
    if output is not None:
        from rnnforecast.workflows.forecasts.windows_table import check_windows_output

        check_windows_output(output, files, model=model, store=store)
    with view.progress() as progress:
        result = rnnforecast.evaluate(
            model,
            files,
            num_windows=windows.num_windows,
            window_step=windows.window_step,
            gap=windows.gap,
            refit=refit,
            store=store,
            progress=progress,
        )
    if output is not None:
        from rnnforecast.data.write import write_table

        frame = rnnforecast.windows_frame(result)
        write_table(frame, output)
        view.say(f"{len(frame):,} rows written to {output}")
    view.draw(result, plot=plot, report=report)
    view.show(result)


command = build_command(
    evaluate,
    TEST_FILES,
    REFIT_WINDOWS,
    WINDOWS_OUTPUT,
    settings=(*MODEL_OPTIONS, *WINDOW_OPTIONS),
    example="rnnforecast evaluate prices --num-windows 12",
)
