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

_COMBINATIONS: Weights = {"exponential": 0.5, "additive": 0.3, "product": 0.12, "around zero": 0.08}


@dataclass(frozen=True)
class Prior:
    """The prior of one domain: shares of kinds and families, sizes, and the lengths that such series have."""

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
    zeros_share: float = 0.02
    missing_share: float = 0.08


_EVOLUTIONS: Weights = {
    "fixed": 0.42,
    "turning": 0.14,
    "growing": 0.12,
    "wandering": 0.2,
    "pulsing": 0.09,
    "replaced": 0.03,
}

_YEARLY = Prior(
    kinds={"structural": 0.84, "kernels": 0.06, "counts": 0.04, "prices": 0.04, "percent": 0.02},
    trend_size=(0.3, 0.85),
    season_size=(0.05, 1.0),
    noise_size=(0.022, 1.25),
    season_share=0.3,
    shapes={"free": 1.0, "waves": 1.0},
    evolutions=_EVOLUTIONS,
    upward=0.76,
    trends={
        "none": 0.25,
        "line": 1.2,
        "walk": 1.3,
        "heavy walk": 0.5,
        "walk with drift": 2.6,
        "momentum": 2.8,
        "reverting walk": 1.0,
        "local slope": 2.4,
        "kinks": 1.2,
        "exponential": 1.3,
        "logistic": 0.9,
        "saturating": 0.7,
        "jumps": 0.5,
        "cycle": 0.7,
        "autoregression": 0.5,
        "coloured": 1.0,
        "smooth": 0.7,
        "business": 1.3,
        "regimes": 1.2,
    },
    combinations={"exponential": 0.55, "additive": 0.35, "product": 0.03, "around zero": 0.07},
    shortest=12,
)

_QUARTERLY = replace(
    _YEARLY,
    kinds={"structural": 0.83, "kernels": 0.07, "counts": 0.04, "prices": 0.03, "percent": 0.03},
    trend_size=(0.24, 0.95),
    season_size=(0.07, 1.15),
    noise_size=(0.03, 1.2),
    season_share=0.78,
    shapes={"free": 3.0, "waves": 1.0, "peaks": 0.7, "sine": 0.7},
    upward=0.7,
    shortest=16,
    combinations=_COMBINATIONS,
)

_MONTHLY = Prior(
    kinds={
        "structural": 0.735,
        "kernels": 0.07,
        "counts": 0.1,
        "intermittent": 0.05,
        "prices": 0.025,
        "percent": 0.02,
    },
    trend_size=(0.2, 1.0),
    season_size=(0.1, 1.15),
    noise_size=(0.06, 1.15),
    season_share=0.8,
    shapes={"free": 2.0, "waves": 3.0, "sine": 1.2, "peaks": 1.5, "blocks": 0.4, "ramp": 0.4},
    evolutions=_EVOLUTIONS,
    upward=0.66,
    calendars={"trading days": 0.07, "moving feast": 0.05},
    shortest=28,
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
    trend_size=(0.2, 0.95),
    season_size=(0.13, 1.1),
    noise_size=(0.08, 1.1),
    season_share=0.72,
    shapes={"free": 0.5, "waves": 3.0, "sine": 1.6, "peaks": 2.0, "blocks": 0.4, "ramp": 0.3},
    upward=0.58,
    calendars={},
    shortest=60,
)

_DAILY = replace(
    _MONTHLY,
    kinds={
        "structural": 0.77,
        "kernels": 0.06,
        "counts": 0.07,
        "intermittent": 0.05,
        "prices": 0.03,
        "percent": 0.02,
    },
    trend_size=(0.15, 0.9),
    season_size=(0.22, 1.0),
    noise_size=(0.15, 0.95),
    season_share=0.82,
    shapes={"free": 3.0, "rest days": 3.5, "waves": 1.0, "peaks": 1.0},
    evolutions={**_EVOLUTIONS, "fixed": 0.6},
    upward=0.53,
    calendars={"year in days": 0.3, "payday": 0.12, "christmas": 0.08},
    shortest=35,
    zeros_share=0.06,
)

_SUB_DAILY = replace(
    _MONTHLY,
    kinds={
        "structural": 0.8,
        "kernels": 0.05,
        "counts": 0.06,
        "intermittent": 0.025,
        "solar": 0.03,
        "prices": 0.015,
        "percent": 0.02,
    },
    trend_size=(0.07, 1.0),
    season_size=(0.3, 0.9),
    noise_size=(0.05, 1.15),
    season_share=0.92,
    shapes={"day": 4.0, "waves": 3.0, "sine": 1.0, "free": 0.3, "peaks": 1.0, "blocks": 0.7, "ramp": 0.3},
    evolutions={"fixed": 0.5, "turning": 0.08, "growing": 0.08, "wandering": 0.09, "pulsing": 0.22, "replaced": 0.03},
    noises={**_NOISES, "gaussian": 3.0, "persistent": 4.0, "mixed autoregression": 1.5},
    upward=0.5,
    calendars={},
    shortest=72,
)

#: Prior by domain.
PRIORS: dict[str, Prior] = {
    "yearly": _YEARLY,
    "quarterly": _QUARTERLY,
    "monthly": _MONTHLY,
    "weekly": _WEEKLY,
    "daily": _DAILY,
    "sub-daily": _SUB_DAILY,
}
