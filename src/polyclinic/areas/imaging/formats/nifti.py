"""NIfTI: a folder with images and perhaps labels, a flat folder of volumes, or one file. A row a volume."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from polyclinic.areas.imaging import volumes
from polyclinic.areas.imaging.listing import Listing, Scan, listing, volumes_in
from polyclinic.errors import BadData, Place
from polyclinic.timelines.format import REFUSED, Chunk, FileReader, Gives

COLUMNS = {"row_id": pl.Int64, "case": pl.String, "image": pl.String, "label": pl.String}


@dataclass(frozen=True, slots=True)
class Nifti:
    """Rows of volumes: `row_id`, `case`, `image` and `label` (paths; "" without a label).

    Images lie in `images/` (their labels in `labels/`), in `imagesTr/` (`labelsTr/`, as nnU-Net and the Medical
    Segmentation Decathlon have them), or in the folder itself. A case is named by its file without the ending; of
    nnU-Net's names for channels (`CASE_0000.nii.gz`) the number is no part of it, and one channel is read.
    """

    gives: ClassVar[Gives] = "rows"
    columns: ClassVar[tuple[str, ...]] = tuple(COLUMNS)
    looks_for: ClassVar[str] = ".nii or .nii.gz files in the folder, in its images/ or in its imagesTr/"
    files: ClassVar[Mapping[str, FileReader]] = {
        "image": FileReader(volumes.read, volumes.write_labels, ".nii.gz", volumes.differs, volumes.spacing),
        "label": FileReader(volumes.read_labels, differs=volumes.differs, spacing=volumes.spacing),
    }

    def sniff(self, source: Path) -> bool:
        """Whether there is a NIfTI file where this format looks for one."""
        return bool(volumes_in(listing(source).images))

    def read(self, source: Path) -> Iterator[Chunk]:
        """The usable cases in the order of their files' names, then each refused one; by headers alone.

        Raises `BadData` where there are labels and none of them has the name of an image.
        """
        folder = listing(source)
        scans = folder.scans()
        _expect_pairs(folder, scans)
        refusals: dict[int, tuple[str, str]] = {}
        noted: Counter[str] = Counter()
        for row, scan in enumerate(scans):
            fault = scan.fault or refusal(scan.image, scan.label)
            if fault is not None:
                refusals[row] = fault
            else:
                noted.update(remarks(scan, folder))
        used = [(row, scan.case, _path(scan.image), _path(scan.label)) for row, scan in enumerate(scans)]
        frame = pl.DataFrame([row for row in used if row[0] not in refusals], COLUMNS, orient="row")
        aside = folder.aside(scans)
        rows_in = frame.height + sum(aside.values())
        yield Chunk(folder.images.name, rows_in, frame.height, frame, non_events=aside, noted=noted)
        for row, (column, reason) in refusals.items():
            scan = scans[row]
            file = scan.label if column == "label" and scan.label else scan.image
            why = pl.DataFrame([(row, column, reason)], REFUSED, orient="row")
            unread = pl.DataFrame([used[row]], COLUMNS, orient="row")
            yield Chunk(f"{file.parent.name}/{file.name}", 1, 0, frame.clear(), why, refused_rows=unread)


def refusal(image: Path, label: Path | None) -> tuple[str, str] | None:
    """The column and the reason for which a case cannot be used, by the headers of its files; None where it can."""
    column = "image"
    try:
        grid = volumes.grid(image)
        column = "label"
        differs = volumes.grid(label).differs(grid) if label else ""
    except BadData as error:
        return column, error.what
    return (column, f"the label has another geometry than its image: {differs}") if differs else None


def remarks(scan: Scan, folder: Listing) -> Iterator[str]:
    """What is worth knowing about a usable case."""
    head = volumes.stated(scan.image)
    if not head.states_orientation:
        yield "a header that does not say how the volume lies: its first axis is taken to run to the left"
    elif head.orientation.code != "RAS":
        yield f"stored as {head.orientation.code}, read as RAS"
    if folder.labels is not None and scan.label is None:
        yield "an image without a label"


def _expect_pairs(folder: Listing, scans: list[Scan]) -> None:
    """Raise `BadData` where there are labels and no image has one of them."""
    labels = volumes_in(folder.labels) if folder.labels is not None else []
    if scans and labels and not any(scan.label for scan in scans):
        what = f"no image has a label of its name: {folder.images.name} has {scans[0].image.name},"
        what = f"{what} {labels[0].parent.name} has {labels[0].name}"
        fix = "name each label as its image (or, as nnU-Net does, CASE.nii.gz for CASE_0000.nii.gz)"
        raise BadData(what, at=Place(file=str(labels[0].parent)), fix=fix)


def _path(file: Path | None) -> str:
    return str(file.resolve()) if file else ""
