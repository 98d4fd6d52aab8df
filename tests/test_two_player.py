"""The loop that lets two networks play: who moves when, averages, repeatability, what it refuses."""

import pytest
import torch
from torch import nn

from avcl_teach.training import NonFiniteLossError
from avcl_teach.training.two_player import fit_two


def players():
    torch.manual_seed(0)
    return nn.Linear(2, 2), nn.Linear(2, 1)


def lose_G(G, D, batch):
    return -D(G(batch[0])).mean()


def lose_D(G, D, batch):
    return D(G(batch[0])).mean() - D(batch[0]).mean() + D.weight.square().sum()


def data():
    return torch.randn(40, 2, generator=torch.Generator().manual_seed(1))


def test_one_round_is_one_adam_step_each_the_judge_first():
    G, D = players()
    H, E = players()
    fit_two(G, D, lose_G, lose_D, data()[:8], steps=1, batch_size=8, lr_generator=0.01, lr_discriminator=0.02)
    kind = {"betas": (0.0, 0.9)}
    adam_E, adam_H = (torch.optim.Adam(m.parameters(), lr=lr, **kind) for m, lr in ((E, 0.02), (H, 0.01)))
    for adam, loss in ((adam_E, lose_D), (adam_H, lose_G)):
        adam.zero_grad()
        loss(H, E, (data()[:8],)).backward()
        adam.step()
    torch.testing.assert_close(D.state_dict(), E.state_dict())
    torch.testing.assert_close(G.state_dict(), H.state_dict())


def test_the_other_player_never_gets_a_gradient():
    G, D = players()
    seen = []

    def spy(loss, other):
        def call(G, D, batch):
            seen.append(any(p.requires_grad for p in (G, D)[other].parameters()))
            return loss(G, D, batch)

        return call

    fit_two(G, D, spy(lose_G, 1), spy(lose_D, 0), data(), steps=3, batch_size=8, n_discriminator=2)
    assert seen == [False] * 9
    assert all(p.requires_grad for m in (G, D) for p in m.parameters())


def test_average_is_the_running_mean_of_the_states():
    G, D = players()
    states = []
    watch = lambda G, D, step: states.append(G.weight.clone())  # noqa: E731
    duel = fit_two(
        G, D, lose_G, lose_D, data(), steps=4, batch_size=8, lr_generator=0.05, average=0.5, watch=watch
    )
    expected = states[0]
    for state in states[1:]:
        expected = 0.5 * expected + 0.5 * state
    torch.testing.assert_close(duel.averaged.weight, expected)
    assert not torch.allclose(duel.averaged.weight, G.weight)


def test_runs_repeat_whether_watched_or_not_and_leave_the_random_state_alone():
    ends = []
    for watch in (None, lambda G, D, step: torch.randn(3)):
        G, D = players()
        torch.manual_seed(7)
        duel = fit_two(
            G, D, lose_G, lose_D, data(), steps=5, batch_size=8, seed=3, watch=watch, watch_every=2
        )
        ends.append((G.weight.detach().clone(), torch.rand(1), duel.generator_losses))
    torch.testing.assert_close(ends[0], ends[1])
    assert [step for step, _ in duel.watched] == [0, 2, 4, 5]
    torch.manual_seed(7)
    assert torch.equal(ends[0][1], torch.rand(1))


def test_what_does_not_fit_is_refused_and_nan_is_named():
    G, D = players()
    base = {"steps": 2, "batch_size": 4}
    for bad in (
        {"steps": 0}, {"batch_size": 99}, {"n_discriminator": 0}, {"average": 1.0}, {"lr_generator": 0.0},
        {"watch_every": 0},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="expected"):
            fit_two(G, D, lose_G, lose_D, data(), **base | bad)
    with pytest.raises(NonFiniteLossError):
        fit_two(G, D, lose_G, lambda *x: lose_D(*x) * float("nan"), data(), **base)
