"""A header is a stranger's numbers: each one is checked before a voxel is read."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import warnings

import numpy as np
import pytest

nibabel = pytest.importorskip("nibabel", reason="nibabel comes with the extra `imaging`")
volumes = pytest.importorskip("polyclinic.areas.imaging.volumes", reason="the area `imaging` is away")

from polyclinic.areas.imaging import header as headers  # noqa: E402
from polyclinic.errors import BadData  # noqa: E402

from .conftest import AFFINE, save  # noqa: E402


@pytest.fixture
def good(tmp_path):
    """A small volume of whole numbers with an sform and a qform."""
    return save(tmp_path / "good.nii", np.arange(60, dtype=np.int16).reshape(3, 4, 5))


def spoilt(path, **fields):
    """The same file with other entries in its header."""
    content = path.read_bytes()
    header = nibabel.Nifti1Header(content[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + content[348:])
    return path


def dims(*sizes):
    return np.array([len(sizes), *sizes, *[1] * (7 - len(sizes))], np.int16)


FAULTS = {
    "an infinite offset": ({"vox_offset": np.inf}, "begin at byte inf"),
    "an offset that is no number": ({"vox_offset": np.nan}, "begin at byte nan"),
    "an offset within the header": ({"vox_offset": 8}, "begin at byte 8"),
    "an offset beyond all bounds": ({"vox_offset": 1e12}, "begin at byte 1e\\+12"),
    "a negative size": ({"dim": dims(3, -4, 5)}, "three dimensions"),
    "a size of nothing": ({"dim": dims(3, 0, 5)}, "three dimensions"),
    "too many axes": ({"dim": np.array([900] + [1] * 7, np.int16)}, "900 axes"),
    "more voxels than are read": ({"dim": dims(30000, 30000, 30000)}, "are more than"),
    "more voxels than the file": ({"dim": dims(30, 30, 30)}, "cut short"),
    "complex numbers": ({"datatype": 32}, "complex numbers"),
    "colours": ({"datatype": 128}, "colours"),
    "an unknown data type": ({"datatype": 777}, "unknown data type 777"),
    "an affine that is no number": ({"srow_x": [np.nan, 0, 0, 0]}, "no number"),
    "an affine that is infinite": ({"srow_x": [np.inf, 0, 0, 0]}, "no number"),
    "an affine that is flat": ({"srow_x": [0, 0, 0, 0]}, "one plane"),
    "a quaternion of no length": ({"sform_code": 0, "qform_code": 1, "quatern_b": 30}, "affine"),
    "an infinite slope": ({"scl_slope": np.inf, "scl_inter": 0}, "scaling"),
    "an intercept that is no number": ({"scl_slope": 1, "scl_inter": np.nan}, "scaling"),
    "a slope beyond all numbers": ({"scl_slope": 1e38, "scl_inter": 0}, "too large"),
    "voxels in another file": ({"magic": b"ni1"}, "another file"),
    "no magic word": ({"magic": b"???"}, "no NIfTI"),
}


@pytest.mark.parametrize(("fields", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_header_with_a_fault_is_refused_by_its_reason_and_the_name_of_its_file(good, fields, reason):
    path = spoilt(good, **fields)
    with pytest.raises(BadData, match=reason) as caught:
        volumes.stated(path)
    assert caught.value.at.file == str(path)
    with pytest.raises(BadData):
        volumes.read(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_whatever_bytes_a_header_has_the_file_is_read_or_refused(good, tmp_path, suffix):
    """Headers with one to three stretches of bytes replaced: an array of finite geometry, or `BadData`."""
    content, rng = good.read_bytes(), np.random.default_rng(7)
    extremes = [b"\x00" * 4, b"\xff" * 4, b"\x00\x00\x80\x7f", b"\x00\x00\xc0\x7f", b"\xff\xff\xff\x7f", b"\x00\x80"]
    refused: list[BadData] = []
    path = tmp_path / f"mutated{suffix}"
    for _ in range(600):
        block = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(0, 348))
            new = extremes[rng.integers(len(extremes))] if rng.random() < 0.7 else rng.bytes(2)
            block[at : at + len(new)] = new
        path.write_bytes(gzip.compress(bytes(block), 1) if suffix == ".nii.gz" else bytes(block))
        try:
            volumes.stated(path)
            volume = volumes.read(path)
        except BadData as error:
            refused.append(error)
        else:
            assert np.isfinite(volume.grid.affine).all()
            assert volume.values.dtype == np.float32
    assert 50 < len(refused) < 550
    assert {error.at.file for error in refused} == {str(path)}


def test_a_small_file_that_promises_much_is_refused_before_memory_is_taken(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape((500, 500, 500))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + bytes(1000)))
    tracemalloc.start()
    with pytest.raises(BadData, match="cut short"):
        volumes.stated(path)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_what_follows_the_last_voxel_is_not_unpacked(good, tmp_path):
    path = tmp_path / "long.nii.gz"
    path.write_bytes(gzip.compress(good.read_bytes() + bytes(50_000_000)))
    tracemalloc.start()
    assert volumes.stated(path).shape == (3, 4, 5)
    assert (volumes.read(path).values == volumes.read(good).values).all()
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_the_gzip_of_a_file_is_known_by_its_bytes_whatever_its_name(good, tmp_path):
    packed = tmp_path / "B.NII.GZ"
    packed.write_bytes(gzip.compress(good.read_bytes()))
    plain = tmp_path / "really-plain.nii.gz"
    plain.write_bytes(good.read_bytes())
    for path in (packed, plain):
        assert (volumes.read(path).values == volumes.read(good).values).all()


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", ["Nifti1Image", "Nifti2Image"])
def test_every_type_of_real_number_is_read_as_nibabel_reads_it(tmp_path, kind, order, version):
    values = (np.random.default_rng(0).random((3, 4, 5)) * 100).astype(kind)
    image = getattr(nibabel, version)(values, np.eye(4), dtype=values.dtype)
    swapped = type(image)(values, np.eye(4), image.header.as_byteswapped(order))
    swapped.header.set_slope_inter(*((0.5, -3) if kind[0] != "f" else (1, 0)))
    swapped.to_filename(tmp_path / "one.nii.gz")
    expected = nibabel.load(tmp_path / "one.nii.gz").get_fdata()
    assert np.allclose(volumes.read(tmp_path / "one.nii.gz").values, expected, rtol=1e-6)


def test_an_extension_is_stepped_over_and_not_passed_on(tmp_path):
    image = nibabel.Nifti1Image(np.ones((3, 4, 5), np.float32), AFFINE)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Doe, Jane"))
    image.header["descrip"], image.header["db_name"] = b"Doe, Jane", b"Doe, Jane"
    image.to_filename(tmp_path / "named.nii")
    volume = volumes.read(tmp_path / "named.nii")
    assert (volume.values == 1).all()
    volumes.write_labels(volume.values.astype(int), tmp_path / "named.nii", tmp_path / "out.nii")
    assert b"Doe, Jane" in (tmp_path / "named.nii").read_bytes()
    assert b"Doe, Jane" not in (tmp_path / "out.nii").read_bytes()


def test_a_file_that_does_not_say_how_it_lies_is_known_as_such(good):
    assert volumes.stated(good).states_orientation
    assert not volumes.stated(spoilt(good, sform_code=0, qform_code=0)).states_orientation


def test_a_folder_and_a_pipe_are_no_files(tmp_path):
    (tmp_path / "folder.nii").mkdir()
    os.mkfifo(tmp_path / "pipe.nii")
    for name in ("folder.nii", "pipe.nii"):
        with pytest.raises(BadData, match="no file"):
            volumes.stated(tmp_path / name)


def test_infinite_and_missing_voxels_stay_what_they_are(tmp_path):
    values = np.ones((3, 4, 5), np.float32)
    values[0, 0, 0], values[1, 1, 1] = np.nan, np.inf
    voxels = volumes.read(save(tmp_path / "gaps.nii", values, np.eye(4))).values
    assert np.isnan(voxels[0, 0, 0])
    assert np.isinf(voxels[1, 1, 1])


def test_scaled_numbers_are_reckoned_alike_in_pieces(tmp_path, monkeypatch):
    values = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    image = nibabel.Nifti1Image(values, np.eye(4))
    image.header.set_slope_inter(0.25, 7)
    image.to_filename(tmp_path / "scaled.nii")
    assert np.allclose(volumes.read(tmp_path / "scaled.nii").values, nibabel.load(tmp_path / "scaled.nii").get_fdata())
    assert headers.MOST_VOXELS >= 512**3


def test_numbers_beyond_float32_are_infinite_without_a_warning(tmp_path):
    path = save(tmp_path / "huge.nii", np.full((3, 4, 5), 1e300), np.eye(4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isinf(volumes.read(path).values).all()
