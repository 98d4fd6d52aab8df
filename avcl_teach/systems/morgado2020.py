"""Audio-visual spatial alignment (Morgado, Li and Vasconcelos 2020): one moment, sounds that differ in place.

Verified (released code): views of one 360-degree moment share their meaning, so only direction tells their
sounds apart; transformers of two layers and one head translate the SET of views from one modality to the
other; a translated sound must pick its own among the sounds of the other views and those of other clips
(temperature .07, both ways), after a first stage with other clips alone; the probe hears a moment as it is or
turned by a random yaw. Reconstruction: sizes, what the probe reads. Shrunk: panoramas of 32 x 128, four views
of 32 x 32, 32 dimensions, three convolutions for sound; a frozen trunk that knows the world's classes sees
pictures, in place of a network pretrained on clips for days (from scratch, 500 steps stay at chance). Noticed
in released code: sound is turned to each view, then reduced to log magnitudes, which are the same for a
source on the left and on the right: one view cannot tell, several could. Changed: the row's network is shown
intensities, too, which do tell; the released input is the arm "magnitudes" (on val it stays near chance, .58
after 400 steps and .52 after 1,200, when it knows its training clips better). Left out: the probe of which
clip a sound is from (AVC-Bin), and fine-tuning. Lesson: 39.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from avcl_teach.comparison.around import Around, around, evenly, heard, turned_power
from avcl_teach.comparison.train_separation import stored_trunk
from avcl_teach.encoders.picture_trunks import halve
from avcl_teach.encoders.transformers import TransformerEncoder
from avcl_teach.table1 import Claim, Outcome, System
from avcl_teach.world.variants.panoramas import crop_frames

D, TEMPERATURE, WIDTH_PX = 32, 0.07, 32
ABOUT = System(
    name="morgado2020",
    paper="Morgado, Li and Vasconcelos 2020",
    key="morgado2020",
    lesson="39",
    task="Spatial alignment of sound and 360-degree video",
    metric="AVSA-Bin accuracy",
    protocol="linear probe on frozen, translated features of four views: is this moment's sound turned by a "
    "random yaw or not; players never met in training.",
    chance="one half: as many turned as not.",
    ceiling="a yardstick that may be passed: a rule told where the players that sound are, which compares "
    "their middle with the mean direction of intensity.",
    labels_used="none, but for those of the frozen picture trunk (classes of solo clips); the probe learns "
    "from turned and unturned sounds it made itself",
    paired="views of one moment and its first-order ambisonics, turned to each view",
    survey_row="Morgado et al., 2020 | NCE | Semi-Supervised | Sound Localization | ACC | "
    "73.85/73.8/37.66 | YT-360/UCF-101/HMDB51",
    correction="self-supervised representation learning: 73.85 is the accuracy of a binary probe (which of "
    "two is not stated), the other two are fine-tuned recognition; no localization is measured.",
    kept="sound turned to each view, set transformer, easy and hard negatives, two stages; changed: "
    "intensities beside the log magnitudes of the released code, which hide left and right.",
    mark="reconstruction",
    arms=("intensities", "clips only", "one view", "magnitudes"),
    claims=(
        Claim(
            "Views of the same moment as negatives make the network learn space.", "intensities", "clips only"
        ),
        Claim("Four views tell more than one.", "intensities", "one view"),
        Claim(
            "Not of the paper: intensities, which tell left from right, beat the released magnitudes.",
            "intensities",
            "magnitudes",
        ),
    ),
)
SIZES = {
    "quick": {"n_train": 48, "n_test": 32, "steps": 4, "batch": 8, "draws": 2},
    "cpu": {"n_train": 1024, "n_test": 384, "steps": 400, "batch": 32, "draws": 4},
    "gpu": {"n_train": 4096, "n_test": 1024, "steps": 4000, "batch": 64, "draws": 8},
}


class SpatialNet(nn.Module):
    """Encode views and sounds, and translate the set of one into the set of the other."""

    def __init__(self, *, n_heard: int = 3) -> None:
        super().__init__()
        self.trunk, self.flat_v = stored_trunk(), nn.Linear(16 * 64, D)
        sizes = ((n_heard, 16), (16, 32), (32, D))
        self.sound, self.flat_a = nn.Sequential(*(halve(*size) for size in sizes)), nn.Linear(16 * D, D)
        self.to_sound = TransformerEncoder(D, 1, 2)
        self.to_picture = TransformerEncoder(D, 1, 2)

    def forward(self, views: Tensor, sounds: Tensor) -> dict[str, Float[Tensor, "clip view 32"]]:
        """Return unit features a, v of every view, and their translations a_hat (from v), v_hat (from a)."""
        n, k = views.shape[:2]
        maps = F.relu(self.trunk.eval()(views.flatten(0, 1)))  # frozen: its batch norm stays as it is
        v = self.flat_v(maps.flatten(1)).unflatten(0, (n, k))
        a = self.flat_a(self.sound(sounds.flatten(0, 1)).flatten(1)).unflatten(0, (n, k))
        found = {"a": a, "v": v, "a_hat": self.to_sound(v), "v_hat": self.to_picture(a)}
        return {name: F.normalize(x, dim=-1) for name, x in found.items()}


def look(clips: Around, yaw: Float[Tensor, "clip view"], frame: int) -> Tensor:
    """Cut the view at every yaw from one picture of each clip: [clip, view, 3, 32, 32]."""
    n, k = yaw.shape
    wide = clips.frames[:, None, frame].expand(n, k, 3, *clips.frames.shape[-2:]).flatten(0, 1)[:, None]
    return crop_frames(wide.contiguous(), yaw.flatten(), width_px=WIDTH_PX)[:, 0].unflatten(0, (n, k))


def listen(clips: Around, yaw: Float[Tensor, "clip view"], *, directions: bool) -> Tensor:
    """Turn each clip's sound to every yaw and reduce it: [clip, view, channel, 32, 32]."""
    n, k = yaw.shape
    power = clips.power[:, None].expand(n, k, *clips.power.shape[1:]).flatten(0, 1)
    return heard(turned_power(power, yaw.flatten()), directions=directions).unflatten(0, (n, k))


def alignment_loss(
    x_hat: Float[Tensor, "clip view dim"], x: Float[Tensor, "clip view dim"], *, hard: bool
) -> Float[Tensor, ""]:
    """Return -log of the share of x_ik among x_jk of other clips j and, if `hard`, x_il of its own views.

    Similarities over a temperature of .07. Errors: ValueError where there is nothing to choose from.
    """
    n, k = x.shape[:2]
    if n < 2 and not (hard and k > 1):
        raise ValueError(f"expected other clips or other views to choose from, got {n} clips and {k} views")
    easy = torch.einsum("ikd,jkd->ikj", x_hat, x) / TEMPERATURE
    own = easy.diagonal(dim1=0, dim2=2).mT
    if hard:
        inside = torch.einsum("ikd,ild->ikl", x_hat, x) / TEMPERATURE
        easy = torch.cat(
            [easy, inside.masked_fill(torch.eye(k, dtype=torch.bool, device=x.device), -torch.inf)], 2
        )
    return (easy.logsumexp(2) - own).mean()


def train(
    clips: Around, *, seed: int, arm: str, steps: int, batch: int, device: str | torch.device
) -> SpatialNet:
    """Train one arm: half of the steps against other clips, then also against a clip's own other views."""
    torch.manual_seed(seed)
    draws = torch.Generator().manual_seed(seed)
    directions = arm != "magnitudes"
    model = SpatialNet(n_heard=5 if directions else 3).to(device)
    learnt = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learnt, lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=max(steps, 2))
    for step in range(steps):
        rows = torch.randint(len(clips), (batch,), generator=draws)
        yaw = evenly(batch, 4, draws).to(device)
        part, frame = clips[rows].to(device), int(torch.randint(4, (), generator=draws))
        x = model(look(part, yaw, frame), listen(part, yaw, directions=directions))
        hard = arm != "clips only" and step >= steps // 2
        loss = alignment_loss(x["a_hat"], x["a"], hard=hard) + alignment_loss(x["v_hat"], x["v"], hard=hard)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def probe_rows(
    model: SpatialNet, clips: Around, *, arm: str, n_draws: int, seed: int, wrong: bool = False
) -> tuple[Tensor, Tensor]:
    """Return what the probe reads [example, 64], mean over views of a_hat a and v_hat v, and who was turned.

    `wrong`: the sound is another clip's, turned or not by the same angle.
    """
    draws = torch.Generator().manual_seed(seed)
    rows, turned = [], []
    for _ in range(n_draws):
        yaw = evenly(len(clips), 4, draws).to(clips.power.device)
        yaw = yaw[:, :1] if arm == "one view" else yaw
        t = torch.rand(len(clips), generator=draws) < 0.5
        angle = (2 * math.pi * torch.rand(len(clips), generator=draws) * t).to(yaw)
        source = torch.arange(len(clips)).roll(1 if wrong else 0)
        for part in torch.arange(len(clips)).split(64):  # a few at a time: memory
            turn = (yaw + angle[:, None])[part]
            sounds = listen(clips[source[part]], turn, directions=arm != "magnitudes")
            x = model(look(clips[part], yaw[part], 1), sounds)
            rows.append(torch.cat([x["a_hat"] * x["a"], x["v_hat"] * x["v"]], 2).mean(1).cpu())
        turned.append(t)
    return torch.cat(rows), torch.cat(turned)


def fit_probe(x: Float[Tensor, "n 64"], y: Tensor):
    """Fit the linear probe."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)).fit(x.numpy(), y.numpy())


def told_rule(clips: Around, *, n_draws: int, seed: int) -> float:
    """Return the accuracy of the ceiling's rule: is the intensity where the sounding players' mean is?

    Its threshold, 45 degrees, is the middle between agreement and what a random turn leaves on average.
    """
    draws = torch.Generator().manual_seed(seed)
    true = torch.stack([clips.azimuth.sin(), clips.azimuth.cos()], 2) * clips.sounding[..., None]
    wanted = F.normalize(true.sum(1), dim=1)
    right = []
    for _ in range(n_draws):
        t = torch.rand(len(clips), generator=draws) < 0.5
        angle = 2 * math.pi * torch.rand(len(clips), generator=draws) * t
        p = turned_power(clips.power.cpu(), angle).sum((2, 3))
        cosine = (F.normalize(torch.stack([-p[:, 4], p[:, 5]], 1), dim=1) * wanted.cpu()).sum(1)
        right.append((cosine < math.cos(math.pi / 4)) == t)
    return torch.cat(right).double().mean().item()


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train one arm, fit the probe, judge on players never met. Errors: ValueError for arm or budget."""
    ABOUT.check(arm, budget, SIZES)
    sizes = SIZES[budget]
    clips, test = (around(sizes[f"n_{s}"], s, seed=seed).to(device) for s in ("train", "test"))
    model = train(clips, seed=seed, arm=arm, steps=sizes["steps"], batch=sizes["batch"], device=device)
    how = {"arm": arm, "n_draws": sizes["draws"], "seed": seed}
    probe = fit_probe(*probe_rows(model, clips, **how))

    def accuracy(of: Around, **more) -> float:
        x, y = probe_rows(model, of, **how | more)
        return float((probe.predict(x.numpy()) == y.numpy()).mean())

    return Outcome(
        score=accuracy(test),
        chance=0.5,
        wrong_partner=accuracy(test, wrong=True),
        ceiling=told_rule(test, n_draws=sizes["draws"], seed=seed),
        extra={"on players met": accuracy(clips, seed=seed + 1)},
    )
