"""What is compared of the encoders: the kit's modules and PyTorch's own, with the same weights."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from benchmarks.side_by_side.case import FEW, SOME, Case, Run, agreement, faster, memory_share

LAYER = "nn.TransformerEncoderLayer"
TWO_CALLS = "two nn.MultiheadAttention"
WITH_WEIGHTS = "two nn.MultiheadAttention, as called by default"
PEERS = (LAYER, TWO_CALLS, WITH_WEIGHTS)


def training_step(
    forward: Callable[[], Sequence[Tensor]], inputs: Sequence[Tensor], *modules: nn.Module
) -> Run:
    """A run forward and backward: outputs, gradients of the inputs, gradients of the weights by name."""
    weights = [dict(module.named_parameters()) for module in modules]
    leaves = [*inputs, *(named[name] for named in weights for name in sorted(named))]
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        cotangents = [torch.randn(y.shape, generator=g) for y in forward()]

    def run() -> tuple:
        for leaf in leaves:
            leaf.grad = None
        outputs = forward()
        torch.autograd.backward(list(outputs), cotangents)
        return (*(y.detach() for y in outputs), *(leaf.grad for leaf in leaves))

    return run


def sequence(batch: int, length: int, dim: int, *, seed: int = 0) -> Tensor:
    """A batch of random sequences that wants a gradient."""
    return torch.randn(batch, length, dim, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def block(batch: int, dim: int, heads: int, *, seen: str = "all", dropout: float = 0.0):
    """A pre-norm block of n positions that see all, the past (causal), or what is no padding."""

    def contenders(n: int) -> dict:
        from avcl_teach.encoders import TransformerBlock, padding_mask

        torch.manual_seed(0)
        theirs = nn.TransformerEncoderLayer(
            dim, heads, 4 * dim, dropout, "gelu", batch_first=True, norm_first=True
        )
        ours = TransformerBlock(dim, heads, dropout=dropout)
        ours.load_state_dict(theirs.state_dict())
        x = sequence(batch, n, dim)
        lengths = torch.arange(batch) % (n // 2) + n // 2 + 1
        own, other = {
            "all": ({}, {}),
            "causal": (
                {"causal": True},
                {"src_mask": nn.Transformer.generate_square_subsequent_mask(n), "is_causal": True},
            ),
            "padded": (
                {"mask": padding_mask(lengths, n)},
                {"src_key_padding_mask": torch.arange(n) >= lengths[:, None]},
            ),
        }[seen]
        return {
            "TransformerBlock": lambda: training_step(lambda: [ours(x, **own)], [x], ours),
            LAYER: lambda: training_step(lambda: [theirs(x, **other)], [x], theirs),
        }

    return contenders


def co_attention(batch: int, dim: int, heads: int, *, longer: int = 2):
    """Sound of n steps and picture of `longer` times as many that look at each other, both added to.

    PyTorch's module returns the weights of attention unless told not to, which keeps it from its fused
    kernel: both ways are timed.
    """

    def contenders(n: int) -> dict:
        from avcl_teach.encoders import CoAttention

        torch.manual_seed(0)
        to_a, to_v = (nn.MultiheadAttention(dim, heads, batch_first=True) for _ in range(2))
        ours = CoAttention(dim, heads)
        ours.to_a.load_state_dict(to_a.state_dict())
        ours.to_v.load_state_dict(to_v.state_dict())
        a, v = sequence(batch, n, dim), sequence(batch, longer * n, dim, seed=1)

        def two_calls(weights: bool) -> list[Tensor]:
            from_v = to_a(a, v, v, need_weights=weights)[0]
            return [a + from_v, v + to_v(v, a, a, need_weights=weights)[0]]

        return {
            "CoAttention": lambda: training_step(lambda: ours(a, v), [a, v], ours.to_a, ours.to_v),
            TWO_CALLS: lambda: training_step(lambda: two_calls(False), [a, v], to_a, to_v),
            WITH_WEIGHTS: lambda: training_step(lambda: two_calls(True), [a, v], to_a, to_v),
        }

    return contenders


def _co_attention_case(key: str, words: str, n: int, batch: int, dim: int, heads: int, **more) -> Case:
    memory, turns = more.pop("memory", None), more.pop("turns", SOME)
    # long sequences spend their time in the kernel that both call: no slower, within what runs differ by
    least = 0.95 if memory else 1.0
    bounds = [faster("CoAttention", TWO_CALLS, least), agreement("CoAttention", TWO_CALLS, 1e-5)]
    if memory:
        bounds.append(memory_share("CoAttention", WITH_WEIGHTS, memory))
    setting = f"{batch} pairs of {n} and {2 * n} steps, {dim} wide, {heads} heads, forward and backward"
    measured = ("CoAttention", TWO_CALLS, WITH_WEIGHTS) if memory else ()
    make, title = co_attention(batch, dim, heads), f"Co-attention, {words}"
    return Case(key, title, setting, n, make, tuple(bounds), TWO_CALLS, measured, turns)


def _block_case(key: str, words: str, n: int, batch: int, dim: int, heads: int, **more) -> Case:
    memory = more.pop("memory", None)
    turns = more.pop("turns", SOME)
    bounds = [faster("TransformerBlock", LAYER, 0.95 if memory else 1.0)]
    if not more.get("dropout"):
        bounds.append(agreement("TransformerBlock", LAYER, 1e-5))
    if memory:
        bounds.append(memory_share("TransformerBlock", LAYER, memory))
    setting = f"{batch} sequences of {n} positions, {dim} wide, {heads} heads, pre-norm, forward and backward"
    measured = ("TransformerBlock", LAYER) if memory else ()
    make = block(batch, dim, heads, **more)
    reference = None if more.get("dropout") else LAYER
    title = f"Transformer block, {words}"
    return Case(key, title, setting, n, make, tuple(bounds), reference, measured, turns)


CASES = (
    _block_case("block", "128 wide", 64, 16, 128, 4),
    _block_case("block_small", "64 wide, as in the lessons", 16, 64, 64, 4),
    _block_case("block_wide", "256 wide", 128, 8, 256, 8, turns=FEW),
    _block_case("block_causal", "causal", 64, 16, 128, 4, seen="causal"),
    _block_case("block_padded", "with padding", 64, 16, 128, 4, seen="padded"),
    _block_case("block_dropout", "with dropout 0.1", 64, 16, 128, 4, dropout=0.1),
    _block_case("block_long", "4,096 positions", 4096, 1, 64, 4, memory=1.0, turns=FEW),
    _co_attention_case("co_attention", "128 wide", 64, 16, 128, 4),
    _co_attention_case("co_attention_small", "64 wide, as in the lessons", 8, 64, 64, 4),
    _co_attention_case("co_attention_long", "2,048 and 4,096 steps", 2048, 1, 64, 4, memory=0.1, turns=FEW),
)
