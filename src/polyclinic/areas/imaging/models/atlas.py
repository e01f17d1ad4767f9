"""The naive answer: the mean of the training labels, stretched to each volume's grid. It never looks at a voxel."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from polyclinic.areas.imaging.volumes import column_of, intensities
from polyclinic.arrays import Array
from polyclinic.models.model import Session
from polyclinic.outcomes.outcome import Prepared
from polyclinic.outcomes.raw import Per
from polyclinic.packages.fitted import Fitted
from polyclinic.packages.parts import Arrays, NamedPart, PartSettings, Values
from polyclinic.samples import Samples
from polyclinic.state import State

FLOOR = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Atlas:
    """The probability of each structure at each place, learned by averaging; nothing to set."""

    answers: ClassVar[int] = 16
    serves: ClassVar[tuple[Per, ...]] = ("grid",)
    ignores_inputs: ClassVar[bool] = True

    def prepare(self, train: Samples) -> State:
        """The common grid: the median shape of the training volumes."""
        name = column_of(train)
        shapes = self.encode(train, State({"column": name}))["shape"]
        return State({"column": name, "grid": np.median(shapes, axis=0).astype(int).tolist()})

    def encode(self, rows: Samples, state: State) -> dict[str, Array]:
        """shape: int64 [row, 3]."""
        shapes = [values.shape for values in intensities(rows, state.values["column"])]
        return {"shape": np.array(shapes, np.int64).reshape(-1, 3)}

    def fit(self, train: Samples, validation: Samples, outcome: Prepared, session: Session) -> Fitted:
        """Average the labels of the training rows, resized to the common grid."""
        state = self.prepare(train)
        grid, channels = tuple(state.values["grid"]), outcome.head(train).channels
        total = np.zeros((channels, *grid))
        for row in range(len(train)):
            labels = outcome.target(train.take([row]))[0]
            total += [resized(labels == channel, grid) for channel in range(channels)]
        part = NamedPart("atlas", spread, {"atlas": (total / len(train)).astype(np.float32)})
        return Fitted(self, state, [part], batch=self.answers)


def resized(values: Array, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Values on a grid of another shape over the same field of view, linearly interpolated: float32 [x, y, z]."""
    scale = np.asarray(values.shape) / np.asarray(shape)
    return ndimage.affine_transform(  # type: ignore[no-any-return]
        values.astype(np.float32), scale, scale / 2 - 0.5, output_shape=shape, order=1, mode="nearest"
    )


def spread(values: Values, arrays: Arrays, settings: PartSettings) -> Values:  # noqa: ARG001
    """The atlas on each volume's grid: raw, log probability, float32 [voxel, channel]; shape: int64 [row, 3]."""
    raw = []
    for shape in values["shape"]:
        probabilities = np.stack([resized(channel, tuple(shape)) for channel in arrays["atlas"]], axis=-1)
        raw.append(np.log(probabilities.clip(FLOOR)).reshape(-1, probabilities.shape[-1]))
    return {"raw": np.concatenate(raw), "shape": values["shape"]}
