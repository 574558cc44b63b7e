from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import read_series
from rnnforecast.errors import DataError


def hint_of(folder: Path, text: str, **settings: object) -> str:
    path = folder / "rows.csv"
    path.write_text(text)
    with pytest.raises(DataError, match="different values") as caught:
        read_series(path, DataSettings(**settings))
    return str(caught.value.hint)


def panel(id_column: str, *ids: str, num_days: int = 28) -> str:
    lines = (
        f"2024-02-{day:02d},{one},{day + 100 * place}"
        for place, one in enumerate(ids)
        for day in range(1, num_days + 1)
    )
    return f"day,{id_column},load\n" + "\n".join(lines) + "\n"


def test_the_fix_names_the_column_that_distinguishes_the_series(tmp_path: Path) -> None:
    # whole numbers of a name that says nothing are no ids by themselves
    hint = hint_of(tmp_path, panel("grp", "3", "7"))
    assert hint.startswith("name the column that identifies the series: --id grp; or merge")
    assert read_series(tmp_path / "rows.csv", DataSettings(id=("grp",))).series.item_ids == ["3", "7"]


def test_series_one_below_the_other_repeat_nothing_among_the_first_rows(tmp_path: Path) -> None:
    days = [
        f"{year}-{month:02d}-{day:02d}" for year in range(1990, 2000) for month in range(1, 13) for day in range(1, 29)
    ]
    lines = [f"{day},{group},{row + group}" for group in (1, 2) for row, day in enumerate(days)]
    assert "--id grp" in hint_of(tmp_path, "day,grp,load\n" + "\n".join(lines) + "\n")


def test_hours_of_any_name_are_the_time_of_day(tmp_path: Path) -> None:
    lines = (f"2024-02-{day:02d},{hour},{24 * day + hour}" for day in range(1, 4) for hour in range(1, 25))
    assert "--time day,block" in hint_of(tmp_path, "day,block,load\n" + "\n".join(lines) + "\n", target=("load",))
    found = read_series(tmp_path / "rows.csv", DataSettings(time="day,block", target=("load",)))
    assert (found.assumptions.freq, found.assumptions.num_rows) == ("h", 72)


def test_a_name_with_blanks_is_quoted_for_the_shell(tmp_path: Path) -> None:
    assert "--id 'group no'" in hint_of(tmp_path, panel("group no", "3", "7"))


def test_rows_that_nothing_distinguishes_can_be_merged(tmp_path: Path) -> None:
    hint = hint_of(tmp_path, "day,load\n2024-02-01,1\n2024-02-01,2\n2024-02-02,3\n")
    assert hint.startswith("merge such rows with --duplicates")


@pytest.mark.parametrize(
    "ids", [("1001", "A17"), ("01", "US"), ("007", "010"), ("12345678901234567890", "22345678901234567891")]
)
@pytest.mark.parametrize("name", ["sku", "location"])
def test_codes_that_are_nearly_all_digits_identify_series_and_keep_their_zeros(
    tmp_path: Path, name: str, ids: tuple[str, str]
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(panel(name, *ids))
    found = read_series(path)
    assert (found.assumptions.id, found.assumptions.target) == ((name,), ("load",))
    assert found.series.id_values[:, 0].tolist() == sorted(ids)


def test_damaged_numbers_that_repeat_are_not_codes(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        "day,y\n" + "".join(f"2024-02-{day:02d},{'err' if day % 9 == 0 else 3 + day % 4}\n" for day in range(1, 29))
    )
    with pytest.raises(DataError, match="`err` is not a number"):
        read_series(path)


def test_ids_in_the_first_row_of_each_series_alone_are_named(tmp_path: Path) -> None:
    text = "".join(
        f"{'' if day > 1 else shop},2024-02-{day:02d},{day + place}\n"
        for place, shop in enumerate(("north", "south"))
        for day in range(1, 29)
    )
    assert "`shop` has it only in the first one" in hint_of(tmp_path, "shop,day,load\n" + text)
