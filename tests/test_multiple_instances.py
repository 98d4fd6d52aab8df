"""Labels of clips: the pooling between mean and maximum, and the loss on top of it."""

import math

import pytest
import torch
from torch.nn import functional as F

from avcl_teach.objectives.multiple_instances import pool_segments, weak_cross_entropy


def scores(seed=0):
    return 2 * torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(seed))


def test_pooling_goes_from_the_mean_to_the_maximum():
    z = scores()
    torch.testing.assert_close(pool_segments(z, sharpness=0), z.mean(1))
    torch.testing.assert_close(pool_segments(z, sharpness=1e-4), z.mean(1), atol=1e-2, rtol=0)
    torch.testing.assert_close(pool_segments(z), z.amax(1))
    torch.testing.assert_close(pool_segments(z, sharpness=1e4), z.amax(1), atol=1e-3, rtol=0)
    ladder = torch.stack([pool_segments(z, sharpness=r) for r in (0, 0.5, 2, 8, math.inf)])
    assert (ladder.diff(dim=0) >= -1e-5).all()


def test_equal_scores_pool_to_themselves():
    z = torch.full((2, 5, 3), -1.5)
    for r in (0, 1, 3, math.inf):
        torch.testing.assert_close(pool_segments(z, sharpness=r), z[:, 0])


@pytest.mark.parametrize("r", [0, 1.0, 3.0, math.inf])
def test_padding_never_speaks(r):
    z, present = scores(), torch.arange(6) < torch.tensor([6, 2, 1])[:, None]
    loud = torch.where(present[..., None], z, 99.0).requires_grad_()
    pooled = pool_segments(loud, sharpness=r, present=present)
    for i, n in enumerate((6, 2, 1)):
        torch.testing.assert_close(pooled[i], pool_segments(z[i : i + 1, :n], sharpness=r)[0])
    pooled.sum().backward()
    assert loud.grad.isfinite().all() and not loud.grad[~present].any()


def test_loss_is_binary_cross_entropy_of_the_pooled_scores():
    z, y = scores(), (scores(1).mean(1) > 0).float()
    torch.testing.assert_close(weak_cross_entropy(z, y), F.binary_cross_entropy_with_logits(z.amax(1), y))
    assert weak_cross_entropy(1e4 * z, y).isfinite()


def test_only_the_segment_that_speaks_is_taught_by_the_maximum():
    z = scores().requires_grad_()
    weak_cross_entropy(z, torch.ones(3, 4)).backward()
    assert (z.grad != 0).sum() == 12  # one segment a clip and class
    assert (z.grad <= 0).all()


def test_bad_input_is_refused():
    z = scores()
    with pytest.raises(ValueError, match="sharpness"):
        pool_segments(z, sharpness=-1)
    with pytest.raises(ValueError, match="present"):
        pool_segments(z, present=torch.zeros(3, 6, dtype=torch.bool))
