"""Afouras et al. 2021: from localization to an object detector that needs no sound.

Verified in a detailed reading: similarity by the best place, clusters under fixed marginals, boxes by a
threshold between mean and maximum, a detector trained on pictures alone, mAP at IoU .5 after Hungarian
matching of clusters to classes on the test side. Kept: these four. Shrunk: Faster R-CNN to one convolution
and two heads on 16 x 16 places; clusters and similarity are learned one after the other, not together; boxes
come from solo clips, where nothing unheard stands beside. Faults avoided: matching by training labels,
averages over places, one global threshold, several detections of one box counted as right. Lesson 34.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.comparison import localizers
from avcl_teach.comparison.pseudo_boxes import cluster_embeddings, heat_box
from avcl_teach.comparison.sightings import Sightings, sightings
from avcl_teach.encoders.place_detector import PlaceDetector, detect, detector_loss
from avcl_teach.encoders.sounding_maps import Localizer
from avcl_teach.metrics.detection import box_iou, detection_map
from avcl_teach.systems import _places
from avcl_teach.table1 import Claim, Outcome, System
from avcl_teach.training import fit

ABOUT = System(
    name="afouras2021",
    paper="Afouras et al. 2021",
    key="afouras2021",
    lesson="34",
    task="object detection without labels",
    metric="mAP at IoU .5",
    protocol="scenes of three objects, all to be found, no sound; clusters matched to classes on the test; "
    "wrong partner: the boxes of the next picture; extra: the same on solo clips, where boxes cut from heat "
    "maps compete",
    chance="the detector's boxes and scores with classes drawn at random, matched as the system's",
    ceiling="the same detector trained on true boxes and classes",
    labels_used="none to train, that training clips hold one object; true boxes of val chose the threshold "
    "of boxes",
    paired="sound and picture of one clip; pictures alone for the detector",
    survey_row="Afouras et al., 2021 | NCE/CE | Supervised | Cross-Modal (AV) Retrieval | mAP@50 | "
    "39.4/28. | VGG Sound/AudioSet",
    correction="self-supervised object detection; mAP at IoU .5, not of the top 50",
    kept="best place, marginals, boxes from maps, detector on pictures alone",
    claims=(
        Claim("The detector is better than the heat maps' boxes that taught it.",
              "detector", "heat-map boxes", metric="solo mAP"),
        Claim("Marginals keep clusters apart.", "detector", "no marginals"),
        Claim("More clusters than classes help.", "16 clusters", "detector"),
    ),
    arms=("detector", "heat-map boxes", "no marginals", "16 clusters"),
)  # fmt: skip
SIZES = {
    "quick": {"n_solo": 48, "n_scenes": 2, "n_test": 32, "warm": (2, 2), "steps": 3},
    "cpu": {"n_solo": 2048, "n_scenes": 1024, "n_test": 512, "warm": (300, 200), "steps": 250},
    "gpu": {"n_solo": 8192, "n_scenes": 4096, "n_test": 1024, "warm": (1500, 1000), "steps": 2000},
}
BETA = 0.2  # of .05 ... .5 the best on solo clips of the val split (mean IoU .46; .30 at .5)
Boxes = tuple[Tensor, Tensor, Tensor, Tensor]  # boxes, scores, classes, pictures


def pseudo_labels(
    model: Localizer, solo: Sightings, *, k: int, balanced: bool, seed: int
) -> tuple[Float[Tensor, "clip frame 4"], Int[Tensor, "clip"], Float[Tensor, "k dim"]]:
    """Box every frame by its heat map, and name every clip after a cluster of sounds and best places."""
    boxes = torch.stack([heat_boxes(model, solo, frame=t)[0] for t in range(solo.frames.shape[1])], 1)
    centres, names = cluster_embeddings(both_embeddings(model, solo), k, balanced=balanced, seed=seed)
    return boxes, names, centres


def heat_boxes(model: Localizer, data: Sightings, *, frame: int = 0) -> tuple[Tensor, Tensor]:
    """Cut a box out of each heat map; return boxes, and the maps' peaks as scores."""
    maps = localizers.heat_maps(model, data.log_mel, data.frames[:, frame], side=32)
    return torch.stack([heat_box(S, beta=BETA) for S in maps]), maps.flatten(1).amax(1)


@torch.no_grad()
def both_embeddings(model: Localizer, data: Sightings) -> Float[Tensor, "clip dim"]:
    """Put each clip's sound and the best place of its first frame side by side."""
    device, parts = next(model.parameters()).device, []
    for x_a, x_v in zip(data.log_mel.split(128), data.frames[:, 0].split(128), strict=True):
        a, v = model(x_a.to(device), x_v.to(device))
        at = torch.einsum("nd,ndp->np", a, v.flatten(2)).argmax(1)
        best = v.flatten(2).gather(2, at[:, None, None].expand(-1, v.shape[1], 1))[..., 0]
        parts.append(torch.cat([a, best], 1).cpu())
    return F.normalize(torch.cat(parts), dim=1)


def train_detector(
    frames: Tensor, boxes: Tensor, labels: Tensor, k: int, *, steps: int, seed: int, start=None, device="cpu"
) -> PlaceDetector:
    """Train the detector on pictures with boxes and classes, true or pseudo; half of them are mirrored."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PlaceDetector(k)
    if start is not None:
        model.trunk.load_state_dict(start.g.state_dict())

    def loss(model: PlaceDetector, batch: tuple) -> Tensor:
        x, box, y = batch
        rows = torch.arange(len(x), device=x.device)
        t = torch.randint(x.shape[1], (len(x),), device=x.device)
        x, box = x[rows, t], box[rows, t]
        x = x[rows[:, None], torch.rand(len(x), 3, device=x.device).argsort(1)]
        mirror = torch.rand(len(x), device=x.device) < 0.5
        x = torch.where(mirror[:, None, None, None], x.flip(3), x)
        turned = torch.stack([1 - box[:, 2], box[:, 1], 1 - box[:, 0], box[:, 3]], 1)
        return detector_loss(*model(x), torch.where(mirror[:, None], turned, box), y)

    how = {"batch_size": min(48, len(frames)), "lr": 2e-3, "precision": "bf16", "progress": False}
    fit(model, loss, (frames, boxes, labels), steps=steps, seed=seed, device=device, **how)
    return model


def truth_of(data: Sightings) -> tuple[Tensor, Tensor, Tensor]:
    """Return boxes, classes and pictures of all objects in the first frames."""
    there = (data.object_class >= 0) & ~data.box[:, 0, :, 0].isnan()
    return data.box[:, 0][there], data.object_class[there], there.nonzero()[:, 0]


def score_boxes(found: Boxes, data: Sightings, k: int) -> float:
    """Match clusters to classes by what they find in the test pictures, then take mAP at IoU .5."""
    boxes, scores, clusters, pictures = found
    name = name_clusters(found, truth_of(data), k)
    return float(detection_map(boxes, scores, name[clusters], pictures, *truth_of(data))[0])


def name_clusters(found: Boxes, truth: tuple[Tensor, Tensor, Tensor], k: int) -> Int[Tensor, "k"]:
    """Give clusters the classes they overlap most often, one cluster a class (Hungarian); others get -1."""
    from scipy.optimize import linear_sum_assignment

    boxes, _, clusters, pictures = found
    together = torch.zeros(k, 8)
    for p in pictures.unique():
        mine, there = pictures == p, truth[2] == p
        if there.any():
            best, at = box_iou(boxes[mine], truth[0][there]).max(1)
            hit = best >= 0.5
            together.index_put_(
                (clusters[mine][hit], truth[1][there][at[hit]]), torch.ones(1), accumulate=True
            )
    rows, columns = linear_sum_assignment(-together.numpy())
    name = torch.full((k,), -1)
    name[torch.from_numpy(rows)] = torch.from_numpy(columns)
    return name


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train and judge one arm. Errors: ValueError for an unknown arm or budget."""
    ABOUT.check(arm, budget, SIZES)
    sizes, k = SIZES[budget], 16 if arm == "16 clusters" else 8
    data = _places.places(sizes, seed)
    solo = sightings(sizes["n_test"], layout="solo", split="test", seed=seed)
    model = localizers.warm_up(data.solo, steps=sizes["warm"], seed=seed, device=device)
    boxes, names, centres = pseudo_labels(model, data.solo, k=k, balanced=arm != "no marginals", seed=seed)
    how = {"steps": sizes["steps"], "seed": seed, "device": device}
    if arm == "heat-map boxes":
        both = data.test, solo
        names_of = [(both_embeddings(model, x) @ centres.T).argmax(1) for x in both]
        found = [
            (*heat_boxes(model, x), c, torch.arange(len(x))) for x, c in zip(both, names_of, strict=True)
        ]
        ceiling = float("nan")
    else:
        detector = train_detector(data.solo.frames, boxes, names, k, start=model, **how)
        found = [detect(detector, x.frames[:, 0]) for x in (data.test, solo)]
        ceiling = float("nan")
    if arm == ABOUT.arms[0]:
        taught = train_detector(
            data.solo.frames, data.solo.box[:, :, 0], data.solo.label, 8, start=model, **how
        )
        b, s, c, p = detect(taught, data.test.frames[:, 0])
        ceiling = float(detection_map(b, s, c, p, *truth_of(data.test))[0])
    b, s, c, p = found[0]
    g = torch.Generator().manual_seed(seed)
    shifted = (b, s, c, (p + 1) % len(data.test))
    purity = float(F.one_hot(names, k).float().T.matmul(F.one_hot(data.solo.label, 8).float()).amax(1).sum())
    return Outcome(
        score=score_boxes(found[0], data.test, k),
        chance=score_boxes((b, s, torch.randint(k, c.shape, generator=g), p), data.test, k),
        wrong_partner=score_boxes(shifted, data.test, k),
        ceiling=ceiling,
        extra={"solo mAP": score_boxes(found[1], solo, k), "purity": purity / len(names)},
    )
