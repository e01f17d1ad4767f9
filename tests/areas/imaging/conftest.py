"""Small volumes written for the tests: a bright ball and a brighter one beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

AFFINE = np.array([[-1.0, 0, 0, 20], [0, 1.5, 0, -30], [0, 0, 2.0, 5], [0, 0, 0, 1]])


def save(path: Path, values: Any, affine: Any = AFFINE) -> Path:
    """Write values as NIfTI and return the path."""
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(values, affine).to_filename(path)
    return path


def storages(values: Any, affine: Any) -> Iterator[tuple[Any, Any]]:
    """The 48 ways to store one volume: the same voxels at the same places, each with its own affine."""
    for axes, steps in product(permutations(range(3)), product((1, -1), repeat=3)):
        move = np.zeros((4, 4))
        move[3, 3] = 1
        for stored, (axis, step) in enumerate(zip(axes, steps, strict=True)):
            move[axis, stored] = step
            move[axis, 3] = values.shape[axis] - 1 if step < 0 else 0
        turned = values.transpose(axes)[tuple(slice(None, None, step) for step in steps)]
        yield np.ascontiguousarray(turned), affine @ move


def cut_short(path: Path) -> None:
    """Keep the first half of a file's bytes."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def picture(shape: tuple[int, int, int], seed: int) -> tuple[Any, Any]:
    """An image float32 and its labels uint8."""
    rng = np.random.default_rng(seed)
    where = np.stack(np.indices(shape)) - np.reshape(shape, (3, 1, 1, 1)) / 2
    labels = np.zeros(shape, np.uint8)
    labels[(where**2).sum(axis=0) < 16] = 1
    labels[((where - np.reshape([0, 6, 0], (3, 1, 1, 1))) ** 2).sum(axis=0) < 9] = 2
    return (labels * 2.0 + rng.normal(0, 0.3, shape)).astype(np.float32), labels


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Make a source of some cases with labels: `images/` and `labels/`."""

    def make(cases: int = 4) -> Path:
        for case in range(cases):
            image, labels = picture((14 + case % 3, 18, 12), case)
            save(tmp_path / "source" / "images" / f"case_{case}.nii.gz", image)
            save(tmp_path / "source" / "labels" / f"case_{case}.nii.gz", labels)
        return tmp_path / "source"

    return make
