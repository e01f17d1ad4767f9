"""NIfTI: a folder with `images/` and perhaps `labels/`, a flat folder of volumes, or one file. A row a volume."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from polyclinic.areas.imaging import volumes
from polyclinic.errors import BadData
from polyclinic.timelines.format import REFUSED, Chunk, FileReader, Gives

COLUMNS = {"row_id": pl.Int64, "case": pl.String, "image": pl.String, "label": pl.String}
SUFFIXES = (".nii", ".nii.gz")


@dataclass(frozen=True, slots=True)
class Nifti:
    """Rows of volumes: `row_id`, `case` (the file's name), `image` and `label` (paths; "" without a label)."""

    gives: ClassVar[Gives] = "rows"
    looks_for: ClassVar[str] = ".nii or .nii.gz files in the folder or in its images/"
    files: ClassVar[Mapping[str, FileReader]] = {
        "image": FileReader(volumes.read, volumes.write_labels),
        "label": FileReader(volumes.read_labels),
    }

    def sniff(self, source: Path) -> bool:
        """Whether there is a NIfTI file where this format looks for one."""
        return bool(found(images_of(source)))

    def read(self, source: Path) -> Iterator[Chunk]:
        """The usable cases in the order of names, then each refused one; by headers alone."""
        images, labels = found(images_of(source)), found(source / "labels")
        refused = {case: why for case, path in images.items() if (why := refusal(path, labels.get(case)))}
        files = {"image": [_path(images[c]) for c in images], "label": [_path(labels.get(c)) for c in images]}
        frame = pl.DataFrame({"row_id": range(len(images)), "case": list(images), **files}, COLUMNS)
        used = frame.filter(~pl.col("case").is_in([*refused]))
        alone = len(labels.keys() - images.keys())
        aside = {"label without an image": alone} if alone else {}
        yield Chunk(images_of(source).name, used.height + alone, used.height, used, non_events=aside)
        for row, case in enumerate(images):
            if case in refused:
                file = (labels if refused[case][0] == "label" else images)[case]
                told = pl.DataFrame([(row, *refused[case])], REFUSED, orient="row")
                yield Chunk(f"{file.parent.name}/{file.name}", 1, 0, frame.clear(), told)


def _path(file: Path | None) -> str:
    return str(file.resolve()) if file else ""


def images_of(source: Path) -> Path:
    """Where the images of a source lie."""
    return source / "images" if (source / "images").is_dir() else source


def found(place: Path) -> dict[str, Path]:
    """Case → file, in the order of names; hidden files, which archives of other systems leave, are none."""
    paths = sorted(place.iterdir()) if place.is_dir() else [place] * place.is_file()
    visible = [p for p in paths if p.name.endswith(SUFFIXES) and not p.name.startswith(".")]
    return {p.name.removesuffix(".gz").removesuffix(".nii"): p for p in visible}


def refusal(image: Path, label: Path | None) -> tuple[str, str] | None:
    """The column and the reason for which a case cannot be used; None where it can."""
    column = "image"
    try:
        grid = volumes.grid(image)
        column = "label"
        differs = volumes.grid(label).differs(grid) if label else ""
    except BadData as error:
        return column, error.what
    return (column, f"the label has another geometry than its image: {differs}") if differs else None
