"""`rnnforecast predict`: forecast the steps after the last row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rnnforecast.cli.command import build_command
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View, check_drawings
from rnnforecast.errors import UsageError
from rnnforecast.options import (
    FORECAST_OPTIONS,
    FRESH_DATA,
    OUTPUT_FILE,
    SHOWN_SERIES,
    Engine,
    ShardBy,
    StaleRows,
    SumOver,
)

if TYPE_CHECKING:
    from rnnforecast.workflows.forecasts.panel import Forecast
    from rnnforecast.workflows.forecasts.predict_result import PredictResult
    from rnnforecast.workflows.model_rows import Files, LoadedModel
    from rnnforecast.workflows.predict import ForecastRequest
    from rnnforecast.workflows.shards.run import Runner


def predict(
    view: View,
    flags: Mapping[str, object],
    model: str | None,
    data: list[str] | None,
    engine: Engine,
    sum: SumOver | None,
    total: list[str] | None,
    shard: str | None,
    shard_by: ShardBy | None,
    on: str | None,
    ray_address: str | None,
    components: bool,
    set: list[str] | None,
    what_if: str | None,
    series: list[str] | None,
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

    Without MODEL, the newest model reads its training file again and forecasts from the last row, without training.
    MODEL `base`, the pretrained model, forecasts any file given by --data. Forecasts are logged for `rnnforecast score`.
    """
    import rnnforecast

    _check_together(view, output, sum or total, drawn=report or (plot if sum else None))
    unused = {"--total": total, "--plot": plot, "--report": report, "--attention-output": attention_output}
    shard = _check_shard(_shard_of(shard, on), shard_by, model, {**unused, "--ledger": ledger})
    chosen = load_settings(flags)
    files = rnnforecast.Files(tuple(data or ()), chosen.data.future_data)
    others = [("the covariates of --what-if", what_if or ""), ("the table of --output", output or "")]
    check_drawings(plot, report, files=files, model=model, store=store, others=others)
    request = rnnforecast.ForecastRequest(
        horizon=chosen.data.horizon,
        quantiles=chosen.evaluation.quantiles if "quantiles" in chosen.evaluation.model_fields_set else None,
        columns=(columns,) if columns else (),
        engine=engine, output=output, decimals=round, attention_output=attention_output, reading=chosen.data,
        max_age=max_age, refuse_stale=refuse_stale, sum=sum, totals=tuple(total or ()), components=components,
        changes=tuple(set or ()), what_if=what_if, series=tuple(series or ()),
        gains=report is not None or view.format == "json" or not view.quiet,
    )  # fmt: skip
    runner = _runner(on, ray_address)
    if shard is None:
        _forecast(view, request, model, files, store, ledger, plot, report)
    else:
        _predict_shard(view, request, str(model), files, shard, shard_by or "file", store, runner)


def _forecast(
    view: View,
    request: ForecastRequest,
    model: str | None,
    files: Files,
    store: str | None,
    ledger: bool | None,
    plot: str | None,
    report: str | None,
) -> None:
    from rnnforecast.workflows.predict_and_log import predict_and_log

    seen: list[tuple[LoadedModel, Forecast]] = []
    with view.progress(patience=1.0) as progress:
        result = predict_and_log(
            request,
            model,
            data=files,
            store=store,
            ledger=ledger,
            progress=progress,
            observer=lambda *pair: seen.append(pair),
        )
    view.draw(result, plot=plot, report=None if seen else report)  # without numbers the forecast is the page
    if report is not None and seen:
        _write_page(view, result, *seen[0], path=report)
    view.show(result, if_quiet=request.output is None)


def _predict_shard(
    view: View,
    request: ForecastRequest,
    model: str,
    files: Files,
    shard: str,
    by: ShardBy,
    store: str | None,
    on: Runner | None,
) -> None:
    import typer

    from rnnforecast.workflows.shards.plan import Shard
    from rnnforecast.workflows.shards.run import predict_shard

    with view.progress(patience=1.0) as progress:
        result = predict_shard(
            request, model, data=files, shard=Shard.parse(shard), by=by, store=store, progress=progress, on=on
        )
    view.show(result, if_quiet=bool(result.exit_code))
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def _shard_of(shard: str | None, on: str | None) -> str | None:
    """Return the shard: the whole of a folder with `--on`. Raises UsageError for flags that do not fit."""
    if on is not None and shard is not None:
        raise UsageError(
            "--on and --shard both divide the folder", hint="leave --shard out: the cluster divides it by itself"
        )
    return "1/1" if on is not None else shard


def _runner(on: str | None, ray_address: str | None) -> Runner | None:
    if on is None and ray_address is None:
        return None
    from rnnforecast.training.cluster import Cluster
    from rnnforecast.workflows.shards.on_ray import ray_runner

    cluster = Cluster.named(on, ray_address)
    return None if cluster is None else ray_runner(cluster)


def _check_shard(shard: str | None, by: str | None, model: str | None, unused: Mapping[str, object]) -> str | None:
    if shard is None and by is not None:
        raise UsageError("--shard-by has no effect without --shard", hint="add `--shard I/N`, or leave it out")
    if shard is None:
        return None
    if model is None:
        raise UsageError("--shard needs the name of a model", hint="`rnnforecast predict MODEL --shard 2/8 ...`")
    given = next((flag for flag, value in unused.items() if value), None)
    if given is not None:
        raise UsageError(f"{given} is not available with --shard", hint=f"leave {given} out")
    return shard


def _write_page(view: View, result: PredictResult, loaded: LoadedModel, forecast: Forecast, *, path: str) -> None:
    from rnnforecast.charts.report import forecast_page

    view.page(forecast_page(result, loaded, forecast, command=view.command), path)


def _check_together(view: View, output: str | None, added_up: object, *, drawn: str | None) -> None:
    if output == "-" and view.format != "table":
        raise UsageError(f"--output - and --format {view.format} both use stdout", hint="use only one of them")
    if added_up and drawn is not None:
        hint = "leave out --sum and --total, or draw in a second call"
        raise UsageError("--report draws steps of series, as --plot does of --sum: neither draws their sums", hint=hint)


command = build_command(
    predict,
    FRESH_DATA,
    SHOWN_SERIES,
    OUTPUT_FILE,
    settings=FORECAST_OPTIONS,
    example="rnnforecast predict prices --horizon 14 --output forecasts.csv",
)
