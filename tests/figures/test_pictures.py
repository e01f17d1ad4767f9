"""Slices with outlines, and pictures as text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyclinic.figures.pictures import Slice, overlay, packed, unpacked


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 99))
def test_a_packed_picture_is_the_picture_again(rows, columns, seed):
    values = np.random.default_rng(seed).integers(0, 256, (rows, columns)).astype(np.uint8)
    np.testing.assert_array_equal(unpacked(packed(values), (rows, columns)), values)


@pytest.mark.parametrize("text", ["", "no base 64", "AAAA", packed(np.zeros((2, 3), np.uint8))])
def test_what_is_no_picture_of_that_size_is_refused(text):
    with pytest.raises(ValueError, match="packed picture"):
        unpacked(text, (4, 4))


def test_a_bomb_is_not_unpacked():
    bomb = packed(np.zeros((4000, 4000), np.uint8))
    with pytest.raises(ValueError, match="does not have the size"):
        unpacked(bomb, (4, 4))


def test_reference_and_prediction_are_outlined_and_described():
    labels = np.zeros((12, 9), np.uint8)
    labels[3:6, 3:6] = 1
    one = Slice("axial", labels * 90, labels, np.roll(labels, 1, axis=0), (1.0, 2.0))
    figure = overlay([one, one], title="The best case", description="Dice 0.9")
    assert figure.count("<image") == 2
    assert "Dice 0.9" in figure
    assert "#ffb000" in figure
    assert "#4fd2ff" in figure
