"""Exercise 6 of lesson 15: a task, a metric and an adversary in one step."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises.exercise import Exercise, Mistake, call


def join_losses(
    a: Float[Tensor, "n d"],
    v: Float[Tensor, "n d"],
    w: Float[Tensor, "d"],
    task: Float[Tensor, ""],
    metric: Float[Tensor, ""],
    beta: float,
    gamma: float,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The encoders' loss, none of it for w, and D's, none of it for a and v; D(x) = x.w, high for a sound."""
    still, cut_a, cut_v = w.detach(), a.detach(), v.detach()
    flipped = F.softplus(a @ still).mean() + F.softplus(-v @ still).mean()
    L_D = (F.softplus(-cut_a @ w).mean() + F.softplus(cut_v @ w).mean()) / 2
    return task + beta * metric + gamma * flipped / 2, L_D


def by_labels(a, v, w, task, metric, beta, gamma):
    x = torch.cat([a, v])
    is_a = torch.cat([torch.ones_like(a[:, 0]), torch.zeros_like(v[:, 0])])
    cross_entropy = F.binary_cross_entropy_with_logits
    fooled = cross_entropy(x @ w.detach(), 1 - is_a)
    return task + beta * metric + gamma * fooled, cross_entropy(x.detach() @ w, is_a)


def by_log_sigmoid(a, v, w, task, metric, beta, gamma):
    s = w.detach()
    flipped = -F.logsigmoid(-(a @ s)).mean() - F.logsigmoid(v @ s).mean()
    L_D = -F.logsigmoid(a.detach() @ w).mean() - F.logsigmoid(-(v.detach() @ w)).mean()
    return task + beta * metric + gamma / 2 * flipped, L_D / 2


def _case(n, d, beta, gamma):
    def case(g):
        return call(
            torch.randn(n, d, generator=g), torch.randn(n, d, generator=g), torch.randn(d, generator=g),
            torch.rand((), generator=g), 1 + torch.rand((), generator=g), beta=beta, gamma=gamma,
        )  # fmt: skip

    return case


def _wrong(straight, flipped, *, cut=True):
    """An answer whose two modality terms are the given functions of the two batches of logits."""

    def answer(a, v, w, task, metric, beta, gamma):
        s = w.detach() if cut else w
        L_D = straight(a.detach() @ w, v.detach() @ w)
        return task + beta * metric + gamma * flipped(a @ s, v @ s), L_D

    return answer


def _apart(p, q):
    return (F.softplus(-p).mean() + F.softplus(q).mean()) / 2


def labels_not_flipped(a, v, w, task, metric, beta, gamma):
    return _wrong(_apart, _apart)(a, v, w, task, metric, beta, gamma)


def sign_for_flip(a, v, w, task, metric, beta, gamma):
    return _wrong(_apart, lambda p, q: -_apart(p, q))(a, v, w, task, metric, beta, gamma)


def both_flipped(a, v, w, task, metric, beta, gamma):
    return _wrong(lambda p, q: _apart(q, p), lambda p, q: _apart(q, p))(a, v, w, task, metric, beta, gamma)


def one_modality(a, v, w, task, metric, beta, gamma):
    return _wrong(_apart, lambda p, q: F.softplus(p).mean() / 2)(a, v, w, task, metric, beta, gamma)


def not_halved(a, v, w, task, metric, beta, gamma):
    return _wrong(lambda p, q: 2 * _apart(p, q), lambda p, q: 2 * _apart(q, p))(
        a, v, w, task, metric, beta, gamma
    )


def squashed_twice(a, v, w, task, metric, beta, gamma):
    def squashed(p, q):
        return _apart(torch.sigmoid(p), torch.sigmoid(q))

    return _wrong(squashed, lambda p, q: squashed(q, p))(a, v, w, task, metric, beta, gamma)


def judge_dragged_along(a, v, w, task, metric, beta, gamma):
    return _wrong(_apart, lambda p, q: _apart(q, p), cut=False)(a, v, w, task, metric, beta, gamma)


def encoders_cut(a, v, w, task, metric, beta, gamma):
    return join_losses(a.detach(), v.detach(), w, task, metric, beta, gamma)


def encoders_help_the_judge(a, v, w, task, metric, beta, gamma):
    return join_losses(a, v, w, task, metric, beta, gamma)[0], _apart(a @ w, v @ w)


def weights_exchanged(a, v, w, task, metric, beta, gamma):
    return join_losses(a, v, w, task, metric, gamma, beta)


def gamma_on_everything(a, v, w, task, metric, beta, gamma):
    fooled = _apart(v @ w.detach(), a @ w.detach())
    return gamma * (task + beta * metric + fooled), _apart(a.detach() @ w, v.detach() @ w)


def task_left_out(a, v, w, task, metric, beta, gamma):
    return join_losses(a, v, w, 0 * task, metric, beta, gamma)


JOINED = Exercise(
    name="adversarial.join_losses",
    lesson="15",
    title="Join a task, a metric and an adversary",
    stars=2,
    minutes=10,
    reference=join_losses,
    cases=(_case(4, 3, 3.0, 2.0), _case(1, 2, 0.5, 4.0), _case(5, 2, 1.5, 0.5)),
    mistakes=(
        Mistake(labels_not_flipped, "Your encoders make D's work easier. Whom should a sound be taken for?"),
        Mistake(sign_for_flip, "Where D is sure, how steep is your encoders' term? Another form is steeper."),
        Mistake(both_flipped, "The two players should disagree about labels. Who knows the true ones?"),
        Mistake(one_modality, "Sounds try to pass for pictures. And pictures?"),
        Mistake(not_halved, "A D that knows nothing should pay ln 2 here. What does it pay in yours?"),
        Mistake(squashed_twice, "x.w is a logit. How often does a sigmoid act on it in yours?"),
        Mistake(judge_dragged_along, "The values are right. Whose weights does the encoders' step move?"),
        Mistake(encoders_cut, "The values are right. Does the adversary reach the encoders?"),
        Mistake(encoders_help_the_judge, "The values are right. What does D's step tell the encoders?"),
        Mistake(weights_exchanged, "At gamma = 0 one term should vanish. Which one does, in yours?"),
        Mistake(gamma_on_everything, "At gamma = 0 a task and a metric are left. Are they, in yours?"),
        Mistake(task_left_out, "Three terms move the encoders. Count yours."),
    ),
    alternatives=(by_labels, by_log_sigmoid),
    gradient="values",
)
