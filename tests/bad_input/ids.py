"""Ids that look like something else, are hostile, or come and go: B85 to B92."""

from __future__ import annotations

from tests.bad_input.harness import Case

CASES: tuple[Case, ...] = ()
