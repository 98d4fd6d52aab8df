"""Exercise 1 of lesson 15: the losses of both players."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises import properties
from avcl_teach.exercises.exercise import Exercise, Mistake, Property


def two_losses(
    real: Float[Tensor, "n"], fake: Float[Tensor, "m"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """L_D = -E ln sigma(real) - E ln(1 - sigma(fake)), L_G = -E ln sigma(fake), from logits."""
    L_D = F.softplus(-real).mean() + F.softplus(fake).mean()
    return L_D, F.softplus(-fake).mean()


def by_cross_entropy(real, fake):
    cross_entropy = F.binary_cross_entropy_with_logits
    L_D = cross_entropy(real, torch.ones_like(real)) + cross_entropy(fake, torch.zeros_like(fake))
    return L_D, cross_entropy(fake, torch.ones_like(fake))


def by_log_sigmoid(real, fake):
    return -F.logsigmoid(real).mean() - F.logsigmoid(-fake).mean(), -F.logsigmoid(fake).mean()


def some_logits(g):
    return 2 * torch.randn(5, generator=g), 2 * torch.randn(3, generator=g) - 1


def one_each(g):
    return torch.randn(1, generator=g), torch.randn(1, generator=g)


def very_sure(g):
    return 90 * torch.randn(4, generator=g) - 100, 90 * torch.randn(6, generator=g) + 100


def saturating(real, fake):
    return two_losses(real, fake)[0], -F.softplus(fake).mean()


def labels_swapped(real, fake):
    return F.softplus(real).mean() + F.softplus(-fake).mean(), F.softplus(-fake).mean()


def all_swapped(real, fake):
    return F.softplus(real).mean() + F.softplus(-fake).mean(), F.softplus(fake).mean()


def generator_on_the_other_side(real, fake):
    return two_losses(real, fake)[0], F.softplus(fake).mean()


def squashed_twice(real, fake):
    return two_losses(torch.sigmoid(real), torch.sigmoid(fake))


def fakes_only(real, fake):
    return F.softplus(fake).mean(), F.softplus(-fake).mean()


def halved(real, fake):
    L_D, L_G = two_losses(real, fake)
    return L_D / 2, L_G


def pooled_mean(real, fake):
    terms = torch.cat([F.softplus(-real), F.softplus(fake)])
    return 2 * terms.mean(), F.softplus(-fake).mean()


def summed(real, fake):
    return F.softplus(-real).sum() + F.softplus(fake).sum(), F.softplus(-fake).sum()


def generator_sees_real(real, fake):
    L_D = two_losses(real, fake)[0]
    return L_D, F.softplus(-fake).mean() + F.softplus(real).mean()


def log_of_probability(real, fake):
    p, q = torch.sigmoid(real), torch.sigmoid(fake)
    return -p.log().mean() - (1 - q).log().mean(), -q.log().mean()


def order_turned(real, fake):
    return two_losses(real, fake)[::-1]


LOSSES = Exercise(
    name="adversarial.two_losses",
    lesson="15",
    title="Price both players",
    stars=1,
    minutes=8,
    reference=two_losses,
    cases=(some_logits, one_each),
    stress=(very_sure,),
    mistakes=(
        Mistake(
            saturating, "D's loss is right. What is the slope of your L_G where D is sure that a fake is one?"
        ),
        Mistake(
            labels_swapped,
            "D is rewarded for calling real samples generated. What does a real sample with logit 5 cost?",
        ),
        Mistake(all_swapped, "Both players want the opposite of what they should. Which side of 0 is real?"),
        Mistake(
            generator_on_the_other_side,
            "Your generator is content when D sees through it. What should it hope for?",
        ),
        Mistake(squashed_twice, "The inputs are logits. How often does a sigmoid act on them in yours?"),
        Mistake(fakes_only, "D never looks at a real sample here. What would it learn?"),
        Mistake(halved, "D's loss is a sum of two means. A D that knows nothing pays ln 4."),
        Mistake(
            pooled_mean, "With 5 real and 3 generated samples: how much do the 3 weigh together in your L_D?"
        ),
        Mistake(summed, "Does a batch twice as large cost twice as much? It should not."),
        Mistake(generator_sees_real, "Can the generator change what D says of real samples?"),
        Mistake(log_of_probability, "Fine for small logits. Try a logit of 100: what is ln(1 - sigma)?"),
        Mistake(order_turned, "Both numbers are right. In which order were they asked for?"),
    ),
    alternatives=(by_cross_entropy, by_log_sigmoid),
    properties=(
        properties.permutation_invariant(some_logits, hint="The order of samples in a batch means nothing."),
        Property(
            "knowing nothing costs ln 4",
            lambda fn, g: abs(float(fn(torch.zeros(3), torch.zeros(4))[0]) - 1.3863) < 1e-3,
            "All logits 0: D says 1/2 to everything, and pays ln 2 for either kind.",
        ),
    ),
    gradient="values",
)
