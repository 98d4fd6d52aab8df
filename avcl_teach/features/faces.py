"""Faces cut out and described: crops on one grid, and eigenfaces."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor


def face_crops(
    frames: UInt8[Tensor, "clip time 3 height width"],
    centre: Float[Tensor, "clip time 2"],
    side: Float[Tensor, "clip"],
    *,
    size_px: int = 24,
) -> Float[Tensor, "clip time size size"]:
    """Cut a square out of every frame and bring it to one size, grey, with mean 0 and deviation 1.

    centre in fractions of width and height, side in fractions of the picture: what a detector of faces
    gives. Beyond the border the border goes on. A patch without contrast stays near 0.
    Errors: ValueError for fewer than 4 px or shapes that do not fit. Lesson: 32.
    """
    n, t = frames.shape[:2]
    if size_px < 4 or centre.shape != (n, t, 2) or side.shape != (n,):
        raise ValueError(
            f"expected at least 4 px, centre {[n, t, 2]} and side {[n]}, got {size_px}, "
            f"{list(centre.shape)} and {list(side.shape)}"
        )
    u = (torch.arange(size_px, device=frames.device) + 0.5) / size_px * 2 - 1
    y, x = torch.meshgrid(u, u, indexing="ij")
    grid = torch.stack([x, y], -1) * side[:, None, None, None, None] / 2 + centre[:, :, None, None]
    grey = frames.float().mean(2) / 255
    cut = F.grid_sample(
        grey.flatten(0, 1)[:, None], grid.flatten(0, 1) * 2 - 1, align_corners=False, padding_mode="border"
    )
    cut = cut[:, 0].unflatten(0, (n, t))
    cut = cut - cut.mean((2, 3), keepdim=True)
    return cut / cut.square().mean((2, 3), keepdim=True).sqrt().clamp_min(0.02)


class Eigenfaces:
    """Describe crops by their first principal components, measured on training crops alone.

    `fit` keeps the mean and the n_components directions of most variance (signs such that the largest entry
    is positive); `transform` returns coordinates along them. Errors: ValueError for more components than
    pixels, RuntimeError before `fit`. Source: Turk and Pentland 1991. Lesson: 32.
    """

    def __init__(self, n_components: int = 32):
        self.n_components = n_components
        self.mean: Tensor | None = None
        self.axes: Tensor | None = None

    def fit(self, crops: Float[Tensor, "clip time size size"]) -> "Eigenfaces":
        """Measure mean and directions."""
        X = crops.flatten(2).flatten(0, 1)
        if not 1 <= self.n_components <= X.shape[1]:
            raise ValueError(f"expected 1 to {X.shape[1]} components, got {self.n_components}")
        self.mean = X.mean(0)
        C = (X - self.mean).T @ (X - self.mean) / len(X)
        axes = torch.linalg.eigh(C.double())[1].flip(1)[:, : self.n_components]
        sign = axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
        self.axes = (axes * sign).to(X.dtype)
        return self

    def transform(self, crops: Float[Tensor, "clip time size size"]) -> Float[Tensor, "clip time component"]:
        """Return the coordinates of every crop."""
        if self.mean is None or self.axes is None:
            raise RuntimeError("expected fit(crops) before transform(): no faces were seen yet")
        return (crops.flatten(2) - self.mean) @ self.axes
