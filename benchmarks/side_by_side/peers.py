"""The other libraries' functions, each brought to the shape that a case calls. Imported only where used."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor


def from_file(package: str, path: str) -> ModuleType:
    """Load one file of an installed package without importing the package and all that it wants."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ImportError(f"{package} is not installed")
    file = Path(next(iter(spec.submodule_search_locations))) / path
    name = f"_{package}_{file.stem}"
    if name not in sys.modules:
        of_file = importlib.util.spec_from_file_location(name, file)
        module = importlib.util.module_from_spec(of_file)
        of_file.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]


def clip_loss(temperature: float, *, normalize: bool = False):
    """open_clip's loss of features of length 1, or of features scaled to it, as its models do first."""
    loss, unit = from_file("open_clip", "loss.py").ClipLoss(), torch.nn.functional.normalize
    if normalize:
        return lambda a, v: loss(unit(a, dim=1), unit(v, dim=1), 1 / temperature)
    return lambda a, v: loss(a, v, 1 / temperature)


def pml_triplet(kind: str, margin: float):
    """pytorch-metric-learning's miner and loss, anchors of one side against items of the other."""
    from pytorch_metric_learning.losses import TripletMarginLoss
    from pytorch_metric_learning.miners import TripletMarginMiner

    miner, loss = TripletMarginMiner(margin=margin, type_of_triplets=kind), TripletMarginLoss(margin=margin)

    def run(a: Tensor, v: Tensor, labels: Tensor) -> Tensor:
        ref = {"ref_emb": v, "ref_labels": labels.clone()}  # the same object would drop the tuples
        return loss(a, labels, miner(a, labels, **ref), **ref)

    return run


def pml_on_all(name: str, **options):
    """A loss of pytorch-metric-learning on the items of both sides together."""
    from pytorch_metric_learning import losses

    loss = getattr(losses, name)(**options)
    return lambda a, v, labels: loss(torch.cat([a, v]), torch.cat([labels, labels]))


def pml_n_pairs():
    """pytorch-metric-learning's N-pair loss on dot products, as Sohn defines it."""
    from pytorch_metric_learning.distances import DotProductSimilarity

    return pml_on_all("NPairsLoss", distance=DotProductSimilarity(normalize_embeddings=False))


def pml_across(name: str, *, both: bool, **options):
    """A loss of pytorch-metric-learning with anchors of one side and items of the other, one way or both."""
    from pytorch_metric_learning import losses

    loss = getattr(losses, name)(**options)

    def run(a: Tensor, v: Tensor, labels: Tensor) -> Tensor:
        there = loss(a, labels, ref_emb=v, ref_labels=labels.clone())
        if not both:
            return there
        return (there + loss(v, labels, ref_emb=a, ref_labels=labels.clone())) / 2

    return run


def cca_zoo_loss(ridge: float):
    """cca-zoo's deep CCA loss: minus the sum of squared correlations."""
    loss = from_file("cca_zoo", "deep/objectives.py").CCALoss(reg_covar=ridge)
    return lambda a, v: loss([a, v])


def classic_deep_cca(ridge: float):
    """Deep CCA the way the first public PyTorch code computes it, written anew from its formulas.

    Roots of both covariances by eigh, then the square roots of the eigenvalues of T'T, to whose diagonal the
    ridge is added once more.
    """

    def inverse_root(C: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(C)
        keep = values > 1e-9
        return (vectors[:, keep] * values[keep].rsqrt()) @ vectors[:, keep].T

    def run(a: Tensor, v: Tensor) -> Tensor:
        n, d = a.shape
        A, V, I = a - a.mean(0), v - v.mean(0), torch.eye(d, dtype=a.dtype)  # noqa: E741
        T = inverse_root(A.T @ A / (n - 1) + ridge * I) @ (A.T @ V / (n - 1))
        T = T @ inverse_root(V.T @ V / (n - 1) + ridge * I)
        squares = torch.linalg.eigvalsh(T.T @ T + ridge * I)
        return -squares.clamp_min(1e-9).sqrt().sum()

    return run


def torchmetrics_map():
    """torchmetrics' mean average precision, for scores above 0: others it takes for irrelevant."""
    from torchmetrics.retrieval import RetrievalMAP

    def run(sim: Tensor, q: Tensor, g: Tensor) -> Tensor:
        query = torch.arange(len(q))[:, None].expand_as(sim)
        metric = RetrievalMAP()
        metric.update(sim.flatten(), (q[:, None] == g).flatten(), query.flatten())
        return metric.compute()

    return run


def argsort_map(sim: Tensor, q: Tensor, g: Tensor) -> Tensor:
    """Mean average precision from the order of every row, as released retrieval code has it, in torch."""
    hits = (g[sim.argsort(dim=1, descending=True)] == q[:, None]).float()
    places = torch.arange(1, sim.shape[1] + 1)
    return ((hits.cumsum(1) / places * hits).sum(1) / hits.sum(1)).mean()


def faiss_recall(threads: int):
    """R@1, 5, 10 from faiss's ten nearest items by inner product."""
    import faiss

    faiss.omp_set_num_threads(threads)

    def run(a: Tensor, v: Tensor) -> Tensor:
        index = faiss.IndexFlatIP(a.shape[1])
        index.add(v.numpy())
        _, nearest = index.search(a.numpy(), 10)
        found = torch.from_numpy(nearest) == torch.arange(len(a))[:, None]
        return torch.stack([found[:, :k].any(1).float().mean() for k in (1, 5, 10)])

    return run


def topk_recall(a: Tensor, v: Tensor) -> Tensor:
    """R@1, 5, 10 from torch's ten largest cosines."""
    found = (a @ v.T).topk(10, dim=1).indices == torch.arange(len(a))[:, None]
    return torch.stack([found[:, :k].any(1).float().mean() for k in (1, 5, 10)])
