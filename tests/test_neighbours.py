"""Approximate search: exact against a full sort, lists against a second way, faiss as a peer."""

import sys

import pytest
import torch
from jaxtyping import TypeCheckError
from torch.nn import functional as F

from avcl_teach.metrics.neighbours import (
    make_lists,
    nearest_exact,
    nearest_in_lists,
    nearest_with_faiss,
    recall_against_exact,
)


@pytest.fixture(scope="module")
def crowd():
    """Return queries and a gallery in forty bunches."""
    g = torch.Generator().manual_seed(0)
    centre = torch.randn(40, 16, generator=g)
    gallery = centre[torch.randint(40, (3000,), generator=g)] + 0.6 * torch.randn(3000, 16, generator=g)
    return gallery[:50] + 0.3 * torch.randn(50, 16, generator=g), gallery


def test_exact_search_is_a_full_sort_by_cosine(crowd):
    q, x = crowd
    order = (F.normalize(q) @ F.normalize(x).T).argsort(1, descending=True)
    assert torch.equal(nearest_exact(q, x, 7), order[:, :7])
    assert torch.equal(nearest_exact(3 * q, x, 7), order[:, :7])  # the length of a row does not count


def test_every_item_stands_once_in_the_list_of_its_nearest_centre(crowd):
    lists = make_lists(crowd[1], n_lists=30)
    assert lists.place.sort().values.equal(torch.arange(3000)) and lists.start[-1] == 3000
    torch.testing.assert_close(lists.items, F.normalize(crowd[1])[lists.place])
    own = torch.repeat_interleave(torch.arange(30), lists.start.diff())
    assert torch.equal(own, (lists.items @ lists.centres.T).argmax(1))


def test_rounds_bring_items_nearer_to_their_centres(crowd):
    def alike(rounds):
        lists = make_lists(crowd[1], n_lists=30, rounds=rounds)
        return float((lists.items @ lists.centres.T).amax(1).mean())

    assert alike(8) > alike(1) > alike(0)


def test_all_lists_are_exact_and_more_lists_miss_less(crowd):
    q, x = crowd
    lists, exact = make_lists(x, n_lists=30), nearest_exact(q, x)
    assert torch.equal(nearest_in_lists(q, lists, n_probe=30), exact)
    recalls = [recall_against_exact(nearest_in_lists(q, lists, n_probe=p), exact) for p in (1, 2, 4, 30)]
    assert recalls == sorted(recalls) and recalls[0] < 0.95 and recalls[-1] == 1.0


def test_the_lists_that_are_looked_into_are_the_nearest(crowd):
    q, x = crowd
    lists = make_lists(x, n_lists=30)
    own = torch.empty(3000, dtype=torch.long)
    own[lists.place] = torch.repeat_interleave(torch.arange(30), lists.start.diff())
    near = (F.normalize(q) @ lists.centres.T).topk(3).indices
    S = (F.normalize(q) @ F.normalize(x).T).masked_fill(~(own[None, :, None] == near[:, None]).any(2), -2.0)
    assert torch.equal(nearest_in_lists(q, lists, 5, n_probe=3), S.topk(5).indices)


def test_short_lists_leave_places_empty():
    lists = make_lists(torch.eye(4), n_lists=4)
    found = nearest_in_lists(torch.eye(4)[:2], lists, 3)
    assert found.tolist() == [[0, -1, -1], [1, -1, -1]]
    exact = nearest_exact(torch.eye(4)[:2], torch.eye(4), 3)
    assert recall_against_exact(found, exact) == pytest.approx(1 / 3)


def test_faiss_agrees_where_it_is_installed(crowd):
    pytest.importorskip("faiss")
    q, x = crowd
    exact = nearest_exact(q, x)
    assert recall_against_exact(nearest_with_faiss(q, x, n_lists=30, n_probe=30), exact) == 1.0
    theirs = recall_against_exact(nearest_with_faiss(q, x, n_lists=30, n_probe=2), exact)
    ours = recall_against_exact(nearest_in_lists(q, make_lists(x, n_lists=30), n_probe=2), exact)
    assert abs(theirs - ours) < 0.1


def test_without_faiss_the_message_says_what_to_install(crowd, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match="pip install faiss-cpu"):
        nearest_with_faiss(*crowd, n_lists=4)


def test_bad_input_is_refused(crowd):
    q, x = crowd
    lists = make_lists(x, n_lists=5)
    for call in (
        lambda: nearest_exact(q, x, 0),
        lambda: nearest_exact(q, x, 3001),
        lambda: nearest_exact(q[:, :3], x),
        lambda: make_lists(x, n_lists=0),
        lambda: make_lists(x, n_lists=3001),
        lambda: nearest_in_lists(q, lists, n_probe=6),
        lambda: nearest_in_lists(q, lists, 0),
        lambda: recall_against_exact(torch.zeros(2, 3).long(), torch.zeros(2, 4).long()),
    ):
        with pytest.raises((ValueError, TypeCheckError), match="expected|Type-check"):
            call()
