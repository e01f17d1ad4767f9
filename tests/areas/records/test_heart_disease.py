"""Four hospitals with one file each: read, and each held out in turn."""

from pathlib import Path

import numpy as np
import pytest

import polyclinic
from polyclinic.areas.records.formats.heart_disease import HeartDisease
from polyclinic.checks import format_checks
from polyclinic.errors import BadData
from polyclinic.timelines.ingest import detect, ingest

HOSPITALS = ("east", "north", "south", "west")


def files(folder: Path, rows: int = 60, seed: int = 0) -> Path:
    """Invented patients of four hospitals, whose grade follows the oldpeak-like tenth number and their age."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for hospital in HOSPITALS:
        lines = []
        for _ in range(rows):
            age, depression = rng.integers(30, 80), rng.uniform(0, 4)
            grade = int(np.clip(round(depression + (age - 55) / 30 + rng.normal(0, 0.5)), 0, 4))
            numbers = [age, rng.integers(0, 2), rng.integers(1, 5), 130, 0 if hospital == "east" else 220, 0]
            numbers += [rng.integers(0, 3), 150, 1, f"{depression:.1f}", rng.integers(1, 4), "?", 3, grade]
            lines.append(",".join(map(str, numbers)))
        (folder / f"processed.{hospital}.data").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("check", format_checks(), ids=lambda check: check.__name__)
def test_the_format_keeps_its_contract(check, tmp_path):
    check(HeartDisease(), HeartDisease().planted(tmp_path / "source"), tmp_path)


def test_codes_are_words_and_what_was_not_measured_is_missing(tmp_path):
    source = HeartDisease().planted(tmp_path / "source")
    assert detect(source) == "heart-disease"
    table = ingest("heart-disease", source, tmp_path / "out", max_quarantined=1.0)
    rows = table.rows()
    assert rows["site"].to_list() == ["north"] * 3 + ["south"]
    assert rows.row(0, named=True) | {"chest_pain": "typical angina", "sex": "male", "thallium": "fixed defect"} == (
        rows.row(0, named=True)
    )
    assert rows["cholesterol"].null_count() == rows["vessels"].null_count() == 4
    assert (rows["grade"].to_list(), rows["disease"].to_list()) == ([2] * 4, [True] * 4)
    assert table.refused()["refused"].to_list() == ["text in a number column"]


def test_a_file_of_other_columns_is_refused(tmp_path):
    (tmp_path / "processed.north.data").write_text("1,2,3\n", encoding="utf-8")
    assert not HeartDisease().sniff(tmp_path)
    with pytest.raises(BadData, match="3 columns in place of 14"):
        list(HeartDisease().read(tmp_path))


def test_each_hospital_is_held_out_in_turn_and_shown(tmp_path):
    study = {
        "name": "hospitals",
        "source": {"format": "heart-disease", "path": str(files(tmp_path / "files"))},
        "target": {"column": "grade", "kind": "ordinal"},
        "inputs": {"table": {"without": ["disease", "subject_id"], "strata": ["site"]}},
        "split": {"by": "site"},
        "models": ["linear"],
        "baselines": ["naive"],
        "evaluation": {"subgroups": ["site"]},
    }
    report = polyclinic.run(study, out=tmp_path / "run")
    document = report.document
    assert [fold.fold for fold in document.cohort.splits if fold.split == "test"] == list(HOSPITALS)
    scores = document.models["linear"]["ordinal"].test
    assert scores["weighted_kappa"].value > 0.5 > document.models["naive"]["ordinal"].test["weighted_kappa"].value
    assert [group.level for group in document.subgroups] == list(HOSPITALS)
    assert all(group.scores["mae_grades"].has_interval for group in document.subgroups)
    answers = polyclinic.predict(report.folder, files(tmp_path / "new", rows=3, seed=1))
    assert answers["predicted_class_value"].is_in(["0", "1", "2", "3", "4"]).all()
    assert answers["probabilities"].list.sum().to_list() == pytest.approx([1.0] * 12)
