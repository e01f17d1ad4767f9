"""The header of a NIfTI file: everything that it promises, checked before a voxel is read.

A header is 348 bytes (NIfTI-1) or 540 (NIfTI-2) of a stranger's numbers. One that promises an infinite offset, a
negative size or an affine that is not a number is refused here, with a reason and the name of its file.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from math import isfinite, prod
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from polyclinic.areas.imaging.orientation import Affine, Orientation
from polyclinic.dependencies import need
from polyclinic.errors import BadData, Place

Fields: TypeAlias = Any
"""A header as nibabel reads it, by its own names."""
MOST_VOXELS = 1 << 29
"""512 × 512 × 2,048: a whole body in CT. Read, it takes 2 GiB."""
MOST_OFFSET = 1 << 26
"""Where the voxels begin at the latest; before them, other programs keep notes of their own."""
MOST_MILLIMETRES = 1e6
DEFLATE_RATIO = 1032
"""No gzip file is smaller than its content by more than this (https://zlib.net/zlib_tech.html)."""
KINDS = {**{2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8"}, **{256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}}
"""The NIfTI data types that are read, as NumPy writes them."""
UNREAD = {1: "bits", 32: "complex numbers", 128: "colours", 1536: "numbers of 16 bytes"}
UNREAD |= {1792: "complex numbers", 2048: "complex numbers", 2304: "colours"}
VERSIONS = (("Nifti1Header", 348, 344, b"n+1\0", b"ni1\0"), ("Nifti2Header", 540, 4, b"n+2\0", b"ni2\0"))
"""nibabel's name, bytes of the header, and where it says whether the voxels lie in the same file or in another."""
ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")
EXPORT = "export it again as NIfTI (.nii or .nii.gz), one volume a file"
BROKEN = (OSError, EOFError, zlib.error)
"""What reading a damaged or cut file raises."""


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """What a checked header says.

    Parameters
    ----------
    shape
        Stored voxels along each axis.
    affine
        float64 [4, 4], stored voxel numbers → millimetres.
    orientation
        How the stored axes become right, front and head.
    states_orientation
        Whether the file says how it lies; where it does not, NIfTI's default (its first axis runs to the left) is read.
    kind
        The type of the stored numbers, with their order of bytes.
    offset
        Bytes of the unpacked file before the first voxel.
    slope, intercept
        A stored number times `slope` plus `intercept` is the intensity.
    fields
        The header as nibabel reads it, for those who write a file on the same grid.
    """

    shape: tuple[int, int, int]
    affine: Affine
    orientation: Orientation
    states_orientation: bool
    kind: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    fields: Fields

    @property
    def size(self) -> int:
        """Bytes of the voxels."""
        return prod(self.shape) * self.kind.itemsize


def header(path: Path) -> Header:
    """The header of a NIfTI file.

    Raises
    ------
    BadData
        Where the file is no NIfTI file, is larger than what is read, or promises what cannot be.
    """
    nibabel = need("nibabel", extra="imaging", to="read NIfTI")
    if not path.is_file():
        raise refused(path, "there is no such file" if not path.exists() else "it is a folder or a device, no file")
    try:
        with unpacked(path) as stream:
            block = stream.read(540)
    except BROKEN as error:
        raise refused(path, "it cannot be opened or unpacked") from error
    for (name, length, place, one_file, two_files), order in product(VERSIONS, ORDERS):
        if int.from_bytes(block[:4], order) == length <= len(block):
            magic = block[place : place + 4]
            if magic == two_files:
                raise refused(path, "its voxels lie in another file (.img)")
            if magic == one_file:
                fields = getattr(nibabel, name)(block[:length], endianness=order, check=False)
                return _checked(path, fields, length + 4)
    raise refused(path, "it is no NIfTI file")


def read(path: Path, head: Header) -> npt.NDArray[np.float32]:
    """The intensities as they are stored: float32 [i, j, k], NaN and infinity where the file has them.

    Raises
    ------
    BadData
        Where the file is cut short or damaged.
    """
    try:
        with unpacked(path) as stream:
            stream.seek(head.offset)
            raw = np.frombuffer(stream.read(head.size), head.kind)
    except (*BROKEN, ValueError) as error:  # ValueError: the last number is cut in two
        raise refused(path, "its voxels cannot be read") from error
    if len(raw) < prod(head.shape):
        raise refused(path, "it is cut short")
    if (head.slope, head.intercept) == (1.0, 0.0):
        with np.errstate(over="ignore"):  # what float32 does not hold is infinite, as the docstring says
            values = raw.astype(np.float32)
    else:
        values = np.empty(len(raw), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for part in range(0, len(raw), 1 << 20):  # in float64, yet never the whole volume at once
                some = slice(part, part + (1 << 20))
                values[some] = raw[some].astype(np.float64) * head.slope + head.intercept
    return values.reshape(head.shape, order="F")


def whole(path: Path, head: Header) -> bool:
    """Whether a file holds all the voxels that its header promises.

    A gzip file ends in its unpacked size (modulo 2³²): where that fits, nothing is unpacked. Where it does not (the
    file is cut short, has bytes to spare, or several members), it is unpacked as far as the last voxel and no further.
    """
    end, packed = head.offset + head.size, path.stat().st_size
    if not _is_gzip(path):
        return packed >= end
    if end > packed * DEFLATE_RATIO:
        return False
    with path.open("rb") as stream:
        stream.seek(-4, 2)
        if int.from_bytes(stream.read(4), "little") == end % (1 << 32):
            return True
    try:
        with gzip.open(path) as stream:
            return stream.seek(end - 1) == end - 1 and bool(stream.read(1))
    except BROKEN:
        return False


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """The content of a file, unpacked where it is gzip, whatever its name says."""
    with gzip.open(path) if _is_gzip(path) else path.open("rb") as stream:
        yield cast(BinaryIO, stream)


def refused(path: str | Path, why: str, fix: str = EXPORT) -> BadData:
    """The error for a volume that cannot be used."""
    return BadData(f"a volume cannot be used: {why}", at=Place(file=str(path)), fix=fix)


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _checked(path: Path, fields: Fields, first: int) -> Header:
    """The header behind nibabel's fields; `first`: where the voxels begin at the earliest."""
    shape = _shape(path, fields)
    affine, states = _affine(path, fields)
    kind = int(fields["datatype"])
    if kind not in KINDS:
        raise refused(path, f"it holds {UNREAD.get(kind, f'the unknown data type {kind}')}, not real numbers")
    stored = np.dtype(KINDS[kind]).newbyteorder(fields.endianness)
    offset = float(fields["vox_offset"])
    if not first <= offset <= MOST_OFFSET:  # false for NaN, too
        raise refused(path, f"its voxels begin at byte {offset:g}, which is not between {first} and {MOST_OFFSET}")
    slope, intercept = _scaling(path, fields, stored)
    orientation = Orientation.of(affine)
    return Header(shape, affine, orientation, states, stored, int(offset), slope, intercept, fields)


def _shape(path: Path, fields: Fields) -> tuple[int, int, int]:
    sizes = [int(n) for n in fields["dim"]]
    if not 3 <= sizes[0] <= 7:
        raise refused(path, f"it has {sizes[0]} axes, a volume has three")
    i, j, k, *more = sizes[1 : 1 + sizes[0]]
    if min(i, j, k) < 1 or any(n != 1 for n in more):
        raise refused(path, f"it is no volume of three dimensions: {(i, j, k, *more)}")
    if i * j * k > MOST_VOXELS:
        fix = "crop it to the part that matters, or resample it to larger voxels"
        raise refused(path, f"{i * j * k:,} voxels are more than the {MOST_VOXELS:,} that are read", fix)
    return i, j, k


def _affine(path: Path, fields: Fields) -> tuple[Affine, bool]:
    """Voxel numbers → millimetres, and whether the file states it. The sform counts before the qform."""
    try:
        with np.errstate(all="ignore"):
            affine = np.asarray(fields.get_best_affine(), np.float64)
    except Exception as error:  # nibabel raises whatever a stranger's numbers lead it to
        raise refused(path, "its affine cannot be read") from error
    if not np.isfinite(affine).all() or np.abs(affine).max() > MOST_MILLIMETRES:
        raise refused(path, "its affine has entries that are no number or beyond a kilometre")
    sides = np.linalg.norm(affine[:3, :3], axis=0)
    if not sides.all() or abs(np.linalg.det(affine[:3, :3] / sides)) < 1e-2:
        raise refused(path, "its affine puts the voxels into one plane")
    return affine, bool(fields["sform_code"] > 0 or fields["qform_code"] > 0)


def _scaling(path: Path, fields: Fields, kind: np.dtype[Any]) -> tuple[float, float]:
    """What turns stored numbers into intensities; a slope of 0 or NaN means that they are these already."""
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope == 0 or slope != slope:
        return 1.0, 0.0
    if not (isfinite(slope) and isfinite(intercept)):
        raise refused(path, "the scaling of its numbers is infinite or no number")
    largest = float(np.iinfo(kind).max) if kind.kind in "iu" else 1.0
    if largest * abs(slope) + abs(intercept) > float(np.finfo(np.float32).max):
        raise refused(path, "its scaling makes numbers that are too large")
    return slope, intercept
