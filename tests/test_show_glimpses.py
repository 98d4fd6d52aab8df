"""Rows of glimpses: what is drawn where, and what is refused."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from avcl_teach import show
from avcl_teach.show.glimpse_sheets import _squares, _strip


def test_rows_become_one_picture_with_its_alt_text():
    g = torch.Generator().manual_seed(0)
    before = len(plt.get_fignums())
    player = show.glimpse_rows(
        {
            "colour": torch.rand(3, 3, 32, 32, generator=g),
            "drawing": torch.rand(3, 1024, generator=g),
            "sound": 2 * torch.rand(3, 1, 32, 32, generator=g) - 0.5,
        },
        heard=("sound",), columns=("a", "b", "c"), alt="Three things", caption="Seen & heard",
    )  # fmt: skip
    assert player.html.count("<img") == 1 and 'alt="Three things"' in player.html
    assert "Seen &amp; heard" in player.html
    assert len(plt.get_fignums()) == before


def test_low_bands_of_a_sound_stand_at_the_bottom():
    x = np.zeros((1, 32, 32))
    x[0, 0] = 1.0
    assert _squares(x, "x", turned=True)[0, -1].min() == 1.0
    assert _squares(x, "x", turned=False)[0, 0].min() == 1.0


def test_squares_stand_side_by_side_and_are_cut_off_at_0_and_1():
    x = torch.tensor([[-1.0, 0.5, 0.5, 2.0]]).repeat(3, 1)
    strip = _strip(_squares(x, "x", turned=False), coloured=False)
    assert strip.shape == (2, 3 * 2 + 2 * 2, 3)
    np.testing.assert_allclose(strip[:, :2, 0], [[0, 0.5], [0.5, 1]])
    np.testing.assert_allclose(strip[:, 4:6, 1], [[0, 0.5], [0.5, 1]])


@pytest.mark.parametrize(
    ("rows", "more", "message"),
    [
        ({}, {}, "at least one row"),
        ({"x": torch.rand(2, 9)}, {"heard": ("y",)}, "heard among"),
        ({"x": torch.rand(2, 8)}, {}, "a square of pixels"),
        ({"x": torch.rand(2, 2, 4, 4)}, {}, "1 or 3 channels"),
        ({"x": torch.rand(2, 9), "y": torch.rand(3, 9)}, {}, "of one length"),
        ({"x": torch.rand(2, 9)}, {"columns": ("a",)}, "of one length"),
    ],
)
def test_bad_rows_are_refused(rows, more, message):
    with pytest.raises(ValueError, match=message):
        show.glimpse_rows(rows, alt="none", **more)
