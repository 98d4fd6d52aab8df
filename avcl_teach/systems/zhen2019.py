"""DSCMR (Zhen et al. 2019): labels regressed from a common space, pairs drawn together, last layers shared.

Verified in the released code: a linear layer and ReLU a side, a shared linear layer, a shared linear map to
the classes; J1 + 0.001 J2 + 0.1 J3; Adam with betas (0.5, 0.999), batches of 100; class mAP over all ranks.
From memory: that the paper finds each term to help. Shrunk: 256 and 128 units for 2048 and 1024, learning
rate 1e-3 for 250 steps (1e-4 and 500 epochs there), sounds and moving pictures for texts and pictures.
Avoided: the release keeps the epoch that is best on the TEST set, and does not shuffle. Lesson: 30.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach.comparison.pairs import Split, world_pairs
from avcl_teach.objectives import label_regression, pair_distance, pairwise_likelihood
from avcl_teach.systems._classes import CEILING, CHANCE, class_outcome, on
from avcl_teach.table1 import Claim, Outcome, System

# arm -> weights of J1, J2, J3, and whether the layer into the common space is shared
TERMS = {
    "paper": (1.0, 1e-3, 0.1, True),
    "without J1": (0.0, 1e-3, 0.1, True),
    "without J2": (1.0, 0.0, 0.1, True),
    "without J3": (1.0, 1e-3, 0.0, True),
    "J2 times 1000": (1.0, 1.0, 0.1, True),
    "not shared": (1.0, 1e-3, 0.1, False),
}
ABOUT = System(
    name="zhen2019",
    paper="Zhen, Hu, Wang, Peng 2019: DSCMR",
    key="zhen2019",
    lesson="30",
    task="cross-modal retrieval by class",
    metric="class mAP, all ranks",
    protocol="cosine; every test clip is a query in the test clips of the other modality; mean of both ways; "
    "individuals never met in training; last step, nothing chosen on test",
    chance=CHANCE,
    ceiling=CEILING,
    labels_used="class labels",
    paired="sound and picture of one clip (J3), any two items by class (J2)",
    survey_row="Zhen et al., 2019 | CE + Center + L2 | Supervised | Cross-Modal (IT) Retrieval | mAP | "
    "71.6/61.3 | Pascal Sentence/NUS-WIDE-10k",
    correction="No softmax cross-entropy and no centre term: J1 regresses one-hot labels by L2, J2 is a "
    "pairwise logistic likelihood, J3 the distance of partners. 71.6 is the mean of 71.0 and 72.2. Pictures "
    "and texts, no sound.",
    kept="J1, J2, J3 with their published weights; shared last layers; mAP over all ranks",
    claims=(
        Claim("Regressing the labels (J1) helps.", "paper", "without J1"),
        Claim("The pairwise likelihood (J2) helps.", "paper", "without J2"),
        Claim("Drawing partners together (J3) helps.", "paper", "without J3"),
        Claim("Sharing the last layer helps.", "paper", "not shared"),
    ),
    arms=tuple(TERMS),
    mark="verified",
)
SIZES = {
    "quick": {"n_train": 256, "n_test": 96, "steps": 40},
    "cpu": {"n_train": 1024, "n_test": 512, "steps": 250},
    "gpu": {"n_train": 4096, "n_test": 1024, "steps": 1000},
}


class CommonSpace(nn.Module):
    """Bring both sides into one space, and that space to the classes."""

    def __init__(self, n_a: int, n_v: int, n_classes: int, *, hidden: int = 256, dim: int = 128, shared=True):
        super().__init__()
        self.a, self.v = nn.Linear(n_a, hidden), nn.Linear(n_v, hidden)
        self.top_a = nn.Linear(hidden, dim)
        self.top_v = self.top_a if shared else nn.Linear(hidden, dim)
        self.classes = nn.Linear(dim, n_classes, bias=False)

    def forward(
        self, x_a: Float[Tensor, "batch n_a"], x_v: Float[Tensor, "batch n_v"]
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
        """Embed both sides."""
        return self.top_a(F.relu(self.a(x_a))), self.top_v(F.relu(self.v(x_v)))


def terms(model: CommonSpace, batch: Split) -> tuple[Tensor, Tensor, Tensor]:
    """Return J1, J2 and J3 of a batch."""
    a, v = model(batch.x_a, batch.x_v)
    J1 = label_regression(a, v, batch.labels, weight=model.classes.weight)
    return J1, pairwise_likelihood(a, v, batch.labels), pair_distance(a, v)


def train_space(
    train: Split, *, arm: str = ABOUT.arms[0], seed: int = 0, steps: int = 250, batch_size: int = 100,
    after_step=None,
) -> CommonSpace:  # fmt: skip
    """Train one arm; `after_step(model)`, where given, may look at every step."""
    *weights, shared = TERMS[arm]
    n = train.n_pairs
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sides = train.x_a.shape[1], train.x_v.shape[1]
        model = CommonSpace(*sides, int(train.labels.max()) + 1, shared=shared).to(train.x_a.device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.5, 0.999))
        for _ in range(steps):
            some = torch.randperm(n)[: min(batch_size, n)].to(train.x_a.device)
            found = terms(model, Split(*(x[some] for x in train)))
            loss = sum(w * J for w, J in zip(weights, found, strict=True) if w)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if after_step is not None:
                after_step(model)
    return model.eval().requires_grad_(False)


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train and judge one arm. Errors: ValueError for an arm or budget that is not there."""
    ABOUT.check(arm, budget, SIZES)
    sizes = SIZES[budget]
    pairs = world_pairs(sizes["n_train"], sizes["n_test"], seed=seed)
    train, test = on(pairs.train, device), on(pairs.test, device)
    model = train_space(train, arm=arm, seed=seed, steps=sizes["steps"])
    return class_outcome(*model(test.x_a, test.x_v), train, test, seed=seed)
