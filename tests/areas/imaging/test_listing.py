"""Which file is the image, and which the label, of which case."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

nibabel = pytest.importorskip("nibabel", reason="nibabel comes with the extra `imaging`")
nifti = pytest.importorskip("polyclinic.areas.imaging.formats.nifti", reason="the area `imaging` is away")

from polyclinic.errors import BadData  # noqa: E402
from polyclinic.timelines.ingest import ingest  # noqa: E402

from .conftest import save  # noqa: E402


def place(source, images, labels=(), folders=("images", "labels")):
    """A source whose volumes have these names; one without an ending gets `.nii.gz`."""
    content = nibabel.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.eye(4)).to_bytes()
    for folder, names in zip(folders, (images, labels), strict=True):
        for name in names:
            path = source / folder / (name if "." in name else f"{name}.nii.gz")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(content) if path.suffix.lower() == ".gz" else content)
    return source


def read(source, tmp_path):
    table = ingest("nifti", source, tmp_path / "out", max_quarantined=1.0)
    return table, dict(zip(table.rows()["case"], table.rows()["label"].str.split("/").list.last(), strict=True))


def reasons(table):
    return {reason["file"]: reason["reason"] for reason in table.summary()["reasons"]}


@pytest.mark.parametrize("folders", [("images", "labels"), ("imagesTr", "labelsTr")])
def test_the_channel_in_names_of_nnunet_is_no_part_of_the_case(tmp_path, folders):
    source = place(tmp_path / "s", ["c0_0000", "c1_0000", "c2_0000"], ["c0", "c1"], folders)
    table, images = read(source, tmp_path)
    assert images == {"c0": "c0.nii.gz", "c1": "c1.nii.gz", "c2": ""}
    assert table.summary()["noted"] == {"an image without a label": 1}


def test_four_digits_that_the_labels_have_too_are_the_number_of_a_case(tmp_path):
    names = ["scan_0000", "scan_0001", "scan_0002"]
    _, images = read(place(tmp_path / "s", names, names), tmp_path)
    assert images == {name: f"{name}.nii.gz" for name in names}


@pytest.mark.parametrize(
    ("images", "cases"),
    [
        (["a_0000", "b_0000"], ["a", "b"]),
        (["a_0000", "b_0001"], ["a_0000", "b_0001"]),
        (["scan_0000", "scan_0001", "scan_0002"], ["scan_0000", "scan_0001", "scan_0002"]),
        (["a_0000", "b"], ["a_0000", "b"]),
        (["a_001", "b_001"], ["a_001", "b_001"]),
    ],
)
def test_without_labels_the_names_of_all_files_decide(tmp_path, images, cases):
    _, images_by_case = read(place(tmp_path / "s", images), tmp_path)
    assert list(images_by_case) == cases


def test_a_case_of_several_channels_is_refused_with_each_of_its_files(tmp_path):
    source = place(tmp_path / "s", ["a_0000", "a_0001", "b_0000"], ["a", "b"])
    table, images = read(source, tmp_path)
    assert list(images) == ["b"]
    assert reasons(table) == {
        f"images/a_000{n}.nii.gz": "a case of 2 channels (_0000, _0001); one is read" for n in (0, 1)
    }


def test_several_channels_are_known_without_labels_too(tmp_path):
    table, images = read(place(tmp_path / "s", ["a_0000", "a_0001", "b_0000", "b_0001"], ["b"]), tmp_path)
    assert not images
    assert table.summary()["quarantined"] == 4


def test_a_channel_whose_first_one_is_missing_is_refused(tmp_path):
    table, images = read(place(tmp_path / "s", ["a_0001", "b_0000"], ["a", "b"]), tmp_path)
    assert list(images) == ["b"]
    assert "channel 0000 of this case is missing" in reasons(table)["images/a_0001.nii.gz"]


def test_endings_in_capitals_are_read_and_two_files_of_one_case_are_both_refused(tmp_path):
    source = place(tmp_path / "s", ["a.nii.gz", "B.NII.GZ", "c.nii.gz", "c.nii"])
    table, images = read(source, tmp_path)
    summary = table.summary()
    assert list(images) == ["B", "a"]
    assert (summary["rows_in"], summary["used"], summary["quarantined"]) == (4, 2, 2)
    assert set(reasons(table).values()) == {"2 files of one case: c.nii, c.nii.gz"}
    with pytest.raises(BadData, match=r"2 of 4 rows cannot be read.*2 files of one case"):
        ingest("nifti", source, tmp_path / "strict")


def test_two_labels_of_one_case_are_refused_with_it(tmp_path):
    table, images = read(place(tmp_path / "s", ["a", "b"], ["a.nii", "a.nii.gz", "b"]), tmp_path)
    assert list(images) == ["b"]
    assert reasons(table) == {"labels/a.nii": "2 files of one case: a.nii, a.nii.gz"}


def test_labels_of_which_none_has_the_name_of_an_image_are_an_error_that_names_one_of_each(tmp_path):
    source = place(tmp_path / "s", ["mri_1", "mri_2"], ["seg_1", "seg_2"])
    with pytest.raises(BadData, match=r"no image has a label of its name: images has mri_1.nii.gz, labels has seg_1"):
        ingest("nifti", source, tmp_path / "out")


def test_every_file_is_accounted_for(tmp_path):
    source = place(tmp_path / "s", ["a", "b"], ["a", "z"])
    (source / "images" / "protocol.txt").write_text("how it was scanned")
    summary = read(source, tmp_path)[0].summary()
    assert summary["non_events"] == {"label without an image": 1, "not a NIfTI file": 1}
    assert summary["rows_in"] == summary["used"] + 2


def test_how_volumes_are_stored_is_noted(tmp_path):
    source = place(tmp_path / "s", ["a", "b"])
    save(source / "images" / "las.nii.gz", np.ones((3, 3, 3), np.uint8), np.diag([-1.0, 1, 1, 1]))
    assert read(source, tmp_path)[0].summary()["noted"] == {"stored as LAS, read as RAS": 1}


def test_one_spoilt_header_does_not_end_the_ingest_of_the_others(tmp_path):
    source = place(tmp_path / "s", ["a", "b"])
    whole = save(tmp_path / "whole.nii", np.ones((3, 3, 3), np.uint8), np.eye(4)).read_bytes()
    (source / "images" / "c.nii").write_bytes(whole[:108] + b"\x00\x00\x80\x7f" + whole[112:])
    table, images = read(source, tmp_path)
    assert list(images) == ["a", "b"]
    assert "begin at byte inf" in reasons(table)["images/c.nii"]
