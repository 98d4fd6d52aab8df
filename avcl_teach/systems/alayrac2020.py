"""MMV (Alayrac et al. 2020): sound compared in a fine space, words in a coarse one made from it.

Verified in the released code: picture to fine space by two layers with batch norm, sound by a linear layer;
fine to coarse by two layers on ReLU, words by a linear layer; words: frozen vectors, linear, ReLU, maximum,
linear; NCE for sound, MIL-NCE for words, tau 0.07. From memory: fine and coarse beats one shared space.
Shrunk: steps of a quarter second, 64 and 32 units, 200 steps of 128 clips; random word vectors for word2vec;
every clip has words; the coarse head reads unit vectors times 8. Reconstruction: the captions, 5 a clip, of
which one is about it, the others about others. Avoided: sound sent through the coarse head in training (it
spoils the norm's statistics), captions averaged before the exponential, positives counted twice, captions of
clips mixed by a wrong view. Lesson: 31.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach.comparison.view_steps import view_steps
from avcl_teach.encoders.step_towers import StepTower
from avcl_teach.metrics.transfer import top1
from avcl_teach.objectives import info_nce
from avcl_teach.objectives.mil import mil_nce
from avcl_teach.objectives.pairwise import cosine_matrix
from avcl_teach.systems import _self_supervised as shared
from avcl_teach.table1 import Claim, Outcome, System

N_CAPTIONS, N_WORDS, N_FILLERS, PER_CLASS = 5, 4, 24, 8
ARMS = ("paper", "one caption", "average", "shared space", "plain view")
ABOUT = System(
    name="alayrac2020",
    paper="Alayrac, Recasens, Schneider et al. 2020: MMV",
    key="alayrac2020",
    lesson="31",
    task="action recognition",
    metric="top-1, linear probe",
    protocol=f"frozen picture tower; linear probe told {PER_CLASS} labels of each of 8 instruments; "
    f"{shared.SEEDS}; wrong partner: {shared.CONTROL}, and their captions",
    chance="1 / 8 instruments",
    ceiling="the same tower trained on all labels (as many of each class as the rarest has)",
    labels_used="none in pretraining; captions name the instrument in one of five",
    paired="sound and picture of one view of a clip; five captions, one of them about it",
    survey_row="Alayrac et al., 2020 | NCE + MIL-NCE | Semi-Supervised | Sound Classification/Action "
    "Recognition | ACC | 88.9/91.8/67.1 | ESC-50/UCF101/HMDB51",
    correction="Self-supervised. All three are linear probes; fine-tuned 95.2 and 75.0 (from memory).",
    kept="fine and coarse spaces, NCE for sound, MIL-NCE for words, sound and words never meet in training",
    claims=(
        Claim("MIL-NCE beats one caption picked by lot.", "paper", "one caption", "words for pictures"),
        Claim(
            "Fine and coarse beats one space, sound to words.", "paper", "shared space", "words for sounds"
        ),
    ),
    arms=ARMS,
    mark="verified",
    unit="%",
)
SIZES = {
    "quick": {"n_train": 128, "n_test": 128, "steps": 20, "batch_size": 32},
    "cpu": {"n_train": 768, "n_test": 512, "steps": 200, "batch_size": 128},
    "gpu": {"n_train": 8192, "n_test": 2048, "steps": 3000, "batch_size": 512},
}


class Words(nn.Module):
    """Embed a caption: frozen vectors of words, linear, ReLU, the maximum over words, linear."""

    def __init__(self, n_words: int, dim: int) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(0)
        self.register_buffer("vectors", torch.randn(n_words, 32, generator=g))
        self.word, self.out = nn.Linear(32, 64), nn.Linear(64, dim)

    def forward(self, words: Int[Tensor, "*caption word"]) -> Float[Tensor, "*caption dim"]:
        """Embed captions of word numbers."""
        return self.out(F.relu(self.word(self.vectors[words])).amax(-2))


class Versatile(nn.Module):
    """Hold three towers and the spaces: fine for sound and picture, coarse for words (or one for all)."""

    def __init__(self, n_classes: int, *, dim: int = 32, one_space: bool = False) -> None:
        super().__init__()
        self.a, self.v = (StepTower(shared.N_FEATURES[k]) for k in "av")
        self.t, self.one_space = Words(n_classes + N_FILLERS, dim), one_space
        self.v_to_fine = nn.Sequential(
            nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, dim), nn.BatchNorm1d(dim)
        )
        self.a_to_fine = nn.Linear(64, dim)
        self.fine_to_coarse = nn.Sequential(
            nn.ReLU(), nn.Linear(dim, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, dim)
        )

    def coarse(self, fine: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        """Bring points of the fine space to the words: directions alone, as the fine loss compares them."""
        return fine if self.one_space else self.fine_to_coarse(8 * F.normalize(fine, dim=1))

    def loss(self, x_a: Tensor, x_v: Tensor, words: Tensor, *, arm: str = "paper") -> Float[Tensor, ""]:
        """NCE between sound and picture, MIL-NCE between picture and captions [batch, caption, word]."""
        v, a, t = self.v_to_fine(self.v(x_v)), self.a_to_fine(self.a(x_a)), self.t(words)
        if arm == "average":
            t = t.mean(1, keepdim=True)
        return info_nce(a, v) + mil_nce(t, self.coarse(v))


def draw_captions(
    labels: Int[Tensor, "clip"], n_classes: int, *, seed: int = 0
) -> Int[Tensor, "clip caption word"]:
    """Draw captions: the first names the clip's instrument among fillers, the others that of any clip.

    Word c < n_classes names class c, the others are fillers; the one name stands anywhere in its caption.
    Lesson: 31.
    """
    g = torch.Generator().manual_seed(1000 + seed)
    n = len(labels)
    words = n_classes + torch.randint(N_FILLERS, (n, N_CAPTIONS, N_WORDS), generator=g)
    named = labels.cpu()[torch.randint(n, (n, N_CAPTIONS), generator=g)]
    named[:, 0] = labels.cpu()
    place = torch.randint(N_WORDS, (n, N_CAPTIONS, 1), generator=g)
    return words.scatter(2, place, named[..., None]).to(labels.device)


def pretrain(
    x_a: Tensor,
    x_v: Tensor,
    words: Tensor,
    *,
    n_classes: int,
    arm: str = "paper",
    seed: int = 0,
    **sizes: int,
) -> Versatile:
    """Train on views [clip, view, step, feature] and captions, no labels; sizes: steps, batch_size."""

    def loss(model: Versatile, batch: tuple[Tensor, ...]) -> Tensor:
        a, v, w = batch
        rows = torch.arange(len(a), device=a.device)
        view = torch.randint(1 if arm == "plain view" else a.shape[1], (len(a),), device=a.device)
        if arm == "one caption":
            w = w[rows, torch.randint(N_CAPTIONS, (len(w),), device=w.device)][:, None]
        return model.loss(a[rows, view], v[rows, view], w, arm=arm)

    model = shared.drawn(lambda: Versatile(n_classes, one_space=arm == "shared space"), seed)
    return shared.fit(model, loss, (x_a, x_v, words), seed=seed, lr=2e-3, **sizes)


@torch.no_grad()
def name_it(model: Versatile, fine: Float[Tensor, "clip dim"], n_classes: int) -> Float[Tensor, "clip class"]:
    """Score every instrument's own word for points of the fine space: recognition without any label."""
    word = torch.arange(n_classes, device=fine.device)[:, None]
    return cosine_matrix(model.coarse(fine), model.t(word))


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Pretrain and judge one arm. Errors: ValueError for an arm or budget that is not there."""
    ABOUT.check(arm, budget, SIZES)
    sizes = dict(SIZES[budget])
    data = view_steps(sizes.pop("n_train"), sizes.pop("n_test"), seed=seed)
    train, val, test = (shared.on(cut, device) for cut in (data.train, data.val, data.test))
    n = data.n_classes
    words = draw_captions(train.y, n, seed=seed)
    how = {"n_classes": n, "arm": arm, "seed": seed, **sizes}
    model = pretrain(train.x_a, train.x_v, words, **how)
    p = shared.wrong_partners(train.y, seed=seed)
    wrong = pretrain(train.x_a[p], train.x_v, words[p], **how)
    cuts = [(cut.x_v[:, 0], cut.y) for cut in (train, val, test)]
    sounds = [(cut.x_a[:, 0], cut.y) for cut in (train, val, test)]
    with torch.no_grad():
        points = {
            "words for pictures": model.v_to_fine(model.v(cuts[2][0])),
            "words for sounds": model.a_to_fine(model.a(sounds[2][0])),
        }
    extra = {name: top1(name_it(model, fine, n), test.y) for name, fine in points.items()}
    fresh = shared.drawn(lambda: Versatile(n), seed).to(device)
    most = int(train.y.bincount().min())
    return shared.outcome(
        lambda m: shared.probe_at(m.v, cuts, PER_CLASS, seed=seed),
        {"pretrained": model, "wrong partners": wrong, "untrained": fresh},
        chance=1 / n,
        ceiling=shared.tuned_at(fresh.v, cuts, most, seed=seed, steps=sizes["steps"]),
        extra={**extra, "sound, linear": shared.probe_at(model.a, sounds, PER_CLASS, seed=seed)},
    )
