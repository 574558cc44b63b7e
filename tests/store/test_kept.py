"""Models that earlier versions, other libraries and other machines made: they are read, and forecast the same."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import rnnforecast
from rnnforecast.store.layout import LENGTH
from tests.conftest import GOOD_ROWS

KEPT = Path(__file__).parent / "kept"
#: What other versions of libraries and other processors may change, relative.
TOLERANCE = 1e-5


def _numbers(path: Path) -> tuple[list[list[str]], np.ndarray]:
    """Return the words of a table of forecasts and its numbers, without method and mean, which earlier versions differ in."""
    with path.open(encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    places = [place for place, name in enumerate(header) if name == "forecast" or name.startswith("q")]
    words = [
        [cell for place, cell in enumerate(row) if place not in places and header[place] not in ("method", "mean")]
        for row in (header, *rows)
    ]
    return words, np.array([[float(row[place]) for place in places] for row in rows])


@pytest.mark.parametrize("path", sorted(KEPT.glob("*.safetensors")), ids=lambda path: path.stem)
def test_a_model_of_another_version_or_machine_forecasts_what_it_forecast_there(path: Path, tmp_path: Path) -> None:
    rows, out = tmp_path / "good.csv", tmp_path / "out.csv"
    rows.write_text("\n".join(["date,value", *GOOD_ROWS]) + "\n", encoding="utf-8")
    rnnforecast.predict(str(path), data=[rows], output=out)
    words, numbers = _numbers(out)
    kept_words, kept_numbers = _numbers(path.with_suffix(".csv"))
    assert words == kept_words
    with out.open(encoding="utf-8") as file:
        assert {row["method"] for row in csv.DictReader(file)} == {"ensemble"}
    np.testing.assert_allclose(numbers, kept_numbers, rtol=TOLERANCE)


def test_the_numbers_of_a_model_are_little_endian_on_every_machine() -> None:
    path = KEPT / "gru.safetensors"
    content, model = path.read_bytes(), rnnforecast.load_model(str(path))
    payload = content[LENGTH.size + LENGTH.unpack_from(content)[0] :]
    numbers = [tensor for tensor in model.tensors.values() if tensor.dtype.kind == "f"]
    assert numbers
    assert all(tensor.astype(tensor.dtype.newbyteorder("<")).tobytes() in payload for tensor in numbers)
