"""Metrics without an order: counting and values-only sorting give what the definitions give, ties and all."""

import doctest
import inspect

import numpy as np
import pytest
import torch

from avcl_teach.metrics import counting, precision, sorting
from avcl_teach.metrics.counting import partner_ties, recall_of_embeddings, unit_rows
from avcl_teach.metrics.precision import average_precision, drop_self, mean_average_precision
from avcl_teach.metrics.ranks import count_ties, mean_reciprocal_rank, recall_at_k
from avcl_teach.metrics.retrieval import cosine_similarity, retrieval_report, within_report
from avcl_teach.metrics.sorting import precision_by_class


def scores(kind: str, n: int = 60, m: int = 60, dtype=torch.float32) -> torch.Tensor:
    g = torch.Generator().manual_seed(len(kind))
    sim = torch.randn(n, m, generator=g, dtype=dtype)
    if kind == "tied":
        return (sim * 2).round() / 2  # with 0.0 and -0.0
    if kind == "one bit apart":
        return torch.nextafter(torch.ones_like(sim), (sim > 0).to(dtype) * 2)
    if kind == "constant":
        return torch.full_like(sim, -0.3)
    if kind == "infinite":
        return torch.where(sim > 1, torch.inf, torch.where(sim < -1, -torch.inf, sim))
    return sim


KINDS = ("random", "tied", "one bit apart", "constant", "infinite")


def labelled(n: int, classes: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(classes, (n,), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=[1, 2])
def threads(request):
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [1, 3, 50])
def test_values_alone_give_the_average_precision_of_the_order(kind, classes, threads):
    for dtype in (torch.float32, torch.float64):
        sim, q, g = scores(kind, m=90, dtype=dtype), labelled(60, classes), labelled(90, classes, 1)
        expected = average_precision(sim, q[:, None] == g)
        before = sim.clone()
        found = precision_by_class(sim, q, g)
        assert torch.equal(sim, before)
        torch.testing.assert_close(found.to(dtype), expected, rtol=1e-6, atol=0, equal_nan=True)
        whole = mean_average_precision(sim, q, g)
        torch.testing.assert_close(whole, expected[~expected.isnan()].mean(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_query_itself_is_left_out(kind, threads):
    sim, labels = scores(kind), labelled(60, 9)
    labels[7] = 99  # alone in its class: no relevant item but itself
    expected = average_precision(drop_self(sim), drop_self(labels[:, None] == labels))
    assert expected.isnan().nonzero().flatten().tolist() == [7]
    found = precision_by_class(sim, labels, labels, self_from=0)
    torch.testing.assert_close(found.float(), expected, rtol=1e-6, atol=0, equal_nan=True)
    part = precision_by_class(sim[20:31], labels[20:31], labels, self_from=20)
    assert torch.equal(part, found[20:31])
    mean = mean_average_precision(sim, labels, labels, exclude_self=True)
    torch.testing.assert_close(mean, expected[~expected.isnan()].mean(), rtol=1e-6, atol=0)


def test_excluding_the_query_where_its_own_label_differs_in_the_gallery():
    sim, q, g = scores("tied"), labelled(60, 3), labelled(60, 3, 1)
    expected = average_precision(drop_self(sim), drop_self(q[:, None] == g)).double().mean()
    found = mean_average_precision(sim, q, g, exclude_self=True)
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=0)


def test_sorting_in_parts_changes_nothing(monkeypatch, threads):
    sim, q, g = scores("tied"), labelled(60, 4), labelled(60, 4, 1)
    expected = precision_by_class(sim, q, g)
    monkeypatch.setattr(sorting, "_CELLS", 200)
    assert torch.equal(precision_by_class(sim, q, g), expected)


def test_kinds_of_numbers_that_numpy_cannot_sort_take_the_other_way():
    sim, labels = scores("random"), labelled(60, 4)
    assert not sorting.can_sort_values(sim.bfloat16())
    half = mean_average_precision(sim.bfloat16(), labels, labels)
    assert half.dtype == torch.bfloat16
    expected = average_precision(sim.bfloat16().float(), labels[:, None] == labels).mean()
    assert float(half) == pytest.approx(float(expected), rel=1e-2)


@pytest.mark.parametrize("exclude_self", [True, False])
@pytest.mark.parametrize("at", [(3, 40), (5, 5)])
def test_nan_is_refused(exclude_self, at, threads):
    sim, labels = scores("random"), labelled(60, 4)
    sim[at] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        mean_average_precision(sim, labels, labels, exclude_self=exclude_self)


def embeddings(kind: str, n: int = 150, d: int = 24):
    g = torch.Generator().manual_seed(n)
    a = torch.randn(n, d, generator=g)
    v = a + {"near": 0.3, "far": 3.0}.get(kind, 1.0) * torch.randn(n, d, generator=g)
    if kind == "collapsed":
        a, v = a[:1].expand(n, d) * 1.0, a[:1].expand(n, d) * 0.1
    if kind == "duplicates":
        v = v[torch.arange(n) // 3 * 3]
    if kind == "nearly equal":
        v = v[:1] + 1e-5 * v
    if kind == "zeros":
        v[::4] = 0
    return a, v


@pytest.mark.parametrize(
    "kind", ["near", "middle", "far", "collapsed", "duplicates", "nearly equal", "zeros"]
)
def test_counting_in_float32_gives_the_ranks_of_float64(kind, threads):
    a, v = embeddings(kind)
    expected = count_ties(cosine_similarity(a, v), None)
    for chunk in (None, 7):
        found = partner_ties(unit_rows(a), unit_rows(v), chunk=chunk)
        for x, y in zip(found, expected, strict=True):
            assert torch.equal(x, y)
    sim = cosine_similarity(a, v).double()
    for k, recall in recall_of_embeddings(a, v, ks=(1, 2, 5, 10, 500)).items():
        assert recall == pytest.approx(float(recall_at_k(sim, k)), abs=1e-12)


@pytest.mark.parametrize("d", [2, 64, 1000])
def test_a_large_gallery_is_counted_exactly(d):
    g = torch.Generator().manual_seed(d)
    a, v = torch.randn(1500, d, generator=g), torch.randn(1500, d, generator=g)
    for x, y in zip(
        partner_ties(unit_rows(a), unit_rows(v)), count_ties(cosine_similarity(a, v), None), strict=True
    ):
        assert torch.equal(x, y)


def test_only_what_is_unsure_is_done_again(monkeypatch):
    again = []
    monkeypatch.setattr(
        counting, "count_ties", lambda sim, rows: again.append(len(rows)) or count_ties(sim, rows)
    )
    a, v = embeddings("near", n=400)
    partner_ties(unit_rows(a), unit_rows(v))
    assert sum(again) < 40
    partner_ties(unit_rows(a[:50]), unit_rows(a[:50] * 0 + 1))
    assert sum(again) >= 50


def test_reports_are_what_the_definitions_say(threads):
    a, v = embeddings("duplicates")
    labels = labelled(150, 6)
    sim = cosine_similarity(a, v).double()
    report = retrieval_report(a, v, labels=labels)["a2v"]
    g, m, r = count_ties(sim, None)
    assert report["mean_rank"] == float((g + (m + 1) / (r + 1)).mean())
    ap = average_precision(sim, labels[:, None] == labels)
    assert report["mAP"] == pytest.approx(float(ap.mean()), abs=1e-7)
    within = within_report(v, labels, chunk=11)
    same = cosine_similarity(v, v).double()
    ap = average_precision(drop_self(same), drop_self(labels[:, None] == labels))
    assert within["mAP"] == pytest.approx(float(ap[~ap.isnan()].mean()), abs=1e-7)


def test_faiss_finds_the_same_partners():
    import faiss

    a, v = embeddings("far", n=500)
    index = faiss.IndexFlatIP(24)
    index.add(unit_rows(v).float().numpy())
    _, nearest = index.search(unit_rows(a).float().numpy(), 10)
    for k, recall in recall_of_embeddings(a, v).items():
        assert recall == pytest.approx(np.mean([i in row[:k] for i, row in enumerate(nearest)]))
    assert 0 < recall < 1


def test_torchmetrics_agrees_on_scores_above_zero_only():
    import torchmetrics.retrieval as tm

    sim, labels = scores("random"), labelled(60, 4)
    relevant = labels[:, None] == labels
    query = torch.arange(60)[:, None].expand(60, 60)

    def theirs(s):
        return float(tm.RetrievalMAP()(s.flatten(), relevant.flatten(), query.flatten()))

    own = float(mean_average_precision(sim, labels, labels))
    assert theirs(sim - sim.min() + 1) == pytest.approx(own, abs=1e-6)
    assert abs(theirs(sim) - own) > 0.01  # it takes relevant items with a score of at most 0 for irrelevant


def test_reciprocal_ranks_are_those_of_torchmetrics():
    import torchmetrics.retrieval as tm

    sim, labels = scores("random"), labelled(60, 4)
    sim = sim - sim.min() + 1  # it counts no relevant item with a score of 0 or less
    query = torch.arange(60)[:, None].expand(60, 60)
    several = labels[:, None] == labels
    partner = torch.randperm(60, generator=torch.Generator().manual_seed(3))
    for relevant, told in ((several, several), (torch.eye(60).bool()[partner], partner)):
        theirs = float(tm.RetrievalMRR()(sim.flatten(), relevant.flatten(), query.flatten()))
        assert float(mean_reciprocal_rank(sim, told)) == pytest.approx(theirs, abs=1e-6)
        assert theirs < 0.99


def test_refusals():
    bare = inspect.unwrap(recall_of_embeddings)
    a = torch.randn(5, 3)
    for args, hyper, message in [
        ((a, a[:4]), {}, "one shape"),
        ((a[0], a[0]), {}, "one shape"),
        ((a[:0], a[:0]), {}, "one shape"),
        ((a, a), {"ks": (0,)}, "at least 1"),
        ((a, a), {"ks": ()}, "at least 1"),
        ((a * torch.nan, a), {}, "NaN"),
    ]:
        with pytest.raises(ValueError, match=message):
            bare(*args, **hyper)


@pytest.mark.parametrize("module", [counting, sorting, precision])
def test_examples_in_the_docstrings(module):
    assert doctest.testmod(module, extraglobs={"torch": torch}).failed == 0
