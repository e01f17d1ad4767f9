"""A study over volumes, from files to label maps: how they were stored changes neither the scores nor the places."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

nibabel = pytest.importorskip("nibabel", reason="nibabel comes with the extra `imaging`")
pytest.importorskip("polyclinic.areas.imaging.volumes", reason="the area `imaging` is away")

from polyclinic.packages.predict import predict  # noqa: E402
from polyclinic.studies.run import run  # noqa: E402

from .conftest import picture, save, storages  # noqa: E402

AFFINE = np.diag([1.0, 1.5, 2.0, 1.0])


def source(folder, way):
    """Eight cases, the one on the left always brighter; `way(case)` is the storage of each."""
    for case in range(8):
        image, labels = picture((12 + case % 2, 16, 10), case)
        labels[:5] = 0
        for kind, values in (("images", image), ("labels", labels)):
            stored, affine = list(storages(values, AFFINE))[way(case)]
            save(folder / kind / f"case {case}.nii.gz", stored, affine)
    return folder


def study(path):
    return {
        "name": "balls",
        "source": {"format": "nifti", "path": str(path)},
        "target": {"column": "label", "kind": "voxels", "labels": {1: "ball", 2: "bright"}},
        "inputs": {"imaging": {}},
        "models": ["atlas"],
        "baselines": [],
        "split": {"separate": ["case"], "folds": 2},
        "evaluation": {"intervals": {"over": "case"}},
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same study over the same volumes, stored alike, and stored in eight ways."""
    here = tmp_path_factory.mktemp("stored")
    ways = {"alike": lambda case: 0, "mixed": lambda case: (case * 7) % 48}
    for name, way in ways.items():
        run(study(source(here / name / "source", way)), out=here / name / "run")
    return here


def predictions(folder):
    return pl.read_parquet(folder / "run" / "predictions.parquet").sort("fold", "split", "row_id")


def test_scores_are_those_of_volumes_stored_alike(runs):
    alike, mixed = (predictions(runs / name) for name in ("alike", "mixed"))
    structures = ["dice//ball", "dice//bright"]
    assert alike["dice//ball"].mean() > 0.3
    assert np.allclose(mixed.select(structures), alike.select(structures), equal_nan=True)


def test_label_maps_carry_the_name_of_their_case_and_lie_where_its_file_lies(runs):
    table = predictions(runs / "mixed").filter(pl.col("fold") == "package")
    assert table["case"].to_list() == [f"case {n}" for n in range(8)]
    assert [path.rsplit("/", 1)[1] for path in table["path"]] == [f"case_{n}.nii.gz" for n in range(8)]
    for case, path in zip(table["case"], table["path"], strict=True):
        own = nibabel.load(runs / "mixed" / "source" / "images" / f"{case}.nii.gz")
        answer = nibabel.load(runs / "mixed" / "run" / path)
        assert answer.shape == own.shape
        assert np.allclose(answer.affine, own.affine)


def test_one_scan_in_two_storages_is_answered_alike_voxel_by_voxel_in_the_world(runs, tmp_path):
    image, _ = picture((12, 16, 10), 3)
    ways = list(storages(image, AFFINE))
    for name, way in (("ras", 0), ("flipped", 4), ("turned", 29)):
        save(tmp_path / "new" / f"{name}.nii.gz", *ways[way])
    table = predict(runs / "alike" / "run" / "package", tmp_path / "new", out=tmp_path / "out.parquet")
    assert table["case"].to_list() == ["flipped", "ras", "turned"]
    read = [nibabel.as_closest_canonical(nibabel.load(tmp_path / path)) for path in table["path"]]
    assert len(np.unique(read[0].get_fdata())) > 1
    for other in read[1:]:
        assert np.array_equal(other.get_fdata(), read[0].get_fdata())
        assert np.allclose(other.affine, read[0].affine)
