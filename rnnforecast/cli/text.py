"""Text for a terminal: its width, colour where it is wanted, and streams that fail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from rnnforecast.errors import OutputError

#: Terminals and COLUMNS that report less than this have an unknown width.
MIN_WIDTH = 20
USUAL_WIDTH = 80
_STYLES = {"red": "1;31", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}


def wants_colour(stream: TextIO) -> bool:
    """Return whether a stream is a terminal, and NO_COLOR is not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, style: str, *, stream: TextIO) -> str:
    """Return text in a style (red, yellow, cyan, bold, dim) where the stream wants colour."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if wants_colour(stream) else text


def folded(text: str, *, stream: TextIO) -> str:
    """Return one line of prose folded between words to the width of a terminal; a file or a pipe gets it unchanged."""
    if not stream.isatty():
        return text
    import shutil
    import textwrap

    width = max(shutil.get_terminal_size().columns, MIN_WIDTH)
    return textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def supports_unicode(encoding: str | None) -> bool:
    """Return whether box lines and braille dots can be written in an encoding."""
    return (encoding or "ascii").lower().replace("-", "").startswith("utf")


@contextmanager
def best_effort(stream: TextIO) -> Iterator[None]:
    """Write optional text; a stream that fails (a full disk) is given up, and the run continues."""
    try:
        yield
    except BrokenPipeError:
        raise  # the reader left
    except OSError:
        give_up(stream)


def output_error(error: OSError, *, written: str | None = None) -> OutputError:
    """Return the error of a stdout that cannot be written; `written` is the file that the result is in already."""
    reason = f"standard output could not be written: {(error.strerror or str(error)).lower()}"
    hint = "free space, or write the result elsewhere"
    if written is not None:
        reason, hint = f"{reason}; `{written}` was written", "use that file: the forecast is complete in it"
    return OutputError(reason, hint=hint, code="E_OUT_WRITE")


def give_up(stream: TextIO) -> None:
    """Redirect a stream to nothing, so that the last flush of the interpreter does not fail."""
    # a stream without a descriptor, as in a test, stays
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
