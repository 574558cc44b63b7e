"""Names that clash, and covariates that change: B98 to B102."""

from __future__ import annotations

from tests.bad_input.harness import Case

CASES: tuple[Case, ...] = ()
