"""Train two networks against each other: alternating steps, an optimiser each, a running mean of weights."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from avcl_teach.objectives.memory_bank import momentum_update
from avcl_teach.training import order
from avcl_teach.training.arguments import check_data, check_loss
from avcl_teach.training.errors import NonFiniteLossError

Loss = Callable[[nn.Module, nn.Module, tuple[Tensor, ...]], Tensor]


@dataclass
class Duel:
    """Hold what a game left: both losses a step, what `watch` returned, and the averaged generator.

    averaged: the running mean of the generator's weights, or None. seconds: processor time of the steps.
    """

    generator_losses: list[float] = field(default_factory=list)
    discriminator_losses: list[float] = field(default_factory=list)
    watched: list[tuple[int, Any]] = field(default_factory=list)
    averaged: nn.Module | None = None
    seconds: float = 0.0


def fit_two(
    generator: nn.Module,
    discriminator: nn.Module,
    generator_loss: Loss,
    discriminator_loss: Loss,
    data: Sequence[Tensor] | Tensor,
    *,
    steps: int,
    batch_size: int,
    lr_generator: float = 1e-4,
    lr_discriminator: float = 4e-4,
    betas: tuple[float, float] = (0.0, 0.9),
    n_discriminator: int = 1,
    average: float | None = None,
    average_from: int = 0,
    seed: int = 0,
    watch: Callable[[nn.Module, nn.Module, int], Any] | None = None,
    watch_every: int = 1,
    device: str | torch.device = "cpu",
) -> Duel:
    """Let two networks play for `steps` rounds, in place, and return the record of the game.

    A round is n_discriminator steps of D, each on a batch of its own, then one of G. Each player has an Adam
    of its own: one optimiser for both would move each to please the other.

    - generator_loss(G, D, batch), discriminator_loss(G, D, batch): scalars. While D moves G is frozen, and
      the other way round, so that no gradient reaches the other player's weights; a discriminator loss
      should still detach, or make under no_grad, what G gives, to save that work.
    - Two time scales (Heusel et al. 2017): lr_discriminator above lr_generator, by default 4 times.
    - betas (0, 0.9): little memory of past gradients, for the other player has moved since.
    - average = m keeps weights <- m weights + (1 - m) G after each round from `average_from` on
      (Yaz et al. 2019): `Duel.averaged`, in evaluation mode. G itself plays on unaveraged.
    - watch(G, D, round) is called without gradient before the first round, every `watch_every` rounds and
      after the last; what it returns goes to `Duel.watched`. It should not leave weights changed.
    - Batches and random numbers follow from `seed`, whether watched or not. The caller's random state is
      left as it was.

    Errors: ValueError for arguments or data that do not fit; NonFiniteLossError where a loss is NaN or
    infinite. Lesson: 15.
    """
    data = (data,) if isinstance(data, Tensor) else tuple(data)
    n = check_data(data)
    _check(steps, batch_size, n, n_discriminator, average, watch_every, lr_generator, lr_discriminator)
    device = torch.device(device)
    players = generator.to(device).train(), discriminator.to(device).train()
    adams = [_adam(net, lr, betas) for net, lr in zip(players, (lr_generator, lr_discriminator), strict=True)]
    duel = Duel(averaged=None if average is None else copy.deepcopy(generator).eval())
    index = order.batches(
        n, batch_size=batch_size, seed=seed, first_step=0, steps=steps * (n_discriminator + 1)
    )
    started = time.process_time()
    with order.keep_random_state():
        order.seed_step(seed, 0)
        for s in range(steps):
            if s % watch_every == 0:
                _watch(duel, watch, players, s)
            for _ in range(n_discriminator):
                batch = order.gather(data, next(index), device)
                L_D = _move(players, 1, adams[1], discriminator_loss, batch, s)
            L_G = _move(players, 0, adams[0], generator_loss, order.gather(data, next(index), device), s)
            duel.discriminator_losses.append(L_D)
            duel.generator_losses.append(L_G)
            if duel.averaged is not None:
                momentum_update(generator, duel.averaged, m=average if s >= average_from else 0.0)
        _watch(duel, watch, players, steps)
    duel.seconds = time.process_time() - started
    for net in players:
        net.eval()
    return duel


def _adam(net: nn.Module, lr: float, betas: tuple[float, float]) -> torch.optim.Optimizer:
    weights = [p for p in net.parameters() if p.requires_grad]
    if not weights:
        raise ValueError(f"expected trainable parameters, {type(net).__name__} has none")
    fused = all(p.device.type in ("cpu", "cuda") for p in weights)
    return torch.optim.Adam(weights, lr=lr, betas=betas, fused=fused)


def _move(
    players: tuple[nn.Module, nn.Module],
    mover: int,
    optimizer: torch.optim.Optimizer,
    loss_fn: Loss,
    batch: tuple[Tensor, ...],
    step: int,
) -> float:
    """Take one step of one player with the other one frozen."""
    frozen = [p for p in players[1 - mover].parameters() if p.requires_grad]
    for p in frozen:
        p.requires_grad_(False)
    try:
        loss = loss_fn(*players, batch)
        check_loss(loss)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
    finally:
        for p in frozen:
            p.requires_grad_(True)
    value = loss.item()
    if not math.isfinite(value):
        named = list(players[mover].named_parameters())
        raise NonFiniteLossError(
            step=step, loss=value, lr=optimizer.param_groups[0]["lr"], last_finite_loss=None,
            parameters=[k for k, p in named if not p.isfinite().all()],
            gradients=[k for k, p in named if p.grad is not None and not p.grad.isfinite().all()],
        )  # fmt: skip
    optimizer.step()
    return value


def _watch(duel: Duel, watch: Callable | None, players: tuple, step: int) -> None:
    if watch is None:
        return
    with torch.no_grad(), order.keep_random_state():
        duel.watched.append((step, watch(*players, step)))
    for net in players:
        net.train()


def _check(steps, batch_size, n, n_discriminator, average, watch_every, *rates) -> None:
    for name, value in (
        ("steps", steps),
        ("batch_size", batch_size),
        ("n_discriminator", n_discriminator),
        ("watch_every", watch_every),
    ):
        if value < 1:
            raise ValueError(f"expected {name} >= 1, got {value}")
    if batch_size > n:
        raise ValueError(f"expected a batch of at most {n} samples, got {batch_size}")
    if average is not None and not 0 <= average < 1:
        raise ValueError(f"expected average of at least 0 and below 1, or None, got {average}")
    if not all(rate > 0 for rate in rates):
        raise ValueError(f"expected learning rates above 0, got {rates}")
