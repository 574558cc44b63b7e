"""How large everything in a network is, from its settings alone: sizes, and the shape of every tensor.

Axis legend: C context_length, H horizon, p segment_length, T segments of the context, K segments of the horizon,
R steps the linear path reads, Q quantiles, d hidden_size.
"""

from __future__ import annotations

import math

from rnnforecast.config import MemberSettings
from rnnforecast.frozen import dataclass
from rnnforecast.inference.cells import CELLS
from rnnforecast.members import CategoricalSettings
from rnnforecast.options import Cell

Shape = tuple[int, ...]

#: Features of each segment under normalisation `causal`.
NUM_CAUSAL_FEATURES = 4
#: The kinds of covariates, in the order networks read them.
COVARIATE_KINDS = ("past", "future", "static")
MAX_EMBEDDING_WIDTH = 16


@dataclass(frozen=True)
class CovariateLayout:
    """How the covariates of one kind become what a network reads: numbers first, then an embedding a category."""

    numbers: tuple[int, ...]  # columns that hold numbers
    categories: tuple[tuple[int, int], ...]  # (column, number of categories) of those that hold codes

    @classmethod
    def of(cls, member: MemberSettings, kind: str) -> CovariateLayout:
        """Work out the layout of `past`, `future` or `static` covariates."""
        count: int = getattr(member, f"num_{kind}_covariates")
        categories: tuple[int, ...] = getattr(member, f"{kind}_categories") or (0,) * count
        return cls(
            numbers=tuple(column for column in range(count) if not categories[column]),
            categories=tuple((column, size) for column, size in enumerate(categories) if size),
        )

    @property
    def width(self) -> int:
        """Numbers that a network reads for each step, or for each series where the covariates are static."""
        return len(self.numbers) + sum(embedding_width(size) for _, size in self.categories)


def embedding_width(num_categories: int) -> int:
    """Return the length of the embedding of a category: the root of their number, bounded."""
    return min(math.isqrt(max(num_categories - 1, 0)) + 1, MAX_EMBEDDING_WIDTH)


def covariate_layouts(member: MemberSettings) -> dict[str, CovariateLayout]:
    """Return the layout of every kind of covariate that a network reads."""
    return {
        kind: CovariateLayout.of(member, kind) for kind in COVARIATE_KINDS if getattr(member, f"num_{kind}_covariates")
    }


@dataclass(frozen=True)
class Sizes:
    """The lengths that follow from the settings of a network."""

    num_segments: int  # T
    padded_length: int  # T * p, the context with its padding in front
    block_horizon: int  # steps of one pass: 1 for many-to-one, else H
    num_blocks: int  # K, segments of the block horizon
    input_size: int  # numbers a segment brings into the encoder
    recent_length: int  # R

    @classmethod
    def of(cls, member: MemberSettings) -> Sizes:
        """Work the lengths out."""
        segment_length = member.segment_length
        num_segments = -(-member.context_length // segment_length)
        block_horizon = 1 if member.mapping == "many-to-one" else member.horizon
        causal = member.normalisation == "causal"
        past, future, static = (CovariateLayout.of(member, kind).width for kind in COVARIATE_KINDS)
        # every segment must be able to read its own past: one season and a segment, not the whole window
        recent_segments = min(num_segments, -(-member.season_length // segment_length) + 1) if causal else num_segments
        return cls(
            num_segments=num_segments,
            padded_length=num_segments * segment_length,
            block_horizon=block_horizon,
            num_blocks=-(-block_horizon // segment_length),
            input_size=(2 + past + future) * segment_length + static + (NUM_CAUSAL_FEATURES if causal else 0),
            recent_length=recent_segments * segment_length,
        )


def uses_decoder(member: MemberSettings) -> bool:
    """Tell whether the horizon is unrolled by a decoder cell instead of read off one state."""
    return member.mapping in ("encoder-decoder", "one-to-many")


def uses_segment_head(member: MemberSettings) -> bool:
    """Tell whether the output layer is the segment decoder; one step ahead needs none."""
    return member.head == "segment" and not uses_decoder(member) and member.mapping in ("many-to-many",)


def head_cell(cell: Cell) -> Cell:
    """Return the cell of the segment head: `gru` for cells whose gates see no state, as they would not see the window."""
    return "gru" if CELLS[cell].is_input_gated else cell


def median_index(quantile_levels: tuple[float, ...]) -> int:
    """Return the position of the level nearest to 0.5."""
    return min(range(len(quantile_levels)), key=lambda index: abs(quantile_levels[index] - 0.5))


def expected_shapes(member: MemberSettings) -> dict[str, Shape]:
    """Return the shape of every tensor of a network by name: what a model file must hold, no more and no less."""
    sizes = Sizes.of(member)
    shapes = _buffers(member)
    shapes |= encoder_shapes(member, sizes.input_size)
    shapes |= _decoder(member) if uses_decoder(member) else _head(member, sizes)
    if member.skip:
        shapes["skip.weight"] = (sizes.block_horizon, sizes.recent_length)
    return shapes


def _buffers(member: MemberSettings) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    for kind, layout in covariate_layouts(member).items():
        if layout.numbers:
            shapes |= {f"{kind}_mean": (len(layout.numbers),), f"{kind}_scale": (len(layout.numbers),)}
        for column, size in layout.categories:
            shapes[f"{kind}_embedding.{column}"] = (size, embedding_width(size))
    if member.normalisation == "global":
        shapes |= {"global_level": (1,), "global_scale": (1,)}
    return shapes


def encoder_shapes(member: MemberSettings | CategoricalSettings, input_size: int) -> dict[str, Shape]:
    """Return the shapes of an encoder that reads so many numbers a step."""
    width = member.hidden_size
    shapes = _linear("encoder.input", width, input_size)
    for direction in ("forward", "backward")[: 2 if member.bidirectional else 1]:
        for layer in range(member.num_layers):
            shapes |= _cell(f"encoder.{direction}_layers.{layer}.", "_l0", member.cell, width)
    if member.bidirectional:
        shapes |= _linear("encoder.merge", width, 2 * width)
    return shapes


def _head(member: MemberSettings, sizes: Sizes) -> dict[str, Shape]:
    width, num_quantiles = member.hidden_size, len(member.quantile_levels)
    if not uses_segment_head(member):
        shapes = _linear("head.output", sizes.block_horizon * num_quantiles, width)
        future_steps = sizes.block_horizon
    else:
        shapes = {"head.position": (sizes.num_blocks, width)}
        shapes |= _cell("head.cell.", "", head_cell(member.cell), width)
        shapes |= _linear("head.output", member.segment_length * num_quantiles, width)
        future_steps = member.segment_length
    future = CovariateLayout.of(member, "future").width
    if future:
        shapes["head.future.weight"] = (width, future_steps * future)
    return shapes


def _decoder(member: MemberSettings) -> dict[str, Shape]:
    width, segment = member.hidden_size, member.segment_length
    context = width if member.attention == "additive" else 0
    future = CovariateLayout.of(member, "future").width
    shapes = _linear("decoder.input", width, segment * (1 + future) + context)
    shapes |= _cell("decoder.cell.", "", member.cell, width)
    shapes |= _linear("decoder.output", segment * len(member.quantile_levels), width)
    if member.attention == "additive":
        shapes |= {"decoder.attention.query.weight": (width, width), "decoder.attention.key.weight": (width, width)}
        shapes["decoder.attention.energy.weight"] = (1, width)
    elif member.attention == "dot":
        shapes["decoder.attention.combine.weight"] = (width, 2 * width)
    return shapes


def _linear(name: str, rows: int, columns: int) -> dict[str, Shape]:
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def _cell(prefix: str, suffix: str, cell: Cell, width: int) -> dict[str, Shape]:
    gates = CELLS[cell].num_gates * width
    shapes: dict[str, Shape] = {f"{prefix}weight_ih{suffix}": (gates, width), f"{prefix}bias_ih{suffix}": (gates,)}
    if not CELLS[cell].is_input_gated:
        shapes |= {f"{prefix}weight_hh{suffix}": (gates, width), f"{prefix}bias_hh{suffix}": (gates,)}
    return shapes
