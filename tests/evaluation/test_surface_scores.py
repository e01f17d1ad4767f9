"""Scores of surfaces and volumes against shapes with known distances and against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from polyclinic.outcomes.surface_scores import hausdorff95, surface_dice, surface_distances, volume_error

SPACING = (1.0, 1.5, 3.0)


def ball(radius, centre=(16, 16, 16), side=33):
    return ((np.indices((side,) * 3) - np.reshape(centre, (3, 1, 1, 1))) ** 2).sum(axis=0) <= radius**2


def box(start, end, shape=(12, 12, 12)):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, b) for a, b in zip(start, end, strict=True))] = True
    return mask


def border(mask):
    """Voxels with a face that looks out of the structure, one by one."""
    voxels = {tuple(v) for v in np.argwhere(mask)}
    steps = [s * np.eye(mask.ndim, dtype=int)[axis] for axis in range(mask.ndim) for s in (-1, 1)]
    return np.array([v for v in voxels if any(tuple(np.array(v) + step) not in voxels for step in steps)])


def brute_distances(a, b, spacing):
    there = border(b) * spacing
    return np.array([np.linalg.norm(there - v * spacing, axis=1).min() for v in border(a)])


@st.composite
def masks(draw):
    shape = draw(st.tuples(*[st.integers(2, 6)] * 3))
    pair = draw(arrays(bool, (2, *shape)))
    pair[:, 0, 0, 0] = True
    return pair


@given(masks(), st.sampled_from([0.0, 1.0, 1.5, 2.0]))
@settings(max_examples=50)
def test_surfaces_are_compared_as_brute_force_compares_them(pair, tolerance):
    y_pred, y_true = pair
    there, back = (brute_distances(a, b, np.array(SPACING)) for a, b in ((y_pred, y_true), (y_true, y_pred)))
    within = (there <= tolerance).sum() + (back <= tolerance).sum()
    expected = within / (len(there) + len(back))
    assert surface_dice(y_pred, y_true, SPACING, tolerance) == pytest.approx(expected)
    longer = max(np.percentile(there, 95), np.percentile(back, 95))
    assert hausdorff95(y_pred, y_true, SPACING) == pytest.approx(longer)


@given(masks())
@settings(max_examples=50)
def test_prediction_and_truth_may_change_places(pair):
    y_pred, y_true = pair
    assert surface_dice(y_pred, y_true, SPACING, 1.0) == surface_dice(y_true, y_pred, SPACING, 1.0)
    assert hausdorff95(y_pred, y_true, SPACING) == hausdorff95(y_true, y_pred, SPACING)
    assert volume_error(y_pred, y_true, SPACING).ml == -volume_error(y_true, y_pred, SPACING).ml


@given(masks(), st.permutations(range(3)))
@settings(max_examples=50)
def test_turning_the_volume_changes_nothing(pair, axes):
    turned, spacing = [np.transpose(mask, axes)[::-1] for mask in pair], tuple(SPACING[axis] for axis in axes)
    assert surface_dice(*turned, spacing, 1.0) == pytest.approx(surface_dice(*pair, SPACING, 1.0))
    assert hausdorff95(*turned, spacing) == pytest.approx(hausdorff95(*pair, SPACING))


@given(masks(), st.sampled_from([0.5, 2.0]))
@settings(max_examples=50)
def test_another_size_of_voxel_scales_distances_and_volumes(pair, factor):
    spacing = tuple(factor * side for side in SPACING)
    assert surface_dice(*pair, spacing, factor) == pytest.approx(surface_dice(*pair, SPACING, 1.0))
    assert hausdorff95(*pair, spacing) == pytest.approx(factor * hausdorff95(*pair, SPACING))
    assert volume_error(*pair, spacing).ml == pytest.approx(factor**3 * volume_error(*pair, SPACING).ml)
    assert volume_error(*pair, spacing).relative == volume_error(*pair, SPACING).relative


def test_the_same_structure_is_perfect():
    assert surface_dice(ball(6), ball(6), SPACING, 0.0) == 1.0
    assert hausdorff95(ball(6), ball(6), SPACING) == 0.0
    assert volume_error(ball(6), ball(6), SPACING) == (0.0, 0.0)


def test_balls_about_one_centre_lie_apart_by_the_difference_of_their_radii():
    assert hausdorff95(ball(8), ball(12), (1.0, 1.0, 1.0)) == pytest.approx(4.0, abs=0.6)
    assert hausdorff95(ball(8), ball(12), (2.0, 2.0, 2.0)) == pytest.approx(8.0, abs=1.2)
    assert surface_dice(ball(8), ball(12), (1.0, 1.0, 1.0), 2.5) == 0.0
    assert surface_dice(ball(8), ball(12), (1.0, 1.0, 1.0), 5.0) == 1.0


def test_a_slice_that_is_moved_lies_as_far_away_as_it_was_moved():
    here, there = box((2, 2, 3), (10, 10, 4)), box((2, 2, 5), (10, 10, 6))
    assert hausdorff95(here, there, SPACING) == 2 * SPACING[2]
    assert surface_dice(here, there, SPACING, 6.0) == 1.0
    assert surface_dice(here, there, SPACING, 5.9) == 0.0
    assert volume_error(here, there, SPACING) == (0.0, 0.0)


def test_volumes_are_in_millilitres():
    small, large = box((0, 0, 0), (5, 5, 5)), box((0, 0, 0), (10, 10, 5))
    error = volume_error(large, small, (2.0, 2.0, 2.0))
    assert error.ml == pytest.approx(375 * 8 / 1000)
    assert error.relative == pytest.approx(3.0)


def test_a_few_voxels_far_away_do_not_decide():
    stray = ball(8)
    stray[0, 0, 0] = True
    assert hausdorff95(stray, ball(8), (1.0, 1.0, 1.0)) == 0.0


def test_a_structure_that_neither_has_is_no_number():
    none = np.zeros((5, 5, 5), bool)
    assert surface_distances(none, none, SPACING) is None
    assert np.isnan(surface_dice(none, none, SPACING, 1.0))
    assert np.isnan(hausdorff95(none, none, SPACING))
    assert np.isnan(volume_error(none, none, SPACING)).all()


def test_a_structure_that_one_alone_has_is_as_wrong_as_can_be():
    none, some = np.zeros((12, 12, 12), bool), box((1, 1, 1), (3, 3, 3))
    for y_pred, y_true in ((none, some), (some, none)):
        assert surface_dice(y_pred, y_true, SPACING, 1e9) == 0.0
        assert hausdorff95(y_pred, y_true, SPACING) == pytest.approx(12 * np.linalg.norm(SPACING))
    assert volume_error(none, some, SPACING).relative == -1.0
    assert volume_error(some, none, SPACING).ml > 0
    assert np.isnan(volume_error(some, none, SPACING).relative)


def test_a_structure_that_the_volume_cuts_off_has_a_border_there():
    whole = np.ones((6, 6, 6), bool)
    assert len(surface_distances(whole, whole, SPACING).from_pred) == 6**3 - 4**3
