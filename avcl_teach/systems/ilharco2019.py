"""Ilharco, Zhang and Baldridge 2019: speech to image with a masked margin softmax (MMS).

Verified from the abstract: dual encoders of untranscribed speech and pictures, pre-trained on synthesised
captions, masked margin softmax in place of the triplet loss; R@10 49.5; human raters find many of the
"wrong" answers right. From memory: Inception-ResNet-v2 for both sides. Shrunk: one small CNN that sees the
spectrogram as a picture, and the frozen `scene_reader` with a linear layer. Left out: pre-training (all our
captions are synthesised). Batches hold all captions of a picture, so the mask of known positives has work to
do; it is built from picture ids. The margin is a handicap of the pair, not of its impostors. What human
raters did is done here by the truth: a hit is any picture that the caption is true of. Lesson: 30.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach.comparison.captioned_pairs import Captioned, captioned_pairs
from avcl_teach.metrics import chance_recall, recall_at_k
from avcl_teach.objectives import margin_schedule, masked_margin_softmax, triplet_semi_hard
from avcl_teach.systems import merkx2019
from avcl_teach.systems.merkx2019 import evaluate
from avcl_teach.table1 import Claim, Outcome, System
from avcl_teach.training import fit

ARMS = ("masked margin softmax", "no mask", "triplet")
ABOUT = System(
    name="ilharco2019",
    paper="Ilharco, Zhang, Baldridge 2019",
    key="ilharco2019",
    lesson="30",
    task="speech to image",
    metric="R@10",
    protocol=merkx2019.ABOUT.protocol,
    chance=merkx2019.ABOUT.chance,
    ceiling=merkx2019.ABOUT.ceiling,
    labels_used=merkx2019.ABOUT.labels_used,
    paired=merkx2019.ABOUT.paired,
    survey_row="Ilharco et al., 2019 | MMS/T | Supervised | Cross-Modal (AV) Retrieval | Recall@10 | "
    "52.65 | Flickr Audio Caption Corpus",
    correction="52.65 is the mean of 49.5 (audio to image) and 55.8 (image to audio); T is the baseline",
    kept="masking of known positives, dot products, the margin's schedule",
    claims=(
        Claim("the mask of known positives helps when pictures come with several captions", ARMS[0], ARMS[1]),
        Claim("masked margin softmax beats the triplet loss", ARMS[0], ARMS[2]),
    ),
    arms=ARMS,
    mark="reconstruction",
    unit="%",
)
SIZES = {
    "quick": {"n_train": 48, "n_test": 40, "n_val": 16, "steps": 25},
    "cpu": {"n_train": 400, "n_test": 200, "n_val": 100, "steps": 600},
    "gpu": {"n_train": 2000, "n_test": 200, "n_val": 100, "steps": 3000},
}
IMAGES_A_BATCH, TAKES = 12, 5


class SpectrogramEncoder(nn.Module):
    """See a log-mel as a picture: three convolutions of its height, pooled over the frames there are."""

    def __init__(self, dim: int = 128, *, width: int = 96) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [nn.Conv1d(40, width, 7, stride=2, padding=3), nn.Conv1d(width, 128, 5, stride=2, padding=2),
             nn.Conv1d(128, 128, 5, padding=2)]
        )  # fmt: skip
        self.last = nn.Linear(256, dim)
        self.register_buffer("scale", torch.tensor([[0.0], [1.0]]).repeat(1, 40))

    def standardise(self, x_a: Float[Tensor, "batch 40 frame"], n_frames: Int[Tensor, "batch"]) -> None:
        """Take mean and deviation of every band over the frames of the training captions."""
        x = x_a.transpose(1, 2)[_there(n_frames, x_a.shape[2])]
        self.scale.copy_(torch.stack([x.mean(0), x.std(0)]))

    def forward(
        self, x_a: Float[Tensor, "batch 40 frame"], n_frames: Int[Tensor, "batch"]
    ) -> Float[Tensor, "batch dim"]:
        """Embed captions; what comes after the last frame is neither looked at nor pooled."""
        h = (x_a[..., : int(n_frames.max())] - self.scale[0, :, None]) / self.scale[1, :, None]
        for conv in self.convs:
            h = F.relu(conv(h * _there(n_frames, h.shape[2])[:, None]))
            n_frames = n_frames if conv.stride[0] == 1 else (n_frames + 1) // 2
        there = _there(n_frames, h.shape[2])[:, None]
        mean = (h * there).sum(2) / there.sum(2)
        return self.last(torch.cat([mean, (h * there).amax(2)], 1))


def _there(n: Int[Tensor, "batch"], length: int) -> Bool[Tensor, "batch length"]:
    return torch.arange(length, device=n.device) < n[:, None]


class DualSpeechImage(nn.Module):
    """Hold both encoders; their embeddings keep their lengths."""

    def __init__(self, *, dim: int = 128, dim_v: int = 128) -> None:
        super().__init__()
        self.f = SpectrogramEncoder(dim)
        self.g = nn.Sequential(nn.Linear(dim_v, 128), nn.ReLU(), nn.Linear(128, dim))


def loss_of(arm: str):
    """Return loss(a, v, image, step) of an arm; `image` are the ids that the mask is built from."""
    if arm == "triplet":
        return lambda a, v, image, step: triplet_semi_hard(a, v, image, margin=0.2)
    masked = arm == ARMS[0]
    return lambda a, v, image, step: masked_margin_softmax(
        a, v, image if masked else None, margin=margin_schedule(step)
    )


def train(
    data: Captioned, *, arm: str, steps: int, seed: int, device: str | torch.device = "cpu"
) -> DualSpeechImage:
    """Train on batches of 12 pictures with all their captions."""
    torch.manual_seed(seed)
    model, one, objective, done = DualSpeechImage(), data.train, loss_of(arm), [0]
    model.f.standardise(one.x_a, one.n_frames)

    def loss(model: DualSpeechImage, batch: tuple[Tensor, ...]) -> Tensor:
        (which,) = batch
        row = (which[:, None] * TAKES + torch.arange(TAKES, device=which.device)).flatten()
        image = which.repeat_interleave(TAKES)
        a = model.f(one.x_a[row], one.n_frames[row])
        done[0] += 1
        return objective(a, model.g(one.x_v[image]), image, done[0])

    fit(model, loss, torch.arange(one.n_images), steps=steps, batch_size=IMAGES_A_BATCH, lr=2e-3, seed=seed,
        progress=False, grad_clip=5.0, device=device)  # fmt: skip
    return model


def run(seed: int, *, arm: str = ARMS[0], budget: str = "cpu", device: str | torch.device = "cpu") -> Outcome:
    """Train one arm and evaluate it. Errors: ValueError for an unknown arm or budget."""
    ABOUT.check(arm, budget, SIZES)
    size = dict(SIZES[budget])
    steps = size.pop("steps")
    data = captioned_pairs(**size, per_image=TAKES, seed=seed).to(device)
    model, test = train(data, arm=arm, steps=steps, seed=seed, device=device), data.test
    S = similarity(model, test)
    found = evaluate(S, test.image)
    wrong = evaluate(S.roll(1 + len(test.x_v) // 3, dims=1), test.image)
    n, N = test.n_images, len(test.image)
    chance = 50 * (chance_recall(n, 10) + chance_recall(N, 10, n_relevant=TAKES))
    strict, true = (100 * float(recall_at_k(S, 1, r)) for r in (test.image, test.true))
    return Outcome(
        found["mean"], chance, wrong["mean"], evaluate(test.true.float(), test.image)["mean"],
        {"c2i": found["c2i"], "i2c": found["i2c"], "strict R@1": strict, "true R@1": true},
    )  # fmt: skip


@torch.no_grad()
def similarity(model: DualSpeechImage, cut) -> Float[Tensor, "caption image"]:
    """Return the dot products of all captions with all pictures."""
    return model.f(cut.x_a, cut.n_frames) @ model.g(cut.x_v).T
