"""Foley Music (Gan et al. 2020a): joints in, notes out; in between everything can be read and edited.

Verified (released code): a pose graph read by an ST-GCN is the memory of a causal decoder with relative
attention, which writes note-on, note-off, loudness and time-shift events; next-event cross-entropy, padding
ignored; poses are turned, scaled and shifted in training. From memory: 50 bins for NDB. Reconstruction:
sizes; the decoder's clock: each event knows how long its waits have made it so far, and looks at frames by
their distance from there (a first form without it, and with note-offs, stayed at a note F1 of 0.04). Shrunk:
9 joints at 20 Hz for 65 at 22, 3 graph layers for 10, a decoder of 2 layers and 64 numbers for 6 and 512, 20
events for 240, waits of 1 to 4 frames (no two notes are nearer, so at most one lies within a wait; with waits
of up to 16 the frozen arm's decoder did not learn when notes fall), no note-off (struck bars die away by
themselves). Faults of released code that are avoided: accuracy that counts padding, targets not shifted,
notes that hang at the end of a clip. Left out: the comparison of joints with pooled pictures. Lesson: 38.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from avcl_teach.encoders.clocked import ClockedBlock
from avcl_teach.encoders.graphs import BodyEncoder
from avcl_teach.encoders.positions import rotary, sinusoidal_positions
from avcl_teach.encoders.transformers import next_symbol_loss, shift_right
from avcl_teach.features.note_events import NoteEvents
from avcl_teach.metrics.generation import fit_bins, ndb
from avcl_teach.metrics.onsets_found import performance_scores
from avcl_teach.systems._foley import HIP, frozen_arm, moved_camera, read_by_rule, sound_features
from avcl_teach.table1.declare import Claim, Outcome, System
from avcl_teach.world.variants.performers import EDGES, JOINTS, Performances, perform

__all__ = [
    "ABOUT",
    "EVENTS",
    "FoleyMusic",
    "event_loss",
    "frozen_arm",
    "moved_camera",
    "read_by_rule",
    "run",
    "shifted",
    "sound_features",
    "train",
]
EVENTS, D, LONGEST = NoteEvents(n_waits=4, offs=False), 64, 56
ABOUT = System(
    name="gan2020a",
    paper="Gan, Huang, Chen, Tenenbaum and Torralba 2020",
    key="gan2020foley",
    lesson="38",
    task="Music from movement",
    metric="note F1",
    protocol="notes with the right degree within 50 ms of the onset, greedy decoding, performers never met "
    "in training; NDB of the played sound beside it.",
    chance="the notes of another performance of the training set.",
    ceiling="a reader that knows the rule: where the mallet's tip is lowest, and over which bar.",
    labels_used="none by hand: the notes that were played",
    paired="joints of a performer and the notes of the same performance",
    survey_row="Gan et al., 2020a | CE | Supervised | Music Generation | NDB | 20 | MUSIC",
    correction="NDB counts bins, lower is better, and says nothing without their number (50, from memory); "
    "pairs of movement and music need no labels by hand.",
    kept="graph convolution on joints, causal decoder with cross- and relative attention, event symbols.",
    mark="reconstruction",
    arms=("paper", "frozen arm", "no graph"),
    claims=(
        Claim("The hands carry the pitch: with a frozen arm it is lost.", "paper", "frozen arm", "pitch"),
        Claim("(control) A frozen arm costs some onsets, too.", "paper", "frozen arm", "onset F1"),
        Claim(
            "Not of the paper: a graph of joints reads movement better than joints alone.",
            "paper",
            "no graph",
        ),
    ),
)
SIZES = {
    "quick": {"n_train": 64, "n_test": 16, "steps": 5, "batch": 8, "n_bins": 5},
    "cpu": {"n_train": 2048, "n_test": 128, "steps": 240, "batch": 32, "n_bins": 20},
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


def shifted(events: Int[Tensor, "clip position"]) -> Int[Tensor, "clip position"]:
    """Return what the decoder reads: start, then every event but the last."""
    return shift_right(events, EVENTS.start)


def event_loss(logits: Float[Tensor, "clip position event"], events: Int[Tensor, "clip position"]) -> Tensor:
    """Return -mean log p(y_t | y_<t, pose) over true events; padding does not count."""
    return next_symbol_loss(logits, events, pad=EVENTS.pad)


def train(
    played: Performances,
    *,
    seed: int,
    arm: str,
    steps: int,
    batch: int,
    device: str | torch.device = "cpu",
    losses: list[float] | None = None,
) -> FoleyMusic:
    """Train one arm to write the next event; the loss of each step goes to the end of `losses`."""
    torch.manual_seed(seed)
    draws = torch.Generator().manual_seed(seed)
    model = FoleyMusic(graph=arm != "no graph").to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.98), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=max(steps, 2), pct_start=0.15)
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
        if losses is not None:
            losses.append(float(loss.detach()))
    return model.eval()


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train one arm and let performers never met play."""
    ABOUT.check(arm, budget, SIZES)
    sizes = SIZES[budget]
    n, first = sizes["n_test"], 10000 * seed
    played = perform(range(first, first + sizes["n_train"]))
    test = perform(range(first, first + n), split="test")
    model = train(played, seed=seed, arm=arm, steps=sizes["steps"], batch=sizes["batch"], device=device)
    joints = (frozen_arm(test.keypoints) if arm == "frozen arm" else test.keypoints).to(device)
    found = EVENTS.read(model.write(joints).cpu())
    strangers = performance_scores(found.roll(1, 0), test.notes)
    scores, others = (performance_scores(x, test.notes) for x in (found, played.notes[:n]))
    bins = fit_bins(sound_features(played.notes[: 25 * sizes["n_bins"]]), n_bins=sizes["n_bins"])
    return Outcome(
        score=scores["F1"],
        chance=others["F1"],
        wrong_partner=strangers["F1"],
        ceiling=performance_scores(read_by_rule(test.keypoints), test.notes)["F1"],
        extra={
            "onset F1": scores["onset F1"],
            "onset F1, chance": others["onset F1"],
            "onset F1, wrong partner": strangers["onset F1"],
            "pitch": scores["pitch"],
            "pitch, wrong partner": strangers["pitch"],
            "bins": float(sizes["n_bins"]),
            "NDB": float(ndb(bins, sound_features(found))),
            "NDB of real": float(ndb(bins, sound_features(test.notes))),
            "NDB, wrong partner": float(ndb(bins, sound_features(found.roll(1, 0)))),
        },
    )
