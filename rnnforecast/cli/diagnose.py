"""`rnnforecast diagnose`: how far back recurrent networks remember on your rows."""

from __future__ import annotations

from collections.abc import Mapping

from rnnforecast.cli.command import build_command
from rnnforecast.cli.settings import load_settings
from rnnforecast.cli.view import View, check_drawings
from rnnforecast.options import MODEL_OPTIONS, TEST_FILES


def diagnose(
    view: View,
    flags: Mapping[str, object],
    model: str | None,
    data: list[str] | None,
    plot: str | None,
    report: str | None,
    store: str | None,
) -> None:
    """Measure how far back recurrent networks remember on your rows, and how far back the model looks.

    Fit a vanilla RNN, an LSTM and a GRU briefly, without changing the model. Show gradients through time, saturated gates,
    clipped steps and the effect of hidden rows, with advice.
    """
    import rnnforecast

    reading = load_settings(flags).data
    files = rnnforecast.Files(tuple(data or ()), reading.future_data, reading)
    check_drawings(plot, report, files=files, model=model, store=store)
    with view.progress() as progress:
        result = rnnforecast.diagnose(model, files, store=store, progress=progress)
    view.draw(result, plot=plot, report=report)
    view.show(result)


command = build_command(diagnose, TEST_FILES, settings=MODEL_OPTIONS, example="rnnforecast diagnose prices")
