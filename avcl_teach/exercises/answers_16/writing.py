"""Exercise 2 of lesson 16: write a memory by content."""

import torch
from jaxtyping import Float
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake, Property


def write_by_content(
    M: Float[Tensor, "slot m"],
    w: Float[Tensor, "slot"],
    v: Float[Tensor, "m"],
    g: Float[Tensor, ""],
    e: Float[Tensor, ""],
) -> Float[Tensor, "slot m"]:
    """(1 - g w e) M + g w v, slot by slot."""
    strength = (g * w)[:, None]
    return (1 - strength * e) * M + strength * v


def by_outer_products(M, w, v, g, e):
    return M + torch.outer(g * w, v) - e * torch.diag(g * w) @ M


def by_loop(M, w, v, g, e):
    return torch.stack([M[s] - g * w[s] * e * M[s] + g * w[s] * v for s in range(len(w))])


def usual(g):
    M, w = torch.randn(4, 3, generator=g), torch.randn(4, generator=g).softmax(0)
    return M, w, torch.randn(3, generator=g), *torch.rand(2, generator=g).unbind()


def as_many_slots_as_features(g):
    M, w = torch.randn(3, 3, generator=g), torch.randn(3, generator=g).softmax(0)
    return M, w, torch.randn(3, generator=g), *torch.rand(2, generator=g).unbind()


def shut_gate(g):
    M, w, v, _, e = usual(g)
    return M, w, v, torch.tensor(0.0), e


def replace_one_slot(g):
    M, _, v, _, _ = usual(g)
    return M, torch.tensor([0.0, 1.0, 0.0, 0.0]), v, torch.tensor(1.0), torch.tensor(1.0)


def no_erasing(g):
    M, w, v, gate, _ = usual(g)
    return M, w, v, gate, torch.tensor(0.0)


def _parts(w, g):
    return (g * w)[:, None]


def erase_that_adds(M, w, v, g, e):
    return (1 + _parts(w, g) * e) * M + _parts(w, g) * v


def value_erased_too(M, w, v, g, e):
    return (1 - _parts(w, g) * e) * (M + _parts(w, g) * v)


def erase_without_gate(M, w, v, g, e):
    return (1 - w[:, None] * e) * M + _parts(w, g) * v


def add_without_gate(M, w, v, g, e):
    return (1 - _parts(w, g) * e) * M + w[:, None] * v


def erase_everywhere(M, w, v, g, e):
    return (1 - g * e) * M + _parts(w, g) * v


def written_everywhere(M, w, v, g, e):
    return (1 - _parts(w, g) * e) * M + g * v[None] / len(w)


def never_erased(M, w, v, g, e):
    return M + _parts(w, g) * v + 0 * e


def always_erased(M, w, v, g, e):
    return (1 - _parts(w, g)) * M + _parts(w, g) * v + 0 * e


def erase_and_keep_swapped(M, w, v, g, e):
    return _parts(w, g) * e * M + _parts(w, g) * v


def value_scaled_by_erase(M, w, v, g, e):
    return (1 - _parts(w, g) * e) * M + _parts(w, g) * e * v


def forgot_the_old(M, w, v, g, e):
    return _parts(w, g) * v + 0 * M + 0 * e


def gate_turned_round(M, w, v, g, e):
    return write_by_content(M, w, v, 1 - g, e)


def no_harm_through_a_shut_gate(fn, g):
    inputs = shut_gate(g)
    return torch.allclose(fn(*(x.clone() for x in inputs)), inputs[0], atol=1e-5)


WRITING = Exercise(
    name="memory.write_by_content",
    lesson="16",
    title="Write a memory by content",
    stars=2,
    minutes=10,
    reference=write_by_content,
    cases=(usual, as_many_slots_as_features, shut_gate, replace_one_slot, no_erasing),
    mistakes=(
        Mistake(erase_that_adds, "Write one value into one slot again and again with e = 1. Does it settle?"),
        Mistake(
            value_erased_too,
            "With g = w = e = 1 a slot should end as v. What is left of v in yours? What came first?",
        ),
        Mistake(erase_without_gate, "Shut the gate: nothing may change. Which of your two parts does it?"),
        Mistake(add_without_gate, "Shut the gate. Does something still get in?"),
        Mistake(erase_everywhere, "The key means one slot only. Do the other slots keep what they hold?"),
        Mistake(
            written_everywhere, "Which slots receive the value in yours? Which of them did the key mean?"
        ),
        Mistake(never_erased, "What does your memory do with e?"),
        Mistake(always_erased, "With e = 0 the new value is added to the old one. Is it in yours?"),
        Mistake(
            erase_and_keep_swapped,
            "A slot that the key does not mean at all (w_s = 0): what is left of it in yours?",
        ),
        Mistake(value_scaled_by_erase, "With e = 0, is anything written in yours? e speaks of the old only."),
        Mistake(forgot_the_old, "After two writes to two slots, what does the first slot hold?"),
        Mistake(gate_turned_round, "g = 1: open or shut?"),
    ),
    alternatives=(by_outer_products, by_loop),
    properties=(
        Property(
            "a shut gate changes nothing",
            no_harm_through_a_shut_gate,
            "With g = 0 the memory must stay exactly as it is.",
        ),
    ),
)
