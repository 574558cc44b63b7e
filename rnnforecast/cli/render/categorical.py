"""The screens of targets of categories: scores with the verdict, and the probabilities of the next steps."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from rnnforecast.cli.render.backtest import stored_block
from rnnforecast.cli.render.blocks import Space, fit_columns, heading, quiet_table, safe, screen, timestamp_text, under
from rnnforecast.cli.render.metrics import category_scores_block, percent, serving_advice, verdict_block
from rnnforecast.cli.render.reading import assumptions_block
from rnnforecast.findings import plural
from rnnforecast.members import ENSEMBLE
from rnnforecast.workflows.forecasts.predict_result import CategoricalForecast
from rnnforecast.workflows.results import CategoricalEvaluateResult, CategoricalTrainResult

_MAX_ROWS, _LAST_ROWS = 20, 5


@screen.register(CategoricalTrainResult)
def _train_screen(result: CategoricalTrainResult, _space: Space) -> list[RenderableType]:
    windows = f"{plural(result.num_windows, 'window')} of {_steps(result)} after the training rows"
    verdict = verdict_block(result.verdict, advice=serving_advice(result.verdict, result.served))
    scored = [category_scores_block(result.metrics, heading("Test", windows))] if result.metrics else []
    return [assumptions_block(result.assumptions, result.reasons), *scored, verdict, stored_block(result)]


@screen.register(CategoricalEvaluateResult)
def _evaluate_screen(result: CategoricalEvaluateResult, _space: Space) -> list[RenderableType]:
    windows = f"{plural(result.num_windows, 'window')} of {_steps(result)}"
    return [category_scores_block(result.metrics, heading(result.model, windows)), verdict_block(result.verdict)]


@screen.register(CategoricalForecast)
def _forecast_screen(result: CategoricalForecast, space: Space) -> list[RenderableType]:
    if result.output is not None:
        written = f"{plural(len(result.frame), 'row')} written to {result.output}"
        return [] if result.output == "-" else [heading(written, result.model)]
    blocks = [_series_block(result, number, space) for number in result.shown]
    hidden = result.num_series - len(blocks)
    return [*blocks, *([Text(f"and {hidden:,} more; `--output FILE` writes all of them")] if hidden > 0 else [])]


def _series_block(result: CategoricalForecast, number: int, space: Space) -> RenderableType:
    """Return the forecast of one series: the most probable category, and the probability of each."""
    rows = result.frame.iloc[number * result.horizon : (number + 1) * result.horizon]
    names = [str(name) for name in rows.columns]
    after = len(names) - 1  # the method
    first = after - len(result.categories)  # ids, time, cutoff, forecast, probability come before
    label = "/".join(str(value) for value in rows.iloc[0, : first - 4])
    times = [timestamp_text(value, result.freq) for value in result._column(rows.iloc[:, first - 4])]
    columns = {"forecast": [str(value) for value in rows.iloc[:, first - 2]]}
    for place, word in enumerate(result.categories, start=first):
        columns[word] = [percent(float(value)) for value in rows.iloc[:, place]]
    least = sorted(
        result.categories, key=lambda word: float(rows.iloc[:, first + result.categories.index(word)].mean())
    )
    for word in (left_out := fit_columns({"": times, **columns}, width=space.width, dispensable=least)):
        del columns[word]
    table = quiet_table([("", "left"), *((name, "left" if name == "forecast" else "right") for name in columns)])
    places = list(range(len(rows)))
    if len(places) > _MAX_ROWS:
        places = [*places[: _MAX_ROWS - _LAST_ROWS - 1], -1, *places[-_LAST_ROWS:]]
    for place in places:
        table.add_row(
            "..." if place < 0 else times[place], *("" if place < 0 else safe(c[place]) for c in columns.values())
        )
    more = [Text(f"and {plural(len(left_out), 'more category', 'more categories')}", style="dim")] if left_out else []
    method = str(rows.iloc[0, after])
    served = "" if method == ENSEMBLE else f", served by {method}"
    title = heading(label or result.target, f"{plural(result.horizon, 'step')} ahead by {result.model}{served}")
    return under(title, table, *more)


def _steps(result: CategoricalTrainResult | CategoricalEvaluateResult) -> str:
    return plural(int(str(result.assumptions.get("horizon", 0))), "step")
