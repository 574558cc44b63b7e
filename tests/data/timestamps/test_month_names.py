from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.errors import ColumnRef
from rnnforecast.data.timestamps.month_names import languages_of, to_english
from rnnforecast.data.timestamps.text import parse_timestamps
from rnnforecast.errors import DataError


def english(text: str, locale: str) -> str:
    return str(to_english(np.array([text], dtype=object), locale)[0])


@pytest.mark.parametrize(
    ("locale", "text", "expected"),
    [
        ("de", "12. März 2024", "12 mar 2024"),
        ("fr", "1 janv. 2024", "1 jan 2024"),
        ("fr", "août 2024", "aug 2024"),
        ("es", "12 de marzo de 2024", "12 mar 2024"),
        ("pl", "12 stycznia 2024", "12 jan 2024"),
        ("ru", "5 мая 2024", "5 may 2024"),
        ("tr", "Ağu 2024", "aug 2024"),
        ("fi", "1. marraskuuta 2024", "1 nov 2024"),
        ("nl", "mrt 2024", "mar 2024"),
    ],
)
def test_months_of_other_languages_become_english(locale: str, text: str, expected: str) -> None:
    assert english(text, locale) == expected


def test_a_word_that_could_be_two_months_stays_as_it_is() -> None:
    assert english("jui 2024", "fr") == "jui 2024"


def test_a_text_without_a_month_has_no_language() -> None:
    assert languages_of("12 kg") == ()
    assert languages_of("Total") == ()


def parse(*texts: str, locale: str | None = None) -> list[str]:
    how = DataSettings.model_validate({"locale": locale})
    ref = ColumnRef.in_file("date", "a.csv", lambda rows: [row + 2 for row in rows])
    timestamps = parse_timestamps(np.array(texts, dtype=object), ref, how)
    return [str(timestamp) for timestamp in timestamps.values.astype("datetime64[D]")]


def test_months_of_another_language_are_rejected_with_the_flag_that_reads_them() -> None:
    with pytest.raises(DataError, match=r"row 2: `12. Dezember 2024` names a month in another language") as caught:
        parse("12. Dezember 2024", "13. Dezember 2024")
    assert "--locale de" in str(caught.value.hint)


def test_only_some_months_may_differ_from_english() -> None:
    with pytest.raises(DataError, match="rows 3, 4: `1 Mai 2024` names a month in another language") as caught:
        parse("1 April 2024", "1 Mai 2024", "1 Dez 2024")
    assert caught.value.hint == "`--locale de` or `--locale pt`"


def test_the_named_language_is_read() -> None:
    assert parse("1. April 2024", "1. Mai 2024", locale="de") == ["2024-04-01", "2024-05-01"]
