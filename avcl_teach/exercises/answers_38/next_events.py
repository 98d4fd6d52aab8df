"""Exercise 3 of lesson 38: score the next event."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake


def next_event_loss(
    logits: Float[Tensor, "clip position event"], events: Int[Tensor, "clip position"], pad: int
) -> Float[Tensor, ""]:
    """Mean -log p of the next event, over all next events that are not padding."""
    said, target = logits[:, :-1].flatten(0, 1), events[:, 1:].flatten()
    return F.cross_entropy(said, target, ignore_index=pad)


def by_hand(logits, events, pad):
    logp = logits[:, :-1].log_softmax(2)
    cost = -logp.gather(2, events[:, 1:, None])[..., 0]
    kept = events[:, 1:] != pad
    return cost[kept].mean()


def padding_counted(logits, events, pad):
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), events[:, 1:].flatten())


def not_shifted(logits, events, pad):
    return F.cross_entropy(logits.flatten(0, 1), events.flatten(), ignore_index=pad)


def shifted_backwards(logits, events, pad):
    return F.cross_entropy(logits[:, 1:].flatten(0, 1), events[:, :-1].flatten(), ignore_index=pad)


def clips_weigh_alike(logits, events, pad):
    costs = [
        F.cross_entropy(said[:-1], y[1:], ignore_index=pad) for said, y in zip(logits, events, strict=True)
    ]
    return torch.stack(costs).mean()


def summed(logits, events, pad):
    said, target = logits[:, :-1].flatten(0, 1), events[:, 1:].flatten()
    return F.cross_entropy(said, target, ignore_index=pad, reduction="sum")


def padding_zeroed_but_counted(logits, events, pad):
    said, target = logits[:, :-1].flatten(0, 1), events[:, 1:].flatten()
    return F.cross_entropy(said, target, ignore_index=pad, reduction="sum") / target.numel()


def padding_of_the_input(logits, events, pad):
    logp = logits[:, :-1].log_softmax(2)
    cost = -logp.gather(2, events[:, 1:, None])[..., 0]
    return cost[events[:, :-1] != pad].mean()


def softmax_twice(logits, events, pad):
    return next_event_loss(logits.softmax(2), events, pad)


def probability_alone(logits, events, pad):
    p = logits[:, :-1].softmax(2).gather(2, events[:, 1:, None])[..., 0]
    return 1 - p[events[:, 1:] != pad].mean()


def logarithm_of_the_mean(logits, events, pad):
    p = logits[:, :-1].softmax(2).gather(2, events[:, 1:, None])[..., 0]
    return -p[events[:, 1:] != pad].mean().log()


def logits_as_if_logarithms(logits, events, pad):
    return F.nll_loss(logits[:, :-1].flatten(0, 1), events[:, 1:].flatten(), ignore_index=pad)


def softmax_over_positions(logits, events, pad):
    logp = logits[:, :-1].log_softmax(1)
    return F.nll_loss(logp.flatten(0, 1), events[:, 1:].flatten(), ignore_index=pad)


def pad_is_event_zero(logits, events, pad):
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), events[:, 1:].flatten(), ignore_index=0)


def _case(g, clips, positions, n_events, lengths, start, pad):
    events = torch.randint(0, n_events - 2, (clips, positions), generator=g)
    events[:, 0] = start
    for row, length in zip(events, lengths, strict=True):
        row[length:] = pad
    return torch.randn(clips, positions, n_events, generator=g), events, pad


def unequal_lengths(g):
    return _case(g, 3, 6, 7, (6, 4, 2), 5, 6)


def one_clip(g):
    return _case(g, 1, 5, 6, (4,), 4, 5)


def no_padding(g):
    return _case(g, 2, 4, 5, (4, 4), 3, 4)


def padding_named_zero(g):
    logits, events, _ = _case(g, 3, 5, 6, (5, 3, 4), 4, 5)
    return logits, (events + 1) % 6, 0


def sure(g):
    logits, events, pad = unequal_lengths(g)
    return 60 * logits, events, pad


NEXT = Exercise(
    name="movement.next_event_loss",
    lesson="38",
    title="Score the next event",
    stars=2,
    minutes=8,
    reference=next_event_loss,
    cases=(unequal_lengths, one_clip, no_padding, padding_named_zero),
    stress=(sure,),
    mistakes=(
        Mistake(padding_counted, "Make a clip longer by padding alone. Should its cost change?"),
        Mistake(not_shifted, "At position t the model has read event t already. What should it say there?"),
        Mistake(shifted_backwards, "Which event does position 0 foretell: the one before, or the one after?"),
        Mistake(clips_weigh_alike, "A clip of two events and one of forty: does each event count the same?"),
        Mistake(summed, "Twice the same batch: should the loss double?"),
        Mistake(
            padding_zeroed_but_counted, "Padding costs you nothing. But by how many events do you divide?"
        ),
        Mistake(padding_of_the_input, "The last true event is read, padding is next. Is that scored?"),
        Mistake(softmax_twice, "cross_entropy takes logits. What did you give it?"),
        Mistake(probability_alone, "What does an event with probability 0 cost in the formula?"),
        Mistake(
            logarithm_of_the_mean,
            "Probabilities 1 and 0: what does the formula cost? Mean or logarithm first?",
        ),
        Mistake(logits_as_if_logarithms, "Do your probabilities of all events add up to 1?"),
        Mistake(softmax_over_positions, "Events compete with each other. What competes in your softmax?"),
        Mistake(pad_is_event_zero, "Which number is padding? It was handed to you."),
    ),
    alternatives=(by_hand,),
)
