from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.columns.choose_roles import choose_columns, note_guess
from rnnforecast.data.columns.target_names import may_explain, words_without_unit
from rnnforecast.data.read import read_series
from rnnforecast.errors import DataError, UsageError

DATES = ["2024-01-01", "2024-01-02", "2024-01-03"]
NUMBERS = ["1", "2.5", "3"]


def target_of(*names: str) -> str:
    frame = pd.DataFrame({"date": DATES} | dict.fromkeys(names, NUMBERS), dtype=object)
    return choose_columns(frame, DataSettings(), path="a.csv").target[0]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("demand_mw", ("demand",)),
        ("Sales (EUR)", ("sales",)),
        ("Day-ahead Price [EUR/MWh]", ("day", "ahead", "price")),
        ("kWh", ("k", "wh")),
        ("[kW]", ("k", "w")),
    ],
)
def test_a_unit_belongs_to_no_name(name: str, words: tuple[str, ...]) -> None:
    assert words_without_unit(name) == words or words_without_unit(name) == words[:1]


@pytest.mark.parametrize(
    ("names", "target"),
    [
        (["load_kw", "Outdoor_Temperature"], "load_kw"),
        (["Sales, net", "Price, EUR"], "Sales, net"),
        (["Kunden", "Umsatz"], "Umsatz"),
        (["Turnover (EUR)", "visitors"], "Turnover (EUR)"),
        (["stock", "units_sold", "promo"], "units_sold"),
        (["power_index", "feed"], "feed"),
        (["Active_Power", "Wind_Speed"], "Active_Power"),
        (["sales", "sales_eur"], "sales"),
        (["forecast", "mean", "q0.025", "q0.1", "q0.9", "q0.975"], "forecast"),
        (["lead", "actual", "forecast", "mean", "q0.1", "q0.9"], "actual"),
    ],
)
def test_all_words_of_a_name_speak_for_a_target_and_weather_and_indices_come_last(
    names: list[str], target: str
) -> None:
    assert target_of(*names) == target


@pytest.mark.parametrize("name", ["temperature", "Is Holiday", "promo", "humidity_pct", "consumer index"])
def test_weather_holidays_promotions_and_indices_explain(name: str) -> None:
    assert may_explain(name)


def test_columns_named_alike_are_a_guess() -> None:
    frame = pd.DataFrame({"date": DATES} | dict.fromkeys(("sales_north", "sales_south"), NUMBERS), dtype=object)
    (found,) = note_guess(choose_columns(frame, DataSettings(), path="a.csv"), "note", path="a.csv")
    assert found.message == "the target `sales_north` is a guess: the first of 2 numeric columns named alike"
    assert "--wide" in str(found.fix)


def _file(folder: Path, text: str) -> Path:
    path = folder / "rows.csv"
    path.write_text(text)
    return path


TWO = "day,north,south\n" + "".join(f"2024-01-{day:02d},{day},{2 * day}\n" for day in range(1, 29))


def test_a_guess_is_rejected_where_nobody_reads_the_note(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the target `south` is a guess") as caught:
        read_series(_file(tmp_path, TWO), DataSettings(guess="reject"))
    assert caught.value.code == "E_TARGET_GUESSED"


def test_every_numeric_column_of_a_wide_table_is_a_series(tmp_path: Path) -> None:
    found = read_series(_file(tmp_path, TWO), DataSettings(wide=True))
    assert found.series.item_ids == ["north", "south"]
    assert found.series.values.tolist() == [*range(1, 29), *range(2, 57, 2)]
    assert not [one for one in found.findings if one.code == "N_TARGET_GUESSED"]


@pytest.mark.parametrize(
    ("text", "settings", "words"),
    [
        (TWO, {"target": ("north",)}, "`--wide` forecasts every numeric column, and `--target` names one"),
        (TWO.replace(",south", ",label").replace(",2\n", ",x\n"), {"past": ("label",)}, "`north` is the only one"),
    ],
)
def test_wide_without_effect_is_rejected(tmp_path: Path, text: str, settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_series(_file(tmp_path, text), DataSettings(wide=True, **settings))
