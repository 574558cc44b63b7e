"""Targets of categories: what is learned, what is served, and what is rejected."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import rnnforecast
from rnnforecast.charts.category_charts import probability_chart, transition_chart
from rnnforecast.charts.plot import plot
from rnnforecast.cli.render import render
from rnnforecast.config import Settings
from rnnforecast.data.windows import WindowBatch, Windows
from rnnforecast.errors import DataError, ModelFileError, UsageError
from rnnforecast.inference.categorical import categorical_shapes, forecast_categories, lengthened
from rnnforecast.members import CategoricalSettings
from rnnforecast.networks.categorical import CategoricalForecaster
from rnnforecast.options import Cell
from rnnforecast.progress import NoProgress
from rnnforecast.workflows.categorical import refitted_probabilities
from rnnforecast.workflows.forecasts.predict_result import CategoricalForecast
from rnnforecast.workflows.model_rows import load
from rnnforecast.workflows.results import CategoricalEvaluateResult, CategoricalTrainResult

CYCLE = ("run", "run", "run", "run", "clean", "clean")


def write(path: Path, states: list[str], **columns: object) -> Path:
    times = pd.date_range("2024-01-01", periods=len(states), freq="h")
    pd.DataFrame({"time": times, "state": states, **columns}).to_csv(path, index=False)
    return path


def settings(**values: object) -> Settings:
    return Settings.from_flat(
        {"target": ["state"], "horizon": 6, "num_steps": 80, "hidden_size": 12, "context_length": 12, **values}
    )


@pytest.fixture(scope="module")
def cycle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("cycle") / "machine.csv", list(CYCLE) * 60)


@pytest.fixture(scope="module")
def trained(cycle: Path) -> CategoricalTrainResult:
    result = rnnforecast.train([cycle], settings(), store=cycle.parent / "store")
    assert isinstance(result, CategoricalTrainResult)
    return result


def test_a_cycle_that_transitions_cannot_tell_is_learned(trained: CategoricalTrainResult) -> None:
    assert trained.categories == ("clean", "run")
    assert trained.verdict is not None
    assert trained.verdict["outcome"] == "win"
    assert float(str(trained.metrics["ensemble"]["accuracy"])) > 0.95
    assert float(str(trained.metrics["ensemble"]["log_loss"])) < 0.5 * float(str(trained.metrics["markov"]["log_loss"]))


def test_the_forecast_continues_the_cycle_with_probabilities_that_add_up(
    trained: CategoricalTrainResult, cycle: Path
) -> None:
    result = rnnforecast.predict(trained.model, store=cycle.parent / "store")

    assert isinstance(result, CategoricalForecast)
    assert result.frame["forecast"].tolist() == list(CYCLE)
    np.testing.assert_allclose(result.frame[["p_clean", "p_run"]].sum(axis=1), 1.0)
    assert result.frame["time"].iloc[0] == pd.Timestamp("2024-01-16")


def test_fewer_steps_are_the_first_of_all(trained: CategoricalTrainResult, cycle: Path) -> None:
    whole = rnnforecast.predict(trained.model, store=cycle.parent / "store").frame
    some = rnnforecast.predict(trained.model, horizon=2, store=cycle.parent / "store").frame

    pd.testing.assert_frame_equal(some, whole.iloc[:2])


def test_steps_beyond_the_horizon_of_the_training_continue_as_a_markov_chain(
    trained: CategoricalTrainResult, cycle: Path
) -> None:
    store = cycle.parent / "store"
    whole, result = (
        rnnforecast.predict(trained.model, store=store),
        rnnforecast.predict(trained.model, horizon=9, store=store),
    )
    words = ["p_clean", "p_run"]
    given = pd.read_csv(cycle)["state"]
    moves = pd.crosstab(given, given.shift(-1))
    frequencies = given.value_counts()[moves.columns] + 0.5
    moves = moves + frequencies / frequencies.sum()
    moves = moves.div(moves.sum(axis=1), axis=0)

    pd.testing.assert_frame_equal(result.frame.iloc[:6], whole.frame)
    path = result.frame[words].to_numpy()
    for lead in (6, 7, 8):
        np.testing.assert_allclose(path[lead], path[lead - 1] @ moves.to_numpy(), rtol=1e-5)
    assert any(
        "steps after 6, the horizon of the training, continue as a Markov chain" in note for note in result.notes
    )


def test_transitions_are_lengthened_by_those_of_one_step() -> None:
    moves = np.array([[0.9, 0.1], [0.3, 0.7]])
    ahead = np.stack([np.vstack([np.linalg.matrix_power(moves, lead), [0.75, 0.25]]) for lead in (1, 2, 3, 4)])

    np.testing.assert_allclose(np.exp(lengthened(np.log(ahead[:2]), 4)), ahead)
    np.testing.assert_allclose(np.exp(lengthened(np.log(ahead), 1)), ahead[:1])


def test_after_a_gap_each_lead_is_scored_as_one_that_much_later(
    trained: CategoricalTrainResult, cycle: Path, tmp_path: Path
) -> None:
    store, shorter = cycle.parent / "store", tmp_path / "machine.csv"
    pd.read_csv(cycle).iloc[:-3].to_csv(shorter, index=False)
    far = rnnforecast.evaluate(trained.model, num_windows=8, window_step=3, gap=3, store=store)
    near = rnnforecast.evaluate(trained.model, data=[shorter], num_windows=8, window_step=3, store=store)

    assert (far.gap, far.cutoffs) == (3, near.cutoffs)
    found, same = ({(row["method"], row["lead"]): row["log_loss"] for row in each.per_lead} for each in (far, near))
    assert {lead for _, lead in found} == set(range(1, 7))
    for method in ("ensemble", "markov", "most-frequent"):
        for lead in (1, 2, 3):
            assert found[method, lead] == pytest.approx(same[method, lead + 3])


def test_refitted_networks_see_no_row_after_their_cutoff(
    trained: CategoricalTrainResult, cycle: Path, tmp_path: Path
) -> None:
    store, other = cycle.parent / "store", tmp_path / "machine.csv"
    frame = pd.read_csv(cycle)
    frame.loc[frame.index[-6:], "state"] = "run"
    frame.to_csv(other, index=False)
    windows = Windows(np.zeros(2, dtype=np.int64), len(frame) - np.array([6, 12]))
    found, changed = (
        refitted_probabilities(
            load(trained.model, data=[path], store=store, allow_categories=True), windows, gap=0, progress=NoProgress()
        )
        for path in (cycle, other)
    )
    assert set(found) == {"ensemble", "markov", "most-frequent"}
    for name, probabilities in found.items():
        np.testing.assert_array_equal(probabilities, changed[name])
        np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0)
        assert not np.array_equal(probabilities[0], probabilities[1])

    result = rnnforecast.evaluate(trained.model, num_windows=2, refit=True, store=store)
    assert result.refit
    assert not any("flatter" in note for note in result.notes)


def test_a_stored_network_is_scored_on_past_windows(trained: CategoricalTrainResult, cycle: Path) -> None:
    result = rnnforecast.evaluate(trained.model, num_windows=8, store=cycle.parent / "store")

    assert isinstance(result, CategoricalEvaluateResult)
    assert set(result.metrics) == {"ensemble", "markov", "most-frequent"}
    assert {row["lead"] for row in result.per_lead} == set(range(1, 7))
    assert any("8 of 8 windows are within the rows" in note for note in result.notes)


def test_states_without_memory_are_no_win(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    states = ["a"]
    for _ in range(500):
        states.append(states[-1] if generator.random() < 0.7 else str(generator.choice(["a", "b", "c"])))

    result = rnnforecast.train([write(tmp_path / "chain.csv", states)], settings(), store=tmp_path / "store")

    assert result.verdict is not None
    assert result.verdict["outcome"] != "win"


def test_rows_after_a_cutoff_change_no_score_of_it(tmp_path: Path) -> None:
    states = list(CYCLE) * 30
    other = [*states[:-6], *(["run"] * 6)]
    found = [
        rnnforecast.train(
            [write(tmp_path / f"{name}.csv", rows)],
            settings(num_windows=1, num_steps=20, refit=False),
            store=tmp_path / name,
        )
        for name, rows in (("one", states), ("two", other))
    ]

    weights = [
        rnnforecast.load_model(result.model, store=tmp_path / name)
        for name, result in zip(("one", "two"), found, strict=True)
    ]
    for name in ("output.weight", "transitions"):
        first, second = (each.tensors[f"categorical.{name}"] for each in weights)
        np.testing.assert_array_equal(first, second)


def test_an_unknown_category_counts_as_missing(trained: CategoricalTrainResult, cycle: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "new.csv", [*CYCLE * 3, "jam"])

    result = rnnforecast.predict(trained.model, data=[path], store=cycle.parent / "store")

    found = {finding.code: finding.message for finding in result.findings}
    assert "the model has not learned `jam`; read as missing" in found["W_CATEGORY_UNKNOWN"]
    assert np.isfinite(result.frame["probability"]).all()


def test_a_panel_has_one_network(tmp_path: Path) -> None:
    first, second = list(CYCLE) * 20, list(CYCLE[::-1]) * 20
    frame = pd.DataFrame(
        {
            "machine": np.repeat(["m1", "m2"], 120),
            "time": np.tile(pd.date_range("2024-01-01", periods=120, freq="h"), 2),
            "state": first + second,
        }
    )
    frame.to_csv(tmp_path / "panel.csv", index=False)

    model = rnnforecast.train([tmp_path / "panel.csv"], settings(id=["machine"]), store=tmp_path / "store")
    result = rnnforecast.predict(model.model, store=tmp_path / "store")

    assert result.frame["machine"].tolist() == ["m1"] * 6 + ["m2"] * 6


@pytest.mark.parametrize(
    ("states", "message"),
    [
        (["idle"] * 40, "target `state` holds one category, `idle`: there is nothing to forecast"),
        ([f"s{number}" for number in range(65)], "holds 65 categories, at most 64 are forecast"),
        (["run", "12", "clean", "7"] * 10, r"holds text, not numbers \(20 numbers and 20 texts in its first rows\)"),
    ],
)
def test_a_column_that_is_no_target_of_categories_is_rejected(states: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        rnnforecast.train([write(tmp_path / "x.csv", states)], settings(), store=tmp_path / "store")


@pytest.mark.parametrize(
    ("values", "flag"),
    [
        ({"floor": 0.0}, "--floor"),
        ({"mapping": "many-to-one"}, "--mapping"),
        ({"from": "scratch"}, "--from"),
        ({"quantiles": [0.1]}, "--quantiles"),
        ({"resample": "2h", "aggregate": "mean"}, "--aggregate mean"),
    ],
)
def test_a_setting_about_numbers_is_rejected(values: dict[str, object], flag: str, cycle: Path) -> None:
    with pytest.raises(UsageError, match=f"the target holds categories: `{flag}` would have no effect"):
        rnnforecast.train([cycle], settings(**values), store=cycle.parent / "other")


def test_a_command_for_numbers_names_those_that_take_categories(trained: CategoricalTrainResult, cycle: Path) -> None:
    with pytest.raises(UsageError, match="machine@1 forecasts the categories of `state`") as raised:
        rnnforecast.diagnose(trained.model, store=cycle.parent / "store")
    assert raised.value.hint == "`predict`, `evaluate`, `report`, `script` and `models show` take models of categories"


def test_a_column_of_numbers_is_rejected_by_a_model_of_words(
    trained: CategoricalTrainResult, cycle: Path, tmp_path: Path
) -> None:
    path = write(tmp_path / "numbers.csv", [str(number) for number in range(40)])
    with pytest.raises(DataError, match="target `state` holds integer, where the model was trained on words"):
        rnnforecast.predict(trained.model, data=[path], store=cycle.parent / "store")


def test_a_model_file_with_other_categories_is_rejected(trained: CategoricalTrainResult, cycle: Path) -> None:
    from rnnforecast.model_io.pack import check_values

    model = rnnforecast.load_model(trained.model, store=cycle.parent / "store")
    manifest = model.manifest.model_copy(update={"categories": {"state": ("run",)}})
    with pytest.raises(ModelFileError, match="its categories or its horizon are not those of its network"):
        check_values(replace(model, manifest=manifest))


@pytest.mark.parametrize("cell", ["gru", "lstm", "mingru"])
def test_both_engines_give_the_same_probabilities(cell: Cell) -> None:
    network = CategoricalSettings(num_categories=3, cell=cell, hidden_size=5, num_layers=2, context_length=7, horizon=4)
    torch.manual_seed(1)
    module = CategoricalForecaster(network, torch.randn(4, 4, 3), dropout=0.0)
    torch.nn.init.normal_(module.output.weight)
    tensors = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    assert {name: tensor.shape for name, tensor in tensors.items()} == categorical_shapes(network)
    generator = np.random.default_rng(2)
    past, observed = generator.integers(1, 4, (6, 7)).astype(float), generator.random((6, 7)) < 0.8
    nothing = np.zeros((6, 0))
    batch = WindowBatch(past, observed, nothing, nothing, nothing, nothing, nothing, nothing)

    codes = torch.from_numpy(np.where(observed, past - 1, 3).astype(np.int64))
    with torch.no_grad():
        theirs = torch.softmax(module.eval()(codes, torch.tensor([6]))[:, 0].double(), dim=-1)

    np.testing.assert_allclose(forecast_categories(network, tensors, batch), theirs.numpy(), atol=1e-6)


def test_a_column_beside_the_target_is_named_without_a_flag_that_would_be_rejected(tmp_path: Path) -> None:
    path = tmp_path / "both.csv"
    days = [f"2024-01-{day:02d}" for day in range(1, 29)]
    path.write_text("date,state,heat\n" + "".join(f"{day},{'ab'[i % 2]},{i * i}\n" for i, day in enumerate(days)))
    result = rnnforecast.train([path], settings(num_steps=1, horizon=2), store=tmp_path / "store")
    (note,) = (finding for finding in result.findings if finding.code == "N_COLUMN_UNUSED")
    assert "`heat`; a forecast of categories reads its target alone" in note.message
    assert note.fix is None


def test_a_model_shows_its_scores(trained: CategoricalTrainResult, cycle: Path) -> None:
    shown = rnnforecast.show_model(trained.model, store=cycle.parent / "store")
    words = render(shown, stream=io.StringIO(), width=100)
    assert "log loss" in words
    assert f"{float(str(trained.metrics['markov']['log_loss'])):.3f}" in words
    assert "gru, 1 layer of 12 units" in words


def test_inspect_shows_how_a_target_of_words_is_read(cycle: Path) -> None:
    found = rnnforecast.inspect([cycle], settings())
    assert [one.code for one in found.findings] == ["N_TARGET_CATEGORIES"]
    assert (found.profile, found.suggestions) == ({}, ())


@pytest.mark.parametrize("command", [rnnforecast.compare, rnnforecast.detect])
def test_a_command_that_takes_no_words_names_the_training_that_does(
    command: Callable[..., object], cycle: Path
) -> None:
    reading = {"reading": settings().data} if command is rnnforecast.detect else {"settings": settings()}
    with pytest.raises(DataError) as raised:
        command([cycle], **reading)
    assert f"`rnnforecast train {cycle} --target state` forecasts categories" in str(raised.value.hint)


@pytest.mark.usefixtures("trained")
def test_scores_of_a_model_of_categories_are_those_of_past_windows(cycle: Path) -> None:
    with pytest.raises(UsageError, match="forecasts categories, which are not logged") as raised:
        rnnforecast.score("machine", store=cycle.parent / "store")
    assert raised.value.hint == "`rnnforecast evaluate machine` scores it on past windows"


def test_a_revised_word_is_shown_as_the_file_has_it(
    trained: CategoricalTrainResult, cycle: Path, tmp_path: Path
) -> None:
    changed = write(tmp_path / "machine.csv", [*(list(CYCLE) * 60)[:-2], "run", "clean"])
    found = rnnforecast.predict(trained.model, data=[changed], store=cycle.parent / "store")
    [message] = [one.message for one in found.findings if one.code == "W_HISTORY_REVISED"]
    assert message.endswith("`clean` then, `run` now")


def test_a_report_shows_probabilities_transitions_confusion_and_the_loss(
    trained: CategoricalTrainResult, cycle: Path, tmp_path: Path
) -> None:
    pytest.importorskip("vl_convert")
    written = rnnforecast.report(trained.model, store=cycle.parent / "store", output=tmp_path / "page.html")
    page = Path(written.output).read_text()
    for words in (
        "state: probability of each category",
        "Actual and forecast categories",
        "Which category follows which",
        "Loss while training",
        "Log loss by method",
        "gru, 1 × 12 units",
    ):
        assert words in page


def test_the_confusion_of_a_backtest_counts_its_steps(trained: CategoricalTrainResult, cycle: Path) -> None:
    found = rnnforecast.evaluate(trained.model, store=cycle.parent / "store", num_windows=4)
    assert isinstance(found, CategoricalEvaluateResult)
    confusion = np.array(found.confusion)
    assert confusion.sum() == found.metrics["ensemble"]["num_scored"] == 24
    assert np.trace(confusion) / 24 == found.metrics["ensemble"]["accuracy"]
    assert confusion.sum(axis=1).tolist() == [8, 16]  # rows are what happened: a third of each cycle is `clean`


def test_maps_of_categories_are_drawn(trained: CategoricalTrainResult, cycle: Path, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    forecast = rnnforecast.predict(trained.model, store=cycle.parent / "store")
    assert isinstance(forecast, CategoricalForecast)
    chart = probability_chart(forecast, 0)
    assert [(row["x"], row["y"]) for row in chart.rows[:2]] == [
        ("2024-01-16 00:00", "clean"),
        ("2024-01-16 00:00", "run"),
    ]
    assert sum(float(str(row["p"])) for row in chart.rows[:2]) == pytest.approx(1.0, abs=1e-5)
    plot(forecast, tmp_path / "next.svg")
    assert "run" in (tmp_path / "next.svg").read_text()
    many = transition_chart([f"c{number}" for number in range(40)], np.full((40, 40), 1 / 40))
    assert len(many.rows) == 24 * 24
    assert "24 most frequent of 40 categories" in many.subtitle
