"""Partition columns: values in the names of folders, `sales/shop=a/part.parquet`, as Hive and Spark write tables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import unquote

from rnnforecast.data.columns.id_columns import FILE_ID
from rnnforecast.data.columns.profiles import named_like_time
from rnnforecast.data.errors import data_error
from rnnforecast.findings import Finding

_FOLDER = re.compile(r"([^=/\\]+)=([^/\\]*)")
#: A missing value in the name of a folder.
_NOTHING = "__HIVE_DEFAULT_PARTITION__"


def partitions_of(path: str) -> dict[str, str]:
    """Return the columns that the folders of a path hold, by name."""
    folders = re.split(r"[/\\]", path)[:-1]
    found = [match for folder in folders if (match := _FOLDER.fullmatch(folder)) is not None]
    values = {unquote(one[1]): unquote(one[2]) for one in found}
    return {name: "" if value == _NOTHING else value for name, value in values.items()}


def common_partitions(paths: Sequence[str], *, columns: Collection[str]) -> dict[str, list[str]]:
    """Return the values of each file for the names that all folders hold, and no column of the files themselves."""
    each = [partitions_of(path) for path in paths]
    shared = [name for name in each[0] if name not in columns and all(name in one for one in each)]
    return {name: [one[name] for one in each] for name in shared}


def check_times(paths: Sequence[str], *, columns: Collection[str]) -> None:
    """Raise DataError where only the names of folders hold times; call it for files without a time column."""
    names = [name for name in common_partitions(paths, columns=columns) if named_like_time(name)]
    if names:
        folder = f"{names[0]}={partitions_of(paths[0])[names[0]]}"
        words = f"times are in the names of folders (`{folder}`) and in no column of the files"
        fix = f"write `{names[0]}` into the files as a column, or read the rows as steps in file order: --time none"
        raise data_error([Finding("E_TIME_FOLDER", words, paths[0], column=names[0], fix=fix)])


def note_contradictions(path: str, ids: Mapping[str, Sequence[str]]) -> list[Finding]:
    """Return a warning for each id column whose values (`ids`, distinct) are not that of the folder of the file."""
    return [
        Finding(
            "W_DATA_PARTITION",
            f"the folder `{name}={value}` and the column `{name}` of its file, which holds `{other}`, disagree",
            path,
            column=name,
            fix=f"the column was used: check that files of different `{name}` are not mixed",
        )
        for name, value in partitions_of(path).items()
        if (other := next((text for text in ids.get(name, ()) if text != value), None)) is not None
    ]


def note_unused(partitions: Mapping[str, Sequence[str]], used: Collection[str]) -> list[Finding]:
    """Return a note for every partition column that is not used as an id."""
    if FILE_ID in used:
        return []
    return [
        Finding(
            "N_DATA_PARTITION",
            f"partition column `{name}` ({len(set(values))} values, such as `{values[0]}`) is not used: "
            f"--id {shlex.quote(name)} makes each value a series",
            column=name,
        )
        for name, values in partitions.items()
        if name not in used and len(set(values)) > 1
    ]
