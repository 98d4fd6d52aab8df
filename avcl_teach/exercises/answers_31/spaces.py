"""Exercise 3 of lesson 31: sound in the fine space, words in the coarse one made from it."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises.exercise import Exercise, Mistake


def fine_and_coarse(
    a: Float[Tensor, "n d"], v: Float[Tensor, "n d"], t: Float[Tensor, "n p e"], W: Float[Tensor, "d e"],
    tau: float,
) -> Float[Tensor, ""]:  # fmt: skip
    """NCE of a with v (both ways averaged) plus MIL-NCE of the captions t with relu(v) W."""
    return _nce(a, v, tau) + _mil(t, F.relu(v) @ W, tau)


def _cos(x: Tensor, y: Tensor) -> Tensor:
    return F.normalize(x, dim=-1) @ F.normalize(y, dim=-1).transpose(-1, -2)


def _nce(a: Tensor, v: Tensor, tau: float) -> Tensor:
    S = _cos(a, v) / tau
    at = torch.arange(len(a), device=a.device)
    return (F.cross_entropy(S, at) + F.cross_entropy(S.T, at)) / 2


def _mil(t: Tensor, v: Tensor, tau: float) -> Tensor:
    s = torch.einsum("id,jpd->ijp", F.normalize(v, dim=1), F.normalize(t, dim=2)) / tau
    losses = []
    for i in range(len(v)):
        mine = s[i, i]
        others = [s[i, j] for j in range(len(v)) if j != i] + [s[j, i] for j in range(len(v)) if j != i]
        losses.append(torch.cat([mine, *others]).logsumexp(0) - mine.logsumexp(0))
    return torch.stack(losses).mean()


def with_the_package(a, v, t, W, tau):
    from avcl_teach.objectives import info_nce
    from avcl_teach.objectives.mil import mil_nce

    return info_nce(a, v, temperature=tau) + mil_nce(t, F.relu(v) @ W, temperature=tau)


def five_captions(g):
    a, v = torch.randn(4, 3, generator=g), torch.randn(4, 3, generator=g)
    return a, v, torch.randn(4, 5, 6, generator=g), torch.randn(3, 6, generator=g), 0.5


def one_caption(g):
    a, v = torch.randn(5, 4, generator=g), torch.randn(5, 4, generator=g)
    return a, v, torch.randn(5, 1, 4, generator=g), torch.randn(4, 4, generator=g), 0.2


def long_vectors(g):
    a, v = 4 * torch.randn(3, 4, generator=g), 0.3 * torch.randn(3, 4, generator=g)
    return a, v, 2 * torch.randn(3, 2, 5, generator=g), torch.randn(4, 5, generator=g), 1.0


def no_relu(a, v, t, W, tau):
    return _nce(a, v, tau) + _mil(t, v @ W, tau)


def words_meet_the_sound(a, v, t, W, tau):
    return _nce(a, v, tau) + _mil(t, F.relu(a) @ W, tau)


def sound_in_the_coarse_space(a, v, t, W, tau):
    up_a, up_v = F.relu(a) @ W, F.relu(v) @ W
    return _nce(up_a, up_v, tau) + _mil(t, up_v, tau)


def captions_averaged(a, v, t, W, tau):
    return _nce(a, v, tau) + _mil(t.mean(1, keepdim=True), F.relu(v) @ W, tau)


def first_caption_only(a, v, t, W, tau):
    return _nce(a, v, tau) + _mil(t[:, :1], F.relu(v) @ W, tau)


def each_caption_a_positive(a, v, t, W, tau):
    parts = [_mil(t[:, k : k + 1], F.relu(v) @ W, tau) for k in range(t.shape[1])]
    return _nce(a, v, tau) + torch.stack(parts).mean()


def positives_twice_below(a, v, t, W, tau):
    s = torch.einsum("id,jpd->ijp", F.normalize(F.relu(v) @ W, dim=1), F.normalize(t, dim=2)) / tau
    own = torch.stack([s[i, i].logsumexp(0) for i in range(len(v))])
    below = torch.cat([s.flatten(1), s.transpose(0, 1).flatten(1)], 1).logsumexp(1)
    return _nce(a, v, tau) + (below - own).mean()


def captions_mixed(a, v, t, W, tau):
    return _nce(a, v, tau) + _mil(t.transpose(0, 1).reshape(t.shape), F.relu(v) @ W, tau)


def one_way(a, v, t, W, tau):
    S = _cos(a, v) / tau
    return F.cross_entropy(S, torch.arange(len(a), device=a.device)) + _mil(t, F.relu(v) @ W, tau)


def no_temperature(a, v, t, W, tau):
    return fine_and_coarse(a, v, t, W, 1.0)


def only_words(a, v, t, W, tau):
    return _mil(t, F.relu(v) @ W, tau) + 0 * a.sum()


SPACES = Exercise(
    name="transfer.fine_and_coarse",
    lesson="31",
    title="Keep sound fine and words coarse",
    stars=3,
    minutes=15,
    reference=fine_and_coarse,
    cases=(five_captions, one_caption, long_vectors),
    mistakes=(
        Mistake(no_relu, "What stands between the fine space and W? Look at the drawing once more."),
        Mistake(words_meet_the_sound, "Who meets the words in training: the sound, or the picture?"),
        Mistake(
            sound_in_the_coarse_space,
            "In training the sound stays in one space. In which one is yours?",
        ),
        Mistake(captions_averaged, "Four of five captions are about others. What is left of the fifth?"),
        Mistake(first_caption_only, "Nobody says which caption is the right one. How many does yours read?"),
        Mistake(
            each_caption_a_positive,
            "Must every caption be right, or is one enough? Where is the sum?",
        ),
        Mistake(
            positives_twice_below,
            "A perfect answer costs almost nothing. How often is it counted below?",
        ),
        Mistake(captions_mixed, "Whose captions stand in row i? Follow one through your reshaping."),
        Mistake(one_way, "The picture looks for its sound as well. Where is that in yours?"),
        Mistake(no_temperature, "Does anything change in yours when tau does?"),
        Mistake(only_words, "There are two losses. What pulls sound and picture together?"),
    ),
    alternatives=(with_the_package,),
    tolerance=1e-3,
)
