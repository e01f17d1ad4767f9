"""A small 3-D U-Net on patches (Çiçek et al. 2016, arXiv:1606.06650), normalised as nnU-Net does (Isensee et al.
2021, doi:10.1038/s41592-020-01008-z), for processors without a GPU.

The widest features live at half the resolution, where a voxel costs an eighth; one thin layer at full resolution
draws the edges. Left out: deep supervision, resampling to a common spacing, ensembles.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from polyclinic.areas.imaging.volumes import column_of, intensities
from polyclinic.arrays import Array
from polyclinic.dependencies import need
from polyclinic.models.training_settings import Training
from polyclinic.outcomes.raw import Head, Per
from polyclinic.packages.parts import Arrays, NamedPart, OnnxPart, Part, PartSettings, Values
from polyclinic.samples import Samples
from polyclinic.samples.columns import Index
from polyclinic.state import State

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

Volume = npt.NDArray[np.float32]
Box: TypeAlias = tuple[slice, ...]
"""A part of a volume: one slice an axis."""
STRIDE = 8
RECIPE = Training(epochs=24, batch=2, learning_rate=2e-3, patience=8, warmup=0.05)


@dataclass(frozen=True, kw_only=True)
class UNet:
    """Settings.

    Parameters
    ----------
    width
        Features at half resolution, doubled at each further halving.
    voxels
        The most that a patch holds.
    overlap
        The share of a patch that its neighbour has in common with it.
    turn, scale
        Standard deviation of the random turns (radians) and changes of size in training.
    intensity
        The same for brightness, contrast and noise, in standard deviations of a volume.
    """

    width: int = 32
    voxels: int = 48_000
    overlap: float = 0.25
    turn: float = 0.12
    scale: float = 0.08
    intensity: float = 0.1
    training: Training = RECIPE
    answers: ClassVar[int] = 4
    serves: ClassVar[tuple[Per, ...]] = ("grid",)

    def prepare(self, train: Samples) -> State:
        """The usual range of normalised intensities and the shape of a patch, from training volumes alone."""
        name = column_of(train)
        facts = [(v.shape, np.percentile(normalised(v), (0.1, 99.9))) for v in intensities(train, name)]
        shape, (low, high) = (np.median(part, axis=0) for part in zip(*facts, strict=True))
        patch = patch_shape(shape, self.voxels)
        return State({"column": name, "patch": patch, "range": [float(low), float(high)]})

    def encode(self, rows: Samples, state: State) -> dict[str, Array]:
        """volume: object [row] of float32 [x, y, z], mean 0, deviation 1; patch: int64 [row, 3]."""
        read = intensities(rows, state.values["column"])
        volumes = (normalised(values).clip(*state.values["range"]) for values in read)
        patch = np.array([state.values["patch"]] * len(rows), np.int64).reshape(-1, 3)
        return {"volume": np.fromiter(volumes, object, len(rows)), "patch": patch}

    def draw(self, batch: dict[str, Array], rng: np.random.Generator | None) -> dict[str, Array]:
        """One patch a row: the middle one, or (with `rng`) a random one, turned, stretched and dimmed.

        voxels: float32 [row, 1, x, y, z]; target: int64 [row, x, y, z], -1 outside the volume.
        """
        rows = zip(batch["volume"], batch["target"], batch["patch"], strict=True)
        views = [self._view(volume, target, patch, rng) for volume, target, patch in rows]
        voxels, target = (np.stack(part) for part in zip(*views, strict=True))
        return {"voxels": voxels[:, None], "target": target}

    def network(self, state: State, head: Head) -> "Module":
        """A `torch.nn.Module`: voxels → raw [row, channel, x, y, z]."""
        return build(self.width, head.channels)

    def parts(self, onnx: OnnxPart, state: State) -> list[Part]:
        """Cut into overlapping patches, answer each by itself, and stitch the answers on the volume's own grid."""
        settings = {"overlap": self.overlap}
        cutter, stitcher = (
            NamedPart("patches-cut", cut, settings=settings),
            NamedPart("patches-stitch", stitch, settings=settings),
        )
        return [cutter, replace(onnx, at_once=1), stitcher]

    def _view(
        self, volume: Volume, target: Index, patch: Index, rng: np.random.Generator | None
    ) -> tuple[Volume, Index]:
        room = np.asarray(volume.shape) - patch
        start, matrix = room // 2, np.eye(3)
        if rng is not None:
            start = rng.integers(np.minimum(room, 0), np.maximum(room, 0) + 1)
            matrix = turned(rng.normal(0, self.turn, 3)) * (1 + rng.normal(0, self.scale))
        middle = (patch - 1) / 2
        look = {"matrix": matrix, "offset": start + middle - matrix @ middle, "output_shape": tuple(patch)}
        voxels = ndimage.affine_transform(volume, order=1, cval=0.0, **look)
        labels = ndimage.affine_transform(target.astype(np.int16), order=0, cval=-1, **look)
        if rng is not None:
            contrast, brightness = rng.normal((1, 0), self.intensity)
            voxels = voxels * contrast + brightness + rng.normal(0, self.intensity, voxels.shape)
        return voxels.astype(np.float32), labels.astype(np.int64)


def normalised(values: Volume) -> Volume:
    """Mean 0 and deviation 1 over the volume's own numbers; what is no number becomes the mean, 0."""
    known = np.isfinite(values)
    numbers = values[known].astype(np.float64)
    spread = float(numbers.std()) if numbers.size else 0.0
    if spread == 0.0:
        return np.zeros(values.shape, np.float32)
    return np.where(known, (values - numbers.mean()) / spread, 0.0).astype(np.float32)


def patch_shape(shape: npt.NDArray[np.float64], voxels: int) -> list[int]:
    """Close to a volume's proportions, at most about `voxels`, each side a multiple of `STRIDE`."""
    share = min(1.0, (voxels / float(np.prod(shape))) ** (1 / 3))
    return [max(STRIDE, STRIDE * round(float(side) * share / STRIDE)) for side in shape]


def turned(angles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The rotation by three angles (radians), one about each axis: float64 [3, 3]."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_euler("XYZ", angles * (1, -1, 1)).as_matrix())


def starts(size: int, patch: int, overlap: float) -> list[int]:
    """Where patches begin along one axis: evenly spaced, sharing at least `overlap`; below 0 in a smaller volume."""
    if size <= patch:
        return [-((patch - size) // 2)]
    count = 1 + int(np.ceil((size - patch) / (patch * (1 - overlap))))
    return [round(i * (size - patch) / (count - 1)) for i in range(count)]


def places(shape: tuple[int, ...], patch: Index, overlap: float) -> Iterator[tuple[Box, Box]]:
    """For each patch of a volume: where it lies in the volume, and which part of the patch that is, as slices."""
    for corner in product(*map(starts, shape, patch.tolist(), [overlap] * 3)):
        low, high = np.maximum(corner, 0), np.minimum(corner + patch, shape)
        yield tuple(map(slice, low, high)), tuple(map(slice, low - corner, high - corner))


def cut(values: Values, arrays: Arrays, settings: PartSettings) -> Values:  # noqa: ARG001
    """Every patch of every volume, 0 outside: voxels, float32 [patch, 1, x, y, z]."""
    pieces = []
    for volume, patch in zip(values["volume"], values["patch"], strict=True):
        for inside, of_patch in places(volume.shape, patch, settings["overlap"]):
            piece = np.zeros(patch, np.float32)
            piece[of_patch] = volume[inside]
            pieces.append(piece[None])
    return {"voxels": np.stack(pieces)}


def stitch(values: Values, arrays: Arrays, settings: PartSettings) -> Values:  # noqa: ARG001
    """Raw answers of patches → of volumes, the middle of a patch weighing more than its rim.

    raw: float32 [voxel, channel], volume after volume; shape: int64 [row, 3].
    """
    answers, stitched = iter(values["raw"]), []
    for volume, patch in zip(values["volume"], values["patch"], strict=True):
        weight = bell(tuple(patch))
        total = np.zeros((values["raw"].shape[1], *volume.shape), np.float32)
        weights = np.zeros(volume.shape, np.float32)
        for inside, of_patch in places(volume.shape, patch, settings["overlap"]):
            answer = next(answers)
            total[(slice(None), *inside)] += answer[(slice(None), *of_patch)] * weight[of_patch]
            weights[inside] += weight[of_patch]
        stitched.append((total / weights).reshape(len(total), -1).T)
    shape = np.array([volume.shape for volume in values["volume"]], np.int64)
    return {"raw": np.concatenate(stitched), "shape": shape}


def bell(patch: tuple[int, ...]) -> Volume:
    """A Gaussian over a patch, its deviation a fifth of each side, never 0: float32 [x, y, z]."""
    axes = [np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n / 5)) ** 2) for n in patch]
    return np.asarray(np.einsum("i,j,k->ijk", *axes).clip(1e-3), np.float32)


def build(width: int, channels: int) -> "Module":
    """The network: raw answers [row, channel, x, y, z] for voxels [row, 1, x, y, z]."""
    torch = need("torch", extra="train", to="train the U-Net")
    nn = torch.nn

    def layer(inputs: int, outputs: int, stride: int = 1) -> "Module":
        convolution = nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        return nn.Sequential(convolution, nn.InstanceNorm3d(outputs, affine=True), nn.LeakyReLU(0.01))

    class Network(nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            w = width
            self.fine = nn.Sequential(nn.Conv3d(1, w, 2, 2), layer(w, w), layer(w, w))
            self.middle = nn.Sequential(layer(w, 2 * w, 2), layer(2 * w, 2 * w))
            self.coarse = nn.Sequential(layer(2 * w, 4 * w, 2), layer(4 * w, 4 * w))
            self.to_middle = nn.ConvTranspose3d(4 * w, 2 * w, 2, 2)
            self.join_middle = layer(4 * w, 2 * w)
            self.to_fine = nn.ConvTranspose3d(2 * w, w, 2, 2)
            self.join_fine = layer(2 * w, w)
            self.to_full = nn.ConvTranspose3d(w, 8, 2, 2)
            self.answer = nn.Sequential(layer(9, 8), nn.Conv3d(8, channels, 1))

        def forward(self, voxels: "Tensor") -> "Tensor":
            fine = self.fine(voxels)
            middle = self.middle(fine)
            upper = self.to_middle(self.coarse(middle))
            middle = self.join_middle(torch.cat([middle, upper], 1))
            fine = self.join_fine(torch.cat([fine, self.to_fine(middle)], 1))
            return self.answer(torch.cat([voxels, self.to_full(fine)], 1))

    return Network().to(memory_format=torch.channels_last_3d)
