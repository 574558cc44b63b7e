"""Where training starts, and how much each member counts before held-out rows are asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rnnforecast.config import Settings, TrainingSettings
from rnnforecast.errors import UsageError
from rnnforecast.inference.season_classes import pretrained_settings
from rnnforecast.training.initial_weights import (
    FEWEST_STEPS_TO_FINE_TUNE,
    FINE_TUNED,
    FINE_TUNING_BATCH_SIZE,
    FINE_TUNING_RATE,
    FINE_TUNING_STEPS,
    LONG_SERIES_LENGTH,
    SCRATCH,
    SMALLEST_PANEL,
    THETA,
    ZERO_SHOT,
    Plan,
    choose_plan,
    usual_weights,
    with_pretrained,
)
from rnnforecast.training.recipe import DataFacts, choose_recipe

FACTS = DataFacts(
    num_series=10,
    num_steps=1_000,
    median_length=100,
    longest=100,
    horizon=12,
    season_length=12,
    positive=True,
    num_past_covariates=0,
    num_future_covariates=0,
    num_static_covariates=0,
)
SHORT = replace(FACTS, num_steps=FEWEST_STEPS_TO_FINE_TUNE - 1)
ENOUGH = replace(FACTS, num_steps=FEWEST_STEPS_TO_FINE_TUNE)
NOT_KNOWN_AHEAD = ("num_past_covariates", "num_static_covariates")
COVARIATES = ("num_past_covariates", "num_future_covariates", "num_static_covariates")
PRETRAINED = pretrained_settings(12, hidden_size=8, num_layers=1)


VOICES: dict[Plan, tuple[str, ...]] = {
    "scratch": (SCRATCH, THETA),
    "zero-shot": (ZERO_SHOT, THETA),
    "fine-tuned": (FINE_TUNED, ZERO_SHOT, THETA),
    "both": (SCRATCH, FINE_TUNED, ZERO_SHOT, THETA),
}


def _plan(facts: DataFacts, **flags: object) -> tuple[Plan, str]:
    return choose_plan(facts, Settings.from_flat(flags))


def test_few_observed_steps_leave_the_pretrained_network_as_it_is_and_say_how_few() -> None:
    plan, reason = _plan(SHORT)
    assert plan == "zero-shot"
    assert reason == (
        "too few observations (499) to fine-tune the pretrained network; the zero-shot ensemble is used without training "
        "(--effort best, --from)"
    )


def test_a_panel_or_a_long_series_is_fitted_from_both_starts() -> None:
    assert _plan(ENOUGH)[0] == "both"


@pytest.mark.parametrize("facts", [SHORT, ENOUGH])
def test_a_start_from_scratch_that_was_asked_for_stands(facts: DataFacts) -> None:
    assert _plan(facts, **{"from": "scratch"}) == ("scratch", "given (--from)")


def test_a_pretrained_start_that_was_asked_for_has_no_network_from_scratch() -> None:
    assert _plan(ENOUGH, **{"from": "pretrained"}) == ("fine-tuned", "given (--from)")


def test_few_steps_tune_nothing_even_where_a_pretrained_start_was_asked_for() -> None:
    plan, reason = _plan(SHORT, **{"from": "pretrained"})
    assert plan == "zero-shot"
    assert "too few observations (499)" in reason


def test_few_steps_with_past_covariates_of_text_start_from_scratch_and_say_why() -> None:
    plan, reason = _plan(replace(SHORT, num_past_covariates=2, categories={"past": (0, 3)}))
    assert plan == "scratch"
    assert reason == "only networks from scratch read `--past` columns of text (--from)"


@pytest.mark.parametrize("flags", [{}, {"effort": "quick"}])
@pytest.mark.parametrize("kind", NOT_KNOWN_AHEAD)
def test_few_steps_with_numbers_not_known_ahead_use_the_zero_shot_ensemble(kind: str, flags: dict[str, object]) -> None:
    """Its regression reads them; networks from scratch alone had a quarter more error."""
    assert _plan(DataFacts(**{**vars(SHORT), kind: 1}), **flags)[0] == "zero-shot"


@pytest.mark.parametrize("flags", [{}, {"effort": "quick"}, {"from": "pretrained"}])
def test_covariates_known_ahead_are_read_by_the_zero_shot_ensemble(flags: dict[str, object]) -> None:
    facts = replace(SHORT, num_future_covariates=1)
    assert _plan(facts, **flags)[0] == "zero-shot"
    assert _plan(replace(ENOUGH, num_future_covariates=1), **{"from": "pretrained"})[0] == "fine-tuned"


@pytest.mark.parametrize("kind", COVARIATES)
def test_networks_that_read_covariates_stand_next_to_the_pretrained_one_where_there_are_steps(kind: str) -> None:
    plan, reason = _plan(DataFacts(**{**vars(ENOUGH), kind: 1}))
    assert plan == "both"
    assert "trained others from scratch, with the zero-shot ensemble as third group (" in reason


@pytest.mark.parametrize("flag", [{"cell": "lstm"}, {"hidden_size": 9}, {"residual": False}, {"log": False}])
def test_a_network_that_the_user_described_starts_from_scratch_and_says_why(flag: dict[str, object]) -> None:
    plan, reason = _plan(ENOUGH, **flag)
    assert plan == "scratch"
    assert reason == "the network flags describe another network than the pretrained one (--from)"


@pytest.mark.parametrize("kind", NOT_KNOWN_AHEAD)
@pytest.mark.parametrize("facts", [SHORT, ENOUGH])
def test_a_pretrained_start_rejects_covariates_rather_than_ignore_them(facts: DataFacts, kind: str) -> None:
    with pytest.raises(UsageError, match=r"`--from pretrained` would ignore covariates that are not known") as caught:
        _plan(DataFacts(**{**vars(facts), kind: 1}), **{"from": "pretrained"})
    assert str(caught.value.hint) == "name them `--future`, or leave them out, or train with `--from scratch`"


@pytest.mark.parametrize("flag", [{"cell": "lstm"}, {"hidden_size": 9}])
def test_a_pretrained_start_rejects_another_shape_rather_than_ignore_it(flag: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"would ignore the network flags: .* has its own shape") as caught:
        _plan(ENOUGH, **flag, **{"from": "pretrained"})
    assert "--from scratch" in str(caught.value.hint)


@pytest.mark.parametrize("facts", [SHORT, ENOUGH])
def test_a_pretrained_start_rejects_a_number_of_networks_rather_than_ignore_it(facts: DataFacts) -> None:
    with pytest.raises(
        UsageError, match=r"`--from pretrained` would ignore --num-members: .* is a single one"
    ) as caught:
        _plan(facts, num_members=3, **{"from": "pretrained"})
    assert str(caught.value.hint) == "leave it out, or train with `--from scratch`"
    assert _plan(facts, num_members=1, **{"from": "pretrained"}) == _plan(facts, **{"from": "pretrained"})


@pytest.mark.parametrize("flag", [{"num_steps": 3}, {"num_members": 2}, {"seed": 5}, {"horizon": 3}])
def test_how_long_to_fit_describes_no_network(flag: dict[str, object]) -> None:
    assert _plan(ENOUGH, **flag)[0] == "both"


@pytest.mark.parametrize("facts", [SHORT, ENOUGH])
def test_a_quick_training_fits_nothing_and_says_so(facts: DataFacts) -> None:
    assert _plan(facts, effort="quick") == (
        "zero-shot",
        "quick: the zero-shot ensemble is used without training (--effort, --from)",
    )


def test_a_quick_training_still_starts_where_it_was_told_to() -> None:
    assert _plan(ENOUGH, effort="quick", **{"from": "scratch"})[0] == "scratch"
    assert _plan(ENOUGH, effort="quick", **{"from": "pretrained"})[0] == "fine-tuned"
    assert _plan(ENOUGH, effort="quick", cell="lstm")[0] == "scratch"
    assert _plan(replace(ENOUGH, num_past_covariates=1, categories={"past": (2,)}), effort="quick")[0] == "scratch"


def test_the_best_training_starts_as_the_usual_one_does() -> None:
    assert _plan(ENOUGH, effort="best") == _plan(ENOUGH)


def test_the_best_training_fits_networks_to_few_steps_too() -> None:
    assert _plan(SHORT, effort="best")[0] == "both"


def test_both_starts_are_two_groups_the_pretrained_network_the_last_member() -> None:
    recipe = choose_recipe(FACTS, Settings())
    both = with_pretrained(recipe, PRETRAINED, "both")
    assert both.members == (*recipe.members, PRETRAINED)
    assert both.groups == (0,) * len(recipe.members) + (1,)
    assert both.fit == recipe.fit


@pytest.mark.parametrize("plan", ["zero-shot", "fine-tuned"])
def test_the_pretrained_single_network_is_one_group(plan: Plan) -> None:
    alone = with_pretrained(choose_recipe(FACTS, Settings()), PRETRAINED, plan)
    assert (alone.members, alone.groups) == ((PRETRAINED,), ())


@pytest.mark.parametrize("plan", ["both", "fine-tuned"])
def test_tuning_is_short_and_slow_unless_the_user_says_otherwise(plan: Plan) -> None:
    recipe = choose_recipe(FACTS, Settings())
    tuning = with_pretrained(recipe, PRETRAINED, plan).fit_of(PRETRAINED)
    assert (tuning.num_steps, tuning.batch_size) == (FINE_TUNING_STEPS["normal"], FINE_TUNING_BATCH_SIZE)
    assert tuning.learning_rate == FINE_TUNING_RATE
    given = TrainingSettings(num_steps=7, batch_size=3, learning_rate=0.1)
    tuning = with_pretrained(recipe, PRETRAINED, plan, training=given).fit_of(PRETRAINED)
    assert (tuning.num_steps, tuning.batch_size, tuning.learning_rate) == (7, 3, 0.1)


def test_the_network_as_it_is_is_fitted_for_no_step_whatever_was_given() -> None:
    recipe = choose_recipe(FACTS, Settings())
    assert with_pretrained(recipe, PRETRAINED, "zero-shot").fit_of(PRETRAINED).num_steps == 0
    given = TrainingSettings(num_steps=7)
    assert with_pretrained(recipe, PRETRAINED, "zero-shot", training=given).fit_of(PRETRAINED).num_steps == 0


def test_networks_from_scratch_are_fitted_as_without_the_other() -> None:
    recipe = choose_recipe(FACTS, Settings())
    both = with_pretrained(recipe, PRETRAINED, "both")
    assert [both.fit_of(member) for member in recipe.members] == [recipe.fit] * len(recipe.members)


@pytest.mark.parametrize("plan", ["both", "fine-tuned"])
def test_more_effort_tunes_for_longer_unless_steps_were_given(plan: Plan) -> None:
    recipe = choose_recipe(FACTS, Settings())
    quick, normal, best = (
        with_pretrained(recipe, PRETRAINED, plan, training=TrainingSettings(effort=effort)).fit_of(PRETRAINED).num_steps
        for effort in ("quick", "normal", "best")
    )
    assert quick < normal < best
    given = TrainingSettings(effort="best", num_steps=7)
    assert with_pretrained(recipe, PRETRAINED, plan, training=given).fit_of(PRETRAINED).num_steps == 7


# usual weights


@pytest.mark.parametrize("plan", VOICES)
@pytest.mark.parametrize("length", [LONG_SERIES_LENGTH - 1, LONG_SERIES_LENGTH])
@pytest.mark.parametrize("season_length", [1, 12, 24])
@pytest.mark.parametrize("flags", [{}, {"theta_weight": 0.3}, {"hidden_size": 9}])
def test_usual_weights_sum_to_one_in_the_order_of_the_members(
    plan: Plan, length: int, season_length: int, flags: dict[str, object]
) -> None:
    facts = replace(FACTS, median_length=length, season_length=season_length)
    weights = usual_weights(facts, plan, Settings.from_flat(flags))
    assert tuple(weights) == VOICES[plan]
    assert sum(weights.values()) == pytest.approx(1.0)
    assert all(share > 0 for name, share in weights.items() if name != THETA)


def test_long_series_trust_what_was_fitted_more_than_short_ones_do() -> None:
    short, long = (
        usual_weights(replace(FACTS, median_length=length), "both", Settings())
        for length in (LONG_SERIES_LENGTH - 1, LONG_SERIES_LENGTH)
    )
    assert short[ZERO_SHOT] > short[SCRATCH]
    assert long[ZERO_SHOT] < long[SCRATCH]


def test_one_long_series_trusts_what_was_fitted_no_more_than_a_short_one() -> None:
    few = replace(FACTS, num_series=SMALLEST_PANEL - 1)
    short, long = (
        usual_weights(replace(few, median_length=length), "both", Settings()) for length in (100, LONG_SERIES_LENGTH)
    )
    assert short == long


@pytest.mark.parametrize("given", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("season_length", [12, 24])
@pytest.mark.parametrize("network", [{}, {"cell": "lstm"}])
def test_a_given_share_of_the_theta_method_stands(given: float, season_length: int, network: dict[str, object]) -> None:
    facts = replace(FACTS, season_length=season_length)
    assert usual_weights(facts, "scratch", Settings.from_flat({"theta_weight": given, **network}))[THETA] == given


@pytest.mark.parametrize("season_length", [12, 24])
def test_the_theta_method_stands_next_to_networks_from_scratch_and_else_within_the_zero_shot_ensemble(
    season_length: int,
) -> None:
    facts = replace(FACTS, season_length=season_length)
    assert usual_weights(facts, "scratch", Settings())[THETA] > 0
    assert usual_weights(facts, "both", Settings())[THETA] == 0


@pytest.mark.parametrize("flag", [{"cell": "lstm"}, {"hidden_size": 9}, {"log": False}])
def test_a_network_that_the_user_described_speaks_alone(flag: dict[str, object]) -> None:
    assert usual_weights(FACTS, "scratch", Settings.from_flat(flag)) == {SCRATCH: 1.0, THETA: 0.0}


@pytest.mark.parametrize("share", [-0.1, 0.91, 1.5])
def test_a_share_that_leaves_the_networks_next_to_nothing_is_rejected(share: float) -> None:
    with pytest.raises(UsageError, match=r"`theta_weight`"):
        Settings.from_flat({"theta_weight": share})
