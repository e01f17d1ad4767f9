"""Volumes: voxels with the geometry that says where in the patient each one lies."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from polyclinic import atomic
from polyclinic.dependencies import need
from polyclinic.errors import BadData, Place
from polyclinic.samples import File, Samples
from polyclinic.samples.samples import of_rows

AT_ONCE = 8
EXPORT = "export it again as NIfTI (.nii or .nii.gz), one volume a file"


class Grid(NamedTuple):
    """shape: voxels along each axis; affine: float64 [4, 4], voxel numbers → millimetres."""

    shape: tuple[int, ...]
    affine: npt.NDArray[np.float64]

    def differs(self, other: Self) -> str:
        """What sets two grids apart ("" where nothing does); affines agree to 1e-3 mm."""
        if self.shape != other.shape:
            return f"shape {self.shape} is not {other.shape}"
        same = np.allclose(self.affine, other.affine, rtol=0, atol=1e-3)
        return "" if same else "its affine puts the voxels elsewhere"


class Volume(NamedTuple):
    """values: [x, y, z]; grid: where they lie."""

    values: npt.NDArray[Any]
    grid: Grid


def read(path: str | Path) -> Volume:
    """The intensities of a NIfTI file: float32 [x, y, z], scaled as its header says, NaN where it has NaN.

    Raises `BadData` where the file is no NIfTI, is cut short, or is not three-dimensional.
    """
    image, grid = _opened(Path(path))
    try:
        values = np.asarray(image.dataobj, dtype=np.float32).reshape(grid.shape)
    except (OSError, EOFError, ValueError, TypeError, zlib.error) as error:
        raise _refused(path, "a volume cannot be used: its voxels cannot be read") from error
    return Volume(values, grid)


def read_labels(path: str | Path) -> Volume:
    """The structures of a NIfTI file: uint8 [x, y, z], 0 is background.

    Raises `BadData` like `read`, and where a voxel is not a whole number from 0 to 255.
    """
    volume = read(path)
    labels = np.nan_to_num(volume.values, nan=-1).clip(-1, 256).astype(np.int16)
    if not (labels == volume.values).all() or labels.min(initial=0) < 0 or labels.max(initial=0) > 255:
        fix = "save the structures as whole numbers, without resampling that blends them"
        raise _refused(path, "a label is not a whole number from 0 to 255", fix)
    return Volume(labels.astype(np.uint8), volume.grid)


def grid(path: str | Path) -> Grid:
    """The grid of a NIfTI file, from its header; raises `BadData` like `read`, cut-short files included."""
    image, found = _opened(Path(path))
    promised = int(image.dataobj.offset) + int(np.prod(image.shape)) * image.get_data_dtype().itemsize
    if not _holds(Path(path), promised):
        raise _refused(path, "a volume cannot be used: it is cut short")
    return found


def write_labels(values: npt.NDArray[Any], reference: str | Path, path: str | Path) -> None:
    """Write structures [x, y, z] as uint8 on the grid of `reference`; the same values give the same bytes.

    Raises `BadData` where the values do not have the reference's shape.
    """
    image, where = _opened(Path(reference))
    if tuple(values.shape) != where.shape:
        what = f"an answer of shape {values.shape} does not lie on a grid of {where.shape}"
        raise _refused(reference, what, "answer on the grid of the image")
    header = image.header.copy()
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(1, 0)
    header["cal_max"] = header["cal_min"] = 0
    written = type(image)(np.ascontiguousarray(values, np.uint8), image.affine, header).to_bytes()
    with atomic.file(Path(path)) as part:
        part.write_bytes(gzip.compress(written, mtime=0) if part.suffix == ".gz" else written)


def column_of(rows: Samples) -> tuple[str, File]:
    """The one input column of volumes; raises `BadData` where there is none, or more."""
    found = of_rows(rows, File)
    if len(found) != 1:
        raise BadData(f"{len(found)} columns of files; this model reads one", fix="name one under `inputs`")
    return next(iter(found.items()))


def intensities(column: Any) -> Iterator[npt.NDArray[np.float32]]:
    """Each row's voxels, by the column's own reader, a few files in memory at a time."""
    for first in range(0, len(column), AT_ONCE):
        few = column.take(np.arange(first, min(first + AT_ONCE, len(column))))
        yield from (volume.values for volume in few.read_all())


def _opened(path: Path) -> tuple[Any, Grid]:
    nibabel = need("nibabel", extra="imaging", to="read NIfTI")
    try:
        image = nibabel.load(path)
        affine = np.asarray(image.affine, np.float64)
    except (OSError, EOFError, ValueError, zlib.error, nibabel.filebasedimages.ImageFileError) as error:
        why = "it is no NIfTI file" if path.is_file() else "there is no such file"
        raise _refused(path, f"a volume cannot be used: {why}") from error
    shape = tuple(int(n) for n in image.shape)
    if len(shape) < 3 or 0 in shape or any(n != 1 for n in shape[3:]):
        raise _refused(path, f"a volume cannot be used: it is no volume of three dimensions: {shape}")
    return image, Grid(shape[:3], affine)


def _refused(path: str | Path, what: str, fix: str = EXPORT) -> BadData:
    return BadData(what, at=Place(file=str(path)), fix=fix)


def _holds(path: Path, promised: int) -> bool:
    """Whether a file holds so many bytes once unpacked.

    A gzip file ends in its unpacked size: where that fits, nothing is unpacked; where not (cut short, or of
    several members), it is read through.
    """
    if path.suffix != ".gz":
        return path.stat().st_size >= promised
    with path.open("rb") as stream:
        stream.seek(-4, 2)
        if int.from_bytes(stream.read(4), "little") == promised % (1 << 32):
            return True
    try:
        with gzip.open(path) as unpacked:
            return unpacked.seek(0, 2) >= promised
    except (OSError, EOFError, zlib.error):
        return False
