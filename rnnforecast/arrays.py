"""Names of NumPy arrays for annotations, by the type of their elements."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
#: float32 or float64: serving computes in the precision of its tensors.
FloatArray = npt.NDArray[np.floating]
#: Text, or None where a cell is empty.
TextArray = npt.NDArray[np.object_]
DatetimeArray = npt.NDArray[np.datetime64]
#: datetime64[us], or int64 where timestamps are step numbers.
TimestampArray: TypeAlias = npt.NDArray[Any]
#: A NumPy array or a torch tensor, where one source serves both engines.
Array: TypeAlias = Any
