"""Train a localizer in stages, point with it, and judge its maps with priors and oracle beside."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from avcl_teach.comparison.cached import cached, hash_files
from avcl_teach.comparison.sightings import SIZE_PX, Sightings
from avcl_teach.encoders import sounding_maps
from avcl_teach.encoders.sounding_maps import Localizer
from avcl_teach.metrics import localization as metrics
from avcl_teach.objectives import tri_maps
from avcl_teach.training import History, fit

FLOORS = ("centre", "random place", "random true box", "truth")


def glance(frames: Tensor) -> Tensor:
    """Pick one of each clip's frames, mirror half of them, and mix up each one's colour channels.

    No class has a colour, and a room's colour betrays the clip: what is left is shape. Draws from torch's
    global generator. Lesson: 34.
    """
    n, device = len(frames), frames.device
    rows = torch.arange(n, device=device)
    x = frames[rows, torch.randint(frames.shape[1], (n,), device=device)]
    x = torch.where(torch.rand(n, 1, 1, 1, device=device) < 0.5, x.flip(3), x)
    return x[rows[:, None], torch.rand(n, 3, device=device).argsort(1)]


def whole_loss(model: Localizer, batch: tuple, *, temperature: float = 0.1) -> Float[Tensor, ""]:
    """Contrast sounds with whole pictures, by the maxima of their features over places. Lesson: 34."""
    a, v = model.f(batch[1]), model.whole(glance(batch[0]))
    z, own = a @ v.T / temperature, torch.arange(len(a), device=a.device)
    return (F.cross_entropy(z, own) + F.cross_entropy(z.T, own)) / 2


def place_loss(objective: Callable[..., Tensor], **hyper: float) -> Callable:
    """Make a loss for `fit` from an objective on S [sound, picture, place]. Lesson: 34."""

    def loss(model: Localizer, batch: tuple) -> Tensor:
        a, v = model(batch[1], glance(batch[0]))
        return objective(tri_maps.place_similarities(a.float(), v.float()), **hyper)

    return loss


def train_stage(
    model: nn.Module, loss: Callable, data: Sightings, *, steps: int, seed: int, device="cpu", **how
) -> History:
    """Train on frames and sounds for some steps in bf16; return the record of `fit`. Lesson: 34."""
    settings = {"batch_size": 48, "lr": 2e-3, "progress": False, "precision": "bf16"} | how
    settings["batch_size"] = min(settings["batch_size"], len(data))
    return fit(model, loss, (data.frames, data.log_mel), steps=steps, seed=seed, device=device, **settings)


def new_localizer(seed: int, device="cpu") -> Localizer:
    """Make a localizer with the seed's first weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Localizer().to(device)


def warm_up(solo: Sightings, *, steps: tuple[int, int], seed: int, device="cpu") -> Localizer:
    """Learn from solo clips: whole pictures first, then their best place. Kept on disk. Lesson: 34.

    steps: of the two. No label is read; that there is one object, and that it sounds, is all that is known.
    """
    model = new_localizer(seed, device)

    def make():
        train_stage(model, whole_loss, solo, steps=steps[0], seed=seed, device=device, lr=3e-3)
        best = place_loss(tri_maps.best_place_loss)
        train_stage(model, best, solo, steps=steps[1], seed=seed + 1, device=device)
        return {name: x.detach().cpu().clone() for name, x in model.state_dict().items()}, {}

    code = hash_files(__file__, sounding_maps.__file__, tri_maps.__file__)
    key = {"warm up": list(steps), "seed": seed, "n": len(solo), "where": solo.where, "code": code,
           "frames": solo.frames.shape[1], "device": torch.device(device).type}  # fmt: skip
    found, _ = cached(key, make)
    model.load_state_dict(found)
    return model.eval()


@torch.no_grad()
def heat_maps(
    model: Localizer, x_a: Tensor, x_v: Tensor, *, side: int = SIZE_PX
) -> Float[Tensor, "n side side"]:
    """Return S(p) of each picture with its sound, drawn out to the picture's size. Lesson: 34."""
    model.eval()
    device = next(model.parameters()).device
    parts = []
    for a, v in zip(x_a.split(128), x_v.split(128), strict=True):
        a, v = model(a.to(device), v.to(device))
        S = torch.einsum("nd,ndhw->nhw", a.float(), v.float())[:, None]
        parts.append(F.interpolate(S, size=(side, side), mode="bilinear", align_corners=False)[:, 0].cpu())
    return torch.cat(parts)


def judge(maps: Float[Tensor, "n side side"], data: Sightings, *, k: int) -> dict[str, float]:
    """Score maps of the first frames: pointing (sounding, silent, background), cIoU of the top k, its AUC.

    Lesson: 34.
    """
    return pointing(maps, data) | overlap_scores(metrics.top_k_mask(maps, k), data)


def pointing(maps: Float[Tensor, "n side side"], data: Sightings) -> dict[str, float]:
    """Play the pointing game. Lesson: 34."""
    found = metrics.pointing_game(maps, data.box[:, 0], data.sounding)
    return {name: float(x) for name, x in found.items()}


def overlap_scores(found: Bool[Tensor, "n side side"], data: Sightings) -> dict[str, float]:
    """Score sets of pixels: AUC, cIoU@.3, cIoU@.5; each box is exact, so one annotator is enough."""
    g = metrics.consensus_map(metrics.box_mask(data.box[:, 0, :1], found.shape[-1]), enough=1)
    ious = metrics.c_iou(found, g)
    rates = {f"cIoU@.{t}": float(metrics.success_rate(ious, threshold=t / 10)) for t in (3, 5)}
    return {"AUC": float(metrics.success_auc(ious))} | rates


def floor_maps(name: str, data: Sightings, *, seed: int = 0) -> Float[Tensor, "n side side"]:
    """Draw the maps of a guesser of `FLOORS`, which never listens: round blobs, and the truth's own.

    Errors: ValueError for another name. Lesson: 34.
    """
    n, g = len(data), torch.Generator().manual_seed(seed)
    boxes = data.box[:, 0]
    middles = (boxes[..., :2] + boxes[..., 2:]) / 2
    if name == "centre":
        at = torch.full((n, 2), 0.5)
    elif name == "random place":
        at = torch.rand(n, 2, generator=g)
    elif name == "random true box":
        pick = torch.multinomial((data.object_class >= 0).float(), 1, generator=g)[:, 0]
        at = middles[torch.arange(n), pick]
    elif name == "truth":
        at = middles[:, 0]
    else:
        raise ValueError(f"expected one of {FLOORS}, got {name!r}")
    p = (torch.arange(SIZE_PX) + 0.5) / SIZE_PX
    x, y = (p - at[:, :1]).square(), (p - at[:, 1:]).square()
    return -(y[:, :, None] + x[:, None, :]).sqrt()
