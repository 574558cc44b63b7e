"""Settings with a grammar: durations, frequencies, time zones, date formats, calendars and byte sizes.

Settings are checked by these parsers when they are read, and readers of data use the same ones. Each raises UsageError.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
import sys
from contextlib import suppress
from datetime import tzinfo
from pathlib import Path
from typing import Any, Literal

from rnnforecast.errors import ResourceError, UsageError
from rnnforecast.frozen import dataclass

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(s|m|min|h|d|w)", re.IGNORECASE)
_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_MAX_SECONDS = 250 * 366 * 86_400.0
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgt]?)(i?)b?", re.IGNORECASE)
_MAX_SIZE = 1e18  # bytes
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?")
_MAX_OFFSET_MINUTES = 14 * 60


@dataclass(frozen=True)
class Duration:
    """A span of time: the text of the user, such as `90s`, `30 min` or `2d`, and its length."""

    text: str
    seconds: float

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: object, *, option: str | None = None, allow_zero: bool = False) -> Duration:
        """Return a number with a unit (s, m or min, h, d, w) as a duration; `option` is what the user set."""
        match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
        seconds = float(match[1]) * _SECONDS[match[2].lower()] if match else -1.0
        if not 0 <= seconds <= _MAX_SECONDS or (seconds == 0 and not allow_zero):
            place = f" for `{option}`" if option else ""
            hint = "use e.g. `90s`, `10m`, `1h`, `2d`"
            raise UsageError(f"invalid duration `{text}`{place}", hint=hint, code="E_RUN_CONFIG")
        return cls(str(text).strip(), seconds)


def parse_size(text: str) -> int:
    """Return the bytes of a size such as `500MB` or `2GiB`."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or (found[3] and not found[2]):
        raise UsageError(f"invalid size `{text}`", hint="use e.g. `500MB`, `2GiB`", code="E_RUN_CONFIG")
    base = 1024 if found[3] else 1000
    size = float(found[1]) * base ** " kmgt".index(found[2].lower() or " ")
    if size > _MAX_SIZE:
        raise UsageError(f"size `{text[:40]}` is too large", hint="at most 1000000T", code="E_RUN_CONFIG")
    return int(size)


_DATE_OR_STEP = r"-?\d{1,18}|\d{4}-\d\d(?:-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?)?"
_SPAN = re.compile(rf"\s*(?P<first>{_DATE_OR_STEP})?\s*\.\.\s*(?P<last>{_DATE_OR_STEP})?\s*")


@dataclass(frozen=True)
class Span:
    """A span of rows as a user writes it, `2020-03..2021-06`: both ends count; an end that is left out is open."""

    text: str
    first: str | None
    last: str | None

    @classmethod
    def parse(cls, text: str) -> Span:
        """Return the span of a text: years, months, days, minutes or steps. Raises UsageError."""
        from datetime import datetime

        found = _SPAN.fullmatch(text)
        ends = (found["first"], found["last"]) if found is not None else (None, None)
        try:
            days = [
                datetime.fromisoformat(f"{end}-01"[:10] if len(end) == 7 else end)
                for end in ends
                if end and "-" in end[1:]
            ]
        except ValueError:
            days, ends = [], (None, None)
        both = all(end is not None for end in ends)
        is_backwards = (
            days[0] > days[1] if len(days) == 2 else both and not days and int(str(ends[0])) > int(str(ends[1]))
        )
        if is_backwards:
            message = f"span `{text[:40]}` ends before it begins"
            raise UsageError(message, hint=f"swap its ends: `{ends[1]}..{ends[0]}`", code="E_RUN_MASK")
        if ends == (None, None):
            message = f"invalid span `{text[:40]}`"
            hint = "use FROM..TO, such as `2020-03..2021-06`, `2024-01-05..2024-01-05`, `..2019` or `100..120`"
            raise UsageError(message, hint=hint, code="E_RUN_MASK")
        return cls(text.strip(), *ends)


def check_date_format(text: str) -> None:
    """Check that every directive of a date format exists."""
    from datetime import datetime

    problem = "" if "%" in text else "it has no directive such as %Y"
    try:
        datetime.strptime("", text)  # only the format matters
    except re.error:
        problem = "a directive is repeated"
    except ValueError as error:
        problem = str(error) if "bad directive" in str(error) or "stray" in str(error) else problem
    if problem:
        message = f"invalid date format `{text}`: {problem}"
        hint = "use %Y %m %d %H %M %S for the parts, e.g. `%d.%m.%Y %H:%M`"
        raise UsageError(message, hint=hint, code="E_RUN_DATE_FORMAT")


def find_zone(name: str) -> tuple[tzinfo, str]:
    """Return a time zone by its name or offset, and the name that pandas has for it."""
    from datetime import timedelta, timezone
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

    offset = _OFFSET.fullmatch(name.strip())
    if offset is not None:
        minutes = (int(offset[2]) * 60 + int(offset[3] or 0)) * (-1 if offset[1] == "-" else 1)
        if abs(minutes) <= _MAX_OFFSET_MINUTES:
            return timezone(timedelta(minutes=minutes)), f"UTC{offset[1]}{int(offset[2]):02d}:{int(offset[3] or 0):02d}"
    try:
        return ZoneInfo(name.strip()), name.strip()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zones = {zone.lower(): zone for zone in available_timezones()}
        ends = {zone.rpartition("/")[2].lower(): zone for zone in sorted(zones.values(), reverse=True)}
        lowered = name.strip().lower().replace(" ", "_")
        near = [ends[lowered]] if lowered in ends else []
        near = near or [{**ends, **zones}[one] for one in difflib.get_close_matches(lowered, [*zones, *ends], n=1)]
        message = f"unknown time zone `{name}`" + (f", did you mean `{near[0]}`?" if near else "")
        hint = "use a name such as Europe/Berlin, or a fixed offset such as +01:00"
        raise UsageError(message, hint=hint, code="E_RUN_TZ") from None


#: Calendars that are neither a market nor a country.
CALENDAR_WORDS = ("weekdays", "learned", "every-day")
_CALENDAR_CODE = re.compile("[A-Z][A-Z0-9]{1,3}")


def load_calendar(name: str, years: range) -> Any:
    """Return the holidays of a market (XNYS), a country (DE) or a part of one (DE-BY).

    Raises UsageError for an unknown name, ResourceError where the package `holidays` is not installed.
    """
    try:
        import holidays
    except ImportError as error:
        message = f"the calendar `{name}` needs the package `holidays`, which is not installed"
        hint = "install it with `pip install holidays`, or name weekdays, learned or every-day"
        raise ResourceError(message, hint=hint, code="E_ENV_HOLIDAYS") from error
    code, _, part = name.partition("-")
    # one calendar is loaded so; the lists of names below load all of them, ten times slower
    calendar = getattr(holidays, code, None) if _CALENDAR_CODE.fullmatch(code) else None
    if callable(calendar):
        _load_alone(calendar)
        with suppress(NotImplementedError):  # an unknown part
            return calendar(subdiv=part or None, years=years)
    countries = holidays.list_supported_countries()
    known = [*CALENDAR_WORDS, *holidays.list_supported_financial(), *countries]
    if part and code in countries:
        known = [f"{code}-{one}" for one in countries[code]]
    near = [one for one in known if one.lower() == name.lower()] or difflib.get_close_matches(name, known, n=1)
    message = f"unknown calendar `{name}`" + (f", did you mean `{near[0]}`?" if near else "")
    hint = "use the code of a market (XNYS, XLON, XETR) or a country (US, DE, DE-BY), or weekdays, learned, every-day"
    raise UsageError(message, hint=hint, code="E_RUN_CALENDAR")


def check_calendar(name: str) -> None:
    """Check that a calendar exists, where the package `holidays` is installed."""
    if name not in CALENDAR_WORDS:
        check_country(name)


def check_country(name: str) -> None:
    """Check that a market or a country has holidays, where the package `holidays` is installed."""
    with suppress(ResourceError):
        load_calendar(name, range(0))


def _load_alone(calendar: Any) -> None:
    """Load the module of one calendar without the package around it, which loads some 250 others before.

    Where the library keeps its calendars otherwise, it loads them as it likes.
    """
    module_name, name = getattr(calendar, "module_name", ""), getattr(calendar, "entity_name", "")
    package, _, rest = str(module_name).partition(".")
    if package != "holidays" or not rest or module_name in sys.modules or calendar.entity is not None:
        return
    path = Path(sys.modules[package].__file__ or "").parent.joinpath(*rest.split(".")).with_suffix(".py")
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None or not path.is_file():
        return
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    calendar.entity = getattr(module, name, None)


Unit = Literal["step", "second", "minute", "hour", "day", "business-day", "week", "month", "quarter", "year"]
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
LAST_DAY = 31  # day of month that means the month's end
_TIME = r"((?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?)"
_FREQUENCY = re.compile(
    rf"(\d{{0,9}})\s*([A-Za-z]+)(?:-([A-Za-z]{{3}}))?(?:-(\d{{1,2}}))?(?:\[([01]{{7}})(?: {_TIME}-{_TIME})?\])?"
)
_SPELLINGS: dict[str, tuple[Unit, int | None]] = {
    "step": ("step", None), "s": ("second", None), "sec": ("second", None), "min": ("minute", None),
    "t": ("minute", None), "h": ("hour", None), "d": ("day", None), "b": ("business-day", None),
    "w": ("week", None), "m": ("month", None), "ms": ("month", 1), "me": ("month", LAST_DAY),
    "q": ("quarter", None), "qs": ("quarter", 1), "qe": ("quarter", LAST_DAY),
    "y": ("year", None), "ys": ("year", 1), "ye": ("year", LAST_DAY), "a": ("year", None),
    "second": ("second", None), "minute": ("minute", None), "hour": ("hour", None), "day": ("day", None),
    "week": ("week", None), "month": ("month", None), "quarter": ("quarter", None), "year": ("year", None),
    "hourly": ("hour", None), "daily": ("day", None), "weekly": ("week", None), "monthly": ("month", None),
    "quarterly": ("quarter", None), "yearly": ("year", None), "annual": ("year", None),
}  # fmt: skip
_ANCHORS: dict[Unit, tuple[str, ...]] = {"week": WEEKDAYS, "quarter": MONTHS, "year": MONTHS}


@dataclass(frozen=True)
class FrequencyText:
    """What the text of a frequency says, such as `15min`, `W-SUN`, `QS-JAN`, `B[1111110]` or `h[1111100 07:00-21:00]`."""

    unit: Unit
    multiple: int = 1
    day: int | None = None  # of the month
    anchor: int | None = None  # number of the weekday or of the month, from 0
    weekmask: str | None = None  # open days of the week
    hours: tuple[str, str] | None = None  # first and last step of an open day

    @classmethod
    def parse(cls, text: str) -> FrequencyText:
        """Return what a text says about a frequency."""
        match = _FREQUENCY.fullmatch(text.strip())
        unit, day = _SPELLINGS.get(match[2].lower(), (None, None)) if match else (None, None)
        if match is None or unit is None:
            raise UsageError(
                f"unknown frequency `{text}`",
                hint="use one of s, min, h, D, B, W-SUN, MS, ME, QS-JAN, QE-DEC, YS-JAN, YE-DEC or step, with a number "
                "in front for multiples, e.g. `15min`",
                code="E_RUN_FREQ",
            )
        day = int(match[4]) if match[4] else day
        multiple = int(match[1] or 1)
        if multiple < 1 or not 1 <= (day or 1) <= LAST_DAY:
            raise _invalid_frequency(text, "the multiple is at least 1 and the day 1 to 31")
        if unit == "business-day" and multiple != 1:
            raise UsageError(
                f"invalid frequency `{text}`: B has no multiples", hint="use `--freq D`", code="E_RUN_FREQ"
            )
        anchor = None
        if match[3]:
            names = _ANCHORS.get(unit, ())
            if match[3].upper() not in names:
                allowed = f"one of {', '.join(names)}" if names else "no suffix"
                raise _invalid_frequency(text, f"a {unit} takes {allowed}")
            anchor = names.index(match[3].upper())
        if match[5] and "1" not in match[5]:
            raise _invalid_frequency(text, "no day of the week is open")
        return cls(unit, multiple, day, anchor, match[5], (match[6], match[7]) if match[6] else None)


def check_step_length(text: str) -> None:
    """Check that a text names a frequency in time, not in rows."""
    if FrequencyText.parse(text).unit == "step":
        hint = "use e.g. `15min`, `1h`, `1D`, `1W`, `MS`"
        raise UsageError(f"invalid length of time `{text}`", hint=hint, code="E_RUN_RESAMPLE")


def _invalid_frequency(text: str, reason: str) -> UsageError:
    return UsageError(f"invalid frequency `{text}`: {reason}", code="E_RUN_FREQ")


def read_toml(path: Path, *, what: str, hint: str) -> tuple[dict[str, Any], str]:
    """Return a TOML file as values and as text. Raises UsageError, which calls the file `what`."""
    import tomllib

    try:
        text = path.read_bytes().decode()
        reason = "it holds a NUL character" if re.search(r"\\(u0000|U00000000)", text) else ""
        document = {} if reason else tomllib.loads(text)
    except OSError as error:
        reason = "it is a folder" if path.is_dir() else (error.strerror or str(error)).lower()
        fix = f"looked in {Path.cwd()}" if isinstance(error, FileNotFoundError) else hint
        raise UsageError(f"{what} {path} cannot be read: {reason}", hint=fix, code="E_RUN_CONFIG") from error
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8: byte 0x{error.object[error.start]:02x} at offset {error.start}"
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError as error:
        reason = "a number has too many digits" if "set_int_max_str_digits" in str(error) else str(error)
    if reason:
        reason = f"{reason[:1].lower()}{reason[1:]}"
        raise UsageError(f"{what} {path} is not valid TOML: {reason}", hint=hint, code="E_RUN_CONFIG")
    return document, text
