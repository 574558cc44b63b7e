from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

import rnnforecast
from rnnforecast.cli.main import main
from rnnforecast.config import Settings
from rnnforecast.data.series import SeriesSet
from rnnforecast.errors import UsageError
from rnnforecast.evaluation.baselines import BASELINES
from rnnforecast.workflows.compare import network_grid
from rnnforecast.workflows.results import CompareResult
from tests.workflows.toy import TINY, write_days

#: The module, which the function of the same name hides in the package.
compare_module = importlib.import_module("rnnforecast.workflows.compare")


def _compare(path: Path, *methods: str, **changes: object) -> CompareResult:
    settings = Settings.from_flat({**TINY, "num_windows": 2, **changes})
    return rnnforecast.compare([path], settings, methods=methods or None)


def test_networks_and_baselines_stand_on_the_same_cutoffs(tmp_path: Path) -> None:
    result = _compare(write_days(tmp_path), "gru", "encoder-decoder")
    assert set(result.metrics) == {*BASELINES, "theta", "gru", "encoder-decoder"}
    assert {scores["num_scored"] for scores in result.metrics.values()} == {14}
    assert result.networks == ("gru", "encoder-decoder")


def test_three_cells_and_the_pretrained_network_are_compared_unless_others_are_named(tmp_path: Path) -> None:
    assert set(_compare(write_days(tmp_path)).networks) == {"base", "gru", "lstm", "mingru"}


def test_the_verdict_is_that_of_the_best_network_against_the_best_baseline(tmp_path: Path) -> None:
    result = _compare(write_days(tmp_path), "gru", "rnn")
    assert result.verdict is not None
    assert result.verdict["method"] in ("gru", "rnn")
    assert result.verdict["against"] in BASELINES


def test_baselines_alone_have_no_verdict(tmp_path: Path) -> None:
    result = _compare(write_days(tmp_path), "naive")
    assert (result.verdict, result.networks) == (None, ())


def test_the_verdict_does_not_ask_for_theta(tmp_path: Path) -> None:
    verdict = _compare(write_days(tmp_path), "gru").verdict
    assert verdict is not None
    assert {comparison["against"] for comparison in verdict["comparisons"]} == set(BASELINES)  # type: ignore[attr-defined]


def test_theta_may_be_named_among_the_methods(tmp_path: Path) -> None:
    result = _compare(write_days(tmp_path), "theta")
    assert set(result.metrics) == {*BASELINES, "theta"}


def test_nothing_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _compare(write_days(tmp_path), "gru")
    assert [path.name for path in tmp_path.iterdir()] == ["days.csv"]


def test_the_network_is_the_one_that_training_would_judge(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    compared = _compare(path, "lstm").metrics["lstm"]
    settings = Settings.from_flat({**TINY, "num_windows": 2, "cell": "lstm"})
    trained = rnnforecast.train([path], settings, store=tmp_path / "store").metrics["ensemble"]
    assert (compared["mase"], compared["wql"]) == (trained["mase"], trained["wql"])


def test_every_method_says_how_long_it_took(tmp_path: Path) -> None:
    result = _compare(write_days(tmp_path), "gru")
    assert set(result.seconds_per_method) == set(result.metrics)


def test_the_time_budget_is_that_of_all_networks_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    fit_before = compare_module.fit_train_rows

    def watched(known: SeriesSet, settings: Settings, **keywords: Any) -> Any:
        assert settings.training.time_budget is not None
        given.append(settings.training.time_budget.seconds)
        return fit_before(known, settings, **keywords)

    monkeypatch.setattr(compare_module, "fit_train_rows", watched)
    result = _compare(write_days(tmp_path), "gru", "naive", "lstm", time_budget="1h")
    assert given[0] == pytest.approx(1800, abs=1)
    assert 1800 <= given[1] < 3600  # the second has what the first left over
    assert result.settings["time_budget"] == "1h"


def test_unknown_methods_are_rejected_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown method `gruu`, `best`") as caught:
        _compare(write_days(tmp_path), "gruu", "naive", "best")
    assert "encoder-decoder" in str(caught.value.hint)


def test_networks_are_the_product_of_cells_mappings_and_sizes() -> None:
    grid = network_grid(
        ("gru", "transformer", "naive"), Settings(), mappings=("many-to-many", "one-to-many"), sizes=(8, 16)
    )
    assert list(grid) == [
        f"{cell}-{mapping}-{size}"
        for size in (8, 16)
        for cell in ("gru", "transformer")
        for mapping in ("many-to-many", "one-to-many")
    ]
    assert grid["transformer-one-to-many-16"] == {"cell": "gru", "mapping": "one-to-many", "hidden_size": 16}
    assert list(network_grid(("lstm",), Settings(), mappings=("one-to-one",), sizes=(8,))) == ["lstm"]


def test_a_grid_that_is_too_large_or_mixed_is_rejected() -> None:
    with pytest.raises(UsageError, match="60 networks, at most 36 are compared"):
        network_grid(("gru",), Settings(), sizes=tuple(range(1, 61)))
    with pytest.raises(UsageError, match="`encoder-decoder` is among the methods"):
        network_grid(("encoder-decoder",), Settings(), mappings=("one-to-one",))


def test_a_transformer_is_compared_with_ranks_skill_and_sizes(tmp_path: Path) -> None:
    settings = Settings.from_flat({**TINY, "num_windows": 3})
    result = rnnforecast.compare([write_days(tmp_path)], settings, methods=("gru", "transformer"), sizes=(4, 8))
    assert result.networks == ("gru-4", "transformer-4", "gru-8", "transformer-8")
    assert result.parameters["transformer-8"] > result.parameters["transformer-4"] > 0
    assert result.ranks.keys() == result.metrics.keys()
    assert sum(result.ranks.values()) == pytest.approx(len(result.ranks) * (len(result.ranks) + 1) / 2)
    assert (result.num_ranked, result.skill_against) == (3, "seasonal-naive")
    assert result.skills["seasonal-naive"] == 0.0
    assert result.metrics["gru-8"]["mase"] != result.metrics["transformer-8"]["mase"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--hidden-size", "32,x"], "invalid size `x`"),
        (["--hidden-size", "0"], "invalid size `0`"),
        (["--mapping", "many"], "unknown mapping `many`"),
    ],
)
def test_a_grid_that_cannot_be_read_names_the_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["compare", str(write_days(tmp_path)), *words]) == 2
    assert message in capsys.readouterr().err
