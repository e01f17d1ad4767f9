"""Volumes keep their voxels and their place."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pytest.importorskip("nibabel", reason="nibabel comes with the extra `imaging`")
volumes = pytest.importorskip("polyclinic.areas.imaging.volumes", reason="the area `imaging` is away")

from polyclinic.errors import BadData  # noqa: E402

from .conftest import AFFINE, cut_short, save  # noqa: E402

shapes = st.tuples(*[st.integers(1, 6)] * 3)


@given(values=shapes.flatmap(lambda shape: arrays(np.uint8, shape)), shift=st.floats(-100, 100))
@settings(max_examples=25, deadline=None)
def test_labels_written_on_a_grid_are_read_back_on_that_grid(tmp_path_factory, values, shift):
    here = tmp_path_factory.mktemp("grid")
    affine = AFFINE + np.array([[0, 0, 0, shift]] * 3 + [[0] * 4])
    reference = save(here / "image.nii.gz", np.zeros(values.shape, np.float32), affine)
    volumes.write_labels(values, reference, here / "out.nii.gz")
    back = volumes.read_labels(here / "out.nii.gz")
    assert (back.values == values).all()
    assert back.values.dtype == np.uint8
    assert volumes.grid(here / "out.nii.gz").differs(volumes.grid(reference)) == ""


def test_a_written_file_keeps_the_codes_of_the_header_and_the_same_values_give_the_same_bytes(tmp_path):
    import nibabel

    reference = save(tmp_path / "image.nii.gz", np.zeros((3, 4, 5), np.float32))
    values = np.arange(60).reshape(3, 4, 5) % 3
    for name in ("a.nii.gz", "b.nii.gz"):
        volumes.write_labels(values, reference, tmp_path / name)
    packed = (tmp_path / "a.nii.gz").read_bytes()
    assert packed == (tmp_path / "b.nii.gz").read_bytes()
    assert packed[4:8] == bytes(4), "the hour of writing stands in the file"
    written, image = nibabel.load(tmp_path / "a.nii.gz").header, nibabel.load(reference).header
    for field in ("sform_code", "qform_code", "pixdim", "srow_x", "xyzt_units"):
        assert (written[field] == image[field]).all()
    assert written.get_data_dtype() == np.uint8


def test_intensities_are_scaled_as_the_header_says(tmp_path):
    import nibabel

    image = nibabel.Nifti1Image(np.full((2, 3, 4), 7, np.int16), AFFINE)
    image.header.set_slope_inter(0.5, 1)
    image.to_filename(tmp_path / "scaled.nii")
    volume = volumes.read(tmp_path / "scaled.nii")
    assert volume.values.dtype == np.float32
    assert np.allclose(volume.values, nibabel.load(tmp_path / "scaled.nii").get_fdata())


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_file_that_is_cut_short_is_refused_by_its_header_and_when_it_is_read(tmp_path, suffix):
    path = save(tmp_path / f"short{suffix}", np.random.default_rng(0).normal(size=(9, 9, 9)))
    assert volumes.grid(path).shape == (9, 9, 9)
    cut_short(path)
    for how in (volumes.grid, volumes.read):
        with pytest.raises(BadData, match="cannot be used") as caught:
            how(path)
        assert caught.value.at.file == str(path)


def test_a_file_of_several_gzip_members_is_whole(tmp_path):
    raw = save(tmp_path / "plain.nii", np.ones((9, 9, 9))).read_bytes()
    path = tmp_path / "members.nii.gz"
    path.write_bytes(gzip.compress(raw[:1000]) + gzip.compress(raw[1000:]))
    assert volumes.grid(path).shape == volumes.read(path).values.shape == (9, 9, 9)


@pytest.mark.parametrize("value", [0.5, -1.0, 256.0, np.nan, np.inf])
def test_a_label_that_is_no_small_whole_number_is_refused(tmp_path, value):
    path = save(tmp_path / "label.nii.gz", np.full((2, 2, 2), value, np.float32))
    with pytest.raises(BadData, match="whole number"):
        volumes.read_labels(path)


def test_a_series_in_time_is_no_volume_but_a_fourth_axis_of_one_is_none(tmp_path):
    assert volumes.read(save(tmp_path / "one.nii.gz", np.ones((2, 3, 4, 1)))).values.shape == (2, 3, 4)
    with pytest.raises(BadData, match="three dimensions"):
        volumes.read(save(tmp_path / "many.nii.gz", np.ones((2, 3, 4, 5))))


def test_an_answer_of_another_shape_is_not_written(tmp_path):
    reference = save(tmp_path / "image.nii.gz", np.zeros((3, 4, 5)))
    with pytest.raises(BadData, match="does not lie on a grid"):
        volumes.write_labels(np.zeros((3, 4, 6)), reference, tmp_path / "out.nii.gz")
    assert not (tmp_path / "out.nii.gz").exists()


def test_real_labels_lie_on_the_grid_of_their_images(shared: Path):
    images = sorted((shared / "data/imaging/msd_hippocampus/images").glob("*.nii.gz"))[:5]
    for image in images:
        label = image.parent.parent / "labels" / image.name
        assert volumes.grid(label).differs(volumes.grid(image)) == ""
        assert set(np.unique(volumes.read_labels(label).values)) == {0, 1, 2}


def test_spacing_is_that_of_the_axes_as_they_are_read_however_the_file_stores_them(tmp_path):
    """Stored head first (3 mm), then left (0.5 mm), then back (2 mm); read to the right, the front and the head."""
    affine = np.array([[0, -0.5, 0, 0], [0, 0, -2.0, 0], [3.0, 0, 0, 0], [0, 0, 0, 1]])
    file = save(tmp_path / "oblique.nii.gz", np.zeros((2, 3, 4), np.float32), affine)
    assert volumes.read(file).values.shape == (3, 4, 2)
    assert volumes.spacing(file) == pytest.approx((0.5, 2.0, 3.0))
