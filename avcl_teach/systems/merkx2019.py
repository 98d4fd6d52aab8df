"""Merkx, Frank and Ernestus 2019: speech to image with a recurrent encoder and attention of every dimension.

Verified from the released code: 39 MFCCs -> convolution (64 channels, width 6, stride 2) -> bidirectional
recurrent layers -> attention with a softmax over time for each dimension (hidden 128) -> unit length; ResNet
features -> linear -> unit length; hinge on all impostors of the batch, margin .2; cyclic learning rate with a
snapshot at the end of each cycle, whose similarities are averaged. From memory: the numbers behind Table 1.
Shrunk: one GRU of 64 instead of four layers of 1024, pictures read by the frozen `scene_reader` in place of
ResNet-152. Faults of released code avoided: captions of one picture are no impostors of each other; padding
is masked in the attention, with the length after the convolution; the loss is not divided by B twice; picture
to caption takes the best of five. Lesson: 30.
"""

import copy

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach.comparison.captioned_pairs import Captioned, CaptionSplit, captioned_pairs, mfcc
from avcl_teach.metrics import chance_recall, recall_at_k
from avcl_teach.objectives import hinge_sum
from avcl_teach.table1 import Claim, Outcome, System
from avcl_teach.training import fit

ARMS = ("attention, snapshots", "attention, last snapshot", "mean, snapshots")
ABOUT = System(
    name="merkx2019",
    paper="Merkx, Frank, Ernestus 2019",
    key="merkx2019",
    lesson="30",
    task="speech to image",
    metric="R@10",
    protocol="200 unseen pictures x 5 captions by unseen speakers: caption to picture over 200, picture to "
    "caption over 1,000 with the best of 5; mean of both",
    chance="10/200 one way, 1 - C(995, 10)/C(1000, 10) the other; their mean",
    ceiling="an oracle that knows which captions are true of which pictures",
    labels_used="none (pictures come through a frozen reader trained on labels)",
    paired="a spoken caption and its picture",
    survey_row="Merx et al., 2019 | Hinge | Supervised | Speech-2-Image Retrieval | Recall@10 | 52.3 | "
    "Flickr-8K",
    correction="the author is Merkx; 52.3 is the mean of 48.5 (caption to image) and 56.1 (image to caption)",
    kept="subsampling convolution, attention of every dimension, unit length, lengths respected",
    claims=(
        Claim("attention pools better than the mean", ARMS[0], ARMS[2]),
        Claim("an ensemble of snapshots beats the last one", ARMS[0], ARMS[1]),
    ),
    arms=ARMS,
    mark="verified",
    unit="%",
)
SIZES = {
    "quick": {"n_train": 48, "n_test": 40, "n_val": 16, "cycles": 2, "steps": 20},
    "cpu": {"n_train": 400, "n_test": 200, "n_val": 100, "cycles": 4, "steps": 150},
    "gpu": {"n_train": 2000, "n_test": 200, "n_val": 100, "cycles": 4, "steps": 1000},
}


class VectorAttention(nn.Module):
    """Pool h over time with a softmax over time for each dimension: y_d = sum_t alpha_td h_td.

    alpha = softmax_t(W_2 tanh(W_1 h)); steps from n_steps on get no weight.
    """

    def __init__(self, dim: int, *, hidden: int = 128) -> None:
        super().__init__()
        self.W_1, self.W_2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def weights(
        self, h: Float[Tensor, "batch step dim"], n_steps: Int[Tensor, "batch"]
    ) -> Float[Tensor, "batch step dim"]:
        """Return alpha."""
        beyond = torch.arange(h.shape[1], device=h.device) >= n_steps[:, None]
        return self.W_2(torch.tanh(self.W_1(h))).masked_fill(beyond[..., None], float("-inf")).softmax(1)

    def forward(
        self, h: Float[Tensor, "batch step dim"], n_steps: Int[Tensor, "batch"]
    ) -> Float[Tensor, "batch dim"]:
        """Return the pooled vectors."""
        return (self.weights(h, n_steps) * h).sum(1)


class MeanPool(nn.Module):
    """Average h over the steps that are there."""

    def forward(
        self, h: Float[Tensor, "batch step dim"], n_steps: Int[Tensor, "batch"]
    ) -> Float[Tensor, "batch dim"]:
        """Return the means."""
        there = torch.arange(h.shape[1], device=h.device) < n_steps[:, None]
        return (h * there[..., None]).sum(1) / n_steps[:, None]


def steps_after(n_frames: Int[Tensor, "batch"], *, width: int = 6, stride: int = 2) -> Int[Tensor, "batch"]:
    """Count the steps that a convolution without padding leaves: floor((n - width) / stride) + 1."""
    return (n_frames - width) // stride + 1


class SpeechImage(nn.Module):
    """Hold f for spoken captions and g for picture features; both end at unit length."""

    def __init__(self, *, pool: str = "attention", hidden: int = 64, dim_v: int = 128) -> None:
        super().__init__()
        self.conv = nn.Conv1d(39, 64, 6, stride=2)
        self.gru = nn.GRU(64, hidden, batch_first=True, bidirectional=True)
        self.pool = VectorAttention(2 * hidden) if pool == "attention" else MeanPool()
        self.g = nn.Linear(dim_v, 2 * hidden)
        self.register_buffer("scale", torch.ones(2, 39))

    def standardise(self, x_a: Float[Tensor, "batch mel frame"], n_frames: Int[Tensor, "batch"]) -> None:
        """Take mean and deviation of every cepstrum over the frames of the training captions."""
        there = torch.arange(x_a.shape[2], device=x_a.device) < n_frames[:, None]
        x = mfcc(x_a).transpose(1, 2)[there]
        self.scale.copy_(torch.stack([x.mean(0), x.std(0)]))

    def speech(
        self, x_a: Float[Tensor, "batch mel frame"], n_frames: Int[Tensor, "batch"]
    ) -> Float[Tensor, "batch dim"]:
        """Embed captions: log-mels and how many of their frames are speech."""
        x = (mfcc(x_a[..., : int(n_frames.max())]) - self.scale[0, :, None]) / self.scale[1, :, None]
        n_steps = steps_after(n_frames)
        packed = nn.utils.rnn.pack_padded_sequence(
            self.conv(x).transpose(1, 2), n_steps.cpu(), batch_first=True, enforce_sorted=False
        )
        h, _ = nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        return F.normalize(self.pool(h, n_steps), dim=1)

    def picture(self, x_v: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch dim"]:
        """Embed picture features."""
        return F.normalize(self.g(x_v), dim=1)


def train(
    data: Captioned, *, pool: str, cycles: int, steps: int, seed: int, device: str | torch.device = "cpu"
) -> list[SpeechImage]:
    """Train in cycles of falling learning rate; return a snapshot of the end of each."""
    torch.manual_seed(seed)
    model, one, snapshots = SpeechImage(pool=pool), data.train, []
    model.standardise(one.x_a, one.n_frames)

    def loss(model: SpeechImage, batch: tuple[Tensor, ...]) -> Tensor:
        x_a, n_frames, image, x_v = batch
        return hinge_sum(model.speech(x_a, n_frames), model.picture(x_v), image, margin=0.2)

    rows = (one.x_a, one.n_frames, one.image, one.x_v[one.image])
    for cycle in range(cycles):
        fit(model, loss, rows, steps=steps, batch_size=32, lr=2e-3, seed=1000 * seed + cycle, progress=False,
            grad_clip=5.0, device=device)  # fmt: skip
        snapshots.append(copy.deepcopy(model).eval())
    return snapshots


@torch.no_grad()
def similarities(snapshots: list[SpeechImage], cut: CaptionSplit) -> Float[Tensor, "caption image"]:
    """Average the cosines of the snapshots."""
    return torch.stack([m.speech(cut.x_a, cut.n_frames) @ m.picture(cut.x_v).T for m in snapshots]).mean(0)


def evaluate(
    S: Float[Tensor, "caption image"], image: Int[Tensor, "caption"], *, k: int = 10
) -> dict[str, float]:
    """Percent R@k: caption to picture "c2i", picture to the best of its captions "i2c", "mean"."""
    own = image[:, None] == torch.arange(S.shape[1], device=S.device)
    c2i, i2c = 100 * float(recall_at_k(S, k, own)), 100 * float(recall_at_k(S.T, k, own.T))
    return {"c2i": c2i, "i2c": i2c, "mean": (c2i + i2c) / 2}


def run(seed: int, *, arm: str = ARMS[0], budget: str = "cpu", device: str | torch.device = "cpu") -> Outcome:
    """Train one arm and evaluate it. Errors: ValueError for an unknown arm or budget."""
    ABOUT.check(arm, budget, SIZES)
    size = dict(SIZES[budget])
    cycles, steps = size.pop("cycles"), size.pop("steps")
    data = captioned_pairs(**size, seed=seed).to(device)
    snapshots = train(data, pool=arm.split(",")[0], cycles=cycles, steps=steps, seed=seed, device=device)
    snapshots = snapshots[-1:] if "last" in arm else snapshots[-3:]
    test = data.test
    S = similarities(snapshots, test)
    found = evaluate(S, test.image)
    wrong = evaluate(S.roll(1 + len(test.x_v) // 3, dims=1), test.image)
    n, N = test.n_images, len(test.image)
    chance = 50 * (chance_recall(n, 10) + chance_recall(N, 10, n_relevant=N // n))
    ceiling = evaluate(test.true.float(), test.image)
    return Outcome(
        found["mean"], chance, wrong["mean"], ceiling["mean"],
        {"c2i": found["c2i"], "i2c": found["i2c"], "R@1": evaluate(S, test.image, k=1)["mean"],
         "true R@1": 100 * float(recall_at_k(S, 1, test.true))},
    )  # fmt: skip
