"""The keys of a jobs file: which there are, what each takes, and what is said when it holds something else."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rnnforecast.config import Settings
from rnnforecast.data.databases.address import absolute, is_database, parse_address
from rnnforecast.data.write import output_kind
from rnnforecast.errors import UsageError
from rnnforecast.grammars import Duration
from rnnforecast.masking import holds_secret, masked
from rnnforecast.model_io.base import BASE
from rnnforecast.store.names import check_name, split_spec
from rnnforecast.workflows.batch.jobs_file.errors import suggest
from rnnforecast.workflows.batch.jobs_file.retrain_rules import RULES, RetrainRule, parse_rule
from rnnforecast.workflows.batch.records.digests import is_url
from rnnforecast.workflows.monitoring.freshness import REFUSE_STALE, parse_age

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rnnforecast.findings import JSONValue
    from rnnforecast.options import RefuseStale
    from rnnforecast.workflows.batch.jobs_file.errors import Faults
    from rnnforecast.workflows.batch.jobs_file.toml_lines import KeyPath

TOP_KEYS = ("store", "workers", "defaults", "job")
#: Keys of a job beside the settings of `train`.
JOB_KEYS = ("name", "data", "model", "output", "retrain", "keep", "max_age", "refuse_stale", "on_alarm", "timeout")
#: Keys that no two jobs can share, so that a default makes no sense.
OWN_KEYS = ("name", "output")
#: Settings that a stored model still takes.
FORECAST_KEYS = ("horizon", "quantiles", "query", "wait", "future_data", "nonneg", "align")

MAX_WORKERS = 1_024


@dataclass(frozen=True)
class KeyReader:
    """Reads the tables of one file; faults are collected, never raised."""

    folder: Path  # where relative paths start
    faults: Faults

    def check_top(self, document: Mapping[str, object]) -> None:
        """Check the keys before the first table."""
        for key in document:
            if key not in TOP_KEYS:
                known = suggest(key, TOP_KEYS) or f"; keys before the first table are {_enumerate(TOP_KEYS[:2])}"
                self.faults.add((key,), f"unknown key `{key}`{known}")
        store, workers = document.get("store", "."), document.get("workers", 1)
        if not isinstance(store, str) or not store:
            self.faults.add(("store",), "`store` is the path of a folder, in quotes", value=store)
        if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= MAX_WORKERS:
            self.faults.add(("workers",), f"`workers` is a number of processes, 1 to {MAX_WORKERS:,}", value=workers)

    def check_defaults(self, table: Mapping[str, object]) -> None:
        """Check that every key of `[defaults]` exists and may be shared by jobs; values are checked with the jobs."""
        for key in table:
            if key in OWN_KEYS:
                self.faults.add(("defaults", key), f"`{key}` belongs to one job and cannot be a default")
            elif key not in _known_keys():
                self.faults.add(("defaults", key), f"unknown key `{key}`{suggest(key, _known_keys())}")

    def job(self, number: int, table: Mapping[str, object], defaults: Mapping[str, object]) -> JobKeys:
        """Return the reader of one job; a `model` of its own sets aside defaults that only training knows."""
        shared = {key: value for key, value in defaults.items() if key in _known_keys() and key not in OWN_KEYS}
        if "model" in table:
            kept = {*JOB_KEYS, *FORECAST_KEYS} - {"retrain", "keep", "data"}
            shared = {key: value for key, value in shared.items() if key in kept}
        for key in table:
            if key not in _known_keys():
                self.faults.add(("job", number, key), f"unknown key `{key}`{suggest(key, _known_keys())}")
        return JobKeys(self, number, table, {**shared, **table})


@dataclass(frozen=True)
class JobKeys:
    """The keys of one job over those of `[defaults]`."""

    reader: KeyReader
    number: int
    own: Mapping[str, object]
    values: Mapping[str, object]

    @property
    def line(self) -> int:
        """The line of the table."""
        return self.reader.faults.line(("job", self.number))

    def name(self) -> str:
        """Return the name; a fault unless it can be the name of a model."""
        value = self.values.get("name")
        if value is None:
            self._add("name", "the job has no `name`", fix='add `name = "..."`, unlike that of any other job')
        elif not isinstance(value, str):
            self._add("name", "`name` is a text, in quotes", value=value)
        else:
            self._check_name("name", value)
            return value
        return ""

    def data(self) -> tuple[str, ...]:
        """Return files and globs as absolute paths."""
        value = self.values.get("data", [])
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) and item for item in items):
            wanted = '`data` is a file, a glob or a list of them: "a.csv" or ["a.csv", "b/*.csv"]'
            self._add("data", wanted, value=value)
            return ()
        if "-" in items:
            self._add("data", "a job cannot read standard input", fix="name a file")
        return tuple(self._database("data", item) if is_database(item) else self._absolute(item) for item in items)

    def model(self) -> str | None:
        """Return the stored model of a job that trains none."""
        value = self.values.get("model")
        if value is None:
            return None
        if not isinstance(value, str):
            self._add("model", "`model` is NAME, NAME@VERSION or a .safetensors file, in quotes", value=value)
            return None
        if value.endswith(".safetensors"):
            return str(self.reader.folder / value)
        self._check_name("model", split_spec(value)[0])
        return value

    def output(self) -> Path | str | None:
        """Return the file of the forecasts as an absolute path, or the URL of a table."""
        value = self.values.get("output")
        if value is None:
            return None
        if not isinstance(value, str) or not value or value == "-":
            self._add("output", "`output` is a .csv or .parquet file, or a table of a database, in quotes", value=value)
            return None
        if is_database(value):
            return self._database("output", value)
        try:
            output_kind(value)
        except UsageError as error:
            self._add("output", error.message, fix=error.hint)
        return self.reader.folder / value

    def settings(self) -> dict[str, JSONValue]:
        """Return the settings of `train` that were given, checked one by one and then together."""
        given = {key: value for key, value in self.values.items() if key in _setting_keys()}
        if "model" in self.values:
            for key in sorted(given.keys() - set(FORECAST_KEYS)):
                self._add(key, f"`{key}` is for training, but this job takes the stored model `{self.values['model']}`")
            given = {key: value for key, value in given.items() if key in FORECAST_KEYS}
        if holds_secret(str(given.get("query"))):
            self._refuse_secret("query", masked(str(given["query"])))
        faulty = {key: faults for key, value in given.items() if (faults := _setting_faults({key: value}))}
        for key, faults in faulty.items():
            for fault in faults:
                self._add(key, fault)
        sound = {key: value for key, value in given.items() if key not in faulty}
        for fault in _setting_faults(sound):
            self._add(next(iter(sound)), fault)
        if "future_data" in sound:
            named = Settings.from_flat({"future_data": sound["future_data"]}).data.future_data
            sound["future_data"] = [self._absolute(item) for item in named]
        return sound  # type: ignore[return-value]  # TOML values that settings accept are JSON values

    def retrain(self) -> RetrainRule:
        """Return when the model is trained anew."""
        value = self.values.get("retrain", "never")
        rule = parse_rule(value) if isinstance(value, str) else None
        if rule is None:
            self._add("retrain", f"`retrain` is one of {RULES}", value=value)
        elif "model" in self.values and "retrain" in self.own:
            self._add("retrain", f"`retrain` is for training, but this job takes the model `{self.values['model']}`")
        return rule or RetrainRule()

    def keep(self) -> int | None:
        """Return how many versions of the model stay, None for all."""
        value = self.values.get("keep")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self._add("keep", "`keep` is a number of versions, one at least", value=value)
            return None
        if "model" in self.values:
            self._add("keep", f"`keep` is for training, but this job takes the model `{self.values['model']}`")
        return value

    def command(self, key: str) -> tuple[str, ...]:
        """Return a command as a list of arguments; no shell ever reads it."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value) or value[:1] == [""]:
            self._add(key, f'`{key}` is a list of a program and its arguments: ["notify", "--urgent"]', value=value)
            return ()
        if value and os.sep in value[0]:
            value = [str(self.reader.folder / value[0]), *value[1:]]
        if any("\0" in word for word in value):
            self._add(key, f"`{key}` holds a NUL character")
        return tuple(value)

    def age(self, key: str) -> str | None:
        """Return how old the newest value may be, as `--max-age` takes it."""
        value = self.values.get(key)
        if value is None:
            return None
        try:
            return parse_age(str(value), option=key).text
        except UsageError as error:
            self._add(key, error.message, fix=error.hint)
            return None

    def refuse_stale(self) -> RefuseStale:
        """Return which rows are refused: unless told, fewer than the model saw, where they are those it was made of."""
        value = self.values.get(
            "refuse_stale", "none" if "model" in self.values and "data" in self.values else "shrunk"
        )
        kind = next((kind for kind in REFUSE_STALE if kind == value), None)
        if kind is None:
            self._add(
                "refuse_stale",
                f"`refuse_stale` is one of {', '.join(f'`{kind}`' for kind in REFUSE_STALE)}",
                value=value,
            )
        return kind or "none"

    def span(self, key: str) -> float | None:
        """Return a time in seconds."""
        value = self.values.get(key)
        if value is None:
            return None
        try:
            return Duration.parse(value, option=key).seconds
        except UsageError as error:
            self._add(key, error.message, fix=error.hint)
            return None

    def check_needs(self, model: str | None, data: Sequence[str], output: Path | str | None) -> None:
        """Check that the job says what to work on and has something to do."""
        if model is None and not data and "model" not in self.values and "data" not in self.values:
            self._add("data", "the job has neither `data` to train on nor a stored `model`", fix='add `data = "..."`')
        if model is not None and output is None and "output" not in self.values:
            self._add("output", "the job trains nothing and has no `output`", fix='add `output = "....csv"`')
        if model == BASE and not data:
            self._add("data", f"`{BASE}` was trained on no file: the job needs `data`", fix='add `data = "..."`')
        if model is None and self.values.get("name") == BASE:
            self._add("name", f"`{BASE}` is the network that comes with the tool", fix="give the job another name")

    def _database(self, key: str, url: str) -> str:
        """Return a database that does not depend on the working folder; a fault where it holds a password."""
        try:
            address = parse_address(url)
            if key == "output":
                address.table_name  # noqa: B018  # raises where there is none
            if address.location != parse_address(address.shown).location:
                self._refuse_secret(key, address.shown)
            return absolute(url, folder=self.reader.folder)
        except UsageError as error:
            self._add(key, error.message, fix=error.hint)
        return masked(url)

    def _refuse_secret(self, key: str, shown: str) -> None:
        fix = "leave it out, and keep it in `~/.pgpass` (mode 600) or in `PGPASSWORD` of the environment"
        self._add(key, f"`{key}` holds a password, and a jobs file is no place for one: {shown}", fix=fix)

    @property
    def _title(self) -> str:
        name = self.own.get("name")
        return f"job `{name}`: " if isinstance(name, str) else ""

    def _add(self, key: str, message: str, *, value: object = None, fix: str | None = None) -> None:
        """Note a fault at the key's own line; what a default says wrongly is said once, not for every job."""
        inherited = key in self.values and key not in self.own
        path: KeyPath = ("defaults", key) if inherited else ("job", self.number, key)
        message = message if f"`{key}`" in message else f"`{key}`: {message}"
        if value is not None and repr(value) not in message and f"`{value}`" not in message:
            message = f"{message}, not {_shown(value)}"
        self.reader.faults.add(path, message if inherited else f"{self._title}{message}", value=value, fix=fix)

    def _check_name(self, key: str, name: str) -> None:
        try:
            check_name(name)
        except UsageError as error:
            self._add(key, error.message, fix=f'change `{key} = "..."`')

    def _absolute(self, item: str) -> str:
        if os.path.isabs(item) or is_url(item):
            return item
        is_glob = any(sign in item for sign in "*?[") and not (self.reader.folder / item).exists()
        # signs of a glob in the folder itself are plain letters
        folder = glob.escape(str(self.reader.folder)) if is_glob else str(self.reader.folder)
        return os.path.join(folder, item)


def _setting_faults(values: Mapping[str, object]) -> list[str]:
    try:
        Settings.from_flat(values)
    except UsageError as error:
        return [line.strip() for line in error.message.splitlines()[1:]]
    return []


def _setting_keys() -> set[str]:
    return set(Settings().to_flat())


def _known_keys() -> set[str]:
    return {*JOB_KEYS, *_setting_keys()}


def _shown(value: object) -> str:
    text = f"`{value}`" if isinstance(value, str) else f"`{value!r}`"
    return text if len(text) <= 60 else f"{text[:57]}...`"


def _enumerate(words: Sequence[str]) -> str:
    return " and ".join(f"`{word}`" for word in words)
