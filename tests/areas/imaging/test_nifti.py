"""The NIfTI format: a row a volume, and a reason for each one that is refused."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytest.importorskip("nibabel", reason="nibabel comes with the extra `imaging`")
nifti = pytest.importorskip("polyclinic.areas.imaging.formats.nifti", reason="the area `imaging` is away")

from polyclinic.areas.imaging.inputs import ImagingInputs  # noqa: E402
from polyclinic.errors import BadData, UnknownName  # noqa: E402
from polyclinic.timelines.ingest import detect, ingest  # noqa: E402

from .conftest import AFFINE, cut_short, save  # noqa: E402


def test_a_row_has_a_case_its_image_and_its_label_or_nothing(folder, tmp_path):
    source = folder(3)
    (source / "labels" / "case_1.nii.gz").unlink()
    rows = ingest(detect(source), source, tmp_path / "out").rows()
    assert rows["row_id"].to_list() == [0, 1, 2]
    assert rows["case"].to_list() == ["case_0", "case_1", "case_2"]
    assert [p.endswith(f"images/case_{i}.nii.gz") for i, p in enumerate(rows["image"])] == [True] * 3
    assert [bool(p) for p in rows["label"]] == [True, False, True]


def test_a_flat_folder_and_a_single_file_are_sources_too(folder):
    flat = folder(2) / "images"
    (one,) = nifti.Nifti().read(flat / "case_1.nii.gz")
    (both,) = nifti.Nifti().read(flat)
    assert one.frame["case"].to_list() == ["case_1"]
    assert both.frame["case"].to_list() == ["case_0", "case_1"]
    assert set(both.frame["label"]) == {""}


def spoil_shape(source):
    save(source / "labels" / "case_1.nii.gz", np.zeros((5, 6, 7), np.uint8))


def spoil_affine(source):
    save(source / "labels" / "case_1.nii.gz", np.zeros((15, 18, 12), np.uint8), AFFINE * 1.1)


def spoil_bytes(source):
    cut_short(source / "images" / "case_1.nii.gz")


def spoil_kind(source):
    (source / "labels" / "case_1.nii.gz").write_text("these are no voxels")


@pytest.mark.parametrize(
    ("spoil", "column", "reason"),
    [
        (spoil_shape, "label", "another geometry.*shape"),
        (spoil_affine, "label", "another geometry.*affine"),
        (spoil_bytes, "image", "cut short"),
        (spoil_kind, "label", "no NIfTI"),
    ],
)
def test_a_case_that_cannot_be_used_is_counted_with_file_and_reason(folder, tmp_path, spoil, column, reason):
    source = folder(4)
    spoil(source)
    table = ingest("nifti", source, tmp_path / "out", max_quarantined=0.5)
    summary = table.summary()
    assert table.rows()["row_id"].to_list() == [0, 2, 3]
    assert (summary["rows_in"], summary["used"], summary["quarantined"]) == (4, 3, 1)
    (refusal,) = summary["reasons"]
    assert refusal["file"] == f"{column}s/case_1.nii.gz"
    assert refusal["column"] == column
    assert table.refused()["row_id"].to_list() == [1]
    with pytest.raises(BadData, match=reason):
        ingest("nifti", source, tmp_path / "strict")


def test_hidden_files_are_no_volumes_and_a_label_alone_is_counted(folder, tmp_path):
    source = folder(2)
    (source / "images" / "._case_0.nii.gz").write_bytes(b"left by an archive")
    (source / "images" / "case_1.nii.gz").unlink()
    summary = ingest("nifti", source, tmp_path / "out").summary()
    assert (summary["rows_in"], summary["used"]) == (2, 1)
    assert summary["non_events"] == {"label without an image": 1}


def test_the_same_source_gives_the_same_bytes(folder, tmp_path):
    source = folder(3)
    for name in ("a", "b"):
        ingest("nifti", source, tmp_path / name)
    for path in (p for p in (tmp_path / "a").rglob("*") if p.is_file()):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_a_folder_without_volumes_is_not_nifti(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    assert not nifti.Nifti().sniff(tmp_path)
    with pytest.raises(BadData, match="not nifti"):
        ingest("nifti", tmp_path, tmp_path / "out")


def test_inputs_name_a_reader_a_writer_and_the_case(folder, tmp_path):
    table = ingest("nifti", folder(2), tmp_path / "out")
    columns = ImagingInputs().columns(table, table.rows(), None)
    assert columns.columns["image"].read(1).values.shape == (15, 18, 12)
    assert columns.columns["image"].reader.name == "nifti/image"
    assert columns.columns["image"].reader.write is not None
    assert columns.groups["case"].tolist() == ["case_0", "case_1"]
    with pytest.raises(UnknownName, match="scan"):
        ImagingInputs(column="scan").columns(table, table.rows(), None)


def test_inputs_say_which_volumes_they_cannot_take(folder, tmp_path):
    source = folder(3)
    rows = ingest("nifti", source, tmp_path / "out").rows()
    shutil.rmtree(source / "labels")
    cut_short(source / "images" / "case_2.nii.gz")
    assert list(ImagingInputs().unreadable(rows)) == [2]


def test_all_real_cases_are_used(shared, tmp_path):
    source = shared / "data/imaging/msd_hippocampus"
    summary = ingest("nifti", source, tmp_path / "out").summary()
    assert (summary["rows_in"], summary["used"]) == (200, 200)
