"""A gallery of a million: exact search against lists, by hand and with faiss.

python benchmarks/million.py [items]    takes about two minutes and 2 GB on one thread

The gallery is drawn: 2,000 centres on the sphere in 64 dimensions, items around them; a query is an item with
noise. Times are of 200 queries one after another, as a search engine meets them, on one thread; exact search
also takes them in one product. Recall is against exact search, of the nearest 10.
"""

import resource
import sys
import time

import torch
from torch.nn import functional as F

from avcl_teach.metrics.neighbours import (
    Lists,
    make_lists,
    nearest_exact,
    nearest_in_lists,
    recall_against_exact,
)

DIM, N_CENTRES, N_QUERIES, N_LISTS, K = 64, 2000, 200, 1000, 10


def draw(n: int, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw queries and a gallery of unit rows in bunches."""
    g = torch.Generator().manual_seed(seed)
    centre = torch.randn(N_CENTRES, DIM, generator=g)
    x = torch.cat([
        F.normalize(centre[torch.randint(N_CENTRES, (m,), generator=g)] + torch.randn(m, DIM, generator=g))
        for m in [50_000] * (n // 50_000) + [n % 50_000]
    ])  # fmt: skip
    rows = torch.randint(n, (N_QUERIES,), generator=g)
    return F.normalize(x[rows] + 0.5 * torch.randn(N_QUERIES, DIM, generator=g) / 8), x


def timed(fn, *args, **kwargs):
    """Return what a call gives and its seconds."""
    start = time.perf_counter()
    out = fn(*args, **kwargs)
    return out, time.perf_counter() - start


def row(name: str, n_probe: int, seconds: float, recall: float, looked: float) -> None:
    """Print a row of the table."""
    print(
        f"| {name} | {n_probe} | {1e3 * seconds / N_QUERIES:.2f} | {recall:.3f} | {looked:.4f} |", flush=True
    )


def looked_at(q: torch.Tensor, lists: Lists, n_probe: int) -> float:
    """Share of the gallery that a query is compared with, on average."""
    sizes = lists.start.diff()
    return float(sizes[(q @ lists.centres.T).topk(n_probe).indices].sum(1).double().mean() / len(lists.place))


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    q, x = draw(n)
    print(f"{n:,} items of {DIM} numbers ({4 * DIM * n / 2**20:.0f} MB), {N_QUERIES} queries, one thread\n")
    print("| search | lists looked into | ms a query | recall of the nearest 10 | share looked at |")
    print("|---|---|---|---|---|")
    exact, seconds = timed(nearest_exact, q, x, K)
    row("exact, all queries in products", 0, seconds, 1.0, 1.0)
    one, seconds = timed(lambda: torch.cat([(x @ some).topk(K).indices[None] for some in q]))
    row("exact, one query at a time", 0, seconds, recall_against_exact(one, exact), 1.0)
    lists, building = timed(make_lists, x, n_lists=N_LISTS)
    for n_probe in (1, 4, 16, 64):
        found, seconds = timed(nearest_in_lists, q, lists, K, n_probe=n_probe)
        row(
            "lists, by hand",
            n_probe,
            seconds,
            recall_against_exact(found, exact),
            looked_at(q, lists, n_probe),
        )
    print(f"\nmaking the lists took {building:.1f} s")
    try:
        import faiss
    except ImportError:
        print("faiss is not installed (pip install faiss-cpu)")
        return
    faiss.omp_set_num_threads(1)
    flat = faiss.IndexFlatIP(DIM)
    flat.add(x.numpy())
    _, seconds = timed(lambda: [flat.search(some[None].numpy(), K) for some in q])
    row("faiss, exact, one query at a time", 0, seconds, 1.0, 1.0)
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(DIM), DIM, N_LISTS, faiss.METRIC_INNER_PRODUCT)
    _, building = timed(lambda: (index.train(x[:50_000].numpy()), index.add(x.numpy())))
    for index.nprobe in (1, 4, 16, 64):
        found, seconds = timed(lambda: [index.search(some[None].numpy(), K)[1] for some in q])
        found = torch.cat([torch.from_numpy(ids) for ids in found])
        row("faiss, lists", index.nprobe, seconds, recall_against_exact(found, exact), float("nan"))
    print(f"\nmaking the lists took {building:.1f} s, faiss {faiss.__version__}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:.0f} MB")


if __name__ == "__main__":
    main()
