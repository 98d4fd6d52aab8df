"""Hahn's limit: the slope of influence against length, and where it does not hold."""

import math

import pytest
import torch

from avcl_teach.encoders.sensitivity import BitReader, influence, log_slope

LENGTHS = (8, 32, 128, 512)


def test_influence_of_one_bit_falls_as_one_over_n():
    slopes = [log_slope(LENGTHS, [influence(BitReader(seed=s), n) for n in LENGTHS])[0] for s in range(3)]
    assert all(-1.15 < s < -0.85 for s in slopes), slopes


def test_the_residual_path_carries_the_readers_own_bit_past_the_limit():
    reader = BitReader()
    assert influence(reader, 256, at=255) > 50 * influence(reader, 256, at=0)


def test_influence_is_the_mean_change_of_the_answer():
    weights = torch.arange(1.0, 5)

    def read(bits):
        return (bits * weights).sum(1, keepdim=True)

    assert [influence(read, 4, at=i) for i in range(4)] == [1, 2, 3, 4]


def test_a_head_that_wants_the_first_bit_falls_too_unless_its_scores_grow():
    n = torch.tensor(LENGTHS, dtype=torch.float64) * 100
    soft = math.exp(4) / (math.exp(4) + n - 1)
    assert log_slope(n.tolist(), soft.tolist())[0] < -0.9
    assert (n**4 / (n**4 + n - 1)).min() > 0.99


def test_sharpness_multiplies_the_scores():
    bits = torch.randint(2, (4, 16))
    assert torch.equal(BitReader()(bits), BitReader(sharpness=lambda n: 1.0)(bits))
    assert (BitReader()(bits) - BitReader(sharpness=math.log)(bits)).abs().max() > 1e-3


def test_one_seed_is_one_reader_and_leaves_the_global_seed_alone():
    bits = torch.randint(2, (4, 9))
    torch.manual_seed(5)
    first = torch.rand(1)
    torch.manual_seed(5)
    reader = BitReader(seed=3)
    assert torch.equal(torch.rand(1), first)
    assert torch.equal(reader(bits), BitReader(seed=3)(bits))
    assert not torch.equal(reader(bits), BitReader(seed=4)(bits))
    assert reader(bits).shape == (4, 32)


def test_slope_of_a_power_and_bad_input():
    s, c = log_slope([1, 10, 100], [5.0, 0.5, 0.05])
    assert (s, c) == pytest.approx((-1, 5))
    for x, y in (([1], [1]), ([1, 2], [1, 2, 3]), ([1, 2], [1, 0])):
        with pytest.raises(ValueError, match="positive numbers"):
            log_slope(x, y)
    with pytest.raises(ValueError, match="position of 4"):
        influence(BitReader(), 4, at=4)
