"""How well each structure of one label picture lies on its reference: overlap, surfaces, volumes."""

import numpy as np

from polyclinic.arrays import Array, Floats
from polyclinic.outcomes.surface_scores import MM3_IN_ML, hausdorff95_of, surface_dice_of, surface_distances


def surfaces(
    y_pred: Array, y_true: Array, structures: int, spacing_mm: tuple[float, ...], tolerance_mm: float
) -> tuple[Floats, Floats]:
    """Surface Dice and HD95 in mm of each structure.

    Parameters
    ----------
    y_pred, y_true
        Channel numbers of the same shape, 0 … structures; 0 is the background.
    structures
        How many there are.
    spacing_mm
        The distance between neighbouring voxels along each axis.
    tolerance_mm
        What an expert would accept as the same surface.

    Returns
    -------
    tuple
        Two arrays float64 [structure]: NaN where neither picture has it; 0 and the diagonal of the picture where one
        alone has it.
    """
    diagonal = float(np.linalg.norm(np.array(y_true.shape) * np.asarray(spacing_mm)))
    dice, distance = np.full(structures, np.nan), np.full(structures, np.nan)
    for place in range(structures):
        masks = y_pred == place + 1, y_true == place + 1
        either = bool(masks[0].any() or masks[1].any())
        distances = surface_distances(*masks, spacing_mm)
        dice[place] = surface_dice_of(distances, either, tolerance_mm)
        distance[place] = hausdorff95_of(distances, either, diagonal)
    return dice, distance


def volumes_ml(channels: Array, structures: int, spacing_mm: tuple[float, ...]) -> Floats:
    """The volume of each structure in millilitres, float64 [structure]; of two axes, of a layer of a millimetre."""
    voxels = np.bincount(channels.ravel(), minlength=structures + 1)[1 : structures + 1]
    return np.asarray(voxels * float(np.prod(spacing_mm)) / MM3_IN_ML)
