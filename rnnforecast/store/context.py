"""The last rows of every series, stored in the model file, so that forecasts do not need the data file.

Axis legend: S series, N rows (all series flat), K id columns, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np

from rnnforecast.errors import ModelFileError
from rnnforecast.frozen import dataclass

PREFIX = "context."

_DTYPES: dict[str, type[np.generic]] = {
    "target_index": np.int64,
    "values": np.float64,
    "observed": np.bool_,
    "offsets": np.int64,
    "first_ordinals": np.int64,
    "past_covariates": np.float32,
    "future_covariates": np.float32,
    "future_offsets": np.int64,
    "static_covariates": np.float32,
}


@dataclass(frozen=True)
class SeriesContext:
    """The last rows of every series, in the layout of a `SeriesSet`; the manifest has the column names."""

    id_values: np.ndarray  # object (str) [S, K]
    target_index: np.ndarray  # int64 [S], index into the targets of the manifest
    values: np.ndarray  # float64 [N], NaN where not observed
    observed: np.ndarray  # bool [N]
    offsets: np.ndarray  # int64 [S + 1]
    first_ordinals: np.ndarray  # int64 [S], ordinal of the first row kept
    past_covariates: np.ndarray  # float32 [N, F]
    future_covariates: np.ndarray  # float32 [rows, F]
    future_offsets: np.ndarray  # int64 [S + 1]
    static_covariates: np.ndarray  # float32 [S, F]

    @property
    def num_series(self) -> int:
        """Number of series, S."""
        return len(self.first_ordinals)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Return the arrays under the names they have in the model file; ids become one UTF-8 text and its cuts."""
        tensors = {PREFIX + name: np.asarray(getattr(self, name), dtype) for name, dtype in _DTYPES.items()}
        words = [str(value) for value in np.asarray(self.id_values, object).ravel()]
        text = "".join(words).encode("utf-8", "surrogatepass")
        cuts = np.concatenate([[0], np.cumsum([len(word) for word in words], dtype=np.int64)])
        num_series, num_columns = np.asarray(self.id_values, object).shape
        tensors[PREFIX + "ids"] = np.frombuffer(text, np.uint8)
        tensors[PREFIX + "id_offsets"] = cuts.astype(np.int64)  # in characters, not in bytes
        tensors[PREFIX + "id_shape"] = np.array([num_series, num_columns], np.int64)
        return tensors

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray], *, source: str) -> SeriesContext:
        """Rebuild the context and check that its arrays fit each other. Raises ModelFileError."""
        needed = [*_DTYPES, "ids", "id_offsets", "id_shape"]
        missing = [name for name in needed if PREFIX + name not in tensors]
        if missing:
            raise _inconsistent(source, f"`{PREFIX}{missing[0]}` is missing")
        arrays: dict[str, Any] = {name: tensors[PREFIX + name] for name in _DTYPES}
        for name, dtype in _DTYPES.items():
            if arrays[name].dtype != dtype:
                raise _inconsistent(source, f"`{PREFIX}{name}` is {arrays[name].dtype}, not {np.dtype(dtype)}")
        context = cls(id_values=_read_ids(tensors, source), **arrays)
        context._check(source)
        return context

    def _check(self, source: str) -> None:
        num_series, num_rows = self.num_series, self.values.size
        wanted: dict[str, tuple[int, ...]] = {
            "first_ordinals": (num_series,),
            "target_index": (num_series,),
            "values": (num_rows,),
            "observed": (num_rows,),
            "offsets": (num_series + 1,),
            "future_offsets": (num_series + 1,),
            "id_values": (num_series, -1),
            "past_covariates": (num_rows, -1),
            "future_covariates": (-1, -1),
            "static_covariates": (num_series, -1),
        }
        for field in fields(self):
            shape, want = getattr(self, field.name).shape, wanted[field.name]
            if len(shape) != len(want) or any(w not in (-1, s) for s, w in zip(shape, want, strict=True)):
                raise _inconsistent(source, f"`{PREFIX}{field.name}` has shape {shape}")
        for name, end in (("offsets", num_rows), ("future_offsets", len(self.future_covariates))):
            if not _cuts_are_sound(getattr(self, name), end):
                raise _inconsistent(source, f"`{PREFIX}{name}` does not cut {end} rows")
        if not np.isfinite(self.values[self.observed]).all():
            raise _inconsistent(source, f"`{PREFIX}values` is not finite where it was observed")


def _read_ids(tensors: Mapping[str, np.ndarray], source: str) -> np.ndarray:
    """Cut the text of all ids into an array of objects, [S, K]."""
    text_bytes, cuts, shape = (tensors[PREFIX + name] for name in ("ids", "id_offsets", "id_shape"))
    try:
        text = text_bytes.tobytes().decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise _inconsistent(source, f"`{PREFIX}ids` is not UTF-8 text") from error
    if shape.shape != (2,) or not _cuts_are_sound(cuts, len(text)):
        raise _inconsistent(source, f"`{PREFIX}id_offsets` does not cut {len(text)} characters")
    num_series, num_columns = (int(length) for length in shape)
    if min(num_series, num_columns) < 0 or num_series * num_columns != len(cuts) - 1:
        raise _inconsistent(source, f"`{PREFIX}id_shape` is {num_series} x {num_columns} for {len(cuts) - 1} ids")
    if num_series > len(tensors[PREFIX + "first_ordinals"].ravel()):  # no ids at all: nothing else bounds it
        raise _inconsistent(source, f"`{PREFIX}id_shape` names {num_series} series")
    ids = np.empty(num_series * num_columns, object)
    ids[:] = [text[start:end] for start, end in pairwise(cuts.tolist())]
    return ids.reshape(num_series, num_columns)


def _cuts_are_sound(cuts: np.ndarray, end: int) -> bool:
    if cuts.dtype != np.int64 or cuts.ndim != 1 or cuts.size == 0:
        return False
    return bool(cuts[0] == 0 and cuts[-1] == end and (np.diff(cuts) >= 0).all())


def _inconsistent(source: str, reason: str) -> ModelFileError:
    message = f"the last rows stored in `{source}` are inconsistent: {reason}"
    hint = "train again to replace this model; `rnnforecast models list` shows the others"
    return ModelFileError(message, hint=hint, code="E_MODEL_FORMAT")
