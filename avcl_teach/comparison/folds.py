"""Folds by individual: what is judged was never met in training, and everything is judged once."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.comparison.pairs import SPLITS, Split, world_pairs


def deal_groups(groups: Int[Tensor, "row"], n_folds: int) -> Int[Tensor, "row"]:
    """Return the fold of each row: groups in the order of their numbers are dealt out in turn.

    The k-th smallest group goes to fold k mod n_folds, with all of its rows, so that no group is on both
    sides of a cut. Errors: ValueError for fewer than 2 folds, or fewer groups than folds. Lesson: 30.

    >>> deal_groups(torch.tensor([7, 3, 7, 9]), 2).tolist()
    [1, 0, 1, 0]
    """
    names, place = groups.unique(return_inverse=True)
    if n_folds < 2 or len(names) < n_folds:
        raise ValueError(f"expected 2 folds or more, and as many groups, got {n_folds} and {len(names)}")
    return place % n_folds


def cut_folds(
    x_a: Float[Tensor, "row feature_a"],
    x_v: Float[Tensor, "row feature_v"],
    labels: Int[Tensor, "row"],
    fold: Int[Tensor, "row"],
) -> Iterator[tuple[Split, Split]]:
    """Yield (train, test) for every fold, features standardised on train only.

    A feature that is constant in train keeps its scale. Errors: ValueError for rows that do not fit. Lesson:
    30.
    """
    if not len(x_a) == len(x_v) == len(labels) == len(fold):
        raise ValueError(
            f"expected as many rows everywhere, got {[len(x) for x in (x_a, x_v, labels, fold)]}"
        )
    for k in fold.unique().tolist():
        out = fold == k
        sides = []
        for x in (x_a, x_v):
            mean, std = x[~out].mean(0), x[~out].std(0)
            sides.append((x - mean) / torch.where(std > 1e-6, std, 1.0))
        yield tuple(Split(sides[0][rows], sides[1][rows], labels[rows]) for rows in (~out, out))


def world_folds(
    n_clips: int = 1536, *, seed: int = 0, n_folds: int = 5, preset: str = "easy", by: str = "individual"
) -> list[tuple[Split, Split]]:
    """Cut clips of the world in folds: by individual (three or four of a class in each), or by clip.

    Two thirds of the clips show the individuals 0 to 11 of their class, the rest the other four; features of
    `world_pairs`, cached. Folds "by clip" are drawn at random, as papers do that name none: individuals are
    then on both sides. Errors: ValueError for another `by`, too few clips, or an unknown preset. Lesson: 30.
    """
    if by not in ("individual", "clip"):
        raise ValueError(f"expected folds by individual or by clip, got {by!r}")
    n = n_clips // 6
    pairs = world_pairs(n_clips - 2 * n, n, preset, seed=seed, n_val=n)
    x_a, x_v, labels = (torch.cat(x) for x in zip(*(getattr(pairs, s) for s in SPLITS), strict=True))
    who = torch.cat([_individuals(getattr(pairs, s).n_pairs, s, preset, seed) for s in SPLITS])
    if by == "clip":
        who = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return list(cut_folds(x_a, x_v, labels, deal_groups(who, n_folds)))


def digit_folds(
    n_train: int = 1024, n_test: int = 256, *, seed: int = 0, speech: str = "auto"
) -> list[tuple[Split, Split]]:
    """Cut real digits in one fold a speaker: (train, test), the test's voice never met, nor its pictures.

    Errors: as `digit_pairs`. Lesson: 30.
    """
    from avcl_teach.comparison.pairs import digit_pairs
    from avcl_teach.speech import spoken_digits

    folds = []
    for speaker in spoken_digits(speech=speech).speakers:
        pairs = digit_pairs(speaker, seed=seed, n_train=n_train, n_test=n_test, n_val=2, speech=speech)
        folds.append((pairs.train, pairs.test))
    return folds


def _individuals(n: int, split: str, preset: str, seed: int) -> Int[Tensor, "clip"]:
    """Return which individual of its class each clip shows; they are drawn, so nothing is rendered."""
    from avcl_teach import world
    from avcl_teach.world.knobs import resolve
    from avcl_teach.world.scenes import sample_scenes

    scenes = sample_scenes(
        range(n), knobs=resolve(preset), split=world.find_split(split, seed=seed), seed=seed
    )
    return torch.as_tensor(scenes.instance[:, 0])
