"""`rnnforecast compare`: compare networks and naive forecasts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from rnnforecast.cli.command import build_command
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View, check_drawings
from rnnforecast.errors import UsageError
from rnnforecast.options import COMPARE_OPTIONS, HIDDEN_SIZES, MAPPINGS, TRAINING_FILES, Mapping_


def compare(
    view: View,
    flags: Mapping[str, object],
    data: list[str],
    config: str | None,
    methods: str | None,
    mapping: str | None,
    hidden_size: str | None,
    plot: str | None,
    report: str | None,
) -> None:
    """Compare networks, a Transformer and simple methods on the same backtest windows; store nothing.

    Each cell is trained with each --mapping and each --hidden-size. The tables show errors, ranks, skill, seconds and
    parameters. The extra `baselines` adds the methods auto-ets, auto-theta and auto-arima.
    """
    import rnnforecast

    settings = load_settings(flags, config=config)
    files = rnnforecast.Files(tuple(data), settings.data.future_data)
    check_drawings(plot, report, files=files, others=[("the settings", config or "")])
    with view.progress() as progress:
        result = rnnforecast.compare(
            data,
            settings,
            methods=_names(methods) or None,
            mappings=_mappings(mapping),
            sizes=_sizes(hidden_size),
            progress=progress,
        )
    view.draw(result, plot=plot, report=report)
    view.show(result)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))


def _mappings(text: str | None) -> tuple[str, ...]:
    names, known = _names(text), get_args(Mapping_)
    for name in names:
        if name not in known:
            raise UsageError(f"unknown mapping `{name}`", hint=f"mappings are: {', '.join(known)}", code="E_RUN_CONFIG")
    return names


def _sizes(text: str | None) -> tuple[int, ...]:
    names = _names(text)
    for name in names:
        if not name.isascii() or not name.isdigit() or int(name) < 1:
            raise UsageError(
                f"invalid size `{name}`", hint="sizes are whole numbers: `--hidden-size 32,64`", code="E_RUN_CONFIG"
            )
    return tuple(map(int, names))


command = build_command(
    compare,
    TRAINING_FILES,
    MAPPINGS,
    HIDDEN_SIZES,
    settings=COMPARE_OPTIONS,
    example="rnnforecast compare sales.csv --methods gru,lstm --hidden-size 32,64",
)
