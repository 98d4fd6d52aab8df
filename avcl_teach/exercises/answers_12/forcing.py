"""Exercise 3 of lesson 12: teacher forcing, without leakage."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def forced_loss(
    W: Float[Tensor, "symbol symbol"], targets: Int[Tensor, "batch position"], start: int, pad: int
) -> Float[Tensor, ""]:
    """Average -ln p(target | symbol before it) over targets but padding; W[s] scores what follows s."""
    return _loss(W[_shifted(targets, start)], targets, pad)


def _shifted(targets, start):
    return torch.cat([torch.full_like(targets[:, :1], start), targets[:, :-1]], dim=1)


def _loss(logits, targets, pad):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=pad)


def by_picking(W, targets, start, pad):
    inputs = F.pad(targets, (1, 0), value=start)[:, :-1]
    keep = targets != pad
    return -W.log_softmax(1)[inputs[keep], targets[keep]].mean()


def by_loop(W, targets, start, pad):
    total, count = 0 * W.sum(), 0
    for row in targets:
        before = torch.full_like(row[0], start)
        for y in row:
            if bool(y != pad):
                total, count = total + W[before].logsumexp(0) - W[before, y], count + 1
            before = y
    return total / count


def _rows(g, lengths, n=5, width=None):
    """Return targets of symbols 0 ... n - 1, with padding n + 1 to one common width."""
    width = max(lengths) if width is None else width
    rows = torch.full((len(lengths), width), n + 1)
    for row, length in zip(rows, lengths, strict=True):
        row[:length] = torch.randint(n, (length,), generator=g)
    return rows


def _case(g, lengths, n=5):
    return 2 * torch.randn(n + 2, n + 2, generator=g), _rows(g, lengths, n), n, n + 1


def full_rows(g):
    return _case(g, [4, 4, 4])


def padded_rows(g):
    return _case(g, [5, 2, 3])


def one_symbol(g):
    return _case(g, [1, 1])


def long_and_short(g):
    return _case(g, [7, 1], n=3)


def not_shifted(W, targets, start, pad):
    return _loss(W[targets], targets, pad)


def rolled(W, targets, start, pad):
    return _loss(W[targets.roll(1, 1)], targets, pad)


def rolled_over_rows(W, targets, start, pad):
    inputs = targets.flatten().roll(1).view_as(targets).clone()
    inputs[0, 0] = start
    return _loss(W[inputs], targets, pad)


def future_asked(W, targets, start, pad):
    inputs = torch.cat([targets[:, 1:], torch.full_like(targets[:, :1], start)], dim=1)
    return _loss(W[inputs], targets, pad)


def first_not_asked(W, targets, start, pad):
    if targets.shape[1] < 2:
        return 0 * W.sum()
    return _loss(W[targets[:, :-1]], targets[:, 1:], pad)


def padding_asked(W, targets, start, pad):
    return F.cross_entropy(W[_shifted(targets, start)].flatten(0, 1), targets.flatten())


def padding_in_the_count(W, targets, start, pad):
    keep = (targets != pad).to(W.dtype)
    return forced_loss(W, targets, start, pad) * keep.mean()


def rows_count_alike(W, targets, start, pad):
    losses = F.cross_entropy(W[_shifted(targets, start)].mT, targets, ignore_index=pad, reduction="none")
    return (losses.sum(1) / (targets != pad).sum(1)).mean()


def sum_per_row(W, targets, start, pad):
    losses = F.cross_entropy(W[_shifted(targets, start)].mT, targets, ignore_index=pad, reduction="none")
    return losses.sum(1).mean()


def start_is_padding(W, targets, start, pad):
    return forced_loss(W, targets, pad, pad)


def own_guesses_fed_back(W, targets, start, pad):
    inputs = [torch.full_like(targets[:, 0], start)]
    for _ in range(targets.shape[1] - 1):
        inputs.append(W[inputs[-1]].argmax(1))
    return _loss(W[torch.stack(inputs, 1)], targets, pad)


def columns_for_rows(W, targets, start, pad):
    return forced_loss(W.T, targets, start, pad)


FORCING = Exercise(
    name="transformers.forced_loss",
    lesson="12",
    title="Force the teacher's past, and no more",
    stars=2,
    minutes=12,
    reference=forced_loss,
    cases=(full_rows, padded_rows, one_symbol, long_and_short),
    mistakes=(
        Mistake(
            not_shifted,
            "Which symbol does yours see when asked for that same symbol? The question holds the answer.",
        ),
        Mistake(rolled, "What stands before the first symbol in yours? Where does it come from?"),
        Mistake(
            rolled_over_rows,
            "What stands before the first symbol of the second row in yours? Rows are strangers.",
        ),
        Mistake(future_asked, "Yours predicts backwards: it sees what comes after. Which way does time run?"),
        Mistake(first_not_asked, "Who is asked for the first symbol of each row in yours? The decoder must."),
        Mistake(padding_asked, "Is the decoder to be praised for predicting padding after padding?"),
        Mistake(
            padding_in_the_count,
            "You leave padding out of the sum. Is it left out of the number you divide by?",
        ),
        Mistake(
            rows_count_alike, "All symbols count alike. How much does a symbol of a short row count in yours?"
        ),
        Mistake(sum_per_row, "A mean over symbols is asked for. What do you divide by?"),
        Mistake(start_is_padding, "Start and padding are two symbols here. Which one opens a row in yours?"),
        Mistake(
            own_guesses_fed_back,
            "Yours feeds back its own guesses. In teacher forcing, whose past does the decoder see?",
        ),
        Mistake(columns_for_rows, "W[s] scores what follows s. Which way round do you read it?"),
    ),
    alternatives=(by_picking, by_loop),
    properties=(
        properties.permutation_invariant(padded_rows, arg=1, hint="Order of the rows must not matter."),
    ),
    gradient="values",
    device=False,
    large_values=None,
)
