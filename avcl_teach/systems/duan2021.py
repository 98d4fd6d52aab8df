"""Duan et al. 2021: fuse, let sound and picture look at the joint code, and repeat with the same weights.

Task and construction (verified from the abstract): audio-visual event localization by joint co-attention,
applied recursively, "progressively" better. The unit's formula is a reconstruction (`JointCoAttention`,
lesson 11). 76.2 % as the survey prints it. Kept: attention asked by the joint code, one shared unit,
recursion, LSTMs over time. Shrunk: 32 dimensions, 8 segments; each picture the maximum over its regions.
Faults avoided: new weights in each round (an unfair comparison of depths); attention over the batch instead
of time; a loss with a sigmoid inside fed with softmax outputs, as in the released code of the AVE baseline
(verified there; lesson 33 shows what it costs). Lesson: 33.
"""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avcl_teach.comparison.event_pairs import Events
from avcl_teach.encoders.recursive_co_attention import JointCoAttention
from avcl_teach.systems import _events
from avcl_teach.systems.lin2020 import segment_loss
from avcl_teach.table1.declare import Claim, Outcome, System

ABOUT = System(
    name="duan2021",
    paper="Duan et al. 2021",
    key="duan2021",
    lesson="33",
    task="event localization in time",
    metric="segment accuracy",
    protocol=_events.PROTOCOL,
    chance=_events.CHANCE,
    ceiling=_events.CEILING,
    labels_used="a class or none for every segment",
    paired="sound and picture of one segment",
    survey_row="Duan et al., 2021 | CE | Supervised | Sound Localization | ACC | 76.2 | AVE",
    correction="the task is event localization in time",
    kept="attention conditioned on the joint code, one shared unit, recursion",
    claims=(
        Claim("recursion improves: two rounds beat one", "paper", "one_round"),
        Claim("and progressively: four rounds beat two", "four_rounds", "paper"),
        Claim("the residual is needed", "paper", "no_residual"),
    ),
    arms=("paper", "one_round", "four_rounds", "no_residual"),
)
SIZES = _events.SIZES
ROUNDS = {"one_round": 1, "four_rounds": 4}


class JointLocalizer(nn.Module):
    """Answer each segment from sound and picture after R rounds of looking at their joint code.

    Each modality first runs through an LSTM of both directions, added to it. R changes no parameter.
    """

    def __init__(self, n_classes: int, *, dim: int = 32, rounds: int = 2, residual: bool = True) -> None:
        super().__init__()
        self.encode = _events.Encoders(dim)
        self.lstm_a, self.lstm_v = (
            nn.LSTM(dim, dim // 2, bidirectional=True, batch_first=True) for _ in range(2)
        )
        self.co_attend = JointCoAttention(dim, recursions=rounds, residual=residual)
        self.head = _events.mlp(2 * dim, n_classes + 1)

    def forward(
        self,
        x_a: Float[Tensor, "clip segment feature_a"],
        x_v: Float[Tensor, "clip segment region feature_v"],
    ) -> Float[Tensor, "clip segment answer"]:
        """Return logits of the classes and, last, of "none"."""
        a, v = self.encode(x_a, x_v)
        v = v.amax(2)
        a, v = self.co_attend(a + self.lstm_a(a)[0], v + self.lstm_v(v)[0])
        return self.head(torch.cat([a, v], dim=-1))


def train(
    seed: int, *, arm: str = "paper", budget: str = "cpu", device: str | torch.device = "cpu"
) -> tuple[JointLocalizer, Events]:
    """Train one arm and return it with its data."""
    ABOUT.check(arm, budget, SIZES)
    sizes = SIZES[budget]
    data = _events.load(seed, sizes)
    torch.manual_seed(seed)
    net = JointLocalizer(data.n_classes, rounds=ROUNDS.get(arm, 2), residual=arm != "no_residual")
    return _events.fit(net, segment_loss, data, seed=seed, device=device, **sizes), data


def measure(
    net: JointLocalizer, data: Events, *, arm: str = "paper", device: str | torch.device = "cpu"
) -> Outcome:
    """Measure a trained arm."""
    return _events.outcome(partial(_events.localize, net, device=device), data)


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train and measure one arm."""
    net, data = train(seed, arm=arm, budget=budget, device=device)
    return measure(net, data, arm=arm, device=device)
