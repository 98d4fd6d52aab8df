"""Exercise of lesson 30: one of two, within the attribute that would give the answer away."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake


def choose_within(S: Float[Tensor, "n n"], attribute: Int[Tensor, "n"]) -> Float[Tensor, ""]:
    """Accuracy of 1:2 matching within the attribute: voice i asks, face i is right, ties count half.

    For each voice the share of other faces of its attribute that score lower than its own face; the mean over
    the voices that have such others.
    """
    others = (attribute[:, None] == attribute) & ~torch.eye(len(S), dtype=torch.bool, device=S.device)
    own = S.diagonal()[:, None]
    won = (own > S).to(S.dtype) + 0.5 * (own == S)
    n = others.sum(1)
    return ((won * others).sum(1)[n > 0] / n[n > 0]).mean()


def by_loops(S, attribute):
    shares = []
    for i in range(len(S)):
        wins = []
        for j in range(len(S)):
            if j != i and attribute[j] == attribute[i]:
                wins.append(0.5 * (S[i, i] > S[i, j]).to(S.dtype) + 0.5 * (S[i, i] >= S[i, j]).to(S.dtype))
        if wins:
            shares.append(torch.stack(wins).mean())
    return torch.stack(shares).mean()


def balanced(g):
    n = 2 * int(torch.randint(3, 5, (1,), generator=g))
    return torch.randn(n, n, generator=g), torch.arange(n) % 2


def unbalanced(g):
    return torch.randn(7, 7, generator=g), torch.tensor([0, 0, 0, 0, 0, 1, 1])


def ties(g):
    return torch.randint(0, 3, (6, 6), generator=g).float(), torch.tensor([0, 1, 0, 1, 1, 0])


def one_alone(g):
    return torch.randn(5, 5, generator=g), torch.tensor([0, 1, 1, 1, 1])


def _won(S):
    own = S.diagonal()[:, None]
    return (own > S).to(S.dtype) + 0.5 * (own == S)


def _masks(S, attribute):
    eye = torch.eye(len(S), dtype=torch.bool)
    return (attribute[:, None] == attribute), eye


def attribute_forgotten(S, attribute):
    return choose_within(S, torch.zeros_like(attribute))


def against_the_other_attribute(S, attribute):
    like, _ = _masks(S, attribute)
    n = (~like).sum(1)
    return ((_won(S) * ~like).sum(1) / n).mean()


def own_among_the_others(S, attribute):
    like, _ = _masks(S, attribute)
    return ((_won(S) * like).sum(1) / like.sum(1)).mean()


def all_choices_alike(S, attribute):
    like, eye = _masks(S, attribute)
    return (_won(S) * (like & ~eye)).sum() / (like & ~eye).sum()


def faces_ask(S, attribute):
    return choose_within(S.T, attribute)


def ties_are_won(S, attribute):
    like, eye = _masks(S, attribute)
    n = (like & ~eye).sum(1)
    won = (S.diagonal()[:, None] >= S).to(S.dtype)
    return ((won * (like & ~eye)).sum(1)[n > 0] / n[n > 0]).mean()


def ties_are_lost(S, attribute):
    like, eye = _masks(S, attribute)
    n = (like & ~eye).sum(1)
    won = (S.diagonal()[:, None] > S).to(S.dtype)
    return ((won * (like & ~eye)).sum(1)[n > 0] / n[n > 0]).mean()


def best_of_all(S, attribute):
    like, eye = _masks(S, attribute)
    n = (like & ~eye).sum(1)
    rival = S.masked_fill(~(like & ~eye), float("-inf")).amax(1)
    return (S.diagonal() > rival)[n > 0].to(S.dtype).mean()


def lonely_count_as_wrong(S, attribute):
    like, eye = _masks(S, attribute)
    n = (like & ~eye).sum(1)
    return ((_won(S) * (like & ~eye)).sum(1) / n.clamp_min(1)).mean()


def distances(S, attribute):
    return choose_within(-S, attribute)


ONE_OF_TWO = Exercise(
    name="face_voice.choose_within",
    lesson="30",
    title="Match within the attribute",
    stars=2,
    minutes=12,
    reference=choose_within,
    cases=(balanced, unbalanced, ties, one_alone),
    mistakes=(
        Mistake(attribute_forgotten, "Change the attribute and nothing else. Does your accuracy change?"),
        Mistake(against_the_other_attribute, "Who is the other candidate: of the same attribute, or not?"),
        Mistake(own_among_the_others, "Is a face its own rival in yours? Look at the diagonal."),
        Mistake(all_choices_alike, "One attribute has many people. Does each of its voices count more?"),
        Mistake(faces_ask, "Rows are voices. Who asks in yours?"),
        Mistake(ties_are_won, "What does your accuracy say of a similarity that is 0 everywhere?"),
        Mistake(ties_are_lost, "What does your accuracy say of a constant similarity, and what is chance?"),
        Mistake(best_of_all, "Yours must beat every rival at once. How many candidates has a 1:2 choice?"),
        Mistake(lonely_count_as_wrong, "A voice without a rival has no choice to make. What is it in yours?"),
        Mistake(distances, "A higher S is more alike. Which one wins in yours?"),
    ),
    alternatives=(by_loops,),
    properties=(properties.bounded(balanced, low=0, high=1),),
    gradient="off",
)
