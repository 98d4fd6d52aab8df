"""Lin and Wang 2020: each second of sound asks regions of its own and of neighbouring pictures.

Task (verified from the abstract): name the audio-visual event of each second, or none. Numbers of the paper
(from memory): 76.8 % supervised, 70.2 % with labels of clips only. The formula of the attention is a
reconstruction: one softmax over the regions of all pictures at most w segments away. Kept: regions as tokens,
sound as query, keys of neighbouring segments, the map of the instance as an output. Shrunk: 4 x 4 regions of
32 numbers for 7 x 7 x 512, 32 dimensions, 2 heads, 8 segments of a quarter second for 10 of a second. Left
out: the same attention for sound. Faults avoided: no zeros are made up before the first and after the last
segment (they would get attention); one softmax over time and space together; "none" is most common, so macro
accuracy stands beside accuracy. Lesson: 33.
"""

from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from avcl_teach.comparison.event_pairs import Events
from avcl_teach.encoders.contexts import RegionAttention
from avcl_teach.encoders.transformers import TransformerBlock
from avcl_teach.metrics.maps import covered_share, pointing_accuracy
from avcl_teach.objectives.multiple_instances import weak_cross_entropy
from avcl_teach.systems import _events
from avcl_teach.systems._events import localize
from avcl_teach.table1.declare import Claim, Outcome, System

ABOUT = System(
    name="lin2020",
    paper="Lin and Wang 2020",
    key="lin2020",
    lesson="33",
    task="event localization in time",
    metric="segment accuracy",
    protocol=_events.PROTOCOL,
    chance=_events.CHANCE,
    ceiling=_events.CEILING,
    labels_used="a class or none for every segment (arm weak: classes of the clip)",
    paired="sound and picture of one segment",
    survey_row="Lin and Wang, 2020 | CE | Semi-Supervised | Sound Localization | ACC | 76.8 | AVE",
    correction="the task is event localization in time; 76.8 is fully supervised, the weak number is 70.2",
    kept="regions as tokens, sound as query, keys of neighbouring segments, the instance map",
    claims=(
        Claim("regions help: attention over regions beats their mean", "paper", "mean_of_regions"),
        Claim(
            "context helps: keys of neighbouring pictures beat one's own picture alone",
            "paper",
            "own_picture",
        ),
        Claim("labels of segments beat labels of clips", "paper", "weak"),
    ),
    arms=("paper", "own_picture", "mean_of_regions", "weak"),
)
SIZES = _events.SIZES


class InstanceTransformer(nn.Module):
    """Answer each segment from its sound and from what that sound found in the pictures around it.

    The sound asks regions of segments at most `window` away (`RegionAttention`); a learnt place in time is
    added to queries and keys, or nothing would tell the pictures apart. Then one transformer block over the
    segments, and a classifier. mean_of_regions: each picture is one vector.
    """

    def __init__(
        self,
        n_classes: int,
        *,
        dim: int = 32,
        window: int = 1,
        n_segments: int = 8,
        mean_of_regions: bool = False,
    ) -> None:
        super().__init__()
        self.mean_of_regions = mean_of_regions
        self.encode = _events.Encoders(dim)
        self.step = nn.Parameter(0.5 * torch.randn(n_segments, dim))
        self.look = RegionAttention(dim, 2, window=window, residual=False)
        self.fuse = nn.Linear(2 * dim, 2 * dim)
        self.in_time = TransformerBlock(2 * dim, 2)
        self.head = _events.mlp(2 * dim, n_classes + 1)

    def tokens(self, x_a: Tensor, x_v: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries [clip, segment, dim] and keys [clip, segment, region, dim], placed in time."""
        a, v = self.encode(x_a, x_v)
        v = v.mean(2, keepdim=True) if self.mean_of_regions else v
        return a + self.step, v + self.step[:, None]

    def forward(
        self,
        x_a: Float[Tensor, "clip segment feature_a"],
        x_v: Float[Tensor, "clip segment region feature_v"],
    ) -> Float[Tensor, "clip segment answer"]:
        """Return logits of the classes and, last, of "none"."""
        a, v = self.tokens(x_a, x_v)
        return self.head(self.in_time(self.fuse(torch.cat([a, self.look(a, v)], dim=-1))))

    def maps(self, x_a: Tensor, x_v: Tensor) -> Float[Tensor, "clip segment region"]:
        """Return where the sound of each segment looks in its own picture."""
        M = self.look.maps(*self.tokens(x_a, x_v))
        return M.diagonal(dim1=1, dim2=2).mT


def segment_loss(net: nn.Module, batch: tuple[Tensor, ...]) -> Float[Tensor, ""]:
    """Cross-entropy of every segment: full supervision."""
    x_a, x_v, target, _ = batch
    return F.cross_entropy(net(x_a, x_v).flatten(0, 1), target.flatten())


def clip_loss(net: nn.Module, batch: tuple[Tensor, ...], *, sharpness: float = 3.0) -> Float[Tensor, ""]:
    """Cross-entropy of the clip's classes, pooled over its segments: weak supervision."""
    x_a, x_v, _, labels = batch
    return weak_cross_entropy(_events.over_none(net(x_a, x_v)), labels, sharpness=sharpness)


def train(
    seed: int, *, arm: str = "paper", budget: str = "cpu", device: str | torch.device = "cpu"
) -> tuple[InstanceTransformer, Events]:
    """Train one arm and return it with its data."""
    ABOUT.check(arm, budget, SIZES)
    sizes = SIZES[budget]
    data = _events.load(seed, sizes)
    torch.manual_seed(seed)
    net = InstanceTransformer(
        data.n_classes, window=0 if arm == "own_picture" else 1, mean_of_regions=arm == "mean_of_regions"
    )
    loss = clip_loss if arm == "weak" else segment_loss
    return _events.fit(net, loss, data, seed=seed, device=device, **sizes), data


def measure(
    net: InstanceTransformer, data: Events, *, arm: str = "paper", device: str | torch.device = "cpu"
) -> Outcome:
    """Measure a trained arm; extra also holds how often the map points at the thing, and its chance."""
    extra = {}
    if arm != "mean_of_regions":
        test = data.test
        with torch.no_grad():
            M = net.maps(test.x_a.to(device), test.x_v.to(device)).cpu()
        extra = {
            "pointing": float(pointing_accuracy(M, test.cover)),
            "pointing_chance": float(covered_share(test.cover)),
        }
    return _events.outcome(partial(localize, net, device=device), data, **extra)


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train and measure one arm."""
    net, data = train(seed, arm=arm, budget=budget, device=device)
    return measure(net, data, arm=arm, device=device)
