"""Horiguchi, Kanda and Nagamatsu 2018: faces and voices of strangers matched by an N-pair loss.

From memory: face and voice networks pre-trained on identities, an embedding layer each, N-pair loss with one
face and one voice of N distinct people in a batch, mean average precision on unseen people (2.07, in percent:
chance is about 1 / people). Verified from a public stand-in: frozen vectors -> linear -> ReLU -> a shared
MLP. Shrunk: exactly that, on vectors of 24 from closed-form identity networks. Left out: a penalty on the
norm. Kept: people of the test never met, dot products, distinct people in a batch. Faults of released code
avoided: cosines at temperature 1 (an arm here), a person twice in a batch, one number for both sexes pooled.
The loss: L = (1/N) sum_i ln(1 + sum_{j != i} e^{v_i.f_j - v_i.f_i}) and its mirror image. Lesson: 30.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avcl_teach.comparison.people_pairs import People, PeopleSplit, people_pairs
from avcl_teach.metrics import chance_map, cosine_similarity, mean_average_precision
from avcl_teach.metrics.matching import choice_accuracy, verification_auc
from avcl_teach.metrics.wrong_partners import wrong_partners
from avcl_teach.objectives import info_nce, n_pair
from avcl_teach.table1 import Claim, Outcome, System
from avcl_teach.training import fit
from avcl_teach.world.variants.identities import best_similarity

ARMS = ("N = 64", "N = 8", "N = 2", "cosine, temperature 1", "cosine, temperature .1")
ABOUT = System(
    name="horiguchi2018",
    paper="Horiguchi, Kanda, Nagamatsu 2018",
    key="horiguchi2018",
    lesson="30",
    task="face and voice",
    metric="mAP",
    protocol="150 unseen people x 4 voices and 4 faces; gallery of all 600, relevant: the same person; "
    "mean of both directions",
    chance="expected mAP of a random order, about 1 / people",
    ceiling="the likelihood ratio of the traits, known exactly: face and voice are tied with rho .6 only",
    labels_used="who is who in training (batches hold distinct people)",
    paired="a face and a voice of one person, from different clips",
    survey_row="Horiguchi et al., 2018 | NPL | Unsupervised | Face-2-Voice Retrieval | mAP | 2.07 | FVceleb",
    correction="identity labels build the batches, so it is not unsupervised; 2.07 is mAP in percent",
    kept="frozen identity vectors, shared MLP, dot products, unseen people, distinct people in a batch",
    claims=(
        Claim("more people in a batch retrieve better", ARMS[0], ARMS[2]),
        Claim("more people in a batch match better within the attribute", ARMS[0], ARMS[2], "1:2 within"),
        Claim("dot products beat cosines at temperature 1", ARMS[0], ARMS[3]),
    ),
    arms=ARMS,
    mark="reconstruction",
    unit="%",
)
SIZES = {
    "quick": {"n_train": 80, "n_test": 60, "n_val": 16, "steps": 60},
    "cpu": {"n_train": 400, "n_test": 150, "n_val": 60, "steps": 400},
    "gpu": {"n_train": 1600, "n_test": 300, "n_val": 60, "steps": 2000},
}


class FaceVoice(nn.Module):
    """Map voice and face vectors through a linear layer each and a shared MLP; lengths are kept."""

    def __init__(self, dim_in: int = 24, *, width: int = 64, dim: int = 32) -> None:
        super().__init__()
        self.f, self.g = nn.Linear(dim_in, width), nn.Linear(dim_in, width)
        self.shared = nn.Sequential(nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, dim))

    def voice(self, x_a: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch dim"]:
        """Embed voices."""
        return self.shared(self.f(x_a))

    def face(self, x_v: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch dim"]:
        """Embed faces."""
        return self.shared(self.g(x_v))


def draw_samples(cut: PeopleSplit, who: Tensor) -> tuple[Tensor, Tensor]:
    """Draw one voice and one face of each person, each from a clip of its own."""
    first = who * cut.n_samples
    take = (len(who),)
    i, j = (torch.randint(cut.n_samples, take, device=who.device) for _ in range(2))
    return cut.x_a[first + i], cut.x_v[first + j]


def loss_of(arm: str):
    """Return loss(a, v) of an arm."""
    if arm.startswith("cosine"):
        tau = 1.0 if arm.endswith("1") and not arm.endswith(".1") else 0.1
        return lambda a, v: info_nce(a, v, temperature=tau)
    return n_pair


def train(data: People, *, arm: str, steps: int, seed: int, device: str | torch.device = "cpu") -> FaceVoice:
    """Train on batches of N distinct people, `steps` of them whatever N is; keep the best on val."""
    torch.manual_seed(seed)
    model, objective, one = FaceVoice(), loss_of(arm), data.train
    N = int(arm.split("=")[1]) if "=" in arm else 64

    def loss(model: FaceVoice, batch: tuple[Tensor, ...]) -> Tensor:
        x_a, x_v = draw_samples(one, batch[0])
        return objective(model.voice(x_a), model.face(x_v))

    def on_val(model: FaceVoice) -> float:
        return evaluate(similarity(model, data.val), data.val)["mAP"]

    fit(model, loss, torch.arange(one.n_people), steps=steps, batch_size=N, lr=1e-3, seed=seed,
        val_fn=on_val, progress=False, device=device)  # fmt: skip
    return model


@torch.no_grad()
def similarity(model: FaceVoice, cut: PeopleSplit) -> Float[Tensor, "voice face"]:
    """Return dot products of all voices with all faces."""
    return model.voice(cut.x_a) @ model.face(cut.x_v).T


def evaluate(S: Float[Tensor, "voice face"], cut: PeopleSplit) -> dict[str, float]:
    """Percent: "mAP" both ways, 1:2 and 1:10 matching, 1:2 "within" the attribute, verification "AUC"."""
    who, like = cut.person, cut.attribute[:, None] == cut.attribute
    ap = sum(float(mean_average_precision(s, who, who)) for s in (S, S.T)) / 2
    found = {"mAP": ap, "AUC": verification_auc(S, who, who)}
    for name, k, allowed in (("1:2", 2, None), ("1:2 within", 2, like), ("1:10", 10, None)):
        found[name] = sum(choice_accuracy(s, who, who, k=k, allowed=allowed) for s in (S, S.T)) / 2
    return {name: 100 * x for name, x in found.items()}


def run(seed: int, *, arm: str = ARMS[0], budget: str = "cpu", device: str | torch.device = "cpu") -> Outcome:
    """Train one arm and evaluate it. Errors: ValueError for an unknown arm or budget."""
    ABOUT.check(arm, budget, SIZES)
    size = dict(SIZES[budget])
    steps = size.pop("steps")
    data = people_pairs(**size, seed=seed).to(device)
    model, test = train(data, arm=arm, steps=steps, seed=seed, device=device), data.test
    with torch.no_grad():
        a, v = model.voice(test.x_a), model.face(test.x_v)
    S = cosine_similarity(a, v) if arm.startswith("cosine") else a @ v.T
    found = evaluate(S, test)
    order = wrong_partners(test.person, seed=seed)
    best = evaluate(best_similarity(test.voice_traits, test.face_traits), test)
    extra = {name: x for name, x in found.items() if name != "mAP"}
    return Outcome(
        found["mAP"], 100 * chance_map(test.person, test.person), evaluate(S[:, order], test)["mAP"],
        best["mAP"], extra | {f"ceiling {name}": best[name] for name in ("1:2", "1:2 within", "1:10")},
    )  # fmt: skip
