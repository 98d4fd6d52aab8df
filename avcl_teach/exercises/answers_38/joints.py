"""Exercise 1 of lesson 38: let joints hear their neighbours."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake


def mix_joints(H: Float[Tensor, "joint d"], edges: Int[Tensor, "edge 2"]) -> Float[Tensor, "joint d"]:
    """Return D^(-1/2) (A + I) D^(-1/2) H, with D of A + I."""
    A = _linked(H, edges)
    d = A.sum(1).rsqrt()
    return (d[:, None] * A * d) @ H


def _linked(H, edges):
    """Return A + I."""
    A = torch.eye(len(H), device=H.device)
    a, b = edges.T
    A[a, b] = A[b, a] = 1
    return A


def by_loop_over_edges(H, edges):
    links = {tuple(sorted(edge)) for edge in edges.tolist()}
    d = torch.ones(len(H), device=H.device)
    for a, b in links:
        d[a] += 1
        d[b] += 1
    small = H / d[:, None] ** 0.5
    rows = [small[i] for i in range(len(H))]
    for a, b in links:
        rows[a] = rows[a] + small[b]
        rows[b] = rows[b] + small[a]
    return torch.stack(rows) / d[:, None] ** 0.5


def by_matrices(H, edges):
    A = _linked(H, edges)
    root = torch.diag(A.sum(1) ** -0.5)
    return root @ A @ root @ H


def without_oneself(H, edges):
    A = _linked(H, edges) - torch.eye(len(H), device=H.device)
    d = A.sum(1).clamp_min(1).rsqrt()
    return (d[:, None] * A * d) @ H


def without_degrees(H, edges):
    return _linked(H, edges) @ H


def mean_of_neighbours(H, edges):
    A = _linked(H, edges)
    return A @ H / A.sum(1, keepdim=True)


def shared_out_by_speakers(H, edges):
    A = _linked(H, edges)
    return A / A.sum(0) @ H


def divided_by_both_degrees(H, edges):
    A = _linked(H, edges)
    d = 1 / A.sum(1)
    return (d[:, None] * A * d) @ H


def divided_by_the_root_once(H, edges):
    A = _linked(H, edges)
    return A @ H / A.sum(1, keepdim=True).sqrt()


def degrees_without_oneself(H, edges):
    A = _linked(H, edges)
    d = (A.sum(1) - 1).clamp_min(1).rsqrt()
    return (d[:, None] * A * d) @ H


def one_way(H, edges):
    A = torch.eye(len(H))
    A[edges[:, 0], edges[:, 1]] = 1
    d = A.sum(1).rsqrt()
    return (d[:, None] * A * d) @ H


def pairs_counted_twice(H, edges):
    A = torch.eye(len(H))
    for a, b in edges.tolist():
        A[a, b] += 1
        A[b, a] += 1
    d = A.sum(1).rsqrt()
    return (d[:, None] * A * d) @ H


def multiplied_by_roots(H, edges):
    A = _linked(H, edges)
    d = A.sum(1).sqrt()
    return (d[:, None] * A * d) @ H


def added_to_itself(H, edges):
    return H + mix_joints(H, edges)


def mean_of_all(H, edges):
    return H.mean(0, keepdim=True).expand_as(H)


def softmax_of_links(H, edges):
    return _linked(H, edges).softmax(1) @ H


def chain(g):
    return torch.randn(3, 2, generator=g), torch.tensor([[0, 1], [1, 2]])


def star(g):
    return torch.randn(5, 3, generator=g), torch.tensor([[2, 0], [2, 1], [3, 2], [4, 2]])


def a_joint_alone(g):
    return torch.randn(4, 2, generator=g), torch.tensor([[0, 2], [2, 3]])


def listed_twice(g):
    return torch.randn(4, 1, generator=g), torch.tensor([[0, 1], [1, 0], [1, 3], [2, 1], [1, 3]])


JOINTS = Exercise(
    name="movement.mix_joints",
    lesson="38",
    title="Let joints hear their neighbours",
    stars=2,
    minutes=8,
    reference=mix_joints,
    cases=(chain, star, a_joint_alone, listed_twice),
    mistakes=(
        Mistake(without_oneself, "Give one joint alone a value. What does it know of itself afterwards?"),
        Mistake(without_degrees, "Apply yours ten times. How large are the numbers?"),
        Mistake(
            mean_of_neighbours,
            "Your rows add up to 1, which is a mean. Is your matrix equal to its transpose?",
        ),
        Mistake(
            shared_out_by_speakers,
            "Your columns add up to 1. Does the wrist hear the elbow as much as the elbow the wrist?",
        ),
        Mistake(divided_by_both_degrees, "Two joints, one edge: the entries are 1/2. What are yours?"),
        Mistake(divided_by_the_root_once, "D stands in the formula twice. On which sides of A + I?"),
        Mistake(degrees_without_oneself, "A joint with one neighbour: how many does it hear, in all?"),
        Mistake(one_way, "The elbow hears the wrist. Does the wrist hear the elbow?"),
        Mistake(pairs_counted_twice, "List the same edge twice. Should two joints become closer by that?"),
        Mistake(added_to_itself, "Oneself is in A + I already. How often does a joint hear itself in yours?"),
        Mistake(mean_of_all, "Change a hand. Does the other hand notice after one step? Should it?"),
        Mistake(softmax_of_links, "Two joints without an edge: how much does one hear of the other?"),
        Mistake(multiplied_by_roots, "The exponent is -1/2. Which way does it move busy joints?"),
    ),
    alternatives=(by_loop_over_edges, by_matrices),
)
