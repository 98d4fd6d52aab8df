"""Foley Music (Gan et al. 2020a): joints in, notes out; in between everything can be read and edited.

Verified (released code): a pose graph read by an ST-GCN is the memory of a causal decoder with relative
attention, which writes note-on, note-off, loudness and time-shift events; next-event cross-entropy, padding
ignored; poses are turned, scaled and shifted in training. From memory: 50 bins for NDB. Reconstruction:
sizes; that the decoder is told how much time its own waits have made. Shrunk: 9 joints at 20 Hz for 65 at
22, 3 graph layers for 10, a decoder of 2 layers and 64 dimensions, 42 events, waits of equal steps, rotary
positions for the Music Transformer's. Faults of released code that are avoided: accuracy that counts
padding, targets not shifted, notes that hang at the end of a clip. Lesson: 38.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from avcl_teach.encoders.clocked import ClockedBlock
from avcl_teach.encoders.graphs import BodyEncoder
from avcl_teach.encoders.positions import rotary, sinusoidal_positions
from avcl_teach.features.note_events import NoteEvents
from avcl_teach.metrics.generation import fit_bins, ndb
from avcl_teach.metrics.onsets_found import performance_scores
from avcl_teach.table1.declare import Claim, Outcome, System
from avcl_teach.world.variants.performers import ARM, EDGES, JOINTS, Performances, perform, play

EVENTS, D, HIP = NoteEvents(offs=False, n_levels=0), 64, JOINTS.index("hip")
LONGEST = 48
ABOUT = System(
    name="gan2020a",
    paper="Gan, Huang, Chen, Tenenbaum and Torralba 2020",
    key="gan2020a",
    lesson="38",
    task="Music from movement",
    metric="note F1",
    protocol="notes with the right degree within 50 ms of the onset, greedy decoding, performers never met "
    "in training; NDB of the played sound beside it.",
    chance="the notes of another performance of the training set.",
    ceiling="a reader that knows the rule: where the mallet's tip is lowest, and over which bar.",
    labels_used="none; the notes that were played, which any transcription gives",
    paired="joints of a performer and the notes of the same performance",
    survey_row="Gan 2020a | Audio generation | CE | Supervised | URMP/AtinPiano/MUSIC | NDB 20",
    correction="NDB counts bins, lower is better, and says nothing without their number (50, from memory); "
    "pairs of movement and music need no labels by hand.",
    kept="graph convolution on joints, causal decoder with cross- and relative attention, event symbols.",
    mark="reconstruction",
    arms=("paper", "frozen arm", "no graph"),
    claims=(
        Claim("The hands carry the pitch: with a frozen arm it is lost.", "paper", "frozen arm", "pitch"),
        Claim("A graph of joints reads movement better than joints in a row.", "paper", "no graph"),
    ),
)
SIZES = {
    "quick": {"n_train": 64, "n_test": 16, "steps": 5, "batch": 8, "n_bins": 5},
    "cpu": {"n_train": 2048, "n_test": 160, "steps": 500, "batch": 32, "n_bins": 20},
    "gpu": {"n_train": 8192, "n_test": 512, "steps": 4000, "batch": 64, "n_bins": 50},
}


class FoleyMusic(nn.Module):
    """Write events from joints: p(y_t | y_<t, pose)."""

    def __init__(self, *, graph: bool = True) -> None:
        super().__init__()
        edges = EDGES if graph else ()
        self.body = BodyEncoder(len(JOINTS), edges, centre=HIP, dim=D, stride=1)
        self.embed = nn.Embedding(len(EVENTS), D)
        self.layers = nn.ModuleList(ClockedBlock(D, 4, hidden=2 * D) for _ in range(2))
        self.to_events = nn.Sequential(nn.LayerNorm(D), nn.Linear(D, len(EVENTS)))

    def decode(self, events: Int[Tensor, "clip position"], memory: Tensor) -> Tensor:
        """Return logits of the next event at every position."""
        now = EVENTS.elapsed(events).clamp(max=memory.shape[1])
        x = self.embed(events) + sinusoidal_positions(memory.shape[1] + 1, D).to(memory)[now]
        for layer in self.layers:
            x = layer(x, memory, now, rotate=rotary)
        return self.to_events(x)

    def forward(self, joints: Tensor, events: Int[Tensor, "clip position"]) -> Tensor:
        """Return logits of the next event, given the true past."""
        return self.decode(events, self.body(joints))

    @torch.no_grad()
    def write(self, joints: Float[Tensor, "clip time joint 2"]) -> Int[Tensor, "clip position"]:
        """Write the likeliest event, read it, write the next, until all have stopped."""
        memory = self.body(joints)
        events = torch.full((len(joints), 1), EVENTS.start, device=joints.device)
        done = torch.zeros(len(joints), dtype=torch.bool, device=joints.device)
        for _ in range(LONGEST):
            new = self.decode(events, memory)[:, -1].argmax(1)
            new = torch.where(done, EVENTS.pad, new)
            events = torch.cat([events, new[:, None]], 1)
            done |= new == EVENTS.stop
            if bool(done.all()):
                break
        return events[:, 1:]


def event_loss(logits: Float[Tensor, "clip position event"], events: Int[Tensor, "clip position"]) -> Tensor:
    """Return -mean log p(y_t | y_<t, pose) over true events; padding does not count."""
    return F.cross_entropy(logits.flatten(0, 1), events.flatten(), ignore_index=EVENTS.pad)


def shifted(events: Int[Tensor, "clip position"]) -> Int[Tensor, "clip position"]:
    """Return what the decoder reads: start, then every event but the last."""
    return torch.cat([torch.full_like(events[:, :1], EVENTS.start), events[:, :-1]], 1)


def moved_camera(x: Float[Tensor, "clip time joint 2"], draws: torch.Generator) -> Tensor:
    """Turn each performance by up to 10 degrees, scale by up to 10 %, as the released code does."""
    u = 2 * torch.rand(2, len(x), 1, 1, generator=draws).to(x) - 1
    angle, size = math.radians(10) * u[0], 1 + 0.1 * u[1]
    a, b = x.unbind(-1)
    return torch.stack(
        [size * (a * angle.cos() - b * angle.sin()), size * (a * angle.sin() + b * angle.cos())], -1
    )


def frozen_arm(x: Float[Tensor, "clip time joint 2"]) -> Float[Tensor, "clip time joint 2"]:
    """Hold the joints of the right arm where they were at first."""
    out = x.clone()
    out[:, :, list(ARM)] = x[:, :1, list(ARM)]
    return out


def train(
    played: Performances, *, seed: int, arm: str, steps: int, batch: int, device: str | torch.device
) -> FoleyMusic:
    """Train one arm to write the next event."""
    torch.manual_seed(seed)
    draws = torch.Generator().manual_seed(seed)
    model = FoleyMusic(graph=arm != "no graph").to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=max(steps, 2), pct_start=0.15)
    events = EVENTS.write(played.notes)[:, :LONGEST]
    joints = frozen_arm(played.keypoints) if arm == "frozen arm" else played.keypoints
    for _ in range(steps):
        rows = torch.randint(len(events), (batch,), generator=draws)
        x, y = moved_camera(joints[rows], draws).to(device), events[rows].to(device)
        loss = event_loss(model(x, shifted(y)), y)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return model.eval()


def read_by_rule(x: Float[Tensor, "clip time joint 2"], *, n_notes: int = 16) -> Float[Tensor, "clip note 4"]:
    """Read notes off the mallet's tip: a note where it is lowest, its degree by the place along the bars.

    The bars are not seen: hip and neck give their middle, their direction and the scale. Times are refined by
    a parabola through three frames. Velocity and duration are not read (0.5). Lesson: 38.
    """
    up = (x[:, :, 1] - x[:, :, HIP]).median(1).values
    tip = x[:, :, JOINTS.index("mallet tip")] - x[:, :, HIP]
    size = up.norm(dim=-1)
    y = (tip * (up / size[:, None])[:, None]).sum(-1) / size[:, None]
    right = torch.stack([up[:, 1], -up[:, 0]], -1) / size[:, None]
    along = (tip * right[:, None]).sum(-1) / size[:, None] * 0.49
    out = torch.full((len(x), n_notes, 4), torch.nan)
    for i in range(len(x)):
        low = [k for k in range(1, y.shape[1] - 1) if y[i, k] <= y[i, k - 1] and y[i, k] < y[i, k + 1]]
        low = [k for k in low if y[i, k] < y[i].min() + 0.12]
        for j, k in enumerate(low[:n_notes]):
            a, b, c = y[i, k - 1], y[i, k], y[i, k + 1]
            shift = 0.5 * (a - c) / (a - 2 * b + c).clamp_min(1e-4)
            degree = ((along[i, k] + 0.45) / 0.1).round().clamp(0, 9)
            out[i, j] = torch.tensor([(k + float(shift)) / 20, 0.3, float(degree), 0.5])
    return out


def sound_features(notes: Float[Tensor, "clip note 4"]) -> Float[Tensor, "clip feature"]:
    """Return what NDB looks at: the log-mel spectrogram of the played notes, 16 bands by 16 steps."""
    from avcl_teach.features.spectral import log_mel

    S = log_mel(play(notes), n_mels=32)[..., : 16 * 15]
    return F.adaptive_avg_pool2d(S[:, None], (16, 16)).flatten(1)


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train one arm and let performers never met play. Errors: ValueError for arm or budget."""
    ABOUT.check(arm, budget, SIZES)
    sizes = SIZES[budget]
    n = sizes["n_test"]
    played = perform(range(10000 * seed, 10000 * seed + sizes["n_train"]))
    test = perform(range(10000 * seed, 10000 * seed + n), split="test")
    model = train(played, seed=seed, arm=arm, steps=sizes["steps"], batch=sizes["batch"], device=device)
    joints = (frozen_arm(test.keypoints) if arm == "frozen arm" else test.keypoints).to(device)
    found = EVENTS.read(model.write(joints).cpu())
    scores = performance_scores(found, test.notes)
    bins = fit_bins(sound_features(played.notes[: max(4 * n, 10 * sizes["n_bins"])]), n_bins=sizes["n_bins"])
    return Outcome(
        score=scores["F1"],
        chance=performance_scores(played.notes[:n], test.notes)["F1"],
        wrong_partner=performance_scores(found.roll(1, 0), test.notes)["F1"],
        ceiling=performance_scores(read_by_rule(test.keypoints), test.notes)["F1"],
        extra={
            "onset F1": scores["onset F1"],
            "pitch": scores["pitch"],
            "bins": float(sizes["n_bins"]),
            "NDB": float(ndb(bins, sound_features(found))),
            "NDB of real": float(ndb(bins, sound_features(test.notes))),
            "NDB, wrong partner": float(ndb(bins, sound_features(found.roll(1, 0)))),
        },
    )
