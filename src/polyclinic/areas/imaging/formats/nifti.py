"""NIfTI: a folder with `images/` and perhaps `labels/`, a flat folder of volumes, or one file. A row a volume."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import polars as pl

from polyclinic.areas.imaging import volumes
from polyclinic.errors import BadData
from polyclinic.timelines.format import Chunk

SUFFIXES = (".nii", ".nii.gz")
VOLUMES = "polyclinic.areas.imaging.volumes"


@dataclass(frozen=True, slots=True)
class Nifti:
    """Rows of volumes: `row_id`, `case` (the file's name), `image` and `label` (paths; "" without a label)."""

    gives: ClassVar[Literal["events", "rows"]] = "rows"
    files: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "image": {"reader": f"{VOLUMES}:read", "writer": f"{VOLUMES}:write_labels"},
        "label": {"reader": f"{VOLUMES}:read_labels"},
    }

    def sniff(self, source: Path) -> bool:
        """Whether there is a NIfTI file where this format looks for one."""
        return bool(found(images_of(source)))

    def read(self, source: Path) -> Iterator[Chunk]:
        """One chunk: every image in the order of names, its geometry held against its label's, headers alone read."""
        images, labels = found(images_of(source)), found(source / "labels")
        rows, refused = [], []
        for row_id, (case, image) in enumerate(images.items()):
            label = labels.get(case)
            why = refusal(image, label)
            if why is None:
                paths = {"image": str(image.resolve()), "label": str(label.resolve()) if label else ""}
                rows.append({"row_id": row_id, "case": case, **paths})
            else:
                refused.append({"row": row_id, "column": why[0], "reason": why[1]})
        alone = len(labels.keys() - images.keys())
        yield Chunk(
            file=source.name,
            rows_in=len(images) + alone,
            used=len(rows),
            frame=pl.DataFrame(
                rows, {"row_id": pl.Int64} | dict.fromkeys(("case", "image", "label"), pl.String)
            ),
            refused=pl.DataFrame(refused, {"row": pl.Int64, "column": pl.String, "reason": pl.String}),
            non_events={"label without an image": alone} if alone else {},
        )


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
