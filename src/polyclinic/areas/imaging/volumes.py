"""Volumes: voxels with the geometry that says where in the patient each one lies.

Inside, every volume lies as RAS+ (see `orientation`), whatever the order in which its file stores it; what is written
goes back to the orientation, the grid and the affine of the file that it belongs to.
"""

import gzip
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from polyclinic import atomic
from polyclinic.areas.imaging import header as headers
from polyclinic.areas.imaging.header import Header, refused
from polyclinic.areas.imaging.orientation import Affine
from polyclinic.arrays import Array
from polyclinic.errors import BadData
from polyclinic.samples import File, Samples
from polyclinic.samples.samples import of_rows

AT_ONCE = 8
SAME_PLACE = 0.1
"""Two grids are the same where no corner lies further apart than this share of a voxel's shortest side."""
GEOMETRY = (
    *("pixdim", "xyzt_units", "qform_code", "sform_code", "srow_x", "srow_y", "srow_z"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
)
"""The fields of a header that say where the voxels lie: no names, no dates, nothing else about the patient."""


class Grid(NamedTuple):
    """shape: voxels to the right, the front and the head; affine: float64 [4, 4], voxel numbers → millimetres."""

    shape: tuple[int, ...]
    affine: Affine

    def differs(self, other: Self) -> str:
        """What sets two grids apart, "" where nothing does."""
        if self.shape != other.shape:
            return f"shape {self.shape} is not {other.shape}"
        corners = np.array([[*corner, 1] for corner in product(*((0, side - 1) for side in self.shape))])
        apart = np.linalg.norm(corners @ (self.affine - other.affine).T, axis=1).max()
        side = np.linalg.norm(self.affine[:3, :3], axis=0).min()
        return "" if apart <= SAME_PLACE * side else "its affine puts the voxels elsewhere"


class Volume(NamedTuple):
    """values: [right, front, head]; grid: where they lie."""

    values: Array
    grid: Grid


def read(path: str | Path) -> Volume:
    """The intensities of a NIfTI file.

    Parameters
    ----------
    path
        A `.nii` or `.nii.gz` file.

    Returns
    -------
    Volume
        float32 [right, front, head], scaled as the header says; NaN and infinity where the file has them.

    Raises
    ------
    BadData
        Where the file is no NIfTI file, is cut short, or is not three-dimensional; it names the file.
    """
    head = headers.header(Path(path))
    return Volume(head.orientation.read(headers.read(Path(path), head)), _grid(head))


def read_labels(path: str | Path) -> Volume:
    """The structures of a NIfTI file: uint8 [right, front, head], 0 is the background.

    Raises
    ------
    BadData
        As `read` does, and where a voxel is not a whole number from 0 to 255.
    """
    volume = read(path)
    labels = np.nan_to_num(volume.values, nan=-1).clip(-1, 256).astype(np.int16)
    if not (labels == volume.values).all() or labels.min(initial=0) < 0 or labels.max(initial=0) > 255:
        fix = "save the structures as whole numbers, without resampling that blends them"
        raise refused(path, "a label is not a whole number from 0 to 255", fix)
    return Volume(labels.astype(np.uint8), volume.grid)


def stated(path: str | Path) -> Header:
    """What a file says of itself, by its header and its size alone.

    Raises
    ------
    BadData
        As `read` does, files that are cut short included.
    """
    head = headers.header(Path(path))
    if not headers.whole(Path(path), head):
        raise refused(path, "it is cut short")
    return head


def grid(path: str | Path) -> Grid:
    """The grid of a NIfTI file as it is read, from its header; raises `BadData` as `stated` does."""
    return _grid(stated(path))


def spacing(path: str | Path) -> tuple[float, ...]:
    """Millimetres from one voxel to the next to the right, the front and the head; raises `BadData` as `stated` does."""
    return tuple(np.linalg.norm(grid(path).affine[:3, :3], axis=0).tolist())


def differs(path: str | Path, other: str | Path) -> str:
    """What sets the grids of two files apart, "" where nothing does; however each of them is stored."""
    return grid(path).differs(grid(other))


def write_labels(values: Array, reference: str | Path, path: str | Path) -> None:
    """Write structures on the grid of another file, in the order and with the affine of that file.

    The same values give the same bytes. Of the reference's header the geometry is kept and nothing else: names,
    descriptions and extensions may reveal who the patient is.

    Parameters
    ----------
    values
        [right, front, head], whole numbers from 0 to 255.
    reference
        The file that the structures belong to.
    path
        The file to write; one that ends in `.gz` is compressed.

    Raises
    ------
    BadData
        Where the values do not have the reference's shape, or the reference cannot be read.
    """
    head = headers.header(Path(reference))
    stored = head.orientation.stored(values)
    if stored.shape != head.shape:
        what = f"an answer of shape {values.shape} does not lie on a grid of {_grid(head).shape}"
        raise refused(reference, what, "answer on the grid of the image")
    fields = type(head.fields)()
    for name in GEOMETRY:
        fields[name] = head.fields[name]
    fields.set_data_dtype(np.uint8)
    fields.set_data_shape(stored.shape)
    fields["vox_offset"] = fields.single_vox_offset
    fields["scl_slope"], fields["scl_inter"] = 1, 0
    content = fields.binaryblock + bytes(4) + stored.astype(np.uint8).tobytes(order="F")
    with atomic.file(Path(path)) as part:
        part.write_bytes(gzip.compress(content, mtime=0) if part.suffix == ".gz" else content)


def column_of(rows: Samples) -> str:
    """The name of the one input column of volumes; raises `BadData` where there is none, or more."""
    files = of_rows(rows, File)
    if len(files) != 1:
        raise BadData(f"{len(files)} columns of files; this model reads one", fix="name one under `inputs`")
    return next(iter(files))


def intensities(rows: Samples, name: str) -> Iterator[npt.NDArray[np.float32]]:
    """Each row's voxels in one column of files, by that column's own reader, a few files in memory at a time."""
    column: File = of_rows(rows, File)[name]
    for first in range(0, len(column), AT_ONCE):
        few = column.take(np.arange(first, min(first + AT_ONCE, len(column))))
        yield from (volume.values for volume in few.read_all())


def _grid(head: Header) -> Grid:
    shape = tuple(head.shape[axis] for axis in head.orientation.axes)
    return Grid(shape, head.orientation.affine(head.affine, head.shape))
