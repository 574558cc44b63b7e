from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnnforecast.config import MemberSettings, Settings
from rnnforecast.errors import UsageError
from rnnforecast.training.recipe import DataFacts, Recipe, choose_recipe, gather_facts
from tests.training.toy import make_series, wave

FACTS = DataFacts(
    num_series=1,
    num_steps=1_000,
    median_length=1_000,
    longest=1_000,
    horizon=12,
    season_length=12,
    positive=True,
    num_past_covariates=0,
    num_future_covariates=0,
    num_static_covariates=0,
)


def _choose(facts: DataFacts = FACTS, /, **flags: object) -> Recipe:
    return choose_recipe(facts, Settings.from_flat(flags))


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("cell", "lstm"),
        ("num_layers", 3),
        ("hidden_size", 9),
        ("residual", False),
        ("dropout", 0.2),
        ("context_length", 30),
        ("segment_length", 5),
        ("normalisation", "season"),
        ("log", False),
        ("base", "none"),
        ("skip", True),
        ("head", "linear"),
        ("bidirectional", True),
        ("mapping", "many-to-one"),
    ],
)
def test_a_flag_of_the_network_stands_in_every_member(flag: str, value: object) -> None:
    assert [getattr(member, flag) for member in _choose(**{flag: value}).members] == [value] * 4


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("num_steps", 17),
        ("batch_size", 3),
        ("learning_rate", 0.02),
        ("weight_decay", 0.0),
        ("gradient_clip", 9.0),
        ("teacher_forcing", 0.0),
    ],
)
def test_a_flag_of_the_training_stands(flag: str, value: object) -> None:
    assert getattr(_choose(**{flag: value}).fit, flag) == value


@pytest.mark.parametrize("number", [1, 2, 7])
def test_as_many_networks_as_asked_for_are_fitted(number: int) -> None:
    assert len(_choose(num_members=number).members) == number


def test_a_given_flag_is_reported_as_given_and_a_choice_names_its_flag() -> None:
    reasons = _choose(hidden_size=9).reasons
    assert reasons["hidden_size"] == "given (--hidden-size)"
    assert reasons["num_steps"] == "1,000 observed steps (medium data), effort normal (--num-steps)"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"attention": "dot", "mapping": "many-to-many"}, "`attention` needs mapping `encoder-decoder`"),
        ({"synchronous": True, "mapping": "many-to-one"}, "`synchronous` needs mapping `many-to-many`"),
        ({"synchronous": True, "bidirectional": True}, "`synchronous` and `bidirectional` exclude each other"),
        ({"synchronous": True, "normalisation": "window"}, "`synchronous` needs normalisation `causal`"),
        ({"mapping": "one-to-one"}, "`one-to-one` forecasts one step: horizon must be 1"),
        ({"mapping": "one-to-many", "context_length": 10}, "`one-to-many` reads one observation: context_length"),
        ({"mapping": "one-to-many", "normalisation": "last"}, "`one-to-many` needs normalisation `global`"),
        ({"context_length": 5, "segment_length": 10}, "`segment_length` 10 is longer than `context_length` 5"),
        ({"mapping": "one-to-many", "segment_length": 4}, "`segment_length` 4 is longer than the one step"),
    ],
)
def test_flags_that_exclude_each_other_are_rejected_by_both_names(flags: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        _choose(**flags)
    assert words in caught.value.message
    assert caught.value.hint is not None


def test_logarithms_of_values_at_or_below_zero_are_rejected() -> None:
    with pytest.raises(UsageError, match="`log` needs positive data: some observed values are zero or below"):
        _choose(replace(FACTS, positive=False), log=True)


def test_no_network_learns_in_logarithms_where_values_are_not_positive() -> None:
    assert not any(member.log for member in _choose(replace(FACTS, positive=False)).members)


def test_attention_alone_asks_for_an_encoder_decoder() -> None:
    assert {member.mapping for member in _choose(attention="additive").members} == {"encoder-decoder"}


def test_covariates_of_the_data_enter_every_network() -> None:
    facts = replace(FACTS, num_past_covariates=1, num_future_covariates=2, num_static_covariates=3)
    for member in _choose(facts).members:
        assert isinstance(member, MemberSettings)
        counts = (member.num_past_covariates, member.num_future_covariates, member.num_static_covariates)
        assert counts == (1, 2, 3)


@pytest.mark.parametrize("season_length", [1, 4, 5, 7, 12, 24, 48, 52, 96, 288, 365])
@pytest.mark.parametrize("num_rows", [10, 40, 200, 5_000])
def test_the_window_fits_the_rows_and_is_whole_segments(season_length: int, num_rows: int) -> None:
    facts = replace(FACTS, season_length=season_length, num_steps=num_rows, median_length=num_rows, horizon=3)
    for member in _choose(facts).members:
        assert member.context_length % member.segment_length == 0
        assert member.context_length <= max(num_rows, 2 * season_length)


def test_a_large_panel_gets_wider_networks_and_more_steps_than_a_short_series() -> None:
    short = _choose(replace(FACTS, num_steps=144))
    large = _choose(replace(FACTS, num_steps=300_000, num_series=400))
    assert short.members[0].hidden_size < large.members[0].hidden_size
    assert short.fit.num_steps < large.fit.num_steps


SIZES = {"short": 144, "medium": 1_000, "large": 300_000}


@pytest.mark.parametrize("num_steps", SIZES.values(), ids=SIZES)
def test_more_effort_takes_more_steps(num_steps: int) -> None:
    facts = replace(FACTS, num_steps=num_steps)
    quick, normal, best = (_choose(facts, effort=effort).fit.num_steps for effort in ("quick", "normal", "best"))
    assert (2 * quick, best) == (normal, 3 * normal)


@pytest.mark.parametrize("num_steps", SIZES.values(), ids=SIZES)
def test_the_best_training_takes_every_view_of_the_window_twice_and_a_quick_one_two_of_them(num_steps: int) -> None:
    facts = replace(FACTS, num_steps=num_steps)
    quick, normal, best = (
        [view.model_copy(update={"hidden_size": 1}) for view in _choose(facts, effort=effort).members]
        for effort in ("quick", "normal", "best")
    )
    assert quick == normal[:2]
    assert best == normal * 2


def test_the_best_training_has_wide_networks_but_for_short_data() -> None:
    widths = [_choose(replace(FACTS, num_steps=size), effort="best").members[0].hidden_size for size in SIZES.values()]
    assert widths == [32, 128, 128]


@pytest.mark.parametrize("effort", ["quick", "normal", "best"])
def test_what_was_given_stands_whatever_the_effort(effort: str) -> None:
    recipe = _choose(effort=effort, num_steps=17, num_members=3, hidden_size=9)
    assert (recipe.fit.num_steps, len(recipe.members)) == (17, 3)
    assert {member.hidden_size for member in recipe.members} == {9}


def test_no_effort_is_the_normal_one_and_the_reason_names_it() -> None:
    assert _choose() == _choose(effort="normal")
    assert _choose(effort="best").reasons["hidden_size"] == (
        "1,000 observed steps (medium data), effort best (--hidden-size)"
    )


def test_facts_count_observed_values_and_look_at_their_sign_alone() -> None:
    values = wave(40)
    values[3] = np.nan
    facts = gather_facts(make_series(values, wave(20)), horizon=5)
    assert (facts.num_series, facts.num_steps, facts.median_length, facts.positive) == (2, 59, 30, True)
    values[4] = 0.0
    assert not gather_facts(make_series(values), horizon=5).positive


@pytest.mark.parametrize(
    ("season_length", "num_rows", "flags", "segment_length"),
    [
        (12, 1_000, {}, 12),
        (144, 5_000, {}, 24),
        (288, 10_000, {}, 32),
        (1_440, 100_000, {}, 45),
        (1_009, 100_000, {}, 32),
        (12, 9_000, {"context_length": 6_000}, 96),
        (1, 9_000, {"context_length": 6_000}, 94),
    ],
)
def test_a_long_context_length_is_read_in_longer_segments_not_in_more_of_them(
    season_length: int, num_rows: int, flags: dict[str, object], segment_length: int
) -> None:
    facts = replace(FACTS, num_steps=num_rows, median_length=num_rows, longest=num_rows, season_length=season_length)
    for member in _choose(facts, **flags).members:
        assert member.segment_length == segment_length
        assert member.context_length <= 64 * segment_length
