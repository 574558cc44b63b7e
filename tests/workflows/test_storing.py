"""From a trained ensemble into its file and back: packing, loading and the frames made of it."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rnnforecast
from rnnforecast.config import Settings
from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.data.write import DEFAULT_WAIT
from rnnforecast.errors import ModelFileError, RnnForecastError, UsageError
from rnnforecast.forecasting import Ensemble
from rnnforecast.model_io.pack import check_shapes, pack_model, unpack_ensemble
from rnnforecast.store.model_file import read_model, write_model
from rnnforecast.store.registry import Registry
from rnnforecast.workflows.forecasts.panel import Forecast
from rnnforecast.workflows.forecasts.table import forecast_frame, make_overview, make_previews
from rnnforecast.workflows.model_rows import _restore, data_settings, load
from tests.training.toy import make_series
from tests.workflows.toy import TINY, fit, forecast, store_of, wave, write_days


def test_a_model_file_gives_back_the_ensemble_that_was_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed: list[Ensemble] = []

    def watched(read: object, ensemble: Ensemble, **keywords: object) -> object:
        packed.append(ensemble)
        return pack_model(read, ensemble, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr("rnnforecast.workflows.train.pack_model", watched)
    stored = unpack_ensemble(read_model(fit(write_days(tmp_path), num_members=2).path))
    assert stored.members == packed[0].members
    for ours, theirs in zip(stored.weights, packed[0].weights, strict=True):
        assert {name: array.tobytes() for name, array in ours.items()} == {
            name: np.asarray(array).tobytes() for name, array in theirs.items()
        }
    assert stored.calibration is not None
    assert packed[0].calibration is not None
    np.testing.assert_array_equal(stored.calibration.factors, packed[0].calibration.factors)


def test_a_model_named_by_its_path_forecasts_the_same(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    result = fit(path)
    moved = tmp_path / "elsewhere.safetensors"
    moved.write_bytes(Path(result.path).read_bytes())
    pd.testing.assert_frame_equal(forecast(path, model=str(moved), data=[path]).frame, forecast(path).frame)


def test_a_model_named_by_its_path_opens_nothing_that_it_names(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    model = read_model(fit(path).path)
    told = {**model.manifest.settings, "query": "select 1", "max_bytes": "900T", "wait": "9s"}
    record = model.manifest.input.model_copy(update={"paths": ("http://127.0.0.1:9/x.csv",)})
    manifest = model.manifest.model_copy(update={"settings": told, "input": record})
    foreign = tmp_path / "foreign.safetensors"
    write_model(foreign, replace(model, manifest=manifest))
    with pytest.raises(UsageError, match="the files and addresses that it names are not opened"):
        forecast(path, model=str(foreign))
    with pytest.raises(UsageError, match="the files and addresses that it names are not opened"):
        rnnforecast.evaluate(str(foreign), store=store_of(path))
    loaded = load(str(foreign), data=[path], store=store_of(path))
    read = data_settings(loaded.manifest)
    assert (read.query, read.max_bytes, read.wait.seconds) == (None, None, DEFAULT_WAIT)
    assert loaded.manifest.input.paths == (str(path),)


@pytest.mark.parametrize(
    ("remembered", "code"),
    [
        ("http://127.0.0.1:9/x.csv", "E_INPUT_ADDRESS"),
        ("postgresql://u@127.0.0.1:9/d#t", "E_INPUT_ADDRESS"),
        ("sqlite:////etc/x.db#t", "E_INPUT_ADDRESS"),
        ("file:///etc/passwd", "E_INPUT_ADDRESS"),
        ("days.csv", "E_INPUT_ADDRESS"),
        ("/dev/zero", "E_INPUT_KIND"),
        ("/proc", "E_INPUT_KIND"),
        ("/**/*.csv", "E_INPUT_MISSING"),
        ("/tmp/\0x", "E_INPUT_MISSING"),
        ("/proc/uptime", "E_DATA_EMPTY"),  # the files of the kernel, some of which never end, have no size
    ],
)
def test_a_stored_model_reads_no_more_than_files_of_this_machine_by_itself(
    tmp_path: Path, remembered: str, code: str
) -> None:
    path = write_days(tmp_path)
    model = read_model(fit(path).path)
    for field in ("paths", "future_paths"):
        record = model.manifest.input.model_copy(update={field: (remembered,)})
        roles = model.manifest.roles.model_copy(update={"future": ("x",)} if field == "future_paths" else {})
        manifest = model.manifest.model_copy(update={"input": record, "roles": roles, "name": field})
        Registry(store_of(path)).add(replace(model, manifest=manifest))
        with pytest.raises(RnnForecastError, match=r"the rows of|is empty") as caught:
            rnnforecast.predict(field, store=store_of(path))
        assert caught.value.code == code


@pytest.mark.parametrize("index", [99, -1])
def test_forged_last_rows_are_rejected(tmp_path: Path, index: int) -> None:
    model = read_model(fit(write_days(tmp_path)).path)
    context = model.context()
    assert context is not None
    with pytest.raises(ModelFileError, match="are not rows of its training"):
        _restore(model.manifest, replace(context, target_index=np.array([index])))
    with pytest.raises(ModelFileError, match="are not rows of its training"):
        _restore(model.manifest, replace(context, values=np.full_like(context.values, 1.7e308)))
    assert _restore(model.manifest, context).num_series == 1


def test_the_roles_and_the_clock_of_a_model_are_read_again(tmp_path: Path) -> None:
    manifest = read_model(fit(write_days(tmp_path)).path).manifest
    settings = data_settings(manifest)
    assert (settings.time, settings.target, settings.freq, settings.horizon) == ("date", ("value",), "D", 7)


def test_a_model_trained_on_standard_input_forecasts_from_its_own_last_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_days(tmp_path)
    expected = forecast_of_file(path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    store = tmp_path / "other"
    assert rnnforecast.train(["-"], Settings.from_flat(TINY), store=store).model == "stdin@1"
    result = rnnforecast.predict(store=store)
    assert "the model was trained on standard input: its own last rows are used" in result.notes
    np.testing.assert_allclose(result.frame["forecast"], expected["forecast"], rtol=1e-9)
    assert result.frame["date"].tolist() == expected["date"].tolist()


def forecast_of_file(path: Path) -> pd.DataFrame:
    fit(path)
    return forecast(path).frame


def test_weights_that_do_not_fit_their_settings_are_rejected_by_name(tmp_path: Path) -> None:
    file = read_model(fit(write_days(tmp_path)).path)
    shapes = {name: array.shape for name, array in file.tensors.items()}
    check_shapes(file.manifest, shapes)
    name = next(name for name in sorted(shapes) if name.startswith("members."))
    with pytest.raises(ModelFileError, match=f"`{name}` has shape \\(1, 2\\)"):
        check_shapes(file.manifest, {**shapes, name: (1, 2)})
    with pytest.raises(ModelFileError, match=f"`{name}` has shape None"):
        check_shapes(file.manifest, {other: shape for other, shape in shapes.items() if other != name})
    with pytest.raises(ModelFileError, match=r"`members\.9\.extra` has shape \(3,\), its settings need None"):
        check_shapes(file.manifest, {**shapes, "members.9.extra": (3,)})
    with pytest.raises(ModelFileError, match=r"`calibration\.factors` has shape"):
        check_shapes(file.manifest, {**shapes, "calibration.factors": (7, 2)})
    with pytest.raises(ModelFileError, match="it has no network"):
        check_shapes(file.manifest.model_copy(update={"members": ()}), {})


def test_the_file_records_what_was_read(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    record = read_model(fit(path).path).manifest.input
    assert record.paths == (str(path.resolve()),)
    assert (record.num_rows, record.num_series) == (90, 1)
    assert (record.first_timestamp, record.last_timestamp) == ("2024-01-01", "2024-03-30")


def test_the_store_of_a_training_holds_one_file(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    fit(path)
    assert [found.name for found in store_of(path).rglob("*.safetensors")] == ["1.safetensors"]


def _forecast(num_series: int, horizon: int = 2) -> Forecast:
    quantiles = np.arange(num_series * horizon * 3, dtype=float).reshape(num_series, horizon, 3)
    return Forecast((0.1, 0.5, 0.9), quantiles[..., 1], quantiles[..., 1], quantiles, "ensemble")


def test_a_frame_has_a_row_a_step_in_the_order_of_series_then_time() -> None:
    frame = forecast_frame(make_series(np.ones(5), np.ones(3)), _forecast(2))
    assert frame.columns.tolist() == ["id", "step", "cutoff", "forecast", "mean", "q0.1", "q0.5", "q0.9", "method"]
    assert frame["id"].tolist() == ["s0", "s0", "s1", "s1"]
    assert frame["step"].tolist() == [5, 6, 3, 4]
    assert frame["cutoff"].tolist() == [4, 4, 2, 2]
    assert frame["forecast"].tolist() == [1.0, 4.0, 7.0, 10.0]


def test_our_columns_make_room_for_those_of_the_user() -> None:
    series = replace(make_series(np.ones(5)), id_columns=("method",), time_column="cutoff")
    columns = forecast_frame(series, _forecast(1)).columns.tolist()
    assert columns == ["method", "cutoff", "_cutoff", "forecast", "mean", "q0.1", "q0.5", "q0.9", "_method"]


def test_timestamps_of_a_zone_come_back_in_it() -> None:
    hours = replace(Frequency("hour"), timezone="Europe/Berlin")
    series = replace(make_series(np.ones(5)), freq=hours, time_column="time")
    assert str(forecast_frame(series, _forecast(1))["time"].dtype).endswith("Europe/Berlin]")


def test_the_first_three_series_are_shown_with_the_rows_before_them() -> None:
    series = make_series(*[np.asarray(wave(60))] * 5)
    previews = make_previews(series, _forecast(5))
    assert [preview.label for preview in previews] == ["s0", "s1", "s2"]
    assert previews[0].past_target.tolist() == wave(60)[-48:]
    assert previews[0].timestamps.tolist() == [60, 61]


def test_the_overview_of_a_panel_has_its_total_its_largest_and_its_extremes() -> None:
    levels = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 90.0])
    series = make_series(*(np.full(20 if level == 90 else 30, level) for level in levels))  # the last ends earlier
    median = np.repeat(levels[:, None], 2, axis=1)
    median[1], median[2] = 4.0, 1.0
    forecast = Forecast((0.5,), median, median, median[..., None], "base")
    found = make_overview(series, forecast)
    assert [(kind, preview.label) for kind, preview in found] == [
        ("total", "all 8"),
        *(("largest", f"s{number}") for number in (8, 7, 6, 5, 4)),
        ("rises most", "s1"),
        ("falls most", "s2"),
    ]
    assert found[0][1].past_target[-1] == 36.0
    assert found[0][1].median.tolist() == [36.0, 36.0]
