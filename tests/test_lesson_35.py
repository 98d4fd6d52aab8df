"""What lesson 35 says, at a size of seconds: masks, figures, and motion where appearance is useless."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from avcl_teach import training
from avcl_teach.encoders import FilmCondition
from avcl_teach.encoders.u_nets import UNet
from avcl_teach.features import masking
from avcl_teach.metrics.separation import bss_eval, si_sdr
from avcl_teach.systems import _pixel_player as base


def test_six_cells_of_the_lesson():
    S = torch.tensor([[[4.0, 1.0, 2.0], [0.0, 3.0, 1.0]], [[1.0, 3.0, 1.8], [2.0, 3.0, 0.0]]])
    x = torch.tensor([[4.6, 3.5, 1.0], [2.0, 4.4, 1.0]])
    M, half = masking.dominant_mask(S), masking.half_mask(S, x)
    assert M.tolist() == [[[1, 0, 1], [0, 1, 1]], [[0, 1, 0], [1, 1, 0]]]
    assert half[:, 0, 2].tolist() == [1, 1]  # both, where waves cancel
    assert (x <= S).float().sum() < 6  # the literal reading gives fewer cells than there are


def test_rows_read_bins_and_give_them_back():
    W, B = masking.log_rows(), masking.bin_weights()
    assert torch.allclose(W.sum(1), torch.ones(64)) and torch.allclose(B.sum(1), torch.ones(257), atol=1e-6)
    assert W.min() >= 0 and B.min() >= 0
    assert ((W > 0).sum(1)[[0, 63]] == torch.tensor([1, 13])).all()
    M = torch.rand(3, 64, 64)
    assert masking.to_bins(M, n_frames=65).shape == (3, 257, 65)
    assert torch.equal(masking.to_bins(M, n_frames=65)[..., 64], masking.to_bins(M)[..., 63])
    with pytest.raises(ValueError, match="frames"):
        masking.to_bins(M, n_frames=60)
    with pytest.raises(ValueError, match="rows"):
        masking.log_rows(512, 1)


def test_a_mask_of_ones_is_the_mixture_and_of_zeros_silence():
    x = torch.randn(2, 16000, generator=torch.Generator().manual_seed(0))
    X = masking.spectra(x)
    ones = masking.masked_sound(X, torch.ones(2, 64, 64), n_samples=16000)
    torch.testing.assert_close(ones, x, atol=1e-4, rtol=0)
    assert masking.masked_sound(X, torch.zeros(2, 64, 64), n_samples=16000).abs().max() == 0


def test_ratio_masks_add_up_only_where_nothing_cancels():
    S = torch.tensor([[[3.0, 3.0]], [[1.0, 3.0]]])
    R = masking.ratio_mask(S, torch.tensor([[4.0, 0.5]]))
    assert R[:, 0, 0].sum() == 1 and (R[:, 0, 1] == 5).all()


def made_up(n, seed):
    """Twins: one tone band each, that sounds in other moments; a code that says when each one moves."""
    g = torch.Generator().manual_seed(seed)
    on = (torch.rand(n, 2, 16, generator=g) < 0.4).float()
    when = on.repeat_interleave(4, 2)[:, :, None]  # [mixture, source, 1, 64]
    comb = (torch.arange(64) % 8 < 3).float()[:, None]  # the same harmonics for both
    S = when * comb * (0.5 + torch.rand(n, 2, 1, 1, generator=g)) + 0.02 * torch.rand(
        n, 2, 64, 64, generator=g
    )
    return S, torch.stack([on, 1 - on], 3)


class Timed(nn.Module):
    def __init__(self, averaged=False):
        super().__init__()
        self.averaged, self.net = averaged, UNet(1, width=4, condition=FilmCondition(16, 2))

    def forward(self, x, C):
        C = C.mean(2, keepdim=True) if self.averaged else C
        levels = self.net.encode(base.log_input(x)[:, None])
        return torch.cat([self.net.decode(levels, C[:, k]) for k in range(2)], 1)


def told_apart(averaged, seed):
    S, C = made_up(128, seed)
    x = S.sum(1)
    M = masking.dominant_mask(S)

    def loss(model, rows):
        (i,) = rows
        return base.mask_loss(model(x[i], C[i]), M[i], x[i])

    torch.manual_seed(seed)
    model = Timed(averaged)
    training.fit(
        model, loss, (torch.arange(112),), steps=45, batch_size=16, lr=1e-2, seed=seed, progress=False
    )
    rows = slice(112, 128)
    with torch.no_grad():
        right, wrong = (model(x[rows], c) for c in (C[rows], C[rows].flip(1)))
    w = base.level_weight(x[rows])[:, None].expand_as(right)
    return [float(((z > 0) == (M[rows] > 0)).float().mul(w).sum() / w.sum()) for z in (right, wrong)]


def test_the_time_axis_tells_twins_apart_and_its_average_does_not():
    timed, averaged = told_apart(False, 0), told_apart(True, 0)
    assert timed[0] > 0.8 > timed[1] + 0.2
    assert averaged[0] < timed[0] - 0.1


def test_film_of_a_moment_changes_that_moment_most():
    torch.manual_seed(0)
    model = Timed().eval()
    x, C = torch.rand(1, 64, 64), torch.rand(1, 2, 16, 2)
    moved = C.clone()
    moved[:, 0, 8] += 5
    with torch.no_grad():
        change = (model(x, moved) - model(x, C)).abs()[0]
    assert change[1].max() == 0  # the other source's code was left alone
    assert change[0, :, 28:40].mean() > 5 * change[0, :, :16].mean()


def test_hard_masks_pay_for_wrong_cells_in_full():
    solos, who = base.frozen_pairs(8, same=False)
    m = base.mix(solos, who)
    g = torch.Generator().manual_seed(0)
    guess = 3 * (m.masks - 0.5) + 2 * torch.randn(m.masks.shape, generator=g)
    soft, hard = (si_sdr(m.heard(torch.sigmoid(k * guess)), m.sound).mean() for k in (1, 100))
    assert soft > hard + 0.5


def test_the_mixture_row_is_near_zero_and_the_other_source_far_below():
    solos, who = base.frozen_pairs(8, same=False)
    m = base.mix(solos, who)
    mixture = m.sound.sum(1, keepdim=True).expand_as(m.sound)
    assert abs(float(si_sdr(mixture, m.sound).mean())) < 0.5
    assert bss_eval(m.sound.flip(1), m.sound).sdr.mean() < -5
    assert bss_eval(mixture, m.sound).sar.min() > 40  # no artefacts: praise for nothing


def test_u_net_shapes_and_bad_input():
    net = UNet(3, width=4)
    assert net(torch.randn(2, 1, 64, 64)).shape == (2, 3, 64, 64)
    with pytest.raises(ValueError, match="16 n rows"):
        net(torch.randn(2, 1, 60, 64))
    with pytest.raises(ValueError, match="condition"):
        net(torch.randn(2, 1, 64, 64), torch.randn(2, 1, 8))
    timed = UNet(1, width=4, condition=FilmCondition(16, 2))
    with pytest.raises(ValueError, match="16 steps"):
        timed(torch.randn(2, 1, 64, 64), torch.randn(2, 5, 2))
    assert F.relu(timed(torch.randn(2, 1, 64, 64), torch.randn(2, 1, 2))).shape == (2, 1, 64, 64)
