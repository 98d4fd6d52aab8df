"""What the systems of recognition by self-supervision share: drawing, wrong partners, judging."""

import dataclasses
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avcl_teach.comparison.view_steps import Steps
from avcl_teach.metrics import transfer
from avcl_teach.metrics.wrong_partners import wrong_partners
from avcl_teach.table1.declare import Outcome

CONTROL = (
    "at test there is one modality and no partner, so partners are wrong in pretraining: the whole protocol "
    "again after pretraining with the sounds of clips of another class"
)
SEEDS = (
    "one world, individuals of the test never met in training; a seed draws clips, weights, batches, labels"
)
N_FEATURES = {"a": 64, "v": 182}


class Averaged(nn.Module):
    """Average a tower over the parts of a clip, n_steps each, one after another."""

    def __init__(self, tower: nn.Module, n_steps: int) -> None:
        super().__init__()
        self.tower, self.n_steps = tower, n_steps

    def forward(self, x: Float[Tensor, "clip step feature"]) -> Float[Tensor, "clip dim"]:
        """Return one vector a clip."""
        z = self.tower(x.unflatten(1, (-1, self.n_steps)).flatten(0, 1))
        return z.unflatten(0, (len(x), -1)).mean(1)


def drawn(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Make a network with the weights of a seed; the caller's random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def wrongly_paired(train: Steps, *, seed: int) -> Steps:
    """Give every clip the sound of a clip of another class, the same one in every epoch."""
    return dataclasses.replace(train, x_a=train.x_a[wrong_partners(train.y, seed=seed)])


def on(steps: Steps, device: str | torch.device) -> Steps:
    """Bring a cut to a device."""
    return Steps(steps.x_a.to(device), steps.x_v.to(device), steps.y.to(device), steps.instrument.to(device))


def fit(
    model: nn.Module, loss: Callable[[nn.Module, tuple[Tensor, ...]], Tensor], rows: Sequence[Tensor],
    *, seed: int, steps: int, batch_size: int, lr: float, **how: object,
) -> nn.Module:  # fmt: skip
    """Pretrain a model in place: `training.fit` on the device of the rows, without progress bar."""
    from avcl_teach.training import fit as train

    train(model, loss, tuple(rows), steps=steps, batch_size=min(batch_size, len(rows[0])), lr=lr, seed=seed,
          device=rows[0].device, progress=False, **how)  # fmt: skip
    return model


def probe_at(
    encoder: Callable[[Tensor], Tensor], cuts: Sequence[tuple[Tensor, Tensor]], per_class: int, *, seed: int
) -> float:
    """Score a linear probe told `per_class` labels of each class; cuts: (x, y) of train, val and test."""
    rows = transfer.label_budget(cuts[0][1], per_class, seed=seed)
    return transfer.probe_top1(encoder, tuple(x[rows] for x in cuts[0]), *cuts[1:])


def tuned_at(
    encoder: nn.Module, cuts: Sequence[tuple[Tensor, Tensor]], per_class: int, *, seed: int, **how: object
) -> float:
    """Score a fine-tuned encoder told `per_class` labels of each class (a fresh one: from scratch)."""
    rows = transfer.label_budget(cuts[0][1], per_class, seed=seed)
    told, n_classes = tuple(x[rows] for x in cuts[0]), int(cuts[0][1].max()) + 1
    model = transfer.fine_tune(encoder, told, cuts[1], n_classes=n_classes, seed=seed, **how)
    with torch.no_grad():
        return transfer.top1(model(cuts[2][0]), cuts[2][1])


def outcome(
    measure: Callable[[nn.Module], float], encoders: dict[str, nn.Module], *, chance: float, ceiling: float,
    extra: dict[str, float],
) -> Outcome:  # fmt: skip
    """Measure the encoders "pretrained", "wrong partners" and "untrained" in one way; percent."""
    found = {name: 100 * measure(encoder) for name, encoder in encoders.items()}
    return Outcome(
        score=found["pretrained"],
        chance=100 * chance,
        wrong_partner=found["wrong partners"],
        ceiling=100 * ceiling,
        extra={"untrained": found["untrained"], **{name: 100 * x for name, x in extra.items()}},
    )
