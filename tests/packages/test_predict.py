"""`polyclinic.predict` leaves nothing behind but what it was told to write."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

import polyclinic
from polyclinic.errors import UsageError
from polyclinic.packages.package import ModelPackage
from polyclinic.reports.report import Report


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


@pytest.mark.parametrize("kind", [str, Path])
def test_nothing_is_left_in_the_temporary_folder(finished: Report, temporary: Path, tmp_path: Path, kind: type) -> None:
    source, out = finished.folder / "source.parquet", tmp_path / "answers.csv"
    answers = polyclinic.predict(kind(finished.package), kind(source))
    written = polyclinic.predict(kind(finished.package), kind(source), out=kind(out))
    assert answers.equals(written)
    assert out.is_file()
    assert list(temporary.iterdir()) == []


def test_files_need_a_place_that_the_caller_names(
    finished: Report, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_files(self: ModelPackage, source: object, *, folder: Path, **how: object) -> object:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "1.nii.gz").touch()
        return source.rows()

    monkeypatch.setattr(ModelPackage, "predict", with_files)
    with pytest.raises(UsageError, match="nothing says where they go"):
        polyclinic.predict(finished.package, finished.folder / "source.parquet")
    polyclinic.predict(finished.package, finished.folder / "source.parquet", out=tmp_path / "maps.parquet")
    assert (tmp_path / "maps_files" / "1.nii.gz").is_file()
    assert list(temporary.iterdir()) == []
