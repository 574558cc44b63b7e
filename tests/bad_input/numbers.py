"""Values that are no plain numbers, or odd ones: B61 to B77."""

from __future__ import annotations

from tests.bad_input.harness import Case

CASES: tuple[Case, ...] = ()
