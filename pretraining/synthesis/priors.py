"""How often each component occurs, and how large it is, for every domain of series.

All sizes are standard deviations relative to the level of a series, over what is seen of it: (median, spread of the
logarithm). The tables were set by looking at distributions of trend, season and noise in series of many fields,
and made wider than those.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

Weights = dict[str, float]
Size = tuple[float, float]

_TRENDS: Weights = {
    "none": 1.0,
    "line": 1.2,
    "walk": 2.0,
    "heavy walk": 0.7,
    "walk with drift": 1.5,
    "momentum": 1.2,
    "reverting walk": 0.7,
    "local slope": 1.2,
    "kinks": 0.8,
    "exponential": 0.6,
    "logistic": 0.6,
    "saturating": 0.4,
    "jumps": 0.7,
    "cycle": 1.0,
    "autoregression": 1.0,
    "coloured": 0.8,
    "smooth": 0.5,
    "business": 1.0,
    "regimes": 0.6,
}

_BREAKS: Weights = {
    "level shift": 0.08,
    "temporary change": 0.05,
    "outliers": 0.10,
    "strike": 0.04,
    "new slope": 0.04,
}

_NOISES: Weights = {
    "gaussian": 5.0,
    "heavy": 1.6,
    "skewed": 0.8,
    "clustered": 0.8,
    "persistent": 1.6,
    "echoed": 0.8,
    "mixed autoregression": 0.5,
    "seasonal spread": 0.6,
    "bursts": 0.3,
    "shots": 0.5,
}

_COMBINATIONS: Weights = {"exponential": 0.5, "additive": 0.3, "product": 0.12, "around zero": 0.07}


@dataclass(frozen=True)
class Prior:
    """The prior of one domain: shares of kinds and families, sizes, and the lengths that such series have.

    `trend_size` holds at the `usual_length`, and grows with the root of the span seen; `season_share` of the rows have
    a season; `calm_share` have a tenth of the noise, `still_share` a tenth of the trend; `growth_share` grow steadily
    beneath whatever else they do, by `growth_rate` a year; the slow movement of `turning_share` changes its pace every
    few years; `short_share` begin late, with at least `shortest` steps and `shortest_seasons` seasons left.
    """

    kinds: Weights
    trend_size: Size
    season_size: Size
    noise_size: Size
    season_share: float
    shapes: Weights
    evolutions: Weights
    upward: float = 0.6
    trends: Weights = field(default_factory=lambda: _TRENDS)
    noises: Weights = field(default_factory=lambda: _NOISES)
    combinations: Weights = field(default_factory=lambda: _COMBINATIONS)
    breaks: Weights = field(default_factory=lambda: _BREAKS)
    calendars: Weights = field(default_factory=dict)
    short_share: float = 0.4
    shortest: int = 12
    shortest_seasons: int = 1
    usual_length: int = 120
    calm_share: float = 0.08
    still_share: float = 0.0
    growth_share: float = 0.0
    growth_rate: Size = (0.03, 0.8)
    turning_share: float = 0.0
    steps_per_year: float = 1.0
    zeros_share: float = 0.02
    missing_share: float = 0.08


_EVOLUTIONS: Weights = {
    "fixed": 0.42,
    "turning": 0.1,
    "gliding": 0.06,
    "growing": 0.12,
    "wandering": 0.2,
    "pulsing": 0.07,
    "replaced": 0.03,
}

_YEARLY = Prior(
    kinds={"structural": 0.87, "kernels": 0.05, "counts": 0.025, "prices": 0.035, "percent": 0.02},
    trend_size=(0.38, 0.85),
    season_size=(0.05, 1.0),
    noise_size=(0.012, 1.3),
    season_share=0.3,
    shapes={"free": 1.0, "waves": 1.0},
    evolutions=_EVOLUTIONS,
    upward=0.9,
    trends={
        "none": 0.15,
        "line": 1.0,
        "walk": 0.9,
        "heavy walk": 0.5,
        "walk with drift": 2.8,
        "momentum": 4.2,
        "reverting walk": 0.6,
        "local slope": 2.6,
        "kinks": 1.2,
        "exponential": 1.3,
        "logistic": 0.9,
        "saturating": 0.7,
        "jumps": 0.4,
        "cycle": 0.6,
        "autoregression": 0.35,
        "coloured": 0.7,
        "smooth": 0.6,
        "business": 1.6,
        "regimes": 1.4,
    },
    noises={**_NOISES, "gaussian": 4.0, "persistent": 3.5, "rounded": 1.0, "sluggish": 1.0},
    combinations={"exponential": 0.55, "additive": 0.36, "product": 0.03, "around zero": 0.06},
    short_share=0.55,
    zeros_share=0.008,
    shortest=12,
    usual_length=30,
    still_share=0.08,
    growth_share=0.8,
    turning_share=0.5,
)

_QUARTERLY = replace(
    _YEARLY,
    kinds={"structural": 0.85, "kernels": 0.06, "counts": 0.035, "prices": 0.03, "percent": 0.025},
    trend_size=(0.27, 0.9),
    season_size=(0.045, 1.35),
    noise_size=(0.014, 1.25),
    season_share=0.78,
    shapes={"free": 3.0, "waves": 1.0, "peaks": 0.7, "sine": 0.7},
    upward=0.86,
    short_share=0.5,
    shortest=14,
    usual_length=48,
    combinations=_COMBINATIONS,
    still_share=0.1,
    turning_share=0.0,
    steps_per_year=4.0,
)

_MONTHLY = Prior(
    kinds={
        "structural": 0.735,
        "kernels": 0.06,
        "counts": 0.11,
        "intermittent": 0.05,
        "prices": 0.025,
        "percent": 0.02,
    },
    trend_size=(0.16, 0.95),
    season_size=(0.09, 1.2),
    noise_size=(0.036, 1.25),
    season_share=0.8,
    shapes={"free": 2.0, "waves": 3.0, "sine": 1.2, "peaks": 1.5, "blocks": 0.4, "ramp": 0.4},
    evolutions=_EVOLUTIONS,
    upward=0.76,
    trends={**_TRENDS, "walk": 1.6, "momentum": 1.8, "business": 1.7, "local slope": 1.7, "regimes": 1.0},
    calendars={"trading days": 0.07, "moving feast": 0.05},
    shortest=28,
    calm_share=0.12,
    still_share=0.28,
    growth_share=0.75,
    growth_rate=(0.035, 0.8),
    turning_share=0.65,
    steps_per_year=12.0,
)

_WEEKLY = replace(
    _MONTHLY,
    kinds={
        "structural": 0.73,
        "kernels": 0.08,
        "counts": 0.08,
        "intermittent": 0.06,
        "prices": 0.03,
        "percent": 0.02,
    },
    trend_size=(0.18, 0.95),
    season_size=(0.12, 1.1),
    noise_size=(0.07, 1.15),
    season_share=0.72,
    shapes={"free": 0.5, "waves": 3.0, "sine": 1.6, "peaks": 2.0, "blocks": 0.4, "ramp": 0.3},
    upward=0.62,
    calendars={},
    shortest=60,
    usual_length=200,
    still_share=0.15,
    growth_share=0.5,
    turning_share=0.5,
    steps_per_year=52.0,
)

_DAILY = replace(
    _MONTHLY,
    kinds={
        "structural": 0.78,
        "kernels": 0.05,
        "counts": 0.07,
        "intermittent": 0.05,
        "prices": 0.03,
        "percent": 0.02,
    },
    trend_size=(0.12, 0.85),
    season_size=(0.24, 0.95),
    noise_size=(0.13, 0.95),
    season_share=0.85,
    trends={**_TRENDS, "weather": 1.5, "autoregression": 2.0, "exponential": 0.25, "logistic": 0.35},
    shapes={"free": 2.0, "rest days": 2.5, "waves": 3.0, "sine": 0.7, "peaks": 1.2},
    evolutions={**_EVOLUTIONS, "fixed": 0.6},
    breaks={**_BREAKS, "outliers": 0.2, "strike": 0.07},
    upward=0.53,
    calendars={"year in days": 0.3, "payday": 0.12, "christmas": 0.12},
    shortest=35,
    usual_length=400,
    zeros_share=0.06,
    missing_share=0.12,
    still_share=0.1,
    growth_share=0.3,
    turning_share=0.3,
    steps_per_year=365.0,
)

_SUB_DAILY = replace(
    _MONTHLY,
    kinds={
        "structural": 0.82,
        "kernels": 0.04,
        "counts": 0.055,
        "intermittent": 0.02,
        "solar": 0.03,
        "prices": 0.015,
        "percent": 0.02,
    },
    trend_size=(0.08, 0.9),
    season_size=(0.3, 0.85),
    noise_size=(0.032, 1.25),
    season_share=0.94,
    trends={**_TRENDS, "weather": 6.0, "exponential": 0.3, "logistic": 0.3, "saturating": 0.3},
    shapes={"day": 4.0, "waves": 3.0, "sine": 2.0, "free": 0.2, "peaks": 1.0, "blocks": 0.5, "ramp": 0.4},
    evolutions={
        "fixed": 0.46,
        "turning": 0.06,
        "gliding": 0.16,
        "growing": 0.06,
        "wandering": 0.08,
        "pulsing": 0.15,
        "replaced": 0.03,
    },
    noises={
        **_NOISES,
        "gaussian": 1.2,
        "heavy": 0.5,
        "echoed": 0.2,
        "persistent": 1.5,
        "sluggish": 5.0,
        "rounded": 5.0,
        "shots": 0.8,
    },
    upward=0.5,
    calendars={},
    shortest=48,
    shortest_seasons=3,
    usual_length=500,
    calm_share=0.35,
    still_share=0.0,
    growth_share=0.0,
    turning_share=0.0,
)


def without_growth(prior: Prior) -> Prior:
    """Return the prior without steady growth, turns and still levels."""
    return replace(prior, growth_share=0.0, still_share=0.0, turning_share=0.0)


#: Prior by domain.
PRIORS: dict[str, Prior] = {
    "yearly": _YEARLY,
    "quarterly": _QUARTERLY,
    "monthly": _MONTHLY,
    "weekly": _WEEKLY,
    "daily": _DAILY,
    "sub-daily": _SUB_DAILY,
}
