"""`python -m rnnforecast` is the command line."""

from __future__ import annotations

from rnnforecast.cli.main import run

if __name__ == "__main__":
    run()
