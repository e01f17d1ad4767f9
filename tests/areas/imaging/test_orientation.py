"""However a volume is stored, it is read alike, and what is written lies where the file's own voxels lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

nibabel = pytest.importorskip("nibabel", reason="nibabel comes with the extra `imaging`")
volumes = pytest.importorskip("polyclinic.areas.imaging.volumes", reason="the area `imaging` is away")

from polyclinic.areas.imaging.orientation import Orientation  # noqa: E402

from .conftest import save, storages  # noqa: E402

angles = st.tuples(*[st.floats(-180, 180)] * 3)
spacings = st.tuples(*[st.floats(0.3, 5)] * 3)
shapes = st.tuples(*[st.integers(2, 5)] * 3)


def placed(turn, spacing, origin=(-90.0, 12.5, 40.0)):
    """An affine: turned by these angles (degrees), with these distances between voxels."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() * spacing
    affine[:3, 3] = origin
    return affine


def in_the_world(path):
    """Each voxel of a file by its place in millimetres, as nibabel alone reads both: sorted [voxel, 4]."""
    image = nibabel.load(path)
    values = np.asarray(image.dataobj)
    places = nibabel.affines.apply_affine(image.affine, np.argwhere(np.ones(values.shape, bool)))
    listed = np.column_stack([places.round(3) + 0.0, values.ravel()])
    return listed[np.lexsort(listed.T)]


@given(shape=shapes, turn=angles, spacing=spacings)
@settings(max_examples=20, deadline=None)
def test_each_of_the_48_storages_of_a_volume_is_read_alike(shape, turn, spacing):
    values = np.random.default_rng(0).random(shape)
    read = []
    for stored, affine in storages(values, placed(turn, spacing)):
        way = Orientation.of(affine)
        read.append((way.read(stored), way.affine(affine, stored.shape)))
        assert (way.stored(way.read(stored)) == stored).all()
    first, where = read[0]
    for same, affine in read[1:]:
        assert (same == first).all()
        assert np.allclose(affine, where)
    assert all(same.flags.c_contiguous for same, _ in read)  # sums then run in one order, to the last bit


@pytest.mark.parametrize("turn", [(0, 0, 45), (45, 0, 0), (90, 0, 45), (0, 135, 0)])
def test_a_volume_turned_by_half_a_right_angle_is_read_alike_too(turn):
    values = np.random.default_rng(0).random((3, 4, 5))
    read = [Orientation.of(a).read(stored) for stored, a in storages(values, placed(turn, (1, 2, 3)))]
    assert all(np.array_equal(same, read[0]) for same in read)


@given(turn=st.tuples(*[st.floats(-25, 25)] * 3), spacing=spacings, way=st.integers(0, 47))
@settings(max_examples=40, deadline=None)
def test_it_is_the_orientation_that_nibabel_finds(turn, spacing, way):
    values = np.random.default_rng(0).random((3, 4, 5))
    stored, affine = list(storages(values, placed(turn, spacing)))[way]
    expected = nibabel.as_closest_canonical(nibabel.Nifti1Image(stored, affine))
    orientation = Orientation.of(affine)
    assert orientation.code == "".join(nibabel.aff2axcodes(affine))
    assert np.array_equal(orientation.read(stored), expected.get_fdata())
    assert np.allclose(orientation.affine(affine, stored.shape), expected.affine)


def test_labels_written_for_each_storage_lie_at_the_same_places_as_its_voxels(tmp_path):
    labels = np.random.default_rng(1).integers(0, 4, (3, 4, 5)).astype(np.uint8)
    affine = placed((8, -4, 3), (1, 1.5, 3))
    written = []
    for number, (stored, where) in enumerate(storages(labels, affine)):
        image = save(tmp_path / f"{number}.nii", stored, where)
        volume = volumes.read_labels(image)
        volumes.write_labels(volume.values, image, tmp_path / f"{number}-out.nii.gz")
        out = nibabel.load(tmp_path / f"{number}-out.nii.gz")
        assert np.array_equal(np.asarray(out.dataobj), stored)
        assert np.array_equal(out.affine, nibabel.load(image).affine)
        written.append(in_the_world(tmp_path / f"{number}-out.nii.gz"))
    assert all(np.allclose(each, written[0]) for each in written)


def test_labels_stored_in_another_order_than_their_image_lie_on_the_same_grid(tmp_path):
    values, affine = np.zeros((4, 5, 6), np.uint8), placed((0, 0, 0), (1, 2, 3))
    grids = [
        volumes.grid(save(tmp_path / f"{number}.nii", *stored))
        for number, stored in enumerate(storages(values, affine))
    ]
    assert {grid.differs(grids[0]) for grid in grids} == {""}


@pytest.mark.parametrize(("millimetres", "same"), [(0.05, True), (0.3, False)])
def test_grids_are_the_same_within_a_tenth_of_a_voxel(millimetres, same):
    affine = placed((0, 0, 0), (1, 1, 2))
    moved = affine.copy()
    moved[0, 3] += millimetres
    difference = volumes.Grid((9, 9, 9), affine).differs(volumes.Grid((9, 9, 9), moved))
    assert (difference == "") == same
