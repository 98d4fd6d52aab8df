"""The Sound of Motions (Zhao et al. 2019): two alike, and only their movement tells whose sound is whose.

Verified in a secondary source (a public re-implementation's notes): appearance gates motion place by place,
both are joined and pooled over *space* only, the code keeps its time axis and scales and shifts the U-Net's
narrowest features of the same moment (FiLM); curriculum from different to same instruments. Reconstruction:
sizes. Shrunk: differences of grey frames for dense trajectories, 16 frames of 32 px, a frozen trunk of three
convolutions for ResNet-18, three convolutions for I3D, no third stage (two shots of one film). Faults of
re-implementations that are avoided: time averaged away before FiLM (arm "time averaged" puts it back), test
pairs without a seed, differences far smaller than the input a network expects. Lesson: 35.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from avcl_teach.comparison.solo_clips import Solos
from avcl_teach.encoders import FilmCondition, SpatialGate
from avcl_teach.encoders.picture_trunks import PictureMaps
from avcl_teach.encoders.u_nets import UNet
from avcl_teach.systems import _pixel_player as base
from avcl_teach.table1 import Claim, Outcome, System

D, GAIN = 64, 4.0
ABOUT = System(
    name="zhao2019",
    paper="Zhao, Gan, Ma and Torralba 2019",
    key="zhao2019",
    lesson="35",
    task="Sound separation",
    metric="SDR",
    unit="dB",
    protocol="120 frozen mixtures of two solos of different classes at equal loudness, individuals never met "
    "in training; soft masks, BSS Eval with 512 taps, no permutation search",
    chance="SDR of the mixture itself, taken for either source",
    ceiling="SDR of the dominant masks of the true shares",
    labels_used="class labels for the picture trunk (the paper's is trained on ImageNet), and to draw pairs "
    "of each stage; none for the masks",
    paired="the sound of a mixture and the silent videos of its two sources",
    survey_row="Zhao et al., 2019 | CE | Semi-Supervised | Sound Separation | SDR | 8.31 | MUSIC",
    correction="the data set is MUSIC-21; semi-supervised there means self-supervised: no stems are given",
    kept="a visual code with time, motion gated by appearance, FiLM, binary masks, different before same",
    mark="reconstruction",
    arms=("paper", "one frame", "time averaged", "single stage"),
    claims=(
        Claim(
            "Motion separates two of one class, a single frame does not.", "paper", "one frame", "same class"
        ),
        Claim("The time axis must reach the sound.", "paper", "time averaged", "same class"),
        Claim("A curriculum from different to same beats same alone.", "paper", "single stage", "same class"),
    ),
)
SIZES = {name: sizes | {"n_same": max(sizes["n_test"] // 2, 4)} for name, sizes in base.SIZES.items()}
SIZES["cpu"] = SIZES["cpu"] | {"steps": 600}


class MovingPixels(nn.Module):
    """See moving pictures as a code with time, and separate by it."""

    def __init__(self, *, width: int = 16, motion_width: int = 8, see: str = "motion") -> None:
        super().__init__()
        self.see_what = see
        self.sound = UNet(1, width=width, condition=FilmCondition(4 * width, D))
        self.motion, self.gate = PictureMaps(32, width=motion_width, n_in=1), SpatialGate(64)
        self.join, self.along = nn.Linear(32 + 64, D), nn.Conv1d(D, D, 3, padding=1)

    def see(
        self, maps: Float[Tensor, "clip place 64"], motion: Float[Tensor, "clip time 32 32"]
    ) -> Float[Tensor, "clip step 64"]:
        """Gate motion by appearance, join both, take the maximum over places, mix neighbours in time."""
        n, t = motion.shape[:2]
        look = maps.repeat_interleave(t, 0)  # the same picture at every moment
        moves = self.motion(motion.flatten(0, 1)[:, None]).flatten(2).mT
        if self.see_what == "one frame":
            moves = torch.zeros_like(moves)  # features, not inputs, are taken away
        z = F.relu(self.join(torch.cat([self.gate(moves, look), look], 2))).amax(1).view(n, t, D)
        z = z + F.relu(self.along(z.mT)).mT
        return z.mean(1, keepdim=True) if self.see_what == "time averaged" else z

    def forward(self, x: Float[Tensor, "mixture row 64"], maps: Tensor, motion: Tensor) -> Tensor:
        """Return logits [mixture, source, row, 64] for maps and motion [mixture, source, ...]."""
        b, n = maps.shape[:2]
        C = self.see(maps.flatten(0, 1), motion.flatten(0, 1)).unflatten(0, (b, n))
        levels = self.sound.encode(base.log_input(x)[:, None])
        return torch.cat([self.sound.decode(levels, C[:, k]) for k in range(n)], 1)


def differences(clips: Solos) -> Float[Tensor, "clip time 32 32"]:
    """Subtract the grey frame before, times 4, so that movement has the size of a picture; 0 at the start."""
    grey = clips.grey
    return F.pad(GAIN * (grey[:, 1:] - grey[:, :-1]), (0, 0, 0, 0, 1, 0))


def separator(model: MovingPixels, clips: Solos):
    """Return logits(mixtures, rows): masks for mixtures seen in the videos of these rows."""
    maps, motion = base.trunk_maps(clips), differences(clips)
    return lambda m, rows: model(m.x, maps[rows], motion[rows])


def train(seed: int, arm: str, sizes: dict, device: str | torch.device = "cpu"):
    """Train one arm; returns the model and the losses of both stages."""
    clips = base.training_clips(sizes, seed).to(device)
    torch.manual_seed(seed)
    model = MovingPixels(see=arm).to(device)
    logits, half = separator(model, clips), sizes["steps"] // 2

    def loss(m):
        return base.mask_loss(logits(m, m.who), m.masks, m.x)

    losses = []
    for k, same in enumerate((arm == "single stage", True)):
        who = base.draw_pairs(clips.labels.cpu(), half * sizes["batch"], same=same, seed=seed + 100 * k)
        losses += base.train_on_pairs(model, loss, clips, who, steps=half, batch=sizes["batch"],
                                      seed=seed + 100 * k, device=device).losses  # fmt: skip
    return model.eval(), losses


def evaluate(model: MovingPixels, sizes: dict, device: str | torch.device = "cpu") -> Outcome:
    """Judge on the frozen mixtures of two classes, and of one."""
    clips, who = base.frozen_pairs(sizes["n_test"], same=False)
    twins, pairs = base.frozen_pairs(sizes["n_same"], same=True)
    clips, twins = clips.to(device), twins.to(device)
    found = base.judge(separator(model, clips), clips, who)
    same, level = base.judge(separator(model, twins), twins, pairs), base.levels(twins, pairs)
    extra = {name: found[name] for name in ("sir", "sar", "si_sdr")} | {
        "same class": same["sdr"], "same class, wrong partner": same["wrong"],
        "same class, mixture": level["mixture"], "same class, oracle": level["oracle"],
    }  # fmt: skip
    level = base.levels(clips, who)
    return Outcome(found["sdr"], level["mixture"], found["wrong"], level["oracle"], extra)


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train and judge one arm. Errors: ValueError for an unknown arm or budget."""
    ABOUT.check(arm, budget, SIZES)
    return evaluate(train(seed, arm, SIZES[budget], device)[0], SIZES[budget], device)


def train_long(*, steps: int, seed: int) -> tuple[MovingPixels, dict]:
    """Train the weights that ship, on mixtures of both kinds, and score them as stored (float16)."""
    sizes = SIZES["cpu"] | {"n_train": base.N_POOL, "steps": steps}
    model, _ = train(seed, "paper", sizes)
    model.load_state_dict({k: x.half().to(x.dtype) for k, x in model.state_dict().items()})
    found = evaluate(model, sizes)
    return model, {"score": found.score, "chance": found.chance, "wrong": found.wrong_partner,
                   "ceiling": found.ceiling, **found.extra}  # fmt: skip


def stored() -> MovingPixels:
    """Load the weights of the longer training that ship. Lesson: 35."""
    from avcl_teach.comparison.train_separation import FOLDER, LONG
    from avcl_teach.storage import read_tensors
    from avcl_teach.training.checkpoint import load_state

    tensors, _ = read_tensors(FOLDER / LONG)
    model = MovingPixels()
    load_state(model, {k: x.float() if x.is_floating_point() else x for k, x in tensors.items()})
    return model.eval()
