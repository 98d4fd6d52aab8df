"""Exercise 4 of lesson 12: DropToken."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def place_and_drop(
    x: Float[Tensor, "batch token dim"],
    P: Float[Tensor, "token dim"],
    lots: Float[Tensor, "batch token"],
    rate: float,
    training: bool,
) -> Float[Tensor, "batch kept dim"]:
    """Add positions P; in training keep the share 1 - rate with the highest lots, in order."""
    x = x + P
    return _keep(x, lots, rate) if training else x


def _keep(x, lots, rate):
    kept = round((1 - rate) * x.shape[1])
    at = lots.topk(kept, dim=1).indices.sort(dim=1).values
    return x.gather(1, at[..., None].expand(-1, -1, x.shape[2]))


def by_threshold(x, P, lots, rate, training):
    if not training:
        return x + P
    kept = round((1 - rate) * x.shape[1])
    rank = (lots[:, None, :] > lots[:, :, None]).sum(2)
    return torch.stack([(row + P)[r < kept] for row, r in zip(x, rank, strict=True)])


def by_indexing(x, P, lots, rate, training):
    if not training:
        return x + P
    kept = round((1 - rate) * x.shape[1])
    at = lots.argsort(dim=1, descending=True)[:, :kept].sort(dim=1).values
    rows = torch.arange(len(x), device=x.device)[:, None]
    return x[rows, at] + P[at]


def _case(g, b, n, d, rate, training):
    x, P = torch.randn(b, n, d, generator=g), torch.randn(n, d, generator=g)
    return x, P, torch.stack([torch.randperm(n, generator=g) for _ in range(b)]) / n, rate, training


def half_of_eight(g):
    return _case(g, 3, 8, 4, 0.5, True)


def quarter_of_eight(g):
    return _case(g, 2, 8, 3, 0.25, True)


def most_of_six(g):
    return _case(g, 3, 6, 2, 2 / 3, True)


def at_test(g):
    return _case(g, 2, 6, 3, 0.5, False)


def dropped_before_positions(x, P, lots, rate, training):
    y = _keep(x, lots, rate) if training else x
    return y + P[: y.shape[1]]


def dropped_at_test(x, P, lots, rate, training):
    return place_and_drop(x, P, lots, rate, True)


def never_dropped(x, P, lots, rate, training):
    return x + P


def dropped_only_at_test(x, P, lots, rate, training):
    return place_and_drop(x, P, lots, rate, not training)


def same_lots_for_all(x, P, lots, rate, training):
    return place_and_drop(x, P, lots[:1].expand_as(lots), rate, training)


def set_to_zero(x, P, lots, rate, training):
    x = x + P
    if not training:
        return x
    kept = round((1 - rate) * x.shape[1])
    rank = (lots[:, None, :] > lots[:, :, None]).sum(2)
    return x * (rank < kept)[..., None]


def scaled_like_dropout(x, P, lots, rate, training):
    y = place_and_drop(x, P, lots, rate, training)
    return y / (1 - rate) if training else y


def share_turned_round(x, P, lots, rate, training):
    return place_and_drop(x, P, lots, 1 - rate, training)


def lowest_lots(x, P, lots, rate, training):
    return place_and_drop(x, P, -lots, rate, training)


def in_order_of_lots(x, P, lots, rate, training):
    if not training:
        return x + P
    kept = round((1 - rate) * x.shape[1])
    at = lots.topk(kept, dim=1).indices
    return (x + P).gather(1, at[..., None].expand(-1, -1, x.shape[2]))


def no_positions(x, P, lots, rate, training):
    return _keep(x, lots, rate) if training else x + 0 * P


def first_tokens(x, P, lots, rate, training):
    return (x + P)[:, : round((1 - rate) * x.shape[1])] if training else x + P


DROPS = Exercise(
    name="transformers.place_and_drop",
    lesson="12",
    title="Drop tokens, and know where the others came from",
    stars=2,
    minutes=10,
    reference=place_and_drop,
    cases=(half_of_eight, quarter_of_eight, most_of_six, at_test),
    mistakes=(
        Mistake(
            dropped_before_positions,
            "The fifth token is kept as the second. Which position does it carry in yours?",
        ),
        Mistake(
            dropped_at_test, "At test, every token is there for the taking. What does yours do with them?"
        ),
        Mistake(never_dropped, "Is there a difference between training and test in yours?"),
        Mistake(dropped_only_at_test, "When are tokens dropped: in training, or at test?"),
        Mistake(
            same_lots_for_all, "Do all clips of your batch lose the same tokens? Each has lots of its own."
        ),
        Mistake(set_to_zero, "How long is your sequence after dropping? What would be saved that way?"),
        Mistake(
            scaled_like_dropout, "Attention averages over what is there. Is there anything to make up for?"
        ),
        Mistake(share_turned_round, "Is the rate the share that goes, or the share that stays?"),
        Mistake(lowest_lots, "The highest lots stay. Which stay in yours?"),
        Mistake(in_order_of_lots, "Right tokens. In which order do they leave, and in which did they come?"),
        Mistake(no_positions, "Change P. Does your answer change?"),
        Mistake(first_tokens, "Yours keeps the first tokens of every clip. What are the lots for?"),
    ),
    alternatives=(by_threshold, by_indexing),
    properties=(properties.batch_independent(half_of_eight, arg=(0, 2)),),
    device=False,
)
