"""What the systems of event localization share: small encoders, training, and the outcome of a run."""

import functools
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from avcl_teach import training
from avcl_teach.comparison.event_pairs import MATCH, Events, strangers, world_events
from avcl_teach.metrics import event_segments as metric
from avcl_teach.table1.declare import Outcome

SIZES: dict[str, dict[str, int]] = {
    "quick": {"n_train": 128, "n_test": 64, "steps": 40, "batch_size": 32},
    "cpu": {"n_train": 1024, "n_test": 256, "steps": 300, "batch_size": 32},
    "gpu": {"n_train": 4096, "n_test": 512, "steps": 1200, "batch_size": 64},
}
CEILING = "1: the class that is truly heard, beside the class that is truly seen, gives every answer"
PROTOCOL = "every quarter second of clips of unmet individuals: one of 8 classes, or none"
CHANCE = "always 'none', the most common answer (0.60 of all segments by the world's shares)"


class Encoders(nn.Module):
    """Encode each segment of sound and each region of picture: f and g, two layers each, [..., dim]."""

    def __init__(self, dim: int = 32, *, n_a: int = 64, n_v: int = 32) -> None:
        super().__init__()
        self.f = nn.Sequential(mlp(n_a, dim), nn.LayerNorm(dim))
        self.g = nn.Sequential(mlp(n_v, dim), nn.LayerNorm(dim))

    def forward(self, x_a: Tensor, x_v: Tensor) -> tuple[Tensor, Tensor]:
        """Return a [clip, segment, dim] and v [clip, segment, region, dim]."""
        return self.f(x_a), self.g(x_v)


def mlp(n_in: int, n_out: int, hidden: int = 64) -> nn.Sequential:
    """Return two linear layers with a relu between them."""
    return nn.Sequential(nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, n_out))


def over_none(logits: Tensor) -> Tensor:
    """Return how far each class stands above "none", the last logit: [..., class]."""
    return logits[..., :-1] - logits[..., -1:]


@functools.lru_cache(maxsize=3)
def _draw(n_train: int, n_test: int, seed: int) -> Events:
    return world_events(n_train, n_test, seed=seed, n_val=2)


def load(seed: int, sizes: Mapping[str, int]) -> Events:
    """Draw the clips of a seed: its own world, train and test (those of the last three are kept)."""
    return _draw(sizes["n_train"], sizes["n_test"], seed)


def fit(
    net: nn.Module, loss: Callable, data: Events, *, seed: int, device: str | torch.device, **sizes: int
) -> nn.Module:
    """Train on sound, regions, answers of segments and labels of clips: loss(net, batch of these four)."""
    train = data.train
    rows = (train.x_a, train.x_v, train.target,
            metric.video_labels(train.target, n_classes=data.n_classes))  # fmt: skip
    training.fit(net, loss, rows, steps=sizes["steps"], batch_size=sizes["batch_size"], lr=3e-3, seed=seed,
                 device=device, progress=False)  # fmt: skip
    return net


@torch.no_grad()
def localize(
    net: nn.Module, x_a: Tensor, x_v: Tensor, *, device: str | torch.device = "cpu"
) -> tuple[Tensor, Tensor]:
    """Answer each segment, and say how sure the net is that an event is there: [clip, segment] both."""
    logits = net(x_a.to(device), x_v.to(device)).cpu()
    return logits.argmax(-1), over_none(logits).amax(-1)


def outcome(
    answer: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], data: Events, **extra: float
) -> Outcome:
    """Measure a system that answers (sound, regions) with (classes, how sure): the AVE protocol and controls.

    extra holds macro accuracy, the AUC of finding matches, the same with wrong pictures, the share of false
    alarms in segments that mismatch, and what perfect ears and perfect eyes alone could reach.
    """
    test = data.test
    given, sure = answer(test.x_a, test.x_v)
    wrong, unsure = answer(test.x_a, test.x_v[strangers(test)])
    match = test.event == MATCH
    states = metric.state_report(given, test.event, none=data.n_classes)
    return Outcome(
        score=metric.segment_accuracy(given, test.target),
        chance=metric.majority_accuracy(test.target),
        wrong_partner=metric.segment_accuracy(wrong, test.target),
        ceiling=metric.best_guess_accuracy(test.heard * (data.n_classes + 1) + test.viewed, test.target),
        extra={
            "macro": metric.macro_accuracy(given, test.target),
            "macro_wrong_partner": metric.macro_accuracy(wrong, test.target),
            "match_auc": metric.match_auc(sure, match),
            "match_auc_wrong_partner": metric.match_auc(unsure, match),
            "false_alarms_mismatch": states.get("mismatch", 0.0),
            "perfect_ears": metric.best_guess_accuracy(test.heard, test.target),
            "perfect_eyes": metric.best_guess_accuracy(test.viewed, test.target),
            **extra,
        },
    )
