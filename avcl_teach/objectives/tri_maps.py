"""Contrast sounds with places of pictures: what counts as positive place, as negative, and as neither."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def place_similarities(
    a: Float[Tensor, "sound dim"], v: Float[Tensor, "picture dim row column"]
) -> Float[Tensor, "sound picture place"]:
    r"""Compare every sound with every place of every picture: $S_{ij}(p) = \langle v_j(p), a_i \rangle$.

    Errors: ValueError for dimensions that differ. Lesson: 34.
    """
    if a.ndim != 2 or v.ndim != 4 or a.shape[1] != v.shape[1]:
        raise ValueError(f"expected [sound, dim] and [picture, dim, row, column], got {a.shape}, {v.shape}")
    return torch.einsum("id,jdp->ijp", a, v.flatten(2))


def best_place_loss(S: Float[Tensor, "batch batch place"], *, temperature: float = 0.07) -> Float[Tensor, ""]:
    r"""Contrast by the best place of each picture: InfoNCE, both ways, on $\max_p S_{ij}(p)$.

    Errors: ValueError for S that is not [batch, batch, place] or temperature <= 0. Source: Afouras et al.
    2021 (also Arandjelovic and Zisserman 2018). Lesson: 34.
    """
    _check(S, temperature)
    z, own = S.amax(2) / temperature, torch.arange(len(S), device=S.device)
    return (F.cross_entropy(z, own) + F.cross_entropy(z.T, own)) / 2


def soft_mean(
    S: Float[Tensor, "*n place"], threshold: float, softness: float, *, below: bool = False
) -> Float[Tensor, "*n"]:
    r"""Average S over the places above a threshold (or below it), with soft edges.

    $$\frac{\sum_p m(p) S(p)}{\sum_p m(p)}, \qquad m = \sigma((S - \epsilon) / \tau)$$

    or $1 - m$ below. Weights are taken as softmax of log-sigmoids: a picture far under the threshold keeps
    weights that sum to 1, where `+ 1e-6` in the denominator would swallow them all and leave no gradient.
    Errors: ValueError for softness <= 0. Lesson: 34.
    """
    if not softness > 0:
        raise ValueError(f"expected a softness above 0, got {softness}")
    x = (S - threshold) / softness
    return (F.logsigmoid(-x if below else x).softmax(-1) * S).sum(-1)


def tri_map_loss(
    S: Float[Tensor, "batch batch place"],
    *,
    high: float = 0.65,
    low: float = 0.4,
    softness: float = 0.03,
    temperature: float = 0.07,
) -> Float[Tensor, ""]:
    r"""Pull the picture's own bright places, push those of other pictures, and its own dark ones.

    $P_i$ = mean of $S_{ii}$ above `high`, $N_{ij}$ = the same of $S_{ij}$, $H_i$ = mean of $S_{ii}$ below
    `low`; places between are ignored.

    $$L = -\frac1B \sum_i \ln \frac{e^{P_i / \tau}}
    {e^{P_i / \tau} + \sum_{j \ne i} e^{N_{ij} / \tau} + e^{H_i / \tau}}$$

    low = high is the bi-map. Thresholds must lie in the range of one's own similarities: the defaults suit a
    pretrained network. Errors: ValueError for low > high, or as `best_place_loss`. Source: Chen et al. 2021,
    read in released code; there the mask of negatives multiplies logits, here other pictures are simply the
    other columns. Lesson: 34.
    """
    _check(S, temperature)
    if low > high:
        raise ValueError(f"expected low <= high, got {low} and {high}")
    P = soft_mean(S, high, softness)
    H = soft_mean(S.diagonal().T, low, softness, below=True)
    return F.cross_entropy(torch.cat([P, H[:, None]], 1) / temperature, torch.arange(len(S), device=S.device))


def bright_place_loss(
    S: Float[Tensor, "batch batch place"],
    *,
    high: float = 0.65,
    softness: float = 0.03,
    temperature: float = 0.07,
) -> Float[Tensor, ""]:
    """Contrast the means of bright places alone: the tri-map without its own dark places. Lesson: 34.

    Errors: as `best_place_loss`.
    """
    _check(S, temperature)
    z = soft_mean(S, high, softness) / temperature
    return F.cross_entropy(z, torch.arange(len(S), device=S.device))


def quantile_tri_map_loss(
    S: Float[Tensor, "batch batch place"],
    *,
    share: float = 0.1,
    softness: float = 0.03,
    temperature: float = 0.07,
) -> Float[Tensor, ""]:
    """Set the thresholds anew in each map: its brightest `share` is positive, its darker half negative.

    Looks robust; but some tenth of every map is then "bright", whatever is heard, and a map is free to be of
    objects. Errors: ValueError for a share outside 0 ... 0.5, or as `best_place_loss`. Lesson: 34.
    """
    _check(S, temperature)
    if not 0 < share < 0.5:
        raise ValueError(f"expected a share between 0 and 0.5, got {share}")
    high = S.detach().float().quantile(1 - share, dim=2, keepdim=True)
    own = S.diagonal().T
    middle = own.detach().float().quantile(0.5, dim=1, keepdim=True)
    P, H = soft_mean(S - high, 0, softness) + high[..., 0], soft_mean(own - middle, 0, softness, below=True)
    z = torch.cat([P, H[:, None] + middle], 1) / temperature
    return F.cross_entropy(z, torch.arange(len(S), device=S.device))


def _check(S: Tensor, temperature: float) -> None:
    if S.ndim != 3 or S.shape[0] != S.shape[1]:
        raise ValueError(f"expected similarities [batch, batch, place], got {list(S.shape)}")
    if not temperature > 0:
        raise ValueError(f"expected a temperature above 0, got {temperature}")
