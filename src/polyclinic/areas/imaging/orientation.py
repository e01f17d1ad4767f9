"""Orientation: the 48 ways in which one volume can be stored, and the one in which it is read.

A file may list its voxels from left to right or from right to left, slice by slice in any direction; its affine says
which. A model must not see the difference. Inside, every volume therefore lies as RAS+: its axes point to the
patient's right, to the front and to the head, as nearly as its voxels allow without resampling.
"""

from dataclasses import dataclass
from itertools import permutations, product
from typing import Self

import numpy as np
import numpy.typing as npt

from polyclinic.arrays import Array

Affine = npt.NDArray[np.float64]
WAYS = list(product(permutations(range(3)), product((1, -1), repeat=3)))
AXES, SIGNS = np.array([axes for axes, _ in WAYS]), np.array([signs for _, signs in WAYS])
LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))


@dataclass(frozen=True, slots=True)
class Orientation:
    """How the axes of a stored volume become those of the volume as it is read.

    Parameters
    ----------
    axes
        The stored axis that becomes the first, the second and the third axis.
    reversed
        Whether each of these then runs the other way.
    """

    axes: tuple[int, int, int]
    reversed: tuple[bool, bool, bool]

    @classmethod
    def of(cls, affine: Affine) -> Self:
        """The orientation of a stored volume.

        Parameters
        ----------
        affine
            float64 [4, 4], stored voxel numbers → millimetres to the right, to the front and to the head.

        Returns
        -------
        Orientation
            Of the 48, the one whose axes point most nearly to the right, the front and the head. Where two are equally
            near (a volume turned by 45°), their directions decide and not the order in which the voxels were stored,
            so that every storage of a volume is read alike.
        """
        directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        # Rounded, so that two equally near ones are distinguished by their directions and not by the last bit.
        turned = np.round(directions[:, AXES].transpose(1, 0, 2) * SIGNS[:, None], 6) + 0.0
        nearness = np.trace(turned, axis1=1, axis2=2).round(5)
        best = np.lexsort((*turned.reshape(48, 9).T, nearness))[-1]
        i, j, k = AXES[best].tolist()
        x, y, z = (SIGNS[best] < 0).tolist()
        return cls((i, j, k), (x, y, z))

    @property
    def code(self) -> str:
        """Where the stored axes point, as letters: `LPS` runs to the left, to the back and to the head."""
        letters = [""] * 3
        for (negative, positive), axis, backwards in zip(LETTERS, self.axes, self.reversed, strict=True):
            letters[axis] = negative if backwards else positive
        return "".join(letters)

    def read(self, stored: Array) -> Array:
        """Stored voxels [i, j, k] → [right, front, head], in an array of its own."""
        return np.ascontiguousarray(np.flip(stored.transpose(self.axes), self._backwards))

    def stored(self, values: Array) -> Array:
        """Voxels [right, front, head] → as the file stores them [i, j, k]; undoes `read`."""
        back: list[int] = np.argsort(self.axes).tolist()
        return np.flip(values, self._backwards).transpose(back)

    def affine(self, affine: Affine, shape: tuple[int, ...]) -> Affine:
        """The affine of a volume as it is read, from that of its file and its stored shape."""
        canonical = affine.copy()
        for axis, (source, backwards) in enumerate(zip(self.axes, self.reversed, strict=True)):
            column = affine[:3, source]
            canonical[:3, axis] = -column if backwards else column
            canonical[:3, 3] += column * (shape[source] - 1) * backwards
        return canonical

    @property
    def _backwards(self) -> tuple[int, ...]:
        return tuple(axis for axis in range(3) if self.reversed[axis])
