"""How far the surfaces of two structures lie apart, and how much their volumes differ: one case, one structure.

Each function compares the masks of one structure in one volume and gives a number for that case; `scores.row_mean`
averages the cases. NaN where neither mask has the structure: there is nothing to compare. Where one of them alone has
it, the answer is as wrong as it can be: a surface Dice of 0, and a distance as long as the diagonal of the volume.

The surface of a structure is its border voxels: those with a neighbour across a face that is not of the structure, the
outside of the volume included. A distance is from the centre of a border voxel to that of the nearest border voxel of
the other structure, each border voxel counting alike.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import binary_erosion, find_objects
from scipy.spatial import KDTree

from polyclinic.arrays import Array, Floats, Mask

MM3_IN_ML = 1000.0


class VolumeError(NamedTuple):
    """ml: predicted less true volume, in millilitres; relative: by the true volume, NaN where that is 0."""

    ml: float
    relative: float


class SurfaceDistances(NamedTuple):
    """From each border voxel to the other surface, in mm: of the prediction, float64 [voxel], and of the truth."""

    from_pred: Floats
    from_true: Floats


def surface_distances(y_pred: Array, y_true: Array, spacing_mm: tuple[float, ...]) -> SurfaceDistances | None:
    """The distances between the surfaces of two masks; None where one of them is empty.

    Parameters
    ----------
    y_pred, y_true
        Masks of one structure, of the same shape, bool [x, y, z]; two axes do too.
    spacing_mm
        The distance between the centres of neighbouring voxels along each axis.

    Returns
    -------
    SurfaceDistances
        What `surface_dice_of` and `hausdorff95_of` need: make it once for both.
    """
    if not (y_pred.any() and y_true.any()):
        return None
    predicted, true = (_border(mask.astype(bool)) * np.asarray(spacing_mm) for mask in (y_pred, y_true))
    return SurfaceDistances(KDTree(true).query(predicted)[0], KDTree(predicted).query(true)[0])


def surface_dice(y_pred: Array, y_true: Array, spacing_mm: tuple[float, ...], tolerance_mm: float) -> float:
    """The share of both surfaces that lies within a tolerance of the other: 1 is perfect.

    Parameters
    ----------
    y_pred, y_true, spacing_mm
        As for `surface_distances`.
    tolerance_mm
        What an expert would accept; a distance equal to it is within.

    Returns
    -------
    float
        0 where one mask alone is empty, NaN where both are.

    References
    ----------
    Nikolov et al. 2021, Clinically applicable segmentation of head and neck anatomy for radiotherapy, J. Med. Internet
    Res. 23: there, surface elements weigh by their area; here, as in MONAI, border voxels count alike.
    """
    return surface_dice_of(surface_distances(y_pred, y_true, spacing_mm), _either(y_pred, y_true), tolerance_mm)


def surface_dice_of(distances: SurfaceDistances | None, either: bool, tolerance_mm: float) -> float:
    """`surface_dice` from distances; either: whether one mask at least has the structure."""
    if distances is None:
        return 0.0 if either else np.nan
    within = [side <= tolerance_mm for side in distances]
    return float(sum(side.sum() for side in within) / sum(len(side) for side in within))


def hausdorff95(y_pred: Array, y_true: Array, spacing_mm: tuple[float, ...]) -> float:
    """The distance within which 95 % of each surface lie from the other, in mm; the longer one of the two sides.

    Parameters
    ----------
    y_pred, y_true, spacing_mm
        As for `surface_distances`.

    Returns
    -------
    float
        The diagonal of the volume where one mask alone is empty, NaN where both are.

    References
    ----------
    Huttenlocher, Klanderman and Rucklidge 1993, Comparing images using the Hausdorff distance, IEEE PAMI 15: the 95th
    percentile in place of the maximum, so that a few voxels do not decide.
    """
    diagonal = float(np.linalg.norm(np.array(y_true.shape) * np.asarray(spacing_mm)))
    return hausdorff95_of(surface_distances(y_pred, y_true, spacing_mm), _either(y_pred, y_true), diagonal)


def hausdorff95_of(distances: SurfaceDistances | None, either: bool, diagonal_mm: float) -> float:
    """`hausdorff95` from distances; either: whether one mask at least has the structure."""
    if distances is None:
        return diagonal_mm if either else np.nan
    return float(max(np.percentile(side, 95) for side in distances))


def volume_error(y_pred: Array, y_true: Array, spacing_mm: tuple[float, ...]) -> VolumeError:
    """Predicted less true volume: above 0 the prediction is too large.

    Parameters
    ----------
    y_pred, y_true, spacing_mm
        As for `surface_distances`, three axes.

    Returns
    -------
    VolumeError
        NaN in both where neither mask has the structure.
    """
    predicted, true = int(np.count_nonzero(y_pred)), int(np.count_nonzero(y_true))
    if not predicted and not true:
        return VolumeError(np.nan, np.nan)
    ml = (predicted - true) * float(np.prod(spacing_mm)) / MM3_IN_ML
    return VolumeError(ml, (predicted - true) / true if true else np.nan)


def _either(y_pred: Array, y_true: Array) -> bool:
    return bool(y_pred.any() or y_true.any())


def _border(mask: Mask) -> Array:
    """Where the border voxels of a mask that is not empty lie, int64 [voxel, axis]."""
    box = find_objects(mask.view(np.int8))[0]
    inside = mask[box]
    return np.asarray(np.argwhere(inside & ~binary_erosion(inside)) + [side.start for side in box])
