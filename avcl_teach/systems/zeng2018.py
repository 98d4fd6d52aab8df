"""S-DCCA (Zeng, Yu, Oyama 2018): class labels inside the loss of deep CCA, a linear C-CCA on the outputs.

From the abstract: labels in the covariance, music videos, attention over the chunks of a long sound. Verified
in the authors' later scripts: the nets (batch norm, three sigmoid layers of 100, dropout 0.2, a linear end),
the weight 0.2 of the pairs, RMSprop, batches of 200 to 500, C-CCA on the outputs. Shrunk: small frozen
features of 2-second clips, so that there are no chunks to attend to; learning rate 3e-3 for few steps (1e-3
there). Ours: the trace norm, the sum of the correlations (the scripts take the Frobenius norm sqrt(sum s^2)
under the same name), and a ridge of 1e-3 of the mean variance (theirs is 1e-4 absolute, which a net escapes
by growing its outputs). Avoided: Boolean flags used as indices, so that rows 0 and 1 are repeated; eig on
symmetric matrices; means of the test batch at test. Lesson: 30.
"""

import torch
from torch import nn

from avcl_teach.comparison.pairs import Split, world_pairs
from avcl_teach.objectives import cluster_cca, cluster_deep_cca
from avcl_teach.systems._classes import CEILING, CHANCE, class_outcome, on
from avcl_teach.table1 import Claim, Outcome, System

ABOUT = System(
    name="zeng2018",
    paper="Zeng, Yu, Oyama 2018: supervised deep CCA",
    key="zeng2018",
    lesson="30",
    task="cross-modal retrieval, sound and picture",
    metric="class mAP, all ranks",
    protocol="cosine; every test clip is a query in the test clips of the other modality; mean of both ways; "
    "individuals never met in training",
    chance=CHANCE,
    ceiling=CEILING,
    labels_used="class labels",
    paired="clips (weight 0.2) and all pairs of a class (0.8), in one covariance",
    survey_row="not in Table 1; section 3.2 cites it for correlation",
    correction="The survey names no figure. On VEGAS the authors' 2020 scripts give it as the rung C-DCCA: "
    "70.3 sound to picture, 69.3 back.",
    kept="batches much larger than the dimension; labels in the cross-covariance; C-CCA on the outputs",
    claims=(
        Claim("Labels in the covariance retrieve better than pairs alone.", "paper", "pairs alone"),
        Claim("Batches well above the dimension are needed.", "paper", "batches of 32"),
    ),
    arms=("paper", "pairs alone", "batches of 32"),
    mark="reconstruction",
)
SIZES = {
    "quick": {"n_train": 256, "n_test": 96, "steps": 30, "batch_size": 128},
    "cpu": {"n_train": 1024, "n_test": 512, "steps": 160, "batch_size": 256},
    "gpu": {"n_train": 4096, "n_test": 1024, "steps": 400, "batch_size": 512},
}


def sigmoid_net(n_in: int, n_out: int, *, hidden: int = 100, dropout: float = 0.2) -> nn.Sequential:
    """Return the net of a side: batch norm, three sigmoid layers with dropout, a linear end."""
    layers: list[nn.Module] = [nn.BatchNorm1d(n_in)]
    for d in (n_in, hidden, hidden):
        layers += [nn.Linear(d, hidden), nn.Sigmoid(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(hidden, n_out))


def train_nets(
    train: Split, *, seed: int = 0, dim: int = 16, steps: int = 160, batch_size: int = 256,
    pair_weight: float = 0.2,
) -> tuple[nn.Module, nn.Module]:  # fmt: skip
    """Train a net a side on supervised deep CCA, each batch one estimate of the covariances."""
    x_a, x_v, y = train
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        f, g = (sigmoid_net(x.shape[1], dim).to(x.device) for x in (x_a, x_v))
        optimizer = torch.optim.RMSprop([*f.parameters(), *g.parameters()], lr=3e-3)
        for _ in range(steps):
            some = torch.randperm(len(y))[: min(batch_size, len(y))].to(y.device)
            loss = cluster_deep_cca(f(x_a[some]), g(x_v[some]), y[some], pair_weight=pair_weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return f.eval().requires_grad_(False), g.eval().requires_grad_(False)


def retrieve(
    train: Split, test: Split, *, arm: str = ABOUT.arms[0], seed: int = 0, steps: int = 160,
    batch_size: int = 256,
) -> Outcome:  # fmt: skip
    """Train one arm on one cut, fit C-CCA on its outputs there, and judge it on the other."""
    weight = 1.0 if arm == "pairs alone" else 0.2
    if arm == "batches of 32":
        batch_size = 32
    f, g = train_nets(train, seed=seed, steps=steps, batch_size=batch_size, pair_weight=weight)
    k = int(train.labels.max()) + 1
    space = cluster_cca(f(train.x_a), g(train.x_v), train.labels, n_components=k, pair_weight=weight)
    a, v = space.transform_a(f(test.x_a)), space.transform_v(g(test.x_v))
    return class_outcome(a, v, train, test, seed=seed)


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train and judge one arm. Errors: ValueError for an arm or budget that is not there."""
    ABOUT.check(arm, budget, SIZES)
    sizes = dict(SIZES[budget])
    pairs = world_pairs(sizes.pop("n_train"), sizes.pop("n_test"), seed=seed)
    return retrieve(on(pairs.train, device), on(pairs.test, device), arm=arm, seed=seed, **sizes)
