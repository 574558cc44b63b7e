"""Building blocks of all screens: safe text, plain tables, aligned numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import singledispatch
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from rnnforecast.cli.text import MIN_WIDTH, USUAL_WIDTH, supports_unicode
from rnnforecast.escaping import visible
from rnnforecast.frozen import dataclass
from rnnforecast.json_values import Document, timestamp_to_json

NOTHING = "–"
#: Our own special characters on streams with an ASCII encoding.
_ASCII = str.maketrans({"–": "-", "±": "+-", "×": "x", "…": "...", "│": "|", "┤": "+", "└": "+", "─": "-", "→": "->"})
_INDENT = 2
_EXPONENT_FROM, _MAX_DECIMALS = 10, 8  # powers of ten, decimals: beyond them an exponent is shown
_SURPLUS = 3  # digits more than asked for are too many
_GAP = 2


@dataclass(frozen=True)
class Space:
    """The space of a screen: its width in characters, and whether its encoding has braille characters."""

    width: int
    braille: bool


@singledispatch
def screen(result: Document, _space: Space) -> list[RenderableType]:
    """Return the blocks of a result; each type registers its own function."""
    raise TypeError(f"no screen for {type(result).__name__}")


def open_console(stream: TextIO) -> Console:
    """Return a console for a stream, with its width and colours, without markup and highlights."""
    console = Console(file=stream, markup=False, highlight=False, emoji=False)
    if console.width < MIN_WIDTH:  # COLUMNS=0 would leave no space for anything
        console.width = USUAL_WIDTH
    return console


class _Visible:
    """A block whose text is escaped while it is drawn, whatever the screen put into it; styles stay."""

    def __init__(self, block: RenderableType) -> None:
        self._block = block

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """Yield the segments of the block."""
        for segment in console.render(self._block, options):
            is_plain = segment.control or segment.text.isprintable()
            yield segment if is_plain else Segment(visible(segment.text, keep="\n"), segment.style)


def draw(blocks: Sequence[RenderableType], console: Console) -> str:
    """Return blocks as text, one empty line between them and no blanks at line ends."""
    with console.capture() as capture:
        for number, block in enumerate(blocks):
            if number:
                console.print()
            console.print(_Visible(block))
    drawn = "\n".join(line.rstrip() for line in capture.get().split("\n"))
    return drawn if supports_unicode(console.encoding) else drawn.translate(_ASCII)


def safe(value: object, style: str = "") -> Text:
    """Return data as text whose markup and control characters have no effect."""
    return Text(visible(value), style=style)


def shortened(text: str, length: int = 32) -> str:
    """Return text cut to a length in its middle, where long ids differ least."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[-(length - 1 - head) :]}"


def heading(words: str, detail: str = "") -> Text:
    """Return a heading with an optional dim detail."""
    text = Text(visible(words), style="bold")
    return text.append(f"  {visible(detail)}", style="not bold dim") if detail else text


def quiet_table(columns: Sequence[tuple[str, str]], *, header: bool = True) -> Table:
    """Return a table without lines; `columns` are headers with `left`, `right` or `fold` (left, may wrap)."""
    table = Table(box=None, show_header=header, header_style="dim", pad_edge=False, padding=(0, _GAP, 0, 0))
    for name, kind in columns:
        if kind == "fold":
            table.add_column(name, overflow="fold", ratio=None)
        else:
            table.add_column(name, justify="right" if kind == "right" else "left", no_wrap=True, overflow="ellipsis")
    return table


def fit_columns(
    columns: Mapping[str, Sequence[str | Text]], *, width: int, dispensable: Sequence[str]
) -> tuple[str, ...]:
    """Return the columns to leave out, in the order of `dispensable`, so that the others fit."""
    widths = {name: max(map(cell_len, [name, *map(str, cells)])) + _GAP for name, cells in columns.items()}
    left_out: list[str] = []
    for name in dispensable:
        if _INDENT + sum(widths.values()) - _GAP <= width:
            break
        if widths.pop(name, None) is not None:
            left_out.append(name)
    return tuple(left_out)


def under(title: Text, *blocks: RenderableType) -> Group:
    """Return blocks indented under a heading."""
    return Group(title, *(Padding(block, (0, 0, 0, _INDENT)) for block in blocks))


def number(value: object, *, digits: int = 4) -> str:
    """Return a number with so many significant digits, thousands separated; a dash if it is not finite."""
    return numbers([value], digits=digits)[0]


def numbers(values: Sequence[object], *, digits: int = 4) -> list[str]:
    """Return numbers with the same decimals each, so that they are aligned: the largest has `digits` digits.

    A leading zero counts as a digit: 0.934 and 1.187.
    """
    finite = _floats(values)
    form = _form(max((abs(value) for value in finite if math.isfinite(value)), default=0.0), digits)
    return [format(value, form) if math.isfinite(value) else NOTHING for value in finite]


def errors(values: Sequence[object], *, digits: int = 4) -> list[str]:
    """Return errors of several methods, readable even if one of them is huge: the smallest has `digits` digits.

    The others have the same decimals, unless that would give them `_SURPLUS` digits more than `digits`: from the
    first such size on they have the decimals of that one: 0.752, 12.300 and 1,234,568.
    """
    finite = _floats(values)
    sizes = sorted({abs(value) for value in finite if math.isfinite(value) and value != 0})
    smallest = sizes[0] if sizes else 0.0
    forms = {0.0: _form(smallest, digits)}
    for size in sizes:
        if _magnitude(size) - _magnitude(smallest) >= _SURPLUS or _magnitude(size) >= _EXPONENT_FROM:
            smallest = size
        forms[size] = _form(smallest, digits)
    return [format(value, forms[abs(value)]) if math.isfinite(value) else NOTHING for value in finite]


def _floats(values: Sequence[object]) -> list[float]:
    return [float(value) if isinstance(value, int | float) else math.nan for value in values]


def _magnitude(size: float) -> int:
    """Return the power of ten of a size; a leading zero counts as a digit, and 0 is as 1 is."""
    magnitude = math.floor(math.log10(size)) if size > 0 else 0
    return 0 if magnitude == -1 else magnitude


def _form(size: float, digits: int) -> str:
    """Return the format of a number of this size with so many digits."""
    decimals = max(digits - 1 - _magnitude(size), 0)
    return f".{digits - 1}e" if _magnitude(size) >= _EXPONENT_FROM or decimals > _MAX_DECIMALS else f"z,.{decimals}f"


def timestamp_text(timestamp: object, freq: object) -> str:
    """Return a timestamp for people: a date, or date and time to the minute unless there are seconds."""
    return str(timestamp_to_json(timestamp, freq)).replace("T", " ").removesuffix(":00")


def duration(seconds: float) -> str:
    """Return a time: 0.4 s, 12 s, 3 min 20 s."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
