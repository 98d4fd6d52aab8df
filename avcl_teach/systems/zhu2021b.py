"""Zhu et al. 2021b (MS-VAE): either modality must regenerate both, so their latents meet; no labels.

Verified: separate encoders, one shared decoder that gives [sound; picture] from either latent, the weights of
the divergence (0.1, then 0.01), retrieval by half the distance of means and half that of what they decode to
(released code), and a moment found in the other modality by the smallest sum of that score; a Wasserstein
distance between the posteriors (abstract), whose closed form is computed here.
Shrunk: latent of 16, hidden 64, frozen features of quarter seconds of the world for VGG features of seconds;
batches of pairs from many clips, for seconds of one video. Avoided, all in the released code: a distance of
draws for one of distributions (arm "samples"), a divergence summed over the batch beside an error averaged
over it, two optimisers for the one decoder, a sound-to-picture ranking that reads the last picture's scores,
training features normalised otherwise than test features. Lessons: 14, 36.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from avcl_teach import training
from avcl_teach.comparison.ceilings import told_class_similarities
from avcl_teach.comparison.event_pairs import MATCH
from avcl_teach.comparison.pairs import Split
from avcl_teach.comparison.segment_pairs import SegmentSplit, world_segments
from avcl_teach.encoders import SharedDecoderVAE
from avcl_teach.metrics.ranks import mean_reciprocal_rank
from avcl_teach.metrics.wrong_partners import wrong_partners
from avcl_teach.objectives.distributional import gaussian_kl, gaussian_wasserstein2
from avcl_teach.table1 import Claim, Outcome, System

ABOUT = System(
    name="zhu2021b",
    paper="Zhu et al. 2021b: MS-VAE",
    key="zhu2021variational",
    lesson="36",
    task="cross-modal retrieval; generation is its pretext",
    metric="MRR",
    protocol="one matching quarter second of every test clip, individuals never met; the first of the "
    "query's class counts; mean of sound to picture and back",
    chance="expected MRR of a random order, from the class counts of the gallery",
    ceiling="the class of the other side is told, and this side read by a linear classifier (both ways)",
    labels_used="none",
    paired="sound and picture of a quarter second",
    survey_row="Zhu et al., 2021b | ELBO + Wasserstein | Unsupervised | Cross-Modal (AV) Generation | MRR "
    "| 0.175 | AVE",
    correction="the task is retrieval; the printed 0.175 is close to chance (about 0.12 for 28 equal "
    "classes, 0.15 for an imbalanced gallery of 402)",
    kept="separate encoders, one shared decoder, both modalities as target, W2 in closed form; moments of a "
    "clip found in its other modality (beside the score)",
    claims=(
        Claim(
            "The distance between posteriors is what makes latents meet (ranked by means alone, without the "
            "decoder's part of the score).",
            "paper",
            "no distance",
            "means alone",
        ),
        Claim("The closed form beats a distance of draws.", "paper", "samples"),
    ),
    arms=("paper", "no distance", "samples"),
)
SIZES = {
    "quick": {"n_train": 128, "n_test": 64, "steps": 80, "batch_size": 64},
    "cpu": {"n_train": 1024, "n_test": 512, "steps": 1000, "batch_size": 128},
    "gpu": {"n_train": 4096, "n_test": 512, "steps": 6000, "batch_size": 256},
}
N_LATENT, HIDDEN, KL_WEIGHTS = 16, (64, 64), (0.1, 0.01)


class Moment(NamedTuple):
    """Hold a clip, standardised, and the one stretch of it in which sound and picture match."""

    x_a: Float[Tensor, "segment 64"]
    x_v: Float[Tensor, "segment 182"]
    start: int
    length: int


def matched_pairs(seed: int, *, n_train: int, n_test: int) -> tuple[Split, Split]:
    """Take matching segments: all of the training clips, one of every test clip; standardised on training.

    64 features of sound; of the picture the largest value of each of 182 features over its 16 regions.
    """
    clips = world_segments(n_train, n_test, seed=seed, n_val=2)
    train, test = _matching(clips.train), _matching(clips.test, one=True, seed=seed)
    scale = [_scale(x) for x in train[:2]]
    return tuple(
        Split(*((x - m) / s for x, (m, s) in zip(cut[:2], scale, strict=True)), cut[2])
        for cut in (train, test)
    )


def matched_moments(seed: int, *, n_train: int, n_test: int) -> list[Moment]:
    """Take the test clips whose matching segments are one stretch of 2 or more, and not the whole clip."""
    clips = world_segments(n_train, n_test, seed=seed, n_val=2)
    (m_a, s_a), (m_v, s_v) = (_scale(x) for x in _matching(clips.train)[:2])
    x_a, x_v = (clips.test.x_a - m_a) / s_a, (clips.test.x_v.amax(2) - m_v) / s_v
    found = []
    for i, event in enumerate(clips.test.event):
        at = (event == MATCH).nonzero()[:, 0].tolist()
        if 2 <= len(at) < len(event) and at[-1] - at[0] + 1 == len(at):
            found.append(Moment(x_a[i], x_v[i], at[0], len(at)))
    return found


def _scale(x: Float[Tensor, "n feature"]) -> tuple[Tensor, Tensor]:
    return x.mean(0), x.std(0).clamp_min(1e-6)


def _matching(split: SegmentSplit, *, one: bool = False, seed: int = 0) -> Split:
    clip, at = (split.event == MATCH).nonzero().unbind(1)
    if one:
        order = torch.randperm(len(clip), generator=torch.Generator().manual_seed(seed))
        chosen = {int(clip[i]): int(i) for i in order}
        some = torch.tensor([chosen[c] for c in sorted(chosen)])
        clip, at = clip[some], at[some]
    return Split(split.x_a[clip, at], split.x_v[clip, at].amax(1), split.event_label[clip, at])


def pair_loss(
    net: SharedDecoderVAE, x_a: Tensor, x_v: Tensor, *, kl_weight: float, distance: str = "paper"
) -> Float[Tensor, ""]:
    """Price a batch: both from either, the divergences, and the distance between both posteriors.

    Each is a sum over its dimensions and a mean over the batch, and all are over the number of features.
    """
    both, sides = torch.cat([x_a, x_v], 1), net(x_a, x_v)
    loss = apart(*sides, distance=distance) / both.shape[1]
    for side in sides:
        loss = loss + F.mse_loss(torch.cat([side.x_a, side.x_v], 1), both)
        loss = loss + kl_weight * gaussian_kl(*side.q) / both.shape[1]
    return loss


def apart(from_a, from_v, *, distance: str = "paper") -> Float[Tensor, ""]:
    """Return d(q_a, q_v): W2 in closed form, the distance of two draws ("samples"), or 0 ("no distance")."""
    if distance == "no distance":
        return from_a.z.new_zeros(())
    if distance == "samples":
        return (from_a.z - from_v.z).norm(dim=1).mean()
    return gaussian_wasserstein2(*from_a.q, *from_v.q)


def train_vae(
    train: Split, *, arm: str, steps: int, batch_size: int, seed: int = 0, device: str | torch.device = "cpu"
) -> SharedDecoderVAE:
    """Train on pairs; the divergence weighs 0.1 in the first two thirds of the steps, then 0.01."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = SharedDecoderVAE(train.x_a.shape[1], train.x_v.shape[1], N_LATENT, hidden=HIDDEN)
    done = iter(range(steps))

    def loss(net: SharedDecoderVAE, batch: tuple[Tensor, ...]) -> Tensor:
        weight = KL_WEIGHTS[3 * next(done) >= 2 * steps]
        return pair_loss(net, *batch, kl_weight=weight, distance=arm)

    training.fit(net, loss, (train.x_a, train.x_v), steps=steps, batch_size=batch_size, lr=3e-3, seed=seed,
                 device=device, progress=False)  # fmt: skip
    return net


def dissimilarity(
    net: SharedDecoderVAE, q: Float[Tensor, "n latent"], g: Float[Tensor, "m latent"]
) -> Float[Tensor, "n m"]:
    """Return half the distance of means, and half the mean squared difference of what they decode to."""
    x, y = net.decoder(q), net.decoder(g)
    return torch.cdist(q, g) / 2 + torch.cdist(x, y).square() / x.shape[1] / 2


def class_mrr(
    S: Float[Tensor, "n m"], of_query: Int[Tensor, "n"], of_item: Int[Tensor, "m"], *, same: bool = False
) -> float:
    """Return the MRR of the first item of the query's class; `same`: a query does not find itself."""
    relevant = of_query[:, None] == of_item
    if same:
        relevant, S = relevant.clone().fill_diagonal_(False), S.clone().fill_diagonal_(float("-inf"))
    there = relevant.any(1)
    return float(mean_reciprocal_rank(S[there].double(), relevant[there]))


def best_offset(D: Float[Tensor, "query segment"], start: int, length: int) -> int:
    """Return where rows start to start + length lie best: the smallest sum along the diagonal from an offset.

    D: dissimilarity of every segment of the query's modality with every one of the other's. Errors:
    ValueError for a stretch that is not inside the rows.
    """
    if length < 1 or not 0 <= start <= len(D) - length:
        raise ValueError(f"expected a stretch inside {len(D)} segments, got {length} from {start}")
    query = D[start : start + length]
    return int(torch.stack([query.diagonal(o).sum() for o in range(D.shape[1] - length + 1)]).argmin())


@torch.no_grad()
def find_moments(net: SharedDecoderVAE, moments: Sequence[Moment]) -> dict[str, float]:
    """Find each stretch of a sound in its picture, and back: the share of exact starts, beside its controls.

    "moment" found · "moment, wrong clip": in another clip's · "moment, chance": 1 over the possible starts.
    """
    device = next(net.parameters()).device
    latents = [[side.q.mean for side in net(m.x_a.to(device), m.x_v.to(device))] for m in moments]
    right = {"moment": [], "moment, wrong clip": []}
    for i, (_, _, start, length) in enumerate(moments):
        for name, j in (("moment", i), ("moment, wrong clip", i - 1)):
            for k in (0, 1):
                D = dissimilarity(net, latents[i][k], latents[j][1 - k])
                right[name].append(best_offset(D, start, length) == start)
    chance = [1 / (len(m.x_a) - m.length + 1) for m in moments]
    return {name: sum(x) / len(x) for name, x in (right | {"moment, chance": chance}).items()}


@torch.no_grad()
def measure(
    net: SharedDecoderVAE, train: Split, test: Split, *, seed: int = 0, moments: Sequence[Moment] = ()
) -> Outcome:
    """Retrieve by class: four directions, wrong partners, chance, what a told class gives; find moments."""
    device = next(net.parameters()).device
    a, v = (side.q.mean for side in net(test.x_a.to(device), test.x_v.to(device)))
    y, p = test.labels, wrong_partners(test.labels, seed=seed)
    S = {name: -dissimilarity(net, *pair).cpu() for name, pair in
         {"av": (a, v), "va": (v, a), "aa": (a, a), "vv": (v, v)}.items()}  # fmt: skip
    alone = [class_mrr(-torch.cdist(*pair).cpu(), y, y) for pair in ((a, v), (v, a))]
    found = {name: class_mrr(S[name], y, y, same=name in ("aa", "vv")) for name in S}
    wrong = [class_mrr(S[name][:, p], y, y) for name in ("av", "va")]
    told = [class_mrr(M, y, y) for T in told_class_similarities(train, test) for M in (T, T.T)]
    return Outcome(
        score=(found["av"] + found["va"]) / 2,
        chance=class_mrr(torch.zeros(len(y), len(y)), y, y),
        wrong_partner=sum(wrong) / 2,
        ceiling=sum(told) / len(told),
        extra=found | {"means alone": sum(alone) / 2} | (find_moments(net, moments) if moments else {}),
    )


def train(
    seed: int, *, arm: str = "paper", budget: str = "cpu", device: str | torch.device = "cpu"
) -> tuple[SharedDecoderVAE, Split, Split]:
    """Train one arm and return it with its data."""
    ABOUT.check(arm, budget, SIZES)
    sizes = dict(SIZES[budget])
    cuts = matched_pairs(seed, n_train=sizes.pop("n_train"), n_test=sizes.pop("n_test"))
    return train_vae(cuts[0], arm=arm, seed=seed, device=device, **sizes), *cuts


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train and judge one arm. Errors: ValueError for an arm or budget that is not there."""
    found = train(seed, arm=arm, budget=budget, device=device)
    moments = matched_moments(seed, **{name: SIZES[budget][name] for name in ("n_train", "n_test")})
    return measure(*found, seed=seed, moments=moments)
