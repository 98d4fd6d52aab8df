"""Exercise of lesson 30: attention for every dimension, over what is spoken and not over the padding."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake


def attend_to_speech(
    h: Float[Tensor, "batch step dim"], scores: Float[Tensor, "batch step dim"], n_steps: Int[Tensor, "batch"]
) -> Float[Tensor, "batch dim"]:
    """y_bd = sum_t alpha_btd h_btd, alpha the softmax of the scores over the first n_steps[b] steps."""
    beyond = torch.arange(h.shape[1], device=h.device) >= n_steps[:, None]
    alpha = scores.masked_fill(beyond[..., None], float("-inf")).softmax(1)
    return (alpha * h).sum(1)


def row_by_row(h, scores, n_steps):
    rows = []
    for x, s, n in zip(h, scores, n_steps.tolist(), strict=True):
        rows.append((s[:n].softmax(0) * x[:n]).sum(0))
    return torch.stack(rows)


def padded(g):
    b = int(torch.randint(2, 5, (1,), generator=g))
    n = torch.randint(1, 6, (b,), generator=g)
    return torch.randn(b, 6, 3, generator=g), torch.randn(b, 6, 3, generator=g), n


def whole(g):
    return torch.randn(2, 4, 5, generator=g), torch.randn(2, 4, 5, generator=g), torch.tensor([4, 4])


def one_step(g):
    return torch.randn(3, 5, 2, generator=g), torch.randn(3, 5, 2, generator=g), torch.tensor([1, 5, 3])


def low_scores(g):
    return torch.randn(2, 5, 3, generator=g), torch.randn(2, 5, 3, generator=g) - 4, torch.tensor([2, 4])


def _beyond(h, n_steps):
    return (torch.arange(h.shape[1]) >= n_steps[:, None])[..., None]


def padding_attended(h, scores, n_steps):
    return (scores.softmax(1) * h).sum(1)


def zero_scores(h, scores, n_steps):
    return (scores.masked_fill(_beyond(h, n_steps), 0.0).softmax(1) * h).sum(1)


def zero_after(h, scores, n_steps):
    return (scores.softmax(1).masked_fill(_beyond(h, n_steps), 0.0) * h).sum(1)


def over_dimensions(h, scores, n_steps):
    beyond = _beyond(h, n_steps)
    return (scores.softmax(2) * h.masked_fill(beyond, 0.0)).sum(1)


def one_weight_a_step(h, scores, n_steps):
    return attend_to_speech(h, scores.mean(2, keepdim=True).expand_as(h), n_steps)


def one_step_more(h, scores, n_steps):
    return attend_to_speech(h, scores, (n_steps + 1).clamp_max(h.shape[1]))


def one_step_less(h, scores, n_steps):
    return attend_to_speech(h, scores, (n_steps - 1).clamp_min(1))


def mean_of_speech(h, scores, n_steps):
    return attend_to_speech(h, torch.zeros_like(h), n_steps)


def weighted_mean(h, scores, n_steps):
    return attend_to_speech(h, scores, n_steps) / h.shape[1]


def longest_for_all(h, scores, n_steps):
    return attend_to_speech(h, scores, n_steps.max().expand_as(n_steps))


def scores_pooled(h, scores, n_steps):
    return attend_to_speech(scores, h, n_steps)


SPOKEN_PART = Exercise(
    name="speech_image.attend_to_speech",
    lesson="30",
    title="Attend to speech, not to padding",
    stars=2,
    minutes=10,
    reference=attend_to_speech,
    cases=(padded, whole, one_step, low_scores),
    mistakes=(
        Mistake(padding_attended, "Change h after the last spoken step. Does your answer change?"),
        Mistake(zero_scores, "A score of 0 is a score like others. Which one gets no weight?"),
        Mistake(zero_after, "What do the weights of a short caption sum to in yours?"),
        Mistake(over_dimensions, "For one dimension, over what should the weights sum to 1?"),
        Mistake(one_weight_a_step, "Can two dimensions look at different moments in yours?"),
        Mistake(one_step_more, "Steps count from 0. Which is the first one that is not spoken?"),
        Mistake(one_step_less, "How many steps does a caption of n steps have in yours?"),
        Mistake(mean_of_speech, "Do the scores matter in yours?"),
        Mistake(weighted_mean, "The weights sum to 1 already. What else do you divide by?"),
        Mistake(longest_for_all, "Captions end at different times. Whose end do you use?"),
        Mistake(scores_pooled, "Which of the two is weighted, and which gives the weights?"),
    ),
    alternatives=(row_by_row,),
)
