"""Audio-visual consistency for spatial audio (Lin and Wang 2021): two ears from one, by looking.

Verified (full text and the code of its base, 2.5D Visual Sound): the network predicts the spectrum of the
difference of the ears as a complex mask on the spectrum of their sum; a patch of sound that is louder on
the left should be like the patches of the picture on the left. Reconstruction: sizes. Shrunk: one frame
of 32 px through a frozen trunk that knows the world's classes, for ResNet-18 after ImageNet (a trunk that
learnt from nothing left one seed of three at mono), a U-Net of four levels and 0.64 s at 8 kHz. Faults that
are avoided: frames flipped without the ears, left and right predicted apart (mono is then a way out),
targets of the consistency that carry a gradient, scores read only after each signal's own peak
normalisation. Lesson: 39.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float
from torch import Tensor, nn

from avcl_teach.comparison.ear_scenes import EarScenes, ear_scenes
from avcl_teach.comparison.train_separation import stored_trunk
from avcl_teach.encoders.conditioned_decoders import FilmCondition
from avcl_teach.encoders.u_nets import UNet
from avcl_teach.features.spectral import stft
from avcl_teach.metrics.spatial import ear_envelope_distance, ear_stft_distance, side_accuracy
from avcl_teach.table1 import Claim, Outcome, System

N_FFT, HOP, N_SEGMENT, N_ROWS, N_FRAMES = 256, 64, 5120, 128, 80
D = 32
ABOUT = System(
    name="lin2021",
    paper="Lin and Wang 2021",
    key="lin2021",
    lesson="39",
    task="Two ears from one (binaural spatialisation)",
    metric="STFT distance",
    protocol="scenes of one or two players never met in training, 0.64-s windows; sum over ears of the mean "
    "squared difference of real and imaginary parts, divided by the true peak.",
    chance="both ears hear half of the sum (mono).",
    ceiling="the true difference, as a complex mask within -1 to 1 on the sum.",
    labels_used="two ears as targets, for all clips or for one in five; classes, by the picture trunk alone",
    paired="one frame and the sound of the same window",
    survey_row="Lin and Wang, 2021 | CE | Semi-Supervised | Sound Separation | STFT | 0.865/1.448 | FAIR "
    "PLAY/YT-MUSIC",
    correction="the task is spatialisation of a mono sound; the objective is the squared error of the "
    "difference's spectrum plus a binary cross-entropy for consistency; the figures are those of the "
    "supervised table.",
    kept="difference as a complex mask on the sum, likeness of sound and picture patches, ramps.",
    mark="reconstruction",
    higher_is_better=False,
    arms=("paper", "no consistency", "sound alone", "few", "few, no consistency"),
    claims=(
        Claim("The picture helps: mono to binaural needs to see.", "paper", "sound alone"),
        Claim("Consistency of sides lowers the error.", "paper", "no consistency"),
        Claim("Consistency helps where few clips have two ears.", "few", "few, no consistency"),
    ),
)
SIZES = {
    "quick": {"n_train": 48, "n_test": 16, "steps": 4, "batch": 8},
    "cpu": {"n_train": 768, "n_test": 256, "steps": 400, "batch": 24},
    "gpu": {"n_train": 4096, "n_test": 512, "steps": 4000, "batch": 64},
}
FEW, LEAST_DB, CONSISTENCY = 0.2, 0.3, 0.05


class TwoEars(nn.Module):
    """Predict the spectrum of left minus right from the sum of the ears and one frame."""

    def __init__(self, *, width: int = 12, sees: bool = True) -> None:
        super().__init__()
        self.sees = sees
        self.trunk, self.picture = stored_trunk(), nn.Conv2d(64, D, 1)
        self.flat = nn.Linear(16 * D, D)
        self.sound = UNet(2, n_in=2, width=width, condition=FilmCondition(4 * width, D))
        self.patch = nn.Linear(4 * width, D)

    def forward(self, M: Complex[Tensor, "clip 128 80"], frame: Tensor) -> tuple[Tensor, Tensor]:
        """Return the difference's spectrum and how alike patches are: C [clip, sound patch, 4, 4]."""
        v = self.picture(F.relu(self.trunk.eval()(frame)))  # frozen: its batch norm stays as it is
        v = v if self.sees else torch.zeros_like(v)
        levels = self.sound.encode(torch.stack([M.real, M.imag], 1))
        mask = torch.tanh(self.sound.decode(levels, self.flat(v.flatten(1))[:, None]))
        a = F.normalize(self.patch(levels[-1].flatten(2).mT), dim=-1)
        C = torch.einsum("bkd,bdhw->bkhw", a, F.normalize(v, dim=1))
        return torch.complex(mask[:, 0], mask[:, 1]) * M, C


def spectrum(x: Float[Tensor, "clip 5120"]) -> Complex[Tensor, "clip 128 80"]:
    """Return the spectrum of a window without its highest bin and last frame."""
    return stft(x, n_fft=N_FFT, hop_length=HOP)[..., :N_ROWS, :N_FRAMES]


def sound_side(L: Tensor, R: Tensor, patches: tuple[int, int]) -> Float[Tensor, "clip patch"]:
    """Return P_a = sigmoid(|L| - |R|) of every patch of sound, in units of the patch's mean magnitude."""
    l, r = (F.adaptive_avg_pool2d(x.abs()[:, None], patches).flatten(1) for x in (L, R))  # noqa: E741
    return torch.sigmoid(8 * (l - r) / (l + r).clamp_min(1e-4))


def picture_side(C: Float[Tensor, "clip patch row column"]) -> Float[Tensor, "clip patch"]:
    """Return P_av = sigmoid(<W_L, C> - <W_R, C>): are patches on the left more alike?"""
    x = torch.linspace(-2, 2, C.shape[-1], device=C.device)
    W_R, W_L = torch.sigmoid(2 * x), torch.sigmoid(-2 * x)
    return torch.sigmoid(4 * (C * (W_L - W_R)).mean((-2, -1)))


def consistency(C: Tensor, L: Tensor, R: Tensor, patches: tuple[int, int]) -> Float[Tensor, ""]:
    """Return L_con = BCE(P_av, P_a): where sound leans, likeness should lean. The target is detached."""
    return F.binary_cross_entropy(picture_side(C), sound_side(L, R, patches).detach())


def windows(clips: EarScenes, start: Tensor) -> tuple[Tensor, Tensor]:
    """Cut 0.64 s from each clip: sound [clip, 2, 5120], and the frame in the middle of it."""
    at = start[:, None] + torch.arange(N_SEGMENT, device=start.device)
    sound = clips.sound.gather(2, at[:, None].expand(-1, 2, -1))
    k = ((start + N_SEGMENT // 2) / clips.sound.shape[-1] * clips.frames.shape[1]).long()
    return sound, clips.frames[torch.arange(len(k), device=k.device), k]


def estimate(
    model: TwoEars, sound: Float[Tensor, "clip 2 5120"], frame: Tensor
) -> Float[Tensor, "clip 2 5120"]:
    """Return both ears from their sum: (sum + difference) / 2 and (sum - difference) / 2."""
    total = sound.sum(1)
    difference, _ = model(spectrum(total), frame)
    full = F.pad(difference, (0, N_SEGMENT // HOP + 1 - N_FRAMES, 0, N_FFT // 2 + 1 - N_ROWS))
    window = torch.hann_window(N_FFT, device=sound.device)
    d = torch.istft(full, N_FFT, HOP, window=window, length=N_SEGMENT)
    return torch.stack([total + d, total - d], 1) / 2


def train(
    clips: EarScenes, *, seed: int, arm: str, steps: int, batch: int, device: str | torch.device
) -> TwoEars:
    """Train one arm: squared error of the difference, and consistency on every clip."""
    torch.manual_seed(seed)
    draws = torch.Generator().manual_seed(seed)
    model = TwoEars(sees=arm != "sound alone").to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=max(steps, 2))
    given = torch.rand(len(clips), generator=draws) < (FEW if arm.startswith("few") else 1)
    given[0] = True
    for _ in range(steps):
        rows = torch.randint(len(clips), (batch,), generator=draws)
        start = torch.randint(clips.sound.shape[-1] - N_SEGMENT, (batch,), generator=draws)
        turn = torch.rand(batch, generator=draws) < 0.5
        sound, frame = windows(clips[rows].to(device), start.to(device))
        turn, known = turn.to(device), given[rows].to(device)
        sound = torch.where(turn[:, None, None], sound.flip(1), sound)  # a mirror swaps the ears too
        frame = torch.where(turn[:, None, None, None], frame.flip(-1), frame)
        L, R = spectrum(sound[:, 0]), spectrum(sound[:, 1])
        D_found, C = model(L + R, frame)
        error = (D_found - (L - R)).abs().square().mean((1, 2))
        loss = (error * known).sum() / known.sum().clamp_min(1)
        if "no consistency" not in arm and arm != "sound alone":
            patches = (N_ROWS // 16, N_FRAMES // 4)
            truth = known[:, None, None]
            L_used = torch.where(truth, L, (L + R + D_found.detach()) / 2)
            R_used = torch.where(truth, R, (L + R - D_found.detach()) / 2)
            loss = loss + CONSISTENCY * consistency(C, L_used, R_used, patches)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval()


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train one arm and judge it on players never met. Errors: ValueError for arm or budget."""
    ABOUT.check(arm, budget, SIZES)
    sizes = SIZES[budget]
    clips = ear_scenes(sizes["n_train"], "train", seed=seed)
    test = ear_scenes(sizes["n_test"], "test", seed=seed).to(device)
    model = train(clips, seed=seed, arm=arm, steps=sizes["steps"], batch=sizes["batch"], device=device)
    start = torch.full((len(test),), 4000, device=device)
    sound, frame = windows(test, start)
    with torch.no_grad():
        found, turned = estimate(model, sound, frame), estimate(model, sound, frame.roll(1, 0))
    mono = sound.mean(1, keepdim=True).expand_as(sound)

    def distance(x: Tensor, **how: bool) -> float:
        return ear_stft_distance(x, sound, **how).mean().item()

    return Outcome(
        score=distance(found, own_peak=False),
        chance=distance(mono, own_peak=False),
        wrong_partner=distance(turned, own_peak=False),
        ceiling=distance(oracle(sound), own_peak=False),
        extra={
            "side": side_accuracy(found, sound, least_db=LEAST_DB),
            "side, wrong partner": side_accuracy(turned, sound, least_db=LEAST_DB),
            "own peaks": distance(found),
            "envelope": ear_envelope_distance(found, sound, own_peak=False).mean().item(),
        },
    )


def oracle(sound: Float[Tensor, "clip 2 5120"]) -> Float[Tensor, "clip 2 5120"]:
    """Return the best that a complex mask within -1 to 1 can do: the true ratio, cut."""
    L, R = spectrum(sound[:, 0]), spectrum(sound[:, 1])
    ratio = (L - R) / torch.where((L + R).abs() > 1e-6, L + R, torch.ones_like(L))
    cut = torch.complex(ratio.real.clamp(-1, 1), ratio.imag.clamp(-1, 1)) * (L + R)
    full = F.pad(cut, (0, N_SEGMENT // HOP + 1 - N_FRAMES, 0, N_FFT // 2 + 1 - N_ROWS))
    d = torch.istft(full, N_FFT, HOP, window=torch.hann_window(N_FFT, device=sound.device), length=N_SEGMENT)
    total = sound.sum(1)
    return torch.stack([total + d, total - d], 1) / 2
