"""Names of months in English and in the languages of `--locale`, whole or shortened."""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from rnnforecast.arrays import TextArray

ENGLISH_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_ENGLISH = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
#: Months as calendars of the language write them, lower case, accents taken off.
_NAMES: dict[str, str] = {
    "da": "januar februar marts april maj juni juli august september oktober november december",
    "de": "januar|janner februar|feber marz|maerz april mai juni juli august september oktober november dezember",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre|setiembre octubre noviembre diciembre",
    "fi": "tammikuu helmikuu maaliskuu huhtikuu toukokuu kesakuu heinakuu elokuu syyskuu lokakuu marraskuu joulukuu",
    "fr": "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
    "id": "januari februari maret april mei juni juli agustus september oktober november desember",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "nb": "januar februar mars april mai juni juli august september oktober november desember",
    "nl": "januari februari maart|mrt april mei juni juli augustus september oktober november december",
    "pl": "styczen|stycznia luty|lutego marzec|marca kwiecien|kwietnia maj|maja czerwiec|czerwca lipiec|lipca "
    "sierpien|sierpnia wrzesien|wrzesnia pazdziernik|pazdziernika listopad|listopada grudzien|grudnia",
    "pt": "janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro",
    "ru": "январь|января февраль|февраля март|марта апрель|апреля май|мая июнь|июня июль|июля август|августа "
    "сентябрь|сентября октябрь|октября ноябрь|ноября декабрь|декабря",
    "sv": "januari februari mars april maj juni juli augusti september oktober november december",
    "tr": "ocak subat mart nisan mayis haziran temmuz agustos eylul ekim kasim aralik",
}
LOCALES = tuple(_NAMES)
_WORD = re.compile(r"[^\W\d_]{3,}\.?")
#: Words between day, month and year: `12 de marzo de 2024`, `12. maaliskuuta`.
_LINKS = re.compile(r"\b(?:de|del|den|le)\b|(?<=\d)º")


def month_number(text: str) -> int:
    """Return the number of a month, written as digits or by its English name; raises ValueError for anything else."""
    return int(text) if text.isdigit() else 1 + _ENGLISH.index(text[:3].lower())


def to_english(texts: TextArray, locale: str) -> TextArray:
    """Return texts with the names of months in English; other words stay unchanged."""
    translated = [_translate(str(text), locale) for text in texts]
    return np.array(translated, dtype=object)


def _translate(text: str, locale: str) -> str:
    bare = re.sub(r"\s+", " ", _LINKS.sub(" ", _plain(text))).strip()
    found = _WORD.search(bare)
    while found is not None:
        number = _month(found[0].rstrip("."), locale)
        if number is not None:
            head = bare[: found.start()].replace(". ", " ").rstrip(".")
            return f"{head}{_ENGLISH[number - 1]}{bare[found.end() :]}"
        found = _WORD.search(bare, found.end())
    return text


def _month(word: str, locale: str) -> int | None:
    """Return the number of the one month whose name begins with a word, or of which the word is a longer case."""
    months = [names.split("|") for names in _NAMES[locale].split()]
    whole = [number for number, names in enumerate(months, start=1) if word in names]
    begun = [
        number
        for number, names in enumerate(months, start=1)
        if any(name.startswith(word) or (len(name) >= 4 and word.startswith(name)) for name in names)
    ]
    fitting = whole or begun
    return fitting[0] if len(fitting) == 1 else None


def _plain(text: str) -> str:
    """Return text in lower case without accents; letters that are whole in their alphabet stay."""
    parts = unicodedata.normalize("NFD", text.casefold().replace("ı", "i").replace("й", "\0"))
    return "".join(part for part in parts if not unicodedata.combining(part)).replace("\0", "й")


_DATED = re.compile(r"(?:\d{1,2}\W+)?(?:de\W+)?[^\W\d]{3,}\W+(?:de\W+)?\d{4}|\d{4}\W+[^\W\d]{3,}\W?")


def is_foreign_date(text: str) -> bool:
    """Whether a text is a year with a month, and perhaps a day, in a language other than English."""
    return _DATED.fullmatch(text.strip()) is not None and bool(languages_of(text))


def languages_of(text: str) -> tuple[str, ...]:
    """Return the languages in which a text names a month; none where it is English or names none."""
    word = _WORD.search(_LINKS.sub(" ", _plain(text)))
    if word is None or re.search(r"\d", text) is None:
        return ()
    bare = word[0].rstrip(".")
    return tuple(locale for locale in LOCALES if _month(bare, locale) is not None)
