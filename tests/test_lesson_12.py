"""What lesson 12 says, on small made-up data: order, moves, translation, leakage, tokens left out."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from avcl_teach import encoders, training, world
from avcl_teach.features.note_symbols import NoteSymbols
from avcl_teach.metrics.notes import note_scores

SEEDS = (0,)
fit = partial(training.fit, progress=False, device="cpu")


class OrderReader(nn.Module):
    """Name the kind that comes first of eight tokens, with or without positions."""

    def __init__(self, positions, dim=32):
        super().__init__()
        self.positions = positions
        self.project, self.answer = nn.Linear(6, dim), nn.Linear(dim, 6)
        self.encoder = encoders.TransformerEncoder(dim, 4, 2)

    def forward(self, x, mask=None):
        h = self.project(x)
        if self.positions == "sinusoidal":
            h = h + encoders.sinusoidal_positions(h.shape[1], h.shape[2])
        rotate = encoders.rotary if self.positions == "rotary" else None
        return self.answer(self.encoder(h, mask=mask, rotate=rotate)[:, -8:].mean(1))


def orders(n, seed):
    """Return sequences of two kinds, all of the first before all of the second, and the first kind."""
    g = torch.Generator().manual_seed(seed)
    kinds = torch.stack([torch.randperm(6, generator=g)[:2] for _ in range(n)])
    change = torch.randint(2, 7, (n, 1), generator=g)
    which = (torch.arange(8) >= change).long()
    return F.one_hot(kinds.gather(1, which), 6).float(), kinds[:, 0]


@pytest.fixture(scope="module")
def readers():
    """Return {positions: [(accuracy, accuracy 16 positions later) for each seed]}."""
    found = {}
    x, y = orders(512, 0)
    x_test, y_test = orders(256, 1)
    both = torch.cat([x_test, x_test.flip(1)])
    y_both = torch.cat([y_test, x_test[:, -1].argmax(1)])
    later = torch.cat([torch.zeros(512, 16, 6), both], 1)
    seen = torch.arange(24)[None, None, None] >= 16
    for positions in ("none", "sinusoidal", "rotary"):
        found[positions] = []
        for seed in SEEDS:
            torch.manual_seed(seed)
            model = OrderReader(positions)
            loss = lambda m, b: F.cross_entropy(m(b[0]), b[1])  # noqa: E731
            fit(model, loss, (x, y), steps=60, batch_size=64, lr=5e-3, seed=seed)
            with torch.no_grad():
                here, there = model(both), model(later, mask=seen)
            right = [(z.argmax(1) == y_both).float().mean().item() for z in (here, there)]
            found[positions].append((*right, (here - there).abs().max().item()))
    return found


def test_without_positions_two_orders_of_one_bag_get_one_answer(readers):
    model, x = OrderReader("none"), orders(16, 2)[0]
    with torch.no_grad():
        assert_close(model(x), model(x.flip(1)), atol=1e-5, rtol=1e-5)
    assert all(here <= 0.5 for here, _, _ in readers["none"])


def test_positions_tell_the_order(readers):
    for positions in ("sinusoidal", "rotary"):
        assert all(here > 0.85 for here, _, _ in readers[positions]), readers[positions]


def test_a_move_is_nothing_to_rotary_and_much_to_sinusoids(readers):
    for here, there, change in readers["rotary"]:
        assert there == here
        assert change < 1e-3
    for here, there, _ in readers["sinusoidal"]:
        assert there < here - 0.15


NAMES = NoteSymbols(n_slots=4, n_degrees=4)


def melodies(n, seed):
    """Return what a camera sees of two notes in four moments, and the symbols of the notes."""
    g = torch.Generator().manual_seed(seed)
    slots = torch.stack([torch.randperm(4, generator=g)[:2].sort().values for _ in range(n)])
    degrees = torch.randint(4, (n, 2), generator=g)
    seen = torch.zeros(n, 4, 5)
    seen.scatter_(
        1, slots[..., None].expand(-1, -1, 5), F.pad(F.one_hot(degrees, 4), (0, 1), value=1).float()
    )
    notes = torch.stack([slots / 8, slots * 0 + 0.1, degrees, slots * 0 + 1.0], -1)
    return seen, NAMES.write(notes.float(), slots_hz=8)


@pytest.fixture(scope="module")
def translations():
    """Return {causal: [(last loss, F1, F1 with wrong partners, F1 without picture) for each seed]}."""
    (x, y), (x_test, y_test) = melodies(512, 0), melodies(64, 1)
    truth, found = NAMES.read(y_test), {}
    for causal in (True, False):
        found[causal] = []
        for seed in SEEDS:
            torch.manual_seed(seed)
            model = encoders.EncoderDecoder(5, len(NAMES), dim=32, n_layers=1)

            def loss(model, batch, causal=causal):
                logits = model(batch[0], encoders.shift_right(batch[1], NAMES.start), causal=causal)
                return encoders.next_symbol_loss(logits, batch[1], pad=NAMES.pad)

            history = fit(model, loss, (x, y), steps=100, batch_size=32, lr=4e-3, seed=seed)
            marks = {"start": NAMES.start, "stop": NAMES.stop, "pad": NAMES.pad, "max_length": 5}
            f1 = [
                note_scores(NAMES.read(encoders.translate(model, z, **marks)), truth)["F1"]
                for z in (x_test, x_test.roll(1, 0), 0 * x_test)
            ]
            found[causal].append((sum(history.losses[-10:]) / 10, *f1))
    return found


def test_the_translation_reads_its_memory(translations):
    for _, right, wrong, none in translations[True]:
        assert right > 0.85
        assert wrong < 0.5
        assert none < 0.5


def test_without_the_mask_the_loss_is_lower_and_the_translation_worse(translations):
    for causal, leaky in zip(translations[True], translations[False], strict=True):
        assert leaky[0] < causal[0]
        assert leaky[1] < causal[1] - 0.3


def test_keypoints_of_the_world_tell_the_notes_to_a_reader_by_hand():
    clips = world.render(12, preset="easy", size_px=16, stems=False, masks=False)
    names = NoteSymbols(n_slots=16)
    truth = names.read(names.write(clips.notes[:, 0], slots_hz=8))
    found = []
    for pose in torch.nan_to_num(clips.extra["keypoints"][:, 0]):
        height, place = pose[:, 3], (9 * pose[:, 2]).round()
        around = F.pad(height[None], (1, 1), value=9.0)[0]
        dip = (height < 0.45) & (height <= around[:-2]) & (height <= around[2:])
        found.append({(t, int(place[t])) for t in dip.nonzero()[:, 0].tolist()})
    scores = note_scores(found, truth)
    assert scores["onset F1"] > 0.95
    assert scores["pitch"] > 0.6


def test_a_step_costs_less_the_more_tokens_are_dropped_and_the_weights_are_the_same():
    counts, flops = set(), []
    for rate in (0.0, 0.5, 0.75):
        backbone = encoders.TransformerEncoder(32, 4, 1)
        model = encoders.RawSignalTransformer(16, (64,), backbone=backbone, drop=rate).train()
        counts.add(sum(p.numel() for p in model.parameters()))
        with FlopCounterMode(display=False) as counted:
            model(torch.randn(4, 64, 16)).sum().backward()
        flops.append(counted.get_total_flops())
    assert len(counts) == 1
    assert flops[1] < 0.65 * flops[0]
    assert flops[2] < 0.65 * flops[1]


def test_length_adds_no_parameters():
    block = encoders.TransformerBlock(16, 2)
    n = sum(p.numel() for p in block.parameters())
    for length in (4, 400):
        assert block(torch.randn(1, length, 16)).shape == (1, length, 16)
    assert n == 12 * 16 * 16 + 13 * 16
