from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from rnnforecast.cli.main import main


@dataclass(frozen=True)
class Run:
    """How a run of the command line ended."""

    code: int
    out: str
    err: str


RunCommand = Callable[..., Run]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> RunCommand:
    """Return a function that runs the command line in this process."""

    def call(*words: str) -> Run:
        code = main(words)
        streams = capsys.readouterr()
        return Run(code, streams.out, streams.err)

    return call
