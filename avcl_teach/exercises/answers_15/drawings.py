"""Exercise 7 of lesson 15: what a generator that draws a sound pays."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.exercises.exercise import Exercise, Mistake


def price_drawing(
    sound: Float[Tensor, "n k"],
    noise: Float[Tensor, "n m"],
    frame: Float[Tensor, "n p"],
    E: Float[Tensor, "k c"],
    W: Float[Tensor, "c+m p"],
    w: Float[Tensor, "p"],
    lam: float,
) -> Float[Tensor, ""]:
    """-E ln sigma(D(picture)) + lam mean|picture - frame|, picture = [code, noise] W; none of it moves E."""
    picture = torch.cat([torch.tanh(sound @ E).detach(), noise], 1) @ W
    return F.softplus(-(picture @ w)).mean() + lam * (picture - frame).abs().mean()


def _draw(sound, noise, E, W):
    return torch.cat([torch.tanh(sound @ E), noise], 1) @ W


def _price(picture, frame, w, lam):
    return F.softplus(-(picture @ w)).mean() + lam * (picture - frame).abs().mean()


def without_grad(sound, noise, frame, E, W, w, lam):
    with torch.no_grad():
        code = torch.tanh(sound @ E)
    picture = torch.cat([code, noise], 1) @ W
    logit = picture @ w
    adversary = F.binary_cross_entropy_with_logits(logit, torch.ones_like(logit))
    return adversary + lam * F.l1_loss(picture, frame)


def in_two_products(sound, noise, frame, E, W, w, lam):
    code = torch.tanh(sound @ E.detach())
    c = code.shape[1]
    return _price(code @ W[:c] + noise @ W[c:], frame, w, lam)


def only_the_generator_learns(fn, sound, noise, frame, E, W, w, lam):
    """Data asks for no gradient, and fit_two has frozen D; whether E is left alone is the answer's affair."""
    return fn(sound.detach(), noise.detach(), frame.detach(), E, W, w.detach(), lam)


def _case(n, k, m, p, c, lam):
    def case(g):
        return (
            torch.randn(n, k, generator=g), torch.randn(n, m, generator=g), torch.randn(n, p, generator=g),
            torch.randn(k, c, generator=g), torch.randn(c + m, p, generator=g), torch.randn(p, generator=g),
            lam,
        )  # fmt: skip

    return case


def code_learns_too(sound, noise, frame, E, W, w, lam):
    return _price(_draw(sound, noise, E, W), frame, w, lam)


def picture_detached(sound, noise, frame, E, W, w, lam):
    picture = _draw(sound, noise, E.detach(), W)
    return F.softplus(-(picture.detach() @ w)).mean() + lam * (picture - frame).abs().mean()


def noise_left_out(sound, noise, frame, E, W, w, lam):
    return _price(_draw(sound, 0 * noise, E.detach(), W), frame, w, lam)


def code_left_out(sound, noise, frame, E, W, w, lam):
    return _price(_draw(0 * sound, noise, E.detach(), W), frame, w, lam)


def squares(sound, noise, frame, E, W, w, lam):
    picture = _draw(sound, noise, E.detach(), W)
    return F.softplus(-(picture @ w)).mean() + lam * (picture - frame).square().mean()


def summed_over_pixels(sound, noise, frame, E, W, w, lam):
    picture = _draw(sound, noise, E.detach(), W)
    return F.softplus(-(picture @ w)).mean() + lam * (picture - frame).abs().sum(1).mean()


def judged_as_fake(sound, noise, frame, E, W, w, lam):
    picture = _draw(sound, noise, E.detach(), W)
    return F.softplus(picture @ w).mean() + lam * (picture - frame).abs().mean()


def squashed_twice(sound, noise, frame, E, W, w, lam):
    picture = _draw(sound, noise, E.detach(), W)
    return F.softplus(-torch.sigmoid(picture @ w)).mean() + lam * (picture - frame).abs().mean()


def weight_on_adversary(sound, noise, frame, E, W, w, lam):
    picture = _draw(sound, noise, E.detach(), W)
    return lam * F.softplus(-(picture @ w)).mean() + (picture - frame).abs().mean()


def frame_judged(sound, noise, frame, E, W, w, lam):
    picture = _draw(sound, noise, E.detach(), W)
    return F.softplus(-(frame @ w)).mean() + lam * (picture - frame).abs().mean()


DRAWINGS = Exercise(
    name="adversarial.price_drawing",
    lesson="15",
    title="Price a picture drawn from a sound",
    stars=2,
    minutes=10,
    reference=price_drawing,
    cases=(_case(5, 3, 2, 4, 2, 0.5), _case(1, 2, 1, 3, 3, 2.0), _case(3, 2, 2, 5, 1, 10.0)),
    use=only_the_generator_learns,
    mistakes=(
        Mistake(code_learns_too, "The value is right. Who else moves when this loss is stepped on?"),
        Mistake(picture_detached, "The value is right. What does G hear of D's opinion?"),
        Mistake(noise_left_out, "One sound, two draws of noise: do you get two pictures?"),
        Mistake(code_left_out, "Give it another sound: does the picture change?"),
        Mistake(squares, "One grey value is off by 2, another by 1. How much more should the first cost?"),
        Mistake(summed_over_pixels, "A picture of twice as many pixels: should its distance cost twice?"),
        Mistake(judged_as_fake, "What should G want D to say of its picture?"),
        Mistake(squashed_twice, "D gives a logit. How often does a sigmoid act on it in yours?"),
        Mistake(weight_on_adversary, "At lam = 0 one of the two terms is left. Which one, in yours?"),
        Mistake(frame_judged, "Which picture can G still change: the one D looks at in yours?"),
    ),
    alternatives=(without_grad, in_two_products),
    gradient="values",
)
