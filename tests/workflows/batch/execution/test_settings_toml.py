from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.workflows.batch.execution.steps import to_toml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS


@given(value=VALUES | st.lists(VALUES, max_size=4))
def test_a_toml_reader_takes_settings_back_unchanged(value: object) -> None:
    assert tomllib.loads(to_toml({"key": value})) == {"key": value}  # type: ignore[dict-item]


def test_what_is_unset_is_left_out() -> None:
    assert to_toml({"horizon": 3, "cell": None, "refit": True}) == "horizon = 3\nrefit = true\n"
