"""Choose networks and training from the data; every choice has a reason and a flag that overrides it.

The rules are measured ones: `benchmarks/README.md` lists the runs behind them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace

import numpy as np
from pydantic import ValidationError

from rnnforecast.config import MemberSettings, NetworkSettings, Settings
from rnnforecast.data.series import SeriesSet
from rnnforecast.errors import UsageError
from rnnforecast.evaluation.significance import change_correlation
from rnnforecast.frozen import dataclass
from rnnforecast.members import Member, PretrainedSettings

# beyond this many observed steps a panel feeds a wider network and more gradient steps
LARGE_PANEL_STEPS = 200_000
SHORT_SERIES_LENGTH = 300
LARGE_HIDDEN_SIZE = 128
MAX_SEGMENT_LENGTH = 24
#: Sequential steps of a window: past them segments grow, or minutes with a season of a day would read 400 segments.
MAX_SEGMENTS = 64
#: A week of five minutes: with longer seasons two of them are read.
LONGEST_WEEK = 2_016
#: Gradient steps by effort, in those of `normal`, and how often each view of the window is taken.
STEPS_OF_EFFORT = {"quick": 0.5, "normal": 1.0, "best": 3.0}
#: Rows with a larger p-value count as random walks; so many series are tested at most. On the rows before the test windows
#: of public files without a season that are long enough to train on, p is 0.13 or more or below 0.001 (one share price is
#: among the latter): any limit between treats them alike, and this one takes 95 % of true walks for walks.
SMALLEST_WALK_P_VALUE, MAX_TESTED_FOR_WALKS = 0.05, 200
QUICK_MEMBERS, BEST_REPEATS = 2, 2
#: Of ten validations of a fit, so many in a row without a better score end it, except with `--effort best` or given
#: steps. On four series no fit that had gone that long without a better score found one that mattered later.
PATIENCE = 3
#: After how many of those validations a network ends that is so many times as far off as the forecasts without training, at
#: its best so far. Chosen on rows cut off the training parts of 35 panels and files: few that were further off came within a
#: tenth of them, where they have a weight, and their forecasts without those networks were as good.
FAR_BEHIND: tuple[tuple[int, float], ...] = ((1, 1.5), (3, 1.25))


@dataclass(frozen=True)
class DataFacts:
    """The facts that the recipe depends on: sizes, frequency and sign of the train rows, nothing after them."""

    num_series: int
    num_steps: int
    median_length: int
    longest: int
    horizon: int
    season_length: int
    positive: bool
    num_past_covariates: int
    num_future_covariates: int
    num_static_covariates: int
    #: of each kind the categories of each covariate, 0 for a number
    categories: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    #: no season, and changes that tell nothing about later changes
    is_random_walk: bool = False

    @property
    def num_past_texts(self) -> int:
        """Past covariates of text, which only networks from scratch read."""
        return sum(count > 0 for count in self.categories.get("past", ()))

    @property
    def num_covariates(self) -> int:
        """Covariates of every kind."""
        return self.num_past_covariates + self.num_future_covariates + self.num_static_covariates

    @property
    def is_short(self) -> bool:
        """Whether there are few observations to train on."""
        return self.num_steps < SHORT_SERIES_LENGTH

    @property
    def is_large(self) -> bool:
        """Whether there are enough observations for wide networks and long training."""
        return self.num_steps >= LARGE_PANEL_STEPS


@dataclass(frozen=True)
class FitSettings:
    """How long and how fast one network is fitted."""

    num_steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    gradient_clip: float
    teacher_forcing: float
    patience: int | None = None  # validations without a better score after which the fit stops; None: never
    far_behind: tuple[tuple[int, float], ...] = ()  # validations, and the ratio to losses without training, that end it
    starts_fitted: bool = False  # the first weights are a candidate for the best: those of a pretrained network


@dataclass(frozen=True)
class Recipe:
    """The networks of the ensemble, how they are fitted, and why.

    `tuning` is the fit of the pretrained network among them; `groups` numbers the group of each member, where the
    ensemble has several (see `Ensemble`). `starts` holds the weights that each fit starts from, where it is a warm start.
    """

    members: tuple[Member, ...]
    fit: FitSettings
    reasons: dict[str, str]
    tuning: FitSettings | None = None
    groups: tuple[int, ...] = ()
    starts: tuple[Mapping[str, np.ndarray] | None, ...] = ()

    def fit_of(self, member: Member) -> FitSettings:
        """Return how a network is fitted."""
        return self.tuning if self.tuning is not None and isinstance(member, PretrainedSettings) else self.fit

    def select(self, index: Sequence[int], *, groups: tuple[int, ...] = ()) -> Recipe:
        """Return the recipe of some of its networks; `groups` are their groups."""
        starts = tuple(self.starts[i] for i in index) if self.starts else ()
        return replace(self, members=tuple(self.members[i] for i in index), groups=groups, starts=starts)


def gather_facts(series: SeriesSet, *, horizon: int, look_at_values: bool = True) -> DataFacts:
    """Return the facts of the train rows; `positive` means that every observed value is above zero.

    Without a look at the values they are neither positive nor a random walk.
    """
    observed = series.values[series.observed] if look_at_values else series.values[:0]
    return DataFacts(
        num_series=series.num_series,
        num_steps=int(series.observed.sum()),
        median_length=int(np.median(series.lengths)),
        longest=int(series.lengths.max(initial=0)),
        horizon=horizon,
        season_length=series.season_length,
        positive=bool(len(observed)) and bool((observed > 0).all()),
        num_past_covariates=series.past_covariates.shape[1],
        num_future_covariates=series.future_covariates.shape[1],
        num_static_covariates=series.static_covariates.shape[1],
        categories={
            kind: tuple(len(series.categories.get(name, ())) for name in names)
            for kind, names in (
                ("past", series.past_names),
                ("future", series.future_names),
                ("static", series.static_names),
            )
            if any(name in series.categories for name in names)
        },
        is_random_walk=look_at_values and _is_random_walk(series),
    )


def _is_random_walk(series: SeriesSet) -> bool:
    """Whether the rows look like random walks, by some of many series: true of prices, false of noise or a trend."""
    if series.season_length > 1:
        return False
    values = np.where(series.observed, series.values, np.nan)
    step = max(1, series.num_series // MAX_TESTED_FOR_WALKS)
    starts = zip(series.offsets[:-1:step], series.offsets[1::step], strict=True)
    return change_correlation(values[first:last] for first, last in starts) > SMALLEST_WALK_P_VALUE


def choose_recipe(facts: DataFacts, settings: Settings) -> Recipe:
    """Choose every network and the fit; a setting of the user is never changed."""
    segment_length = settings.network.segment_length or _segment_length(facts, settings.network)
    context_length = settings.network.context_length or _context_length(facts, segment_length)
    styles = _styles(facts)
    effort = settings.training.effort
    styles = styles[:QUICK_MEMBERS] if effort == "quick" else styles * (BEST_REPEATS if effort == "best" else 1)
    if settings.training.num_members is not None:
        styles = [styles[index % len(styles)] for index in range(settings.training.num_members)]
    _check_lengths(settings.network, facts)
    network = settings.network
    if effort == "best" and not facts.is_short and network.hidden_size is None:
        network = network.model_copy(update={"hidden_size": LARGE_HIDDEN_SIZE})
    members = tuple(_member(style, facts, network, context_length, segment_length) for style in styles)
    fit = choose_fit(facts, settings)
    return Recipe(members=members, fit=fit, reasons=_reasons(facts, members, settings))


def _check_lengths(network: NetworkSettings, facts: DataFacts) -> None:
    for flag in ("context_length", "segment_length"):
        length = getattr(network, flag)
        if length is not None and length > facts.longest:
            message = f"`{flag}` {length} is longer than the longest series to train on: {facts.longest} rows"
            raise UsageError(message, hint=f"lower `--{flag.replace('_', '-')}` or leave it out", code="E_RUN_CONFIG")
    single = network.mapping in ("one-to-one", "one-to-many")
    context_length = network.context_length or (1 if single else None)
    if network.segment_length is None or context_length is None or network.segment_length <= context_length:
        return
    window = f"the one step that `{network.mapping}` reads" if single else f"`context_length` {context_length}"
    message = f"`segment_length` {network.segment_length} is longer than {window}"
    raise UsageError(message, hint="lower `--segment-length` or leave it out", code="E_RUN_CONFIG")


@dataclass(frozen=True)
class _Style:
    """One way to look at a window; the ensemble mixes several because no single one wins everywhere."""

    log: bool
    normalisation: str
    base: str
    skip: bool
    head: str
    loss_scale: str


def _styles(facts: DataFacts) -> list[_Style]:
    if facts.is_large and facts.positive and facts.season_length > 1:
        # large seasonal panels: one strong view twice, with and without the linear path
        return [
            _Style(True, "window", "season", False, "segment", "unit"),
            _Style(True, "window", "season", True, "segment", "unit"),
        ]
    if facts.positive and facts.is_short and facts.season_length > 1:
        # few observations: every network corrects the last season instead of estimating the season itself
        return [
            _Style(True, "window", "season", False, "segment", "unit"),
            _Style(True, "last", "season", True, "segment", "unit"),
            _Style(True, "season", "season", True, "linear", "unit"),
            _Style(False, "last", "season", True, "linear", "mix"),
        ]
    if facts.positive:
        return [
            _Style(True, "window", "season", False, "segment", "unit"),
            _Style(True, "last", "last", True, "segment", "unit"),
            _Style(True, "season", "last", True, "linear", "unit"),
            _Style(False, "last", "none", True, "linear", "mix"),
        ]
    return [
        _Style(False, "window", "none", True, "segment", "mase"),
        _Style(False, "season", "season", True, "segment", "mase"),
        _Style(False, "last", "none", True, "linear", "mase"),
        _Style(False, "window", "season", False, "segment", "mase"),
    ]


def _segment_length(facts: DataFacts, network: NetworkSettings) -> int:
    if network.mapping in ("one-to-one", "one-to-many"):
        return 1
    season = facts.season_length
    fewest = -(-(network.context_length or _wanted_context(facts)) // MAX_SEGMENTS)
    if season <= max(MAX_SEGMENT_LENGTH, fewest):
        # whole seasons
        return max(2, season * -(-fewest // season))
    longest = max(MAX_SEGMENT_LENGTH, 2 * fewest)
    divisors = [size for size in range(max(8, fewest), longest + 1) if season % size == 0]
    if fewest > MAX_SEGMENT_LENGTH:
        return divisors[0] if divisors else fewest
    return divisors[-1] if divisors else MAX_SEGMENT_LENGTH


def _wanted_context(facts: DataFacts) -> int:
    """Return the steps a window reads, before they are cut to whole segments."""
    season, horizon = facts.season_length, facts.horizon
    wanted = {1: 20, 4: 20, 5: 60, 7: 56 if horizon <= 28 else 112, 12: 48, 24: 336, 52: 208}.get(season)
    if wanted is None:
        # a week of days; of minutes two days, for what a window of a week costs
        wanted = 4 * season if season < 24 else min(7 * season, max(2 * season, LONGEST_WEEK))
    if facts.is_short and season > 1:
        # a short context leaves more train windows
        wanted = min(wanted, 2 * season)
    wanted = max(wanted, min(2 * horizon, 4 * wanted))
    usable = max(facts.median_length - 2 * horizon, 2 * season, 2)
    return max(min(wanted, usable), 2)


def _context_length(facts: DataFacts, segment_length: int) -> int:
    length = _wanted_context(facts)
    return max(segment_length, length - length % segment_length)


def _member(
    style: _Style, facts: DataFacts, network: NetworkSettings, context_length: int, segment_length: int
) -> MemberSettings:
    mapping = network.mapping or "many-to-many"
    if network.attention is not None and network.mapping is None:
        mapping = "encoder-decoder"
    synchronous = bool(network.synchronous)
    single = mapping in ("one-to-one", "one-to-many")
    normalisation = "causal" if synchronous else "global" if single else style.normalisation
    log = style.log if network.log is None else network.log
    if log and not facts.positive:
        message = "`log` needs positive data: some observed values are zero or below"
        raise UsageError(message, hint="leave out `--log`", code="E_RUN_CONFIG")
    defaults: dict[str, object] = {
        "cell": "gru",
        "mapping": mapping,
        "synchronous": synchronous,
        "num_layers": 2 if facts.num_steps >= 5_000 else 1,
        "hidden_size": LARGE_HIDDEN_SIZE if facts.is_large else 32 if facts.is_short else 64,
        "normalisation": normalisation,
        "log": log,
        "base": "none" if single or synchronous else style.base,
        "skip": style.skip and not single and mapping != "encoder-decoder",
        "head": style.head if facts.horizon > 4 else "linear",
    }
    given = {key: value for key, value in network.model_dump(exclude_none=True).items() if key in defaults}
    loss_scale = style.loss_scale if log == style.log else ("unit" if log else "mase")
    try:
        return MemberSettings.model_validate(
            {
                **defaults,
                **given,
                "bidirectional": network.bidirectional,
                "attention": network.attention,
                "residual": network.residual,
                "dropout": network.dropout,
                "context_length": network.context_length or (1 if single else context_length),
                "segment_length": network.segment_length or (1 if single else min(segment_length, context_length)),
                "horizon": facts.horizon,
                "season_length": facts.season_length,
                "loss_scale": loss_scale,
                "num_past_covariates": facts.num_past_covariates,
                "num_future_covariates": facts.num_future_covariates,
                "num_static_covariates": facts.num_static_covariates,
                **{f"{kind}_categories": sizes for kind, sizes in facts.categories.items()},
            }
        )
    except ValidationError as error:
        raise _impossible(error) from error


def _impossible(error: ValidationError) -> UsageError:
    message = error.errors()[0]["msg"].removeprefix("Value error, ")
    return UsageError(message, hint="change or leave out one of the two flags", code="E_RUN_CONFIG")


def choose_fit(facts: DataFacts, settings: Settings) -> FitSettings:
    """Return how the networks from scratch are fitted."""
    training = settings.training
    usual = 180 if facts.is_short else 500 if facts.is_large else 250
    num_steps = round(usual * STEPS_OF_EFFORT[training.effort])
    is_whole = training.effort == "best" or training.num_steps is not None
    batch_size = 64 if facts.is_short else 256 if facts.num_series >= 20 and not facts.is_large else 128
    return FitSettings(
        num_steps=training.num_steps or num_steps,
        batch_size=training.batch_size or batch_size,
        learning_rate=training.learning_rate or 5e-3,
        weight_decay=training.weight_decay,
        gradient_clip=training.gradient_clip,
        teacher_forcing=training.teacher_forcing,
        patience=None if is_whole else PATIENCE,
        far_behind=() if is_whole else FAR_BEHIND,
    )


def _reasons(facts: DataFacts, members: tuple[MemberSettings, ...], settings: Settings) -> dict[str, str]:
    network = settings.network
    first = members[0]
    size = "large panel" if facts.is_large else "short data" if facts.is_short else "medium data"
    sizes = f"{facts.num_steps:,} observed steps ({size}), effort {settings.training.effort}"
    logs = "all values positive" if facts.positive else "values at or below zero"
    chosen = {
        "context_length": f"{first.context_length / max(facts.season_length, 1):.3g} seasons"
        if facts.season_length > 1
        else "enough for level and slope",
        "segment_length": "a season at once" if facts.season_length == first.segment_length else "few sequential steps",
        "hidden_size": sizes,
        "num_layers": sizes,
        "num_members": f"different views of the window, median taken; {logs}",
        "num_steps": sizes,
    }
    given = {**network.model_dump(exclude_none=True), **settings.training.model_dump(exclude_none=True)}
    return {
        key: f"given (--{key.replace('_', '-')})" if key in given else f"{why} (--{key.replace('_', '-')})"
        for key, why in chosen.items()
    }
