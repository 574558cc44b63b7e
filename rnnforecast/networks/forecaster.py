"""The forecaster: normalise, encode, read the horizon off, and the loss it is trained by.

Axis legend: B batch, C context_length, H steps of one pass, T segments, p segment_length, L positions forecast from,
F features, Q quantiles, d hidden_size.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rnnforecast.config import MemberSettings
from rnnforecast.data.windows import WindowBatch
from rnnforecast.frozen import dataclass
from rnnforecast.inference.inputs import encode_covariates, future_inputs, one_step_window, segment_inputs
from rnnforecast.inference.normalisation import Normalised, WindowNormaliser, arange_like, pad_front
from rnnforecast.inference.shapes import (
    CovariateLayout,
    Sizes,
    covariate_layouts,
    embedding_width,
    head_cell,
    median_index,
    uses_decoder,
    uses_segment_head,
)
from rnnforecast.networks.decoders import Decoder, Truth
from rnnforecast.networks.encoders import Encoder
from rnnforecast.networks.heads import LinearHead, SegmentHead
from rnnforecast.networks.losses import PinballLoss

# a synchronous network of many segments is trained at this many of them a step, drawn anew each time
MAX_TRAINED_POSITIONS = 32


@dataclass(frozen=True)
class Prediction:
    """What one pass gives: outputs in normalised units and the way back to the user's."""

    outputs: Tensor  # [B, L, H, Q]
    normalised: Normalised
    attention: Tensor  # [B, K, T], K 0 without attention


class RecurrentForecaster(nn.Module):
    """A recurrent network over normalised windows, whose parts `build_network` makes from settings.

    `horizon` is what `forecast` gives; `normaliser.horizon` what one pass gives (1 for many-to-one, whose medians
    are fed back). `covariates` says how those of each kind that the network reads are laid out.
    """

    global_level: Tensor
    global_scale: Tensor

    def __init__(
        self,
        *,
        normaliser: WindowNormaliser,
        encoder: Encoder,
        head: LinearHead | SegmentHead | Decoder,
        pinball: PinballLoss,
        context_length: int,
        horizon: int,
        synchronous: bool,
        covariates: Mapping[str, CovariateLayout],
    ) -> None:
        super().__init__()
        self.normaliser = normaliser
        self.pinball = pinball
        self.context_length = context_length
        self.horizon = horizon
        self.synchronous = synchronous
        self.encoder = encoder
        self.head = head if isinstance(head, LinearHead | SegmentHead) else None
        self.decoder = head if isinstance(head, Decoder) else None
        self.skip: nn.Linear | None = None
        if normaliser.recent_length:
            self.skip = nn.Linear(normaliser.recent_length, normaliser.horizon, bias=False)
            nn.init.zeros_(self.skip.weight)
        self._covariates = dict(covariates)
        for kind, layout in self._covariates.items():
            if layout.numbers:
                self.register_buffer(f"{kind}_mean", torch.zeros(len(layout.numbers)))
                self.register_buffer(f"{kind}_scale", torch.ones(len(layout.numbers)))
            if layout.categories:
                tables = {str(column): _first_table(size) for column, size in layout.categories}
                self.register_module(f"{kind}_embedding", nn.ParameterDict(tables))
        if normaliser.kind == "global":
            self.register_buffer("global_level", torch.zeros(1, dtype=torch.float64))
            self.register_buffer("global_scale", torch.ones(1, dtype=torch.float64))

    @property
    def training_horizon(self) -> int:
        """Steps of the future that `loss` looks at."""
        return self.normaliser.horizon

    def set_global(self, level: float, scale: float) -> None:
        """Set level and scale of normalisation `global`, as learned (of logarithms where the network uses them)."""
        if self.normaliser.kind != "global":
            raise ValueError(f"normalisation `{self.normaliser.kind}` has no global level and scale")
        self.global_level.fill_(level)
        self.global_scale.fill_(scale)

    def set_covariate_scaling(self, kind: str, mean: Tensor, scale: Tensor) -> None:
        """Set mean and scale [F], taken from the training data, of the `past`, `future` or `static` numbers."""
        if kind not in self._covariates:
            raise ValueError(f"this network reads no `{kind}` covariates")
        numbers = self._covariates[kind].numbers
        if not numbers:
            return
        mean, scale = mean[list(numbers)], scale[list(numbers)]
        self.get_buffer(f"{kind}_mean").copy_(mean)
        self.get_buffer(f"{kind}_scale").copy_(torch.where(scale > 0, scale, torch.ones_like(scale)))

    @torch.no_grad()
    def zero_unseen_categories(self, kind: str, values: Tensor) -> None:
        """Zero the embeddings of categories absent from the training data `values` [n, F], as for unknown ones."""
        for column, size in self._covariates[kind].categories:
            codes = values[:, column]
            counts = torch.bincount(codes[torch.isfinite(codes)].long(), minlength=size + 1)
            self.get_parameter(f"{kind}_embedding.{column}")[counts[1:] == 0] = 0.0

    def forward(
        self,
        batch: WindowBatch,
        *,
        positions: Tensor | None = None,
        teacher_forcing: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Prediction:
        """Run one pass. `positions` [L] are the segments to forecast from (default: the end of the window, L = 1)."""
        batch = encode_covariates(torch, batch, self._covariate_tensors(), self._covariates)
        with torch.no_grad():
            normalised = self.normaliser.normalise(
                torch,
                batch.past_target,
                batch.past_observed,
                global_scaling=(self.global_level, self.global_scale) if self.normaliser.kind == "global" else None,
                positions=positions,
                dtype=self.encoder.input.weight.dtype,
            )
        segment_length = self.normaliser.segment_length
        attends = self.decoder is not None and self.decoder.attention is not None
        states, final = self.encoder(
            segment_inputs(torch, normalised, batch, segment_length),
            generator,
            last_only=positions is None and not attends,
        )
        future = future_inputs(
            torch, batch, self.training_horizon, segment_length=segment_length, positions=positions
        )  # [B, L, H, F]
        simple = self._simple_forecast(normalised)  # [B, L, H]
        if self.decoder is not None:
            outputs, attention = self.decoder(
                (states, final),
                previous=normalised.values[:, -segment_length:],
                seen=normalised.observed.unflatten(1, (-1, segment_length)).any(-1),
                simple=simple[:, 0],
                future=None if future is None else future[:, 0],
                truth=self._truth(batch, normalised, teacher_forcing, generator),
            )
            return Prediction(outputs[:, None], normalised, attention)
        if self.head is None:
            raise RuntimeError("a network has a decoder or a head")
        chosen = final[:, None] if positions is None else states[:, positions]  # [B, L, d]
        outputs = self.head(chosen, future) + simple[..., None]
        return Prediction(outputs, normalised, final.new_zeros(len(final), 0, self.normaliser.num_segments))

    def loss(
        self, batch: WindowBatch, *, teacher_forcing: float = 0.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the scalar loss over the horizon after the windows; while training, `synchronous` networks add
        the horizon after each segment inside them. `generator` draws all that is random.
        """
        positions = self._trained_positions(generator, batch.past_target.device)
        predicted = self(batch, positions=positions, teacher_forcing=teacher_forcing, generator=generator)
        target, observed = self._targets(batch, positions)
        normalised = predicted.normalised
        return self.pinball(
            predicted.outputs,
            target,
            observed & normalised.known[:, :, None],
            level=normalised.level,
            scale=normalised.scale,
            loss_scale=batch.loss_scale,
        )

    @torch.no_grad()
    def forecast(self, batch: WindowBatch) -> Tensor:
        """Forecast the horizon after each window: [B, H, Q] float64, original units, ascending along Q.

        Quantiles that cross are sorted (monotone rearrangement, Chernozhukov et al. 2010).
        """
        training = self.training
        self.eval()
        learned = self._block(batch) if self.horizon == self.training_horizon else self._recursive(batch)
        self.train(training)
        return torch.sort(self.normaliser.restore(torch, learned), dim=-1).values

    @torch.no_grad()
    def attention_weights(self, batch: WindowBatch) -> Tensor:
        """Return how much each segment of the horizon looked at each of the window: [B, K, T], rows sum to 1."""
        training = self.training
        self.eval()
        attention: Tensor = self(batch).attention
        self.train(training)
        return attention

    def _block(self, batch: WindowBatch) -> Tensor:
        """Return one pass as learned: [B, H, Q] float64."""
        predicted: Prediction = self(batch)
        normalised = predicted.normalised
        level, scale = normalised.level[:, :, None], normalised.scale[:, :, None]
        learned: Tensor = level + scale * predicted.outputs[:, 0]
        return learned

    def _recursive(self, batch: WindowBatch) -> Tensor:
        """Forecast step by step, the median taken for the truth; the spread grows with the root of the lead time."""
        median = median_index(self.pinball.quantile_levels)
        past, observed = batch.past_target, batch.past_observed
        path = []
        for lead in range(self.horizon):
            window = one_step_window(torch, batch, past, observed, lead=lead)
            learned = torch.sort(self._block(window)[:, 0], dim=-1).values  # [B, Q]
            centre = learned[:, median : median + 1]
            path.append(centre + (learned - centre) * (lead + 1) ** 0.5)
            past = torch.cat([past[:, 1:], self.normaliser.restore(torch, centre)], dim=1)
            observed = torch.cat([observed[:, 1:], torch.ones_like(observed[:, :1])], dim=1)
        return torch.stack(path, dim=1)

    def _simple_forecast(self, normalised: Normalised) -> Tensor:
        """Return what the cells correct: base plus linear path, [B, L, H]."""
        shape = (len(normalised.values), normalised.level.shape[1], self.training_horizon)
        simple: Tensor = normalised.values.new_zeros(shape)
        if normalised.base is not None:
            simple = simple + normalised.base
        if self.skip is not None:
            simple = simple + self.skip(normalised.recent)
        return simple

    def _truth(
        self, batch: WindowBatch, normalised: Normalised, probability: float, generator: torch.Generator | None
    ) -> Truth | None:
        if probability <= 0:
            return None
        target, observed = self._targets(batch, None)
        values = ((target - normalised.level[:, :, None]) / normalised.scale[:, :, None])[:, 0]
        limit = self.normaliser.input_limit
        return Truth(values.clamp(-limit, limit).to(normalised.values.dtype), observed[:, 0], probability, generator)

    def _targets(self, batch: WindowBatch, positions: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the steps after each position as learned, and their mask: [B, L, H]."""
        future, seen = self.normaliser.transform(torch, batch.future_target, batch.future_observed)
        if positions is None:
            return future[:, None], seen[:, None]
        past, past_seen = self.normaliser.transform(torch, batch.past_target, batch.past_observed)
        padding = -self.context_length % self.normaliser.segment_length
        values = pad_front(torch, torch.cat([past, future], dim=1), padding)
        mask = pad_front(torch, torch.cat([past_seen, seen], dim=1), padding)
        steps = arange_like(torch, future, self.training_horizon)
        index = (positions[:, None] + 1) * self.normaliser.segment_length + steps  # [L, H]
        return values[:, index], mask[:, index]

    def _trained_positions(self, generator: torch.Generator | None, device: torch.device) -> Tensor | None:
        """Return the segments to train at: all of them, or evenly spaced ones with a drawn start, the last always."""
        if not (self.synchronous and self.training):
            return None
        num_segments = self.normaliser.num_segments
        stride = -(-num_segments // MAX_TRAINED_POSITIONS)
        place = torch.device("cpu") if generator is None else generator.device
        start = int(torch.randint(stride, (1,), generator=generator, device=place)) if stride > 1 else 0
        positions = torch.arange(start, num_segments, stride, device=device)
        last = torch.tensor([num_segments - 1], device=device)
        return positions if (num_segments - 1 - start) % stride == 0 else torch.cat([positions, last])

    def _covariate_tensors(self) -> dict[str, Tensor]:
        """Return means, scales and tables by the names they have in a model file."""
        tensors: dict[str, Tensor] = {}
        for kind, layout in self._covariates.items():
            if layout.numbers:
                tensors |= {name: self.get_buffer(name) for name in (f"{kind}_mean", f"{kind}_scale")}
            for column, _ in layout.categories:
                tensors[f"{kind}_embedding.{column}"] = self.get_parameter(f"{kind}_embedding.{column}")
        return tensors


def _first_table(num_categories: int) -> Tensor:
    """Return drawn vectors of categories, [V, E], with mean zero: what an unknown category is read as."""
    table = torch.randn(num_categories, embedding_width(num_categories))
    return table - table.mean(0)


def build_network(member: MemberSettings, *, seed: int = 0) -> RecurrentForecaster:
    """Build the network of these settings with weights drawn from `seed`; no global random state is touched."""
    sizes = Sizes.of(member)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return RecurrentForecaster(
            normaliser=WindowNormaliser.of(member),
            encoder=Encoder(
                cell=member.cell,
                input_size=sizes.input_size,
                hidden_size=member.hidden_size,
                num_layers=member.num_layers,
                residual=member.residual,
                bidirectional=member.bidirectional,
                dropout=member.dropout,
            ),
            head=_build_head(member, sizes),
            pinball=PinballLoss(member.quantile_levels, loss_scale=member.loss_scale, log=member.log),
            context_length=member.context_length,
            horizon=member.horizon,
            synchronous=member.synchronous,
            covariates=covariate_layouts(member),
        )


def _build_head(member: MemberSettings, sizes: Sizes) -> LinearHead | SegmentHead | Decoder:
    num_future = CovariateLayout.of(member, "future").width
    if uses_decoder(member):
        return Decoder(
            cell=member.cell,
            hidden_size=member.hidden_size,
            horizon=member.horizon,
            segment_length=member.segment_length,
            num_future=num_future,
            attention=member.attention,
            quantile_levels=member.quantile_levels,
        )
    if uses_segment_head(member):
        return SegmentHead(
            cell=head_cell(member.cell),
            hidden_size=member.hidden_size,
            horizon=member.horizon,
            segment_length=member.segment_length,
            num_future=num_future,
            quantile_levels=member.quantile_levels,
        )
    return LinearHead(
        hidden_size=member.hidden_size,
        horizon=sizes.block_horizon,
        num_future=num_future,
        quantile_levels=member.quantile_levels,
    )
