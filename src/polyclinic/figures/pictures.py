"""Slices of volumes with outlines over them, and small pictures as text that a report can hold."""

import base64
import binascii
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from polyclinic.figures.svg import MUTED, WIDTH, ArtistStyle, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Bytes = npt.NDArray[np.uint8]
GAP, HEAD = 6.0, 16.0
"""Pixels between two slices, and above them for their names."""
YELLOW, BLUE = "#ffb000", "#4fd2ff"
"""Outlines of the reference and of the prediction. A slice is grey on light and dark pages alike, and so are these."""


def packed(values: Bytes) -> str:
    """A picture of whole numbers from 0 to 255, [row, column], as text."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values, np.uint8).tobytes(), 9)).decode("ascii")


def unpacked(text: str, shape: tuple[int, int]) -> Bytes:
    """The picture of a shape that `packed` wrote; raises `ValueError` for anything else, whatever it unpacks to."""
    size = shape[0] * shape[1]
    try:
        content = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), size + 1)
    except (binascii.Error, zlib.error) as error:
        raise ValueError("this is no packed picture") from error
    if len(content) != size:
        raise ValueError("a packed picture does not have the size that is stated beside it")
    return np.frombuffer(content, np.uint8).reshape(shape)


@dataclass(frozen=True, eq=False)
class Slice:
    """A slice of a volume.

    Attributes
    ----------
    name
        Its direction: `axial`.
    grey
        Intensities from 0 to 255, [up, across]: the first row is the lowest.
    predicted, reference
        The number of each voxel's structure, of the same shape, 0 for none.
    sides
        Millimetres from one voxel to the next, up and across.
    """

    name: str
    grey: Bytes
    predicted: Bytes
    reference: Bytes
    sides: tuple[float, float] = (1.0, 1.0)

    @property
    def size(self) -> tuple[float, float]:
        """Height and width in millimetres."""
        return self.grey.shape[0] * self.sides[0], self.grey.shape[1] * self.sides[1]


def overlay(slices: Sequence[Slice], *, title: str, description: str) -> str:
    """Slices side by side, the reference and the prediction outlined in two colours."""
    widths = sum(one.size[1] for one in slices)
    scale = (WIDTH - GAP * (len(slices) + 1)) / widths
    height = scale * max(one.size[0] for one in slices)

    def paint(axes: "Axes") -> None:
        axes.set(xlim=(0, WIDTH), ylim=(0, height + HEAD))
        axes.set_axis_off()
        left = GAP
        for one in slices:
            high, wide = (scale * side for side in one.size)
            _paint(axes, one, (left, left + wide, height - high, height))
            style: ArtistStyle = {"color": MUTED, "fontsize": 10, "ha": "left", "va": "bottom"}
            axes.text(left, height + 3, one.name, **style)
            left += wide + GAP

    return draw(paint, title=title, description=description, height=height + HEAD, margins=(0, 0, 0, 0))


def _paint(axes: "Axes", one: Slice, extent: tuple[float, float, float, float]) -> None:
    left, right, low, high = extent
    rows, columns = one.grey.shape
    look: ArtistStyle = {"cmap": "gray", "vmin": 0, "vmax": 255, "interpolation": "none", "origin": "lower"}
    axes.imshow(one.grey, extent=extent, aspect="auto", **look)
    across = left + (np.arange(-1, columns + 1) + 0.5) * (right - left) / columns
    up = low + (np.arange(-1, rows + 1) + 0.5) * (high - low) / rows
    for labels, colour, dash in ((one.reference, YELLOW, "-"), (one.predicted, BLUE, (0, (2.5, 1.2)))):
        for label in np.unique(labels[labels > 0]):
            mask = np.pad(labels == label, 1).astype(float)
            axes.contour(across, up, mask, levels=[0.5], colors=[colour], linewidths=1.3, linestyles=[dash])
