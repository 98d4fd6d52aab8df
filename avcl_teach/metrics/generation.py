"""Is what was drawn or played like the real thing (NDB), and does a judge recognise it (informativity).

The Frechet distance of features is in `frechet`. None of these says whether a drawing belongs to its sound:
read them beside the same figures with sounds shuffled.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Bins(NamedTuple):
    """Hold bins of a feature space: their centres, and how many real examples lie in each."""

    centre: Float[Tensor, "bin dim"]
    count: Int[Tensor, "bin"]


def fit_bins(x: Float[Tensor, "n dim"], *, n_bins: int = 20, seed: int = 0) -> Bins:
    """Cut a feature space into bins by k-means on real training features.

    Errors: ValueError for fewer than 5 examples a bin (the test below leans on counts that are not tiny).
    Lesson: 36.
    """
    if n_bins < 2 or len(x) < 5 * n_bins:
        raise ValueError(
            f"expected at least 2 bins and 5 examples a bin, got {n_bins} bins and {len(x)} examples"
        )
    from sklearn.cluster import KMeans

    found = KMeans(n_bins, n_init=4, random_state=seed).fit(x.double().cpu().numpy())
    centre = torch.from_numpy(found.cluster_centers_).to(x)
    return Bins(centre, count_in_bins(x, centre))


def count_in_bins(x: Float[Tensor, "n dim"], centre: Float[Tensor, "bin dim"]) -> Int[Tensor, "bin"]:
    """Count how many rows lie nearest to each centre."""
    return torch.bincount(torch.cdist(x, centre).argmin(1), minlength=len(centre))


def differing_bins(x: Int[Tensor, "bin"], y: Int[Tensor, "bin"], *, level: float = 0.05) -> list[bool]:
    """Say for each bin whether its shares in two samples differ: a two-proportion z-test, two-sided.

    p = (x + y) / (n_x + n_y), z = (x / n_x - y / n_y) / sqrt(p (1 - p) (1 / n_x + 1 / n_y)); a bin that is
    empty in both does not differ. Errors: ValueError for an empty sample, or unequal numbers of bins.
    Source: Richardson and Weiss 2018. Lesson: 36.
    """
    n_x, n_y = int(x.sum()), int(y.sum())
    if len(x) != len(y) or not n_x or not n_y:
        raise ValueError(
            f"expected two samples over the same bins, got {n_x} in {len(x)} and {n_y} in {len(y)}"
        )
    p = (x + y).double() / (n_x + n_y)
    spread = (p * (1 - p) * (1 / n_x + 1 / n_y)).sqrt()
    z = torch.where(spread > 0, (x.double() / n_x - y.double() / n_y) / spread, 0.0)
    beyond = torch.special.erfc(z.abs() / 2**0.5)  # P(|Z| >= |z|)
    return (beyond < level).tolist()


def ndb(bins: Bins, x: Float[Tensor, "n dim"], *, level: float = 0.05) -> int:
    """Count the statistically different bins: those whose share among x is not that among the real ones.

    Lower is better; out of `len(bins.count)`, which must be named beside it. Real examples that were not used
    for the bins differ in about `level` of the bins by chance: print that too. Errors: as `differing_bins`.
    Lesson: 36.
    """
    return sum(differing_bins(bins.count, count_in_bins(x, bins.centre), level=level))


def informativity(
    judged: Float[Tensor, "n judge"], label: Int[Tensor, "n"], *, threshold: float = 0.5
) -> dict[str, float]:
    """Return the share of drawings that the judge of their own class calls an example of it.

    `judged`: probability of each yes/no judge, one a class, which answers about its class alone (a drawing
    may convince several, or none). {"all": mean over classes, "class k": share, "any": share that convinces
    some judge}. Classes without a drawing are left out. Errors: ValueError for probabilities beyond 0 ... 1
    or labels beyond the judges. Source: Fanzeres and Nadeu 2021, as the survey's "I". Lesson: 36.
    """
    if not len(label) or judged.min() < 0 or judged.max() > 1:
        raise ValueError("expected at least one drawing, judged with probabilities in 0 ... 1")
    if label.min() < 0 or label.max() >= judged.shape[1]:
        raise ValueError(
            f"expected labels 0 ... {judged.shape[1] - 1}, got {int(label.min())} ... {int(label.max())}"
        )
    says_yes = judged >= threshold
    own = says_yes.gather(1, label[:, None])[:, 0].double()
    shares = {f"class {k}": float(own[label == k].mean()) for k in label.unique().tolist()}
    mean = sum(shares.values()) / len(shares)
    return {"all": mean, "any": float(says_yes.any(1).double().mean()), **shares}


def nearest_distance(
    x: Float[Tensor, "n dim"], known: Float[Tensor, "m dim"], *, chunk: int = 512
) -> Float[Tensor, "n"]:
    """Return how far each row is from the nearest known one: 0 for a copy of a training example.

    Errors: ValueError for nothing known. Lesson: 36.
    """
    if not len(known):
        raise ValueError("expected at least one known example, got none")
    parts: Sequence[Tensor] = [torch.cdist(part, known).amin(1) for part in x.split(chunk)]
    return torch.cat(list(parts)) if parts else x.new_zeros(0)
