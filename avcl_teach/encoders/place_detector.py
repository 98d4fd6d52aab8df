"""A small detector that needs no sound: every place says what is there and how far its box reaches."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from avcl_teach.encoders.sounding_maps import PictureMap, conv_block
from avcl_teach.metrics.detection import keep_strongest


class PlaceDetector(nn.Module):
    """Predict k classes (or none) and a box at each of 16 x 16 places. Lesson: 34."""

    def __init__(self, k: int, *, width: int = 64) -> None:
        super().__init__()
        self.trunk, self.neck = PictureMap(width=width), conv_block(width, width)
        self.classes, self.reach = nn.Conv2d(width, k + 1, 1), nn.Conv2d(width, 4, 1)

    def forward(
        self, x: Shaped[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch place out"], Float[Tensor, "batch place 4"]]:
        """Return logits (the last class is "nothing") and boxes (x0, y0, x1, y1) as fractions."""
        h = self.neck(self.trunk.features(x))
        reach = F.softplus(self.reach(h).float()).flatten(2).transpose(1, 2) / 4
        at = place_middles(h.shape[2], h.device)
        box = torch.cat([at - reach[..., :2], at + reach[..., 2:]], 2)
        return self.classes(h).float().flatten(2).transpose(1, 2), box


def place_middles(side: int, device: torch.device | str = "cpu") -> Float[Tensor, "place 2"]:
    """Return the middles (x, y) of side x side places, row by row, as fractions."""
    p = (torch.arange(side, device=device) + 0.5) / side
    return torch.stack([p.repeat(side), p.repeat_interleave(side)], 1)


def detector_loss(
    logits: Float[Tensor, "batch place out"],
    found: Float[Tensor, "batch place 4"],
    box: Float[Tensor, "batch 4"],
    label: Int[Tensor, "batch"],
    *,
    core: float = 0.5,
) -> Float[Tensor, ""]:
    """Ask the middle of each picture's box for class and box, and all outside it for nothing.

    Cross-entropy, averaged over the places of each kind, plus L1 of the box; places of the box outside its
    middle `core` are not asked. Source: in the spirit of Afouras et al. 2021, whose detector is Faster R-CNN.
    Lesson: 34.
    """
    at = place_middles(round(logits.shape[1] ** 0.5), logits.device)[None]
    middle, half = (box[:, None, :2] + box[:, None, 2:]) / 2, (box[:, None, 2:] - box[:, None, :2]) / 2
    away = ((at - middle).abs() / half.clamp_min(1e-3)).amax(2)
    near = (at - middle).square().sum(2)
    inside = (away <= core) | (near == near.amin(1, keepdim=True))
    outside = (away > 1) & ~inside
    nothing = torch.full_like(label, logits.shape[2] - 1)
    target = torch.where(inside, label[:, None], nothing[:, None])
    price = F.cross_entropy(logits.transpose(1, 2), target, reduction="none")
    reach = (found - box[:, None]).abs().sum(2)
    return price[inside].mean() + price[outside].mean() + 2 * reach[inside].mean()


@torch.no_grad()
def detect(
    model: PlaceDetector,
    x_v: Shaped[Tensor, "n 3 height width"],
    *,
    least: float = 0.1,
    overlap: float = 0.4,
    most: int = 48,
) -> tuple[Float[Tensor, "found 4"], Float[Tensor, "found"], Int[Tensor, "found"], Int[Tensor, "found"]]:
    """Return boxes, scores, classes and pictures of all that is found, weaker overlapping ones dropped.

    Only the `most` surest places of a picture are looked at.

    Suppression runs over all classes together: one thing has one class. Lesson: 34.
    """
    model.eval()
    device, rows = next(model.parameters()).device, ([], [], [], [])
    for start in range(0, len(x_v), 128):
        logits, boxes = (x.cpu() for x in model(x_v[start : start + 128].to(device)))
        score, label = logits.softmax(2)[..., :-1].max(2)
        for i in range(len(score)):
            seen = score[i].topk(min(most, score.shape[1])).indices
            seen = seen[score[i, seen] >= least]
            keep = seen[keep_strongest(boxes[i, seen], score[i, seen], overlap=overlap)]
            picture = torch.full_like(keep, start + i)
            for row, part in zip(
                rows, (boxes[i, keep], score[i, keep], label[i, keep], picture), strict=True
            ):
                row.append(part)
    return tuple(torch.cat(row) for row in rows)
