"""Hints that were tried: a flag with a value is suggested only where the input is read further with it.

Errors about flags themselves, and hints without a value that could be tried, are not changed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rnnforecast.config import DataSettings
from rnnforecast.data.errors import data_error
from rnnforecast.errors import DataError, InputError, RnnForecastError
from rnnforecast.options import DATA_OPTIONS

#: Reads the input with other settings. Raises RnnForecastError.
Attempt = Callable[[DataSettings], object]

#: Bytes of an input that is read again, and attempts for one error.
MOST_BYTES, MOST_ATTEMPTS = 20_000_000, 6
#: Parts of a hint that can be left out alone.
_PARTS = re.compile(r"(; (?:or )?|, or |, such as | or (?=--))")
_FLAG = re.compile(r"--([a-z][a-z-]*[a-z])(?:[ =]('[^']*'|\"[^\"]*\"|[^\s`]+))?")
#: A value that the user has to choose, and words after a flag that belong to the sentence.
_CHOSEN = re.compile(r"[A-Z]{3,}$|.*\||(?:or|and|to|for|reads|calls|allows|names|says|which|if|another|with|is)$")
#: All but the cap of an input: what unpacks to more than it may is never unpacked to try a hint.
_OPTIONS = {option.word: option for option in DATA_OPTIONS if option.name != "max_bytes"}


def with_tried_hints(error: RnnForecastError, data: object, settings: DataSettings, attempt: Attempt) -> None:
    """Take out of an error what does not help: each flag with its value is tried on the input, which must be small.

    A flag helps where the input is read with it, or rejected for another reason.
    """
    if not isinstance(error, DataError | InputError) or not _is_small(data):
        return
    before = _codes(error)
    known: dict[str, bool] = {}

    def helps(part: str) -> bool:
        changes = _flags_of(part)
        if not changes or part in known or len(known) >= MOST_ATTEMPTS:
            return known.get(part, True)
        try:
            changed = _changed(settings, changes)
        except ValueError:
            return known.setdefault(part, False)
        try:
            attempt(changed)
        except RnnForecastError as other:
            known[part] = isinstance(other, DataError | InputError) and not before & _codes(other)
        else:
            known[part] = True
        return known[part]

    own = list(error.findings)
    if own and error.message == data_error(own).message:
        again = data_error([replace(one, fix=_tried(one.fix, helps)) for one in own])
        error.message, error.hint, error.findings = again.message, again.hint, again.findings
    else:
        error.hint = _tried(error.hint, helps)


def _is_small(data: object) -> bool:
    """Tell whether all inputs are files of this machine that are read again quickly."""
    paths = data if isinstance(data, list | tuple) else [data]
    try:
        files = [Path(path) for path in paths if isinstance(path, str | Path)]
        return (
            len(files) == len(paths)
            and all(map(Path.is_file, files))
            and sum(file.stat().st_size for file in files) <= MOST_BYTES
        )
    except (OSError, ValueError):
        return False


def _codes(error: RnnForecastError) -> set[str]:
    return {error.code or "", *(one.code for one in error.findings if one.severity == "error")} - {""}


def _tried(hint: str | None, helps: Callable[[str], bool]) -> str | None:
    """Return a hint without the parts that do not help; None where nothing is left."""
    if not hint:
        return hint
    pieces = _PARTS.split(hint)  # part, separator, part, ...
    kept = [place for place in range(0, len(pieces), 2) if helps(pieces[place])]
    if len(kept) == (len(pieces) + 1) // 2:
        return hint
    return (
        "".join(("" if not number else pieces[place - 1]) + pieces[place] for number, place in enumerate(kept)) or None
    )


def _flags_of(part: str) -> dict[str, object]:
    """Return the settings that the flags of a part of a hint name with their values.

    None where the user has to choose, and where the part is a call of another command.
    """
    found: dict[str, object] = {}
    if "`rnnforecast " in part:
        return found
    for name, value in _FLAG.findall(part):
        option = _OPTIONS.get(name)
        if option is None or (option.kind is bool and "leave" in part):
            return {}
        text = value if value.strip(",.") == "" else value.rstrip(";.,:)")
        if option.kind is not bool and (not text or "..." in text or _CHOSEN.match(text)):
            return {}
        try:
            found[option.name] = True if option.kind is bool else shlex.split(text)[0]
        except (ValueError, IndexError):
            return {}
    return found


def _changed(settings: DataSettings, changes: dict[str, object]) -> DataSettings:
    """Return the settings with these changes. Raises ValueError for a value that is none of the option."""
    own = {name: getattr(settings, name) for name in settings.model_fields_set}
    return DataSettings.model_validate({**own, **changes})
