"""Which of several numeric columns is the target, by the words of their names: `demand_mw`, `Sales (EUR)`, `units_sold`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rnnforecast.data.columns.profiles import Profile, words_of

#: Names of targets, the likeliest first.
TARGET_NAMES = (
    "target", "y", "actual", "actuals", "close", "value", "values",
    "sales", "demand", "load", "consumption", "count", "price", "passengers",
    "turnover", "revenue", "quantity", "qty", "volume", "amount", "calls", "arrivals", "visits", "views", "orders",
    "units", "usage", "production", "total", "power", "energy", "generation", "output", "traffic", "admissions",
    "bookings", "tickets", "trips", "rides", "rentals", "requests", "transactions", "shipments", "sold", "flow",
    "pm2", "pm25", "pm10",
    "wert", "valeur", "valor", "valore", "waarde", "umsatz", "absatz", "ventes", "ventas", "vendite", "omzet",
    "nachfrage", "demanda", "verbrauch", "consommation", "consumo", "verbruik", "last", "leistung", "erzeugung",
    "preis", "prix", "precio", "prezzo", "prijs", "menge", "anzahl", "nombre", "cantidad", "betrag", "montant", "importe",
)  # fmt: skip
#: The median in a file of forecasts, next to its mean and its quantiles.
FORECAST = "forecast"
#: Words of columns that explain a target and rarely are one.
COVARIATE_WORDS = frozenset({
    "temp", "temps", "temperature", "temperatures", "humidity", "wind", "windspeed", "pressure", "rain", "rainfall",
    "precipitation", "precip", "snow", "snowfall", "dewpoint", "cloud", "clouds", "weather", "irradiance", "radiation",
    "holiday", "holidays", "promo", "promos", "promotion", "promotions", "onpromotion", "discount", "event", "events",
    "forecast", "forecasted", "predicted", "prediction", "planned", "budget", "scheduled", "index", "idx", "weekday",
    "weekend", "dow", "doy", "is", "has", "flag", "latitude", "longitude", "lat", "lon",
})  # fmt: skip
_UNITS = frozenset({
    "w", "kw", "mw", "gw", "wh", "kwh", "mwh", "gwh", "kva", "kvar", "v", "kv", "ka", "hz", "j", "kj", "mj", "btu", "eur",
    "usd", "gbp", "chf", "jpy", "cny", "inr", "aud", "cad", "dollar", "dollars", "euro", "euros", "pct", "percent", "kg",
    "g", "t", "ton", "tons", "tonnes", "lb", "lbs", "l", "litre", "litres", "liter", "liters", "gal", "gallons", "m3",
    "m", "km", "miles", "celsius", "fahrenheit", "degc", "degf", "ms", "pcs", "pieces", "net", "gross",
})  # fmt: skip
#: Words that may be joined with a name of a target.
_QUALIFIERS = ("total", "net", "actual", "gross", "avg", "average", "daily", "spot")
_BRACKETS = re.compile(r"[(\[{][^)\]}]*[)\]}]")
#: How the reason of a target starts that was chosen by its place alone.
GUESSES = ("the last of", "the first of")


def words_without_unit(name: str) -> tuple[str, ...]:
    """Return the lower-case words of a name without its unit: `Sales (EUR)` is sales, `demand_mw` is demand."""
    words = words_of(_BRACKETS.sub(" ", name)) or words_of(name)
    words = tuple(part for word in words for part in _halves(word))
    while len(words) > 1 and words[-1] in _UNITS:
        words = words[:-1]
    return words


def _halves(word: str) -> tuple[str, ...]:
    """Return the two words that a word is joined from: TOTALDEMAND is total, demand; itself for any other."""
    for end in ("demand", "sales", "load", "price", "consumption", "production", "generation"):
        if word.endswith(end) and word[: -len(end)] in _QUALIFIERS:
            return word[: -len(end)], end
    return (word,)


def may_explain(name: str) -> bool:
    """Whether a name is one of a covariate: weather, holidays, promotions, positions in a calendar, indices."""
    return not COVARIATE_WORDS.isdisjoint(words_without_unit(name))


def choose_target(numeric: Sequence[Profile]) -> tuple[str, str] | None:
    """Return the column that is named like a target, and why; None where no name says so.

    Columns named like covariates count only where there are no others. A whole name counts more than its last word, and
    that more than another word. Of equals the first one is taken, which the reason says.
    """
    likely = [one for one in numeric if not may_explain(one.name)] or numeric
    ranked = [(rank, one.name) for one in likely if (rank := _rank(one.name)) is not None]
    if not ranked:
        written = [one.name for one in numeric if one.name.lower() == FORECAST]
        return (
            (written[0], f"named `{FORECAST}`, as in a file of forecasts; --target names another") if written else None
        )
    best = min(rank for rank, _ in ranked)
    equal = [name for rank, name in ranked if rank == best]
    if len(equal) > 1:
        return equal[0], f"{GUESSES[1]} {len(equal)} numeric columns named alike; --target names another"
    return equal[0], f"one of {len(numeric)} numeric columns, named like a target; --target names another"


def _rank(name: str) -> tuple[int, int, int] | None:
    """Return how surely a name is one of a target, smaller is surer; None where it is not."""
    words = words_without_unit(name)
    if not words or words[0] in ("adj", "adjusted"):
        return None
    if len(words) == 1:
        return (0, _PLACES[words[0]], int(words[0] != name.lower())) if words[0] in _PLACES else None
    if words[-1] in _PLACES:
        return 1, _PLACES[words[-1]], 0
    places = [_PLACES[word] for word in words if word in _PLACES]
    return (2, min(places), 0) if places else None


_PLACES = {name: place for place, name in enumerate(TARGET_NAMES)}
