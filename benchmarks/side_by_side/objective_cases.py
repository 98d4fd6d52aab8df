"""What is compared of objectives and metrics: inputs, contenders and the bounds that are wanted."""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.side_by_side import peers
from benchmarks.side_by_side.case import (
    FEW,
    LONG,
    SOME,
    Case,
    Run,
    agreement,
    faster,
    memory_at_most,
    memory_share,
    time_at_most,
)

TEMPERATURE, MARGIN, RIDGE = 0.07, 0.2, 1e-3
PML, FLOOR = "pytorch-metric-learning", "three products"
SCALED_FLOOR, SCALED_CLIP = "normalize + three products", "normalize + open_clip"
LONGER = {"seconds": 20.0, "least": 20, "most": 60}
EXACT = "the same in float64"  # of millions of triplets some lie within rounding of the margin


def pairs(n: int, d: int, *, noise: float = 2.0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Embeddings of n pairs that resemble each other, rows of length 1, as leaves that want a gradient."""
    g = torch.Generator().manual_seed(0)
    a = torch.randn(n, d, generator=g)
    v = a + noise * torch.randn(n, d, generator=g)
    a, v = (torch.nn.functional.normalize(x, dim=1).to(dtype) for x in (a, v))
    return a.requires_grad_(), v.requires_grad_()


def gradient(loss: Callable[..., Tensor], a: Tensor, v: Tensor, *more, **hyper) -> Run:
    """A run that takes a loss forward and backward: (value, gradient by a, gradient by v)."""

    def run() -> tuple:
        a.grad = v.grad = None
        value = loss(a, v, *more, **hyper)
        value.backward()
        return value.detach(), a.grad, v.grad

    return run


def metric(function: Callable[..., Tensor], *inputs: Tensor) -> Run:
    """A run that computes a metric: (value,)."""
    return lambda: (function(*inputs),)


def floor_of_info_nce(a: Tensor, v: Tensor) -> Run:
    """The three products that any form needs, and nothing else."""
    a, v = a.detach(), v.detach()

    def run() -> tuple:
        S = a @ v.T
        return S @ v, S.T @ a

    return run


def floor_with_scaling(a: Tensor, v: Tensor) -> Run:
    """The three products between rows that are scaled first, and the gradient of the scaling."""

    def run() -> tuple:
        a.grad = v.grad = None
        rows = [torch.nn.functional.normalize(x, dim=1) for x in (a, v)]
        torch.autograd.backward(rows, floor_of_info_nce(*rows)())
        return a.grad, v.grad

    return run


def info_nce(n: int) -> dict:
    """InfoNCE, D = 512."""
    from avcl_teach import objectives
    from avcl_teach.objectives import nce

    a, v = pairs(n, 512)
    t = {"temperature": TEMPERATURE}
    return {
        FLOOR: lambda: floor_of_info_nce(a, v),
        SCALED_FLOOR: lambda: floor_with_scaling(a, v),
        "info_nce": lambda: gradient(objectives.info_nce, a, v, **t),
        "info_nce_of_unit_rows": lambda: gradient(objectives.info_nce_of_unit_rows, a, v, **t),
        "readable form": lambda: gradient(nce.info_nce, a, v, **t),
        "open_clip": lambda: gradient(peers.clip_loss(TEMPERATURE), a, v),
        "normalize + open_clip": lambda: gradient(peers.clip_loss(TEMPERATURE, normalize=True), a, v),
    }


def large_info_nce(n: int) -> dict:
    """InfoNCE of a batch whose matrix is large, D = 512."""
    from avcl_teach import objectives

    a, v = pairs(n, 512)
    tiled = {"tiled_info_nce": lambda: gradient(objectives.tiled_info_nce, a, v, temperature=TEMPERATURE)}
    return {k: build for k, build in info_nce(n).items() if "open_clip" not in k} | tiled


def triplets(kind: str) -> Callable[[int], dict]:
    """All or semi-hard triplets of ten classes, one direction, D = 128."""

    def contenders(n: int) -> dict:
        from avcl_teach import objectives
        from avcl_teach.objectives import triplets as readable

        name = {"all": "triplet_all", "semihard": "triplet_semi_hard"}[kind]
        a, v = pairs(n, 128)
        exact = pairs(n, 128, dtype=torch.float64)
        labels = torch.arange(n) % 10
        hyper = {"margin": MARGIN, "bidirectional": False}
        out = {
            name: lambda: gradient(getattr(objectives, name), a, v, labels, **hyper),
            "pytorch-metric-learning": lambda: gradient(peers.pml_triplet(kind, MARGIN), a, v, labels),
            EXACT: lambda: gradient(getattr(objectives, name), *exact, labels, **hyper),
        }
        if n <= 128:
            out["readable form"] = lambda: gradient(getattr(readable, name), a, v, labels, **hyper)
        return out

    return contenders


def lifted(n: int) -> dict:
    """The lifted structure loss of n items of ten classes, half of them of each side, D = 128."""
    from avcl_teach import objectives

    a, v = pairs(n // 2, 128)
    labels = torch.arange(n // 2) % 10
    return {
        "lifted_joint": lambda: gradient(objectives.lifted_joint, a, v, labels),
        "pytorch-metric-learning": lambda: gradient(peers.pml_on_all("LiftedStructureLoss"), a, v, labels),
    }


def n_pair(n: int) -> dict:
    """The N-pair loss of n items in n / 2 pairs, one direction, D = 128."""
    from avcl_teach import objectives

    a, v = pairs(n // 2, 128)
    labels = torch.arange(n // 2)
    return {
        "n_pair": lambda: gradient(objectives.n_pair, a, v, bidirectional=False),
        "pytorch-metric-learning": lambda: gradient(peers.pml_n_pairs(), a, v, labels),
    }


def across(own: str, peer: str, *, both: bool, **hyper) -> Callable[[int], dict]:
    """A loss of all pairs of two sides, ten classes, D = 128."""

    def contenders(n: int) -> dict:
        from avcl_teach import objectives

        a, v = pairs(n, 128)
        labels = torch.arange(n) % 10
        return {
            own: lambda: gradient(getattr(objectives, own), a, v, labels, **hyper),
            "pytorch-metric-learning": lambda: gradient(
                peers.pml_across(peer, both=both, **hyper), a, v, labels
            ),
        }

    return contenders


def deep_cca(own: str) -> Callable[[int], dict]:
    """Deep CCA, d = n / 2, and the same in float64 to judge the gradient by."""

    def contenders(n: int) -> dict:
        from avcl_teach import objectives
        from avcl_teach.objectives import deep_correlation

        a, v = (x.detach() * x.shape[1] ** 0.5 for x in pairs(n, n // 2, noise=1.0))
        a64, v64 = a.double().requires_grad_(), v.double().requires_grad_()
        a, v = a.requires_grad_(), v.requires_grad_()
        loss = getattr(objectives, own)
        peer = {
            "deep_cca": ("classic deep CCA", peers.classic_deep_cca),
            "deep_cca_squared": ("cca-zoo", peers.cca_zoo_loss),
        }
        name, make = peer[own]
        return {
            own: lambda: gradient(loss, a, v, ridge=RIDGE),
            name: lambda: gradient(make(RIDGE), a, v),
            "readable form, float64": lambda: gradient(getattr(deep_correlation, own), a64, v64, ridge=RIDGE),
        }

    return contenders


def map_by_class(n: int) -> dict:
    """Mean average precision with ten classes, n queries and n items; the similarities are there already."""
    from avcl_teach import metrics

    a, v = (x.detach() for x in pairs(n, 64))
    sim = a @ v.T + 2  # above 0, for torchmetrics
    q, g = torch.arange(n) % 10, torch.arange(n) % 10
    return {
        "mean_average_precision": lambda: metric(metrics.mean_average_precision, sim, q, g),
        "argsort": lambda: metric(peers.argsort_map, sim, q, g),
        "torchmetrics": lambda: metric(peers.torchmetrics_map(), sim, q, g),
    }


def recalls(n: int) -> dict:
    """R@1, 5 and 10 from embeddings of n pairs, D = 64."""
    from avcl_teach import metrics

    a, v = (x.detach() for x in pairs(n, 64))

    def own(a: Tensor, v: Tensor) -> Tensor:
        return torch.tensor(list(metrics.recall_of_embeddings(a, v, ks=(1, 5, 10)).values()))

    return {
        "recall_of_embeddings": lambda: metric(own, a, v),
        "faiss": lambda: metric(peers.faiss_recall(torch.get_num_threads()), a, v),
        "torch.topk": lambda: metric(peers.topk_recall, a, v),
    }




def _info_nce_case(
    n: int,
    at_most: float,
    at_least: float,
    prototype: tuple,
    turns: dict | None = None,
    *,
    scaling: tuple = (),
) -> Case:
    bounds = (
        time_at_most("info_nce", SCALED_FLOOR, at_most),
        time_at_most("info_nce_of_unit_rows", FLOOR, at_most, prototype=prototype[0]),
        *scaling,
        faster("info_nce_of_unit_rows", "open_clip", at_least, prototype=prototype[1]),
        agreement("info_nce", "readable form", 1e-5),
    )
    setting = f"B = {n}, D = 512, forward and backward"
    key = f"info_nce_{n}"
    return Case(key, f"InfoNCE, B = {n}", setting, n, info_nce, bounds, "readable form", (), turns or SOME)


def _triplet_case(kind: str, n: int, at_least: float, prototypes: tuple, turns: dict) -> Case:
    own = {"all": "triplet_all", "semihard": "triplet_semi_hard"}[kind]
    words = {"all": "all triplets", "semihard": "semi-hard triplets"}[kind]
    bounds = (
        faster(own, PML, at_least, prototype=prototypes[0]),
        memory_share(own, PML, 0.1, prototype=prototypes[1]),
        agreement(own, EXACT, 1e-3),
    )
    setting = f"B = {n}, D = 128, ten classes, one direction, forward and backward"
    title = f"Triplet loss, {words}, B = {n}"
    return Case(f"{own}_{n}", title, setting, n, triplets(kind), bounds, EXACT, (own, PML), turns)


def _across_case(own: str, peer: str, words: str, *, both: bool, prototype: float, **hyper) -> Case:
    way = "both directions" if both else "one direction"
    bounds = (faster(own, PML, 1.6, prototype=prototype), agreement(own, PML, 1e-4))
    setting = f"B = 1024, D = 128, ten classes, {way}, forward and backward"
    make = across(own, peer, both=both, **hyper)
    return Case(own, f"{words}, {way}", setting, 1024, make, bounds, PML)


_SIMILAR = {"alpha": 2, "beta": 50, "base": 0.5}
CASES = (
    _info_nce_case(256, 1.45, 1.7, (1.41, 1.82), scaling=(faster("info_nce", SCALED_CLIP, 1.7),)),
    _info_nce_case(1024, 1.2, 1.9, (1.16, 2.0), scaling=(faster("info_nce", SCALED_CLIP, 1.9),)),
    _info_nce_case(4096, 1.2, 2.3, (1.15, 2.53), turns=FEW | {"seconds": 30.0, "most": 20}),
    Case(
        "info_nce_16384",
        "InfoNCE, B = 16384, one buffer and in tiles",
        "B = 16384, D = 512, forward and backward",
        16384,
        large_info_nce,
        (
            time_at_most("info_nce", SCALED_FLOOR, 1.1),
            time_at_most("info_nce_of_unit_rows", FLOOR, 1.1, prototype=1.07),
            time_at_most("tiled_info_nce", "readable form", 0.9, prototype=0.75),
            memory_at_most("tiled_info_nce", 120, prototype=111),
            agreement("tiled_info_nce", "readable form", 1e-5),
            agreement("info_nce", "readable form", 1e-5),
        ),
        "readable form",
        ("info_nce", "tiled_info_nce", "readable form"),
        LONG | {"least": 3, "most": 3},
    ),
    _triplet_case("all", 512, 15, (17, 0.07), FEW),
    _triplet_case("semihard", 512, 15, (17, 0.07), FEW),
    _triplet_case("all", 1024, 40, (65, 0.03), LONG),
    _triplet_case("semihard", 1024, 40, (65, 0.03), LONG),
    Case(
        "lifted",
        "Lifted structure loss, 128 items",
        "128 items (64 pairs), D = 128, ten classes, forward and backward",
        128,
        lifted,
        (faster("lifted_joint", PML, 300, prototype=600), agreement("lifted_joint", PML, 1e-4)),
        PML,
        turns=FEW,
    ),
    Case(
        "n_pair",
        "N-pair loss, 1024 items",
        "1024 items (512 pairs, a class each), D = 128, one direction, forward and backward",
        1024,
        n_pair,
        (faster("n_pair", PML, 2.5, prototype=3.1), agreement("n_pair", PML, 1e-4)),
        PML,
    ),
    _across_case(
        "supervised_contrastive_one_sided", "SupConLoss", "Supervised contrastive loss",
        both=False, prototype=1.7, temperature=0.1,
    ),
    _across_case(
        "supervised_contrastive", "SupConLoss", "Supervised contrastive loss",
        both=True, prototype=1.7, temperature=0.1,
    ),
    _across_case(
        "multi_similarity_one_sided", "MultiSimilarityLoss", "Multi-similarity loss",
        both=False, prototype=1.7, **_SIMILAR,
    ),
    _across_case(
        "multi_similarity", "MultiSimilarityLoss", "Multi-similarity loss",
        both=True, prototype=1.7, **_SIMILAR,
    ),
    Case(
        "deep_cca",
        "Deep CCA, trace norm",
        "n = 1024, d = 512, forward and backward",
        1024,
        deep_cca("deep_cca"),
        (
            faster("deep_cca", "classic deep CCA", 1.4, prototype=1.5),
            agreement("deep_cca", "readable form, float64", 2e-3),
        ),
        "readable form, float64",
        turns=LONGER,
    ),
    Case(
        "deep_cca_squared",
        "Deep CCA, squared form",
        "n = 1024, d = 512, forward and backward",
        1024,
        deep_cca("deep_cca_squared"),
        (
            faster("deep_cca_squared", "cca-zoo", 2.5, prototype=2.9),
            agreement("deep_cca_squared", "readable form, float64", 2e-3),
        ),
        "readable form, float64",
        turns=LONGER,
    ),
    Case(
        "map",
        "Mean average precision by class, 10,000 square",
        "10,000 queries, 10,000 items, ten classes, similarities given",
        10_000,
        map_by_class,
        (
            faster("mean_average_precision", "torchmetrics", 8, prototype=8.4),
            faster("mean_average_precision", "argsort", 2.5, prototype=2.5),
            memory_at_most("mean_average_precision", 100, prototype=44),
            agreement("mean_average_precision", "argsort", 1e-3),
        ),
        "argsort",
        ("mean_average_precision", "argsort", "torchmetrics"),
        LONG,
    ),
    Case(
        "recall",
        "R@1, 5, 10, 5,000 square",
        "5,000 pairs of embeddings, D = 64",
        5000,
        recalls,
        (
            time_at_most("recall_of_embeddings", "faiss", 1.0, prototype=1.12),
            agreement("recall_of_embeddings", "faiss", 1e-6),
        ),
        "faiss",
    ),
)  # fmt: skip
