"""Pictures of the synthetic corpus."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from pretraining.pictures import SHEETS, Sheet, draw_grid, draw_samples
from pretraining.synthesis.corpus import SyntheticBatch
from pretraining.synthesis.priors import PRIORS

SVG = "{http://www.w3.org/2000/svg}"


def test_there_is_a_sheet_for_every_domain() -> None:
    assert [sheet.domain for sheet in SHEETS] == list(PRIORS)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.domain)
def test_a_sheet_is_well_formed_and_has_a_chart_for_every_series(sheet: Sheet) -> None:
    root = ElementTree.fromstring(draw_samples(sheet, rows=3, columns=4))
    assert len(root.findall(f"{SVG}g")) == 12


def test_a_sheet_is_the_same_each_time() -> None:
    assert draw_samples(SHEETS[0], rows=2) == draw_samples(SHEETS[0], rows=2)


def test_a_gap_breaks_the_line_and_a_flat_series_is_drawn() -> None:
    observed = np.asarray([[True, True, False, True, True], [True] * 5])
    root = ElementTree.fromstring(
        draw_grid(SyntheticBatch(np.ones((2, 5), dtype=np.float32), observed), title="two", columns=2)
    )
    assert [len(group.findall(f"{SVG}polyline")) for group in root.findall(f"{SVG}g")] == [2, 1]
