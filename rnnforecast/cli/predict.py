"""`rnnforecast predict`: forecast the steps after the last row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rnnforecast.cli.command import build_command
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View, check_drawings
from rnnforecast.errors import UsageError
from rnnforecast.options import (
    ATTENTION_OUTPUT,
    COLUMNS,
    ENGINE,
    FORECAST_OPTIONS,
    FRESH_DATA,
    LEDGER,
    MAX_AGE,
    MODEL,
    OUTPUT_FILE,
    PLOT,
    REFUSE_STALE,
    REPORT,
    ROUND,
    STORE,
    SUM,
    Engine,
    StaleRows,
    SumOver,
)

if TYPE_CHECKING:
    from rnnforecast.workflows.forecasts.panel import Forecast
    from rnnforecast.workflows.model_rows import LoadedModel
    from rnnforecast.workflows.results import PredictResult


def predict(
    view: View,
    flags: Mapping[str, object],
    model: str | None,
    data: list[str] | None,
    engine: Engine,
    sum: SumOver | None,
    output: str | None,
    round: int | None,
    columns: str | None,
    attention_output: str | None,
    plot: str | None,
    report: str | None,
    max_age: str | None,
    refuse_stale: StaleRows | None,
    ledger: bool | None,
    store: str | None,
) -> None:
    """Forecast the steps after the last row, with intervals.

    Without MODEL, the newest model reads its training file again and forecasts from its last row; nothing is retrained.
    Forecasts are kept in the store, so that `rnnforecast score` can compare them with actuals. Without a trained model,
    MODEL `base`, the pretrained model, forecasts any file given by --data.
    """
    from rnnforecast.workflows.model_rows import Files
    from rnnforecast.workflows.predict import ForecastRequest
    from rnnforecast.workflows.predict_and_log import predict_and_log

    _check_together(view, output, sum, drawn=plot or report)
    chosen = load_settings(flags)
    check_drawings(plot, report, inputs=data or ())
    request = ForecastRequest(
        horizon=chosen.data.horizon,
        quantiles=chosen.evaluation.quantiles if "quantiles" in chosen.evaluation.model_fields_set else None,
        engine=engine,
        output=output,
        decimals=round,
        columns=tuple(name.strip() for name in columns.split(",")) if columns else (),
        attention_output=attention_output,
        reading=chosen.data,
        max_age=max_age,
        refuse_stale=refuse_stale,
        sum=sum,
    )
    seen: list[tuple[LoadedModel, Forecast]] = []
    with view.progress(patience=1.0) as progress:
        result = predict_and_log(
            request,
            model,
            data=Files(tuple(data or ()), chosen.data.future_data),
            store=store,
            ledger=ledger,
            progress=progress,
            observer=lambda *pair: seen.append(pair),
        )
    view.plot(result, plot)
    if report is not None:
        _write_page(view, result, *seen[0], path=report)
    view.show(result, if_quiet=output is None)


def _write_page(view: View, result: PredictResult, loaded: LoadedModel, forecast: Forecast, *, path: str) -> None:
    from rnnforecast.charts.report import forecast_page

    view.page(forecast_page(result, loaded, forecast, command=view.command), path)


def _check_together(view: View, output: str | None, over: SumOver | None, *, drawn: str | None) -> None:
    if output == "-" and view.format != "table":
        raise UsageError(f"--output - and --format {view.format} both use stdout", hint="use only one of them")
    if over is not None and drawn is not None:
        raise UsageError("--plot and --report draw steps, not sums", hint="leave out --sum, or draw in a second call")


command = build_command(
    predict,
    *(
        MODEL,
        FRESH_DATA,
        ENGINE,
        SUM,
        OUTPUT_FILE,
        ROUND,
        COLUMNS,
        ATTENTION_OUTPUT,
        PLOT,
        REPORT,
        MAX_AGE,
        REFUSE_STALE,
        LEDGER,
        STORE,
    ),
    settings=FORECAST_OPTIONS,
    example="rnnforecast predict prices --horizon 14 --output forecasts.csv",
)
