"""Stamps, calendars and frequencies that are wrong, odd or unclear: B40 to B60."""

from __future__ import annotations

from tests.bad_input.harness import Case

CASES: tuple[Case, ...] = ()
