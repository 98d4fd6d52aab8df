"""Transformers: stacks of blocks that encode a sequence, write one, or translate one into another."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from avcl_teach.encoders.blocks import DecoderBlock, TransformerBlock
from avcl_teach.encoders.multi_head import MultiHeadAttention
from avcl_teach.encoders.positions import sinusoidal_positions


class _Stack(nn.Module):
    """Hold blocks and, after pre-norm ones, the norm that closes the stack."""

    block: type[nn.Module]

    def __init__(self, dim: int, n_heads: int, n_layers: int, *, norm_first: bool = True, **block) -> None:
        super().__init__()
        if n_layers < 1:
            raise ValueError(f"expected n_layers >= 1, got {n_layers}")
        layers = [self.block(dim, n_heads, norm_first=norm_first, **block) for _ in range(n_layers)]
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(dim) if norm_first else nn.Identity()


class TransformerEncoder(_Stack):
    r"""Relate the positions of ONE sequence to each other: n_layers of `TransformerBlock`.

    Intra-modal: each modality's own sequence (the survey prints "inter-modal"). Permuting the input permutes
    the output alike, unless positions are added or `rotate` is given. Parameters bear the names of
    `nn.TransformerEncoder(layer, n_layers, norm=nn.LayerNorm(dim))`. Keywords as `TransformerBlock`.
    Shapes: x [batch, position, dim] -> the same. Errors: ValueError for n_layers < 1; as `TransformerBlock`.
    Source: Vaswani et al. 2017; survey 3.1, ii and iii. Lesson: 12.
    """

    block = TransformerBlock

    def forward(
        self,
        x: Float[Tensor, "batch position dim"],
        *,
        mask: Bool[Tensor, "..."] | None = None,
        causal: bool = False,
        rotate: Callable[[Tensor], Tensor] | None = None,
    ) -> Float[Tensor, "batch position dim"]:
        """Return the encoded sequence; masks as in `MultiHeadAttention`."""
        for layer in self.layers:
            x = layer(x, mask=mask, causal=causal, rotate=rotate)
        return self.norm(x)


class TransformerDecoder(_Stack):
    r"""Write a sequence from its own past and a memory: n_layers of `DecoderBlock`.

    Queries come from the sequence that is written, keys and values from the memory (the survey words it the
    other way round). The causal mask hides what is still to come, else the answer leaks into the input.
    Parameters bear the names of `nn.TransformerDecoder`. Keywords as `DecoderBlock`.
    Shapes: x [batch, position, dim], memory [batch, key, dim_memory] -> [batch, position, dim].
    Errors: as `TransformerEncoder`. Source: Vaswani et al. 2017; survey 3.1, iii. Lesson: 12.
    """

    block = DecoderBlock

    def forward(
        self,
        x: Float[Tensor, "batch position dim"],
        memory: Float[Tensor, "batch key dim_memory"],
        *,
        mask: Bool[Tensor, "..."] | None = None,
        memory_mask: Bool[Tensor, "..."] | None = None,
        causal: bool = True,
        rotate: Callable[[Tensor], Tensor] | None = None,
    ) -> Float[Tensor, "batch position dim"]:
        """Return the written sequence; `mask` is over x, `memory_mask` over the memory."""
        for layer in self.layers:
            x = layer(x, memory, mask=mask, memory_mask=memory_mask, causal=causal, rotate=rotate)
        return self.norm(x)


class EncoderDecoder(nn.Module):
    r"""Translate a sequence of one modality into symbols that describe the other.

    $$p(y_t \mid y_{<t}, x) = \mathrm{softmax}(W\, \mathrm{Dec}(y_{<t},\ m)_t),\qquad m = \mathrm{Enc}(x)$$

    The encoder reads features of the first modality; its output is the decoder's memory. Both add sinusoidal
    positions. Shapes: source [batch, key, dim_in], symbols Int [batch, position] of 0 ... n_symbols - 1 ->
    logits [batch, position, n_symbols]. Errors: ValueError for other shapes; as `MultiHeadAttention`.
    Source: Vaswani et al. 2017; survey 3.1, iii (cross-translation). Lesson: 12.
    """

    def __init__(
        self,
        dim_in: int,
        n_symbols: int,
        *,
        dim: int = 64,
        n_heads: int = 4,
        n_layers: int = 2,
        hidden: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if dim_in < 1 or n_symbols < 2:
            raise ValueError(f"expected dim_in >= 1 and n_symbols >= 2, got {dim_in} and {n_symbols}")
        self.dim_in, self.dim = dim_in, dim
        self.project, self.embed = nn.Linear(dim_in, dim), nn.Embedding(n_symbols, dim)
        nn.init.normal_(self.embed.weight, std=dim**-0.5)
        self.encoder = TransformerEncoder(dim, n_heads, n_layers, hidden=hidden, dropout=dropout)
        self.decoder = TransformerDecoder(dim, n_heads, n_layers, hidden=hidden, dropout=dropout)
        self.to_symbols = nn.Linear(dim, n_symbols)

    def encode(
        self, source: Float[Tensor, "batch key dim_in"], *, mask: Bool[Tensor, "..."] | None = None
    ) -> Float[Tensor, "batch key dim"]:
        """Return the memory: the encoded sequence of the first modality."""
        if source.ndim != 3 or source.shape[2] != self.dim_in:
            raise ValueError(f"expected source [batch, key, {self.dim_in}], got {list(source.shape)}")
        return self.encoder(self._place(self.project(source)), mask=mask)

    def decode(
        self,
        symbols: Int[Tensor, "batch position"],
        memory: Float[Tensor, "batch key dim"],
        *,
        memory_mask: Bool[Tensor, "..."] | None = None,
        causal: bool = True,
    ) -> Float[Tensor, "batch position n_symbols"]:
        """Return logits of what follows each symbol. causal=False lets the future leak in: for study only."""
        if symbols.ndim != 2 or len(symbols) != len(memory):
            raise ValueError(f"expected symbols [{len(memory)}, position], got {list(symbols.shape)}")
        x = self._place(self.embed(symbols) * self.dim**0.5)
        return self.to_symbols(self.decoder(x, memory, memory_mask=memory_mask, causal=causal))

    def forward(
        self,
        source: Float[Tensor, "batch key dim_in"],
        symbols: Int[Tensor, "batch position"],
        *,
        source_mask: Bool[Tensor, "..."] | None = None,
        causal: bool = True,
    ) -> Float[Tensor, "batch position n_symbols"]:
        """Return logits of what follows each symbol, given the other modality."""
        memory = self.encode(source, mask=source_mask)
        return self.decode(symbols, memory, memory_mask=source_mask, causal=causal)

    def _place(self, x: Tensor) -> Tensor:
        return x + sinusoidal_positions(x.shape[1], self.dim, device=x.device).to(x.dtype)


def shift_right(symbols: Int[Tensor, "batch position"], start: int) -> Int[Tensor, "batch position"]:
    """Return the decoder's input: the start symbol, then the targets but the last. Lesson: 12.

    Position t then sees targets 0 ... t - 1 and is asked for target t. Errors: ValueError for other shapes.

    >>> shift_right(torch.tensor([[5, 6, 7]]), 1).tolist()
    [[1, 5, 6]]
    """
    if symbols.ndim != 2 or not symbols.shape[1]:
        raise ValueError(f"expected symbols [batch, position >= 1], got {list(symbols.shape)}")
    return torch.cat([torch.full_like(symbols[:, :1], start), symbols[:, :-1]], dim=1)


def next_symbol_loss(
    logits: Float[Tensor, "batch position symbol"], targets: Int[Tensor, "batch position"], *, pad: int
) -> Float[Tensor, ""]:
    r"""Average $-\ln p(y_t \mid y_{<t}, x)$ over all targets that are not padding.

    Errors: ValueError for shapes that do not fit or targets that are all padding (checked on the CPU only).
    Lesson: 12.
    """
    if logits.shape[:-1] != targets.shape:
        raise ValueError(f"expected targets {list(logits.shape[:-1])}, got {list(targets.shape)}")
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=pad)


@torch.no_grad()
def translate(
    model: EncoderDecoder,
    source: Float[Tensor, "batch key dim_in"],
    *,
    start: int,
    stop: int,
    pad: int,
    max_length: int,
    source_mask: Bool[Tensor, "..."] | None = None,
) -> Int[Tensor, "batch position"]:
    """Write the likeliest next symbol, feed it back, and go on to the stop symbol or max_length (greedy).

    Returns symbols [batch, max_length], padding after the stop. The memory is encoded once; the past is
    read anew at each step. Errors: ValueError for max_length < 1; as `EncoderDecoder`. Lesson: 12.
    """
    if max_length < 1:
        raise ValueError(f"expected max_length >= 1, got {max_length}")
    memory = model.encode(source, mask=source_mask)
    written = torch.full((len(source), 1), start, device=source.device)
    done = torch.zeros(len(source), dtype=torch.bool, device=source.device)
    for _ in range(max_length):
        following = model.decode(written, memory, memory_mask=source_mask)[:, -1].argmax(-1)
        following = following.masked_fill(done, pad)
        done = done | (following == stop)
        written = torch.cat([written, following[:, None]], dim=1)
    return written[:, 1:]


@torch.no_grad()
def attention_maps(model: nn.Module, *inputs, **settings) -> dict[str, Float[Tensor, "batch head query key"]]:
    """Call a model and return the weights of every `MultiHeadAttention` in it, by the name of its place.

    Nothing of the model changes. Errors: ValueError for a model without one; else as the model. Lesson: 12.
    """
    found = {name: m for name, m in model.named_modules() if isinstance(m, MultiHeadAttention)}
    if not found:
        raise ValueError(f"expected a model with MultiHeadAttention in it, got {type(model).__name__}")
    maps: dict[str, Tensor] = {}

    def listen(name: str) -> Callable:
        def hook(module: nn.Module, args: tuple, kwargs: dict) -> None:
            maps[name] = module.attention_weights(*args, **kwargs)

        return hook

    handles = [m.register_forward_pre_hook(listen(n), with_kwargs=True) for n, m in found.items()]
    try:
        model(*inputs, **settings)
    finally:
        for handle in handles:
            handle.remove()
    return maps
