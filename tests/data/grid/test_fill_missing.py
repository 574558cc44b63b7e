from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import read_series
from rnnforecast.options import Fill
from tests.data.conftest import Write

NAN = float("nan")
CELLS = {"a": ["", "1", "", "3", "4", "", ""], "b": ["2", "", "4", "8", "", "", "5"]}
PANEL = "id,date,y\n" + "".join(
    f"{one},2024-01-0{day},{cell}\n" for one, cells in CELLS.items() for day, cell in enumerate(cells, start=1)
)


@pytest.mark.parametrize(
    ("how", "values"),
    [
        ("none", [NAN, 1, NAN, 3, 4, NAN, NAN, 2, NAN, 4, 8, NAN, NAN, 5]),
        ("zero", [0, 1, 0, 3, 4, 0, 0, 2, 0, 4, 8, 0, 0, 5]),
        ("previous", [NAN, 1, 1, 3, 4, 4, 4, 2, 2, 4, 8, 8, 8, 5]),
        ("linear", [NAN, 1, 2, 3, 4, NAN, NAN, 2, 3, 4, 8, 7, 6, 5]),
        ("season", [NAN, 1, NAN, 3, 4, 3, 4, 2, NAN, 4, 8, 4, 8, 5]),
    ],
)
def test_missing_targets_are_filled_as_asked_and_never_across_series(
    write: Write, how: Fill, values: list[float]
) -> None:
    read = read_series([write(PANEL)], DataSettings(fill=how, season_length=2, id=("id",)))
    np.testing.assert_allclose(read.series.values, values)
    assert read.series.observed.tolist() == (~np.isnan(values)).tolist()
    assert any(finding.code == "W_VALUE_FILLED" for finding in read.findings) == (how != "none")


def test_every_filled_value_is_counted(write: Write) -> None:
    read = read_series([write(PANEL)], DataSettings(fill="previous", id=("id",)))
    (finding,) = [finding for finding in read.findings if finding.code == "W_VALUE_FILLED"]
    assert (finding.severity, finding.count) == ("warning", 6)
