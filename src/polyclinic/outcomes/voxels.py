"""A label for every voxel of a volume: segmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from polyclinic import registry
from polyclinic.errors import BadData, Place
from polyclinic.evaluation.scores import Array, Score, row_mean
from polyclinic.outcomes.outcome import Head, Raw
from polyclinic.samples import File, Samples
from polyclinic.samples.samples import of_rows

if TYPE_CHECKING:
    import polars as pl

HERE = "polyclinic.outcomes.voxels"


@dataclass(frozen=True)
class Voxels:
    """Which structure each voxel belongs to. The target is a File column of label pictures.

    labels: number in the pictures → name of the structure (or names for 1, 2, …); 0 is the background.
    reader: dotted function that reads label pictures where a table names only their paths (`measures`).
    Channel 0 is the background, channel k the k-th label in rising order.
    """

    labels: dict[int, str] | tuple[str, ...]
    reader: str = f"{HERE}:read_planted"
    kind: ClassVar[str] = "voxels"
    example: ClassVar[dict[str, Any]] = {"labels": {1: "small", 2: "large"}}
    planted_size: ClassVar[int] = 20
    primary: ClassVar[str] = "dice"
    truth_columns: ClassVar[tuple[str, ...]] = ("reference",)

    @property
    def names(self) -> dict[int, str]:
        """Label number → name, rising, without the background."""
        given = self.labels if isinstance(self.labels, Mapping) else dict(enumerate(self.labels, start=1))
        return {int(k): str(v) for k, v in sorted(given.items()) if int(k) != 0}

    @property
    def scores(self) -> tuple[str, ...]:
        """`dice`, and `dice//NAME` for each structure."""
        return ("dice", *(f"dice//{name}" for name in self.names.values()))

    def target(self, rows: Samples) -> npt.NDArray[Any]:
        """One int64 array of channel numbers [x, y, z] a row. Raises `BadData` for a label that has no name."""
        column = rows.target
        pictures = column.read_all() if isinstance(column, File) else []
        found = np.empty(len(pictures), object)
        for row, picture in enumerate(pictures):
            found[row] = self._channels(picture.values, str(column.references[row]))  # type: ignore[union-attr]
        return found

    def _channels(self, values: Array, file: str) -> npt.NDArray[np.int64]:
        known = np.array([0, *self.names])
        place = np.searchsorted(known, values).clip(0, len(known) - 1)
        if (wrong := known[place] != values).any():
            raise BadData(
                f"a label picture has {int(wrong.sum())} voxels with a label that has no name",
                at=Place(file=file),
                fix=f"name every label of the pictures in `labels`; named: {', '.join(map(str, known))}",
            )
        return place.astype(np.int64)

    def head(self, rows: Samples) -> Head:
        """One channel a label, background included, for each voxel of the first input picture."""
        return Head(f"grid:{next(iter(of_rows(rows, File)))}", len(self.names) + 1)

    def loss(self, raw: Any, batch: Mapping[str, Any]) -> Any:
        """Cross-entropy plus one less the soft Dice of the structures: torch [row].

        raw: [row, channel, x, y, z]; batch["target"]: channel numbers [row, x, y, z], -1 outside the picture.
        """
        from torch.nn.functional import cross_entropy, one_hot

        target = batch["target"].long()
        inside = (target >= 0).unsqueeze(1).to(raw.dtype)
        axes = tuple(range(2, raw.ndim))
        surprise = cross_entropy(raw, target, reduction="none", ignore_index=-1).flatten(1).sum(1)
        truth = one_hot(target.clamp(min=0), raw.shape[1]).movedim(-1, 1).to(raw.dtype) * inside
        share = raw.softmax(dim=1) * inside
        both, either = (share * truth).sum(axes), (share + truth).sum(axes)
        dice = ((2 * both + 1) / (either + 1))[:, 1:].mean(1)
        return surprise / inside.flatten(1).sum(1).clamp(min=1) + 1 - dice

    def link(self, raw: Raw) -> Raw:
        """Scores → probabilities over the channels of each voxel."""
        powers = np.exp(raw.values - raw.values.max(axis=-1, keepdims=True))
        return Raw(powers / powers.sum(axis=-1, keepdims=True), raw.shape)

    def predictions(
        self, answer: Raw, rows: Samples, *, threshold: float | None, folder: Path
    ) -> pl.DataFrame:
        """`path` of a label picture a row, written with the input picture's own writer and geometry.

        The path is relative to the parent of `folder`, so that a table beside that folder can be moved with it.
        Where the rows have a target, `dice//NAME` holds each row's own Dice (null: the structure is in neither).
        """
        import polars as pl

        pictures = next(iter(of_rows(rows, File).values()))
        write = _function(pictures.spec["writer"])
        numbers = np.array([0, *self.names])
        maps = [grid.argmax(axis=-1) for grid in answer.rows()]
        paths = []
        folder.mkdir(parents=True, exist_ok=True)
        for row, (found, source) in enumerate(zip(maps, map(str, pictures.references), strict=True)):
            out = folder / f"{rows.row_id[row]}{_ending(source)}"
            write(numbers[found].astype(np.int16), source, out)
            paths.append(out.relative_to(folder.parent).as_posix())
        return pl.DataFrame({"path": pl.Series(paths, dtype=pl.String), **self._dice(maps, rows)})

    def _dice(self, maps: Sequence[Array], rows: Samples) -> Mapping[str, pl.Series]:
        if not rows.having("target"):
            return {}
        known = np.flatnonzero(rows.labelled)
        table = np.full((len(rows), len(self.names)), np.nan)
        for row, truth in zip(known.tolist(), self.target(rows.take(known)), strict=True):
            table[row] = dice(maps[row], truth, len(self.names))
        return self._columns(table)

    def _columns(self, table: Array) -> dict[str, pl.Series]:
        import polars as pl

        names = [f"dice//{name}" for name in self.names.values()]
        return {name: pl.Series(name, v).fill_nan(None) for name, v in zip(names, table.T, strict=True)}

    def truth(self, rows: Samples) -> pl.DataFrame:
        """`reference`: the path of the true label picture, null where there is none."""
        import polars as pl

        target = list(rows.having("target").values())
        paths = [str(p) or None for p in target[0].references] if target else [None] * len(rows)  # type: ignore[union-attr]
        return pl.DataFrame({"reference": pl.Series(paths, dtype=pl.String)})

    def measures(self, frame: pl.DataFrame) -> dict[str, Score]:
        """`dice` is a row's mean over its structures, averaged over rows; `dice//NAME` is one structure's.

        Reads `path` and `reference` with `reader` only where the table lacks the rows' own Dice.
        """
        import polars as pl

        names = list(self.scores[1:])
        if not set(names) <= set(frame.columns):
            frame = frame.with_columns(**self._columns(self._read(frame)))
        table = frame.select(names).cast(pl.Float64).to_numpy()
        present = ~np.isnan(table)
        sums, counts = np.where(present, table, 0).sum(axis=1), present.sum(axis=1)
        mean = np.divide(sums, counts, out=np.full(len(table), np.nan), where=counts > 0)
        return {"dice": row_mean(mean), **{n: row_mean(v) for n, v in zip(names, table.T, strict=True)}}

    def _read(self, frame: pl.DataFrame) -> Array:
        read, table = _function(self.reader), np.full((frame.height, len(self.names)), np.nan)
        for row, (path, reference) in enumerate(frame.select("path", "reference").iter_rows()):
            if path and reference:
                found, truth = read(path).values, read(reference).values
                if found.shape != truth.shape:
                    raise BadData(
                        f"the predicted picture has shape {found.shape}, its reference {truth.shape}",
                        at=Place(file=path, row=row),
                        fix="write predictions on the grid of the reference",
                    )
                pair = self._channels(found, path), self._channels(truth, reference)
                table[row] = dice(*pair, len(self.names))
        return table

    @classmethod
    def of_table(cls, frame: pl.DataFrame) -> Voxels:
        """The settings that a table of paths alone tells: the labels that occur, and who reads such a file."""
        named = [c.removeprefix("dice//") for c in frame.columns if c.startswith("dice//")]
        paths = [p for p in frame["reference"].to_list() if p] if "reference" in frame.columns else []
        if named or not paths:
            return cls(tuple(named))
        reader = _reader_of(Path(paths[0]))
        seen = {int(n) for path in dict.fromkeys(paths) for n in np.unique(_function(reader)(path).values)}
        return cls({n: str(n) for n in sorted(seen - {0})}, reader)

    def check(self, target: npt.NDArray[Any], where: str) -> None:
        """Raise `BadData` where a structure occurs in none of these targets."""
        seen = set().union(*(np.unique(t).tolist() for t in target))
        absent = [name for k, name in enumerate(self.names.values(), start=1) if k not in seen]
        if absent:
            raise BadData(
                f"no voxel of {absent[0]!r} in {where}: there is nothing to learn it from",
                at=Place(file=where),
                fix="check the numbers in `labels`, or use fewer folds",
            )

    def summary(self, rows: Samples) -> dict[str, Any]:
        """Voxels by label over all labelled rows, and how many rows are labelled."""
        totals = np.zeros(len(self.names) + 1, np.int64)
        for picture in self.target(rows.take(rows.labelled)):
            totals += np.bincount(picture.ravel(), minlength=len(totals))
        names = ["background", *self.names.values()]
        return {
            "labelled": int(rows.labelled.sum()),
            "voxels": dict(zip(names, totals.tolist(), strict=True)),
        }

    def planted(self, n: int, seed: int) -> Samples:
        """Noisy volumes of unequal size with one ball of each label, the brighter the higher the label."""
        folder = _planted(n, seed, tuple(self.names))
        here = Path(folder.name)
        spec = {"writer": f"{HERE}:write_planted", "channels": 1}
        columns = {
            kind: File(
                np.array([str(here / f"{i}-{kind}.npy") for i in range(n)], str), f"{HERE}:read_planted", spec
            )
            for kind in ("image", "label")
        }
        roles = {"image": "input", "label": "target"}
        rows = np.arange(n, dtype=np.int64)
        return Samples(rows, columns, roles, {"subject": rows})  # type: ignore[arg-type]


def dice(found: Array, truth: Array, structures: int) -> npt.NDArray[np.float64]:
    """Dice of channels 1 … structures of two pictures (Dice 1945); NaN where neither has the structure."""
    size = structures + 1
    pairs = np.bincount(found.ravel() * size + truth.ravel(), minlength=size * size).reshape(size, size)
    either = (pairs.sum(axis=0) + pairs.sum(axis=1)).astype(np.float64)
    shares = np.divide(2 * pairs.diagonal(), either, out=np.full(size, np.nan), where=either > 0)
    return np.asarray(shares[1:])


def _ending(path: str) -> str:
    *before, last = Path(path).suffixes or [""]
    return f"{before[-1]}{last}" if before and last == ".gz" else last


def _reader_of(path: Path) -> str:
    """The label reader of the first registered format of rows that knows this file."""
    if path.suffix == ".npy":
        return f"{HERE}:read_planted"
    for name in registry.entries("formats"):
        found = registry.load("formats", name)()
        if found.gives == "rows" and found.files and found.sniff(path):
            return str(list(found.files.values())[-1]["reader"])
    raise BadData(
        "no installed format reads this picture",
        at=Place(file=str(path)),
        fix="see `polyclinic list formats`",
    )


def _function(dotted: str) -> Any:
    module, _, attribute = dotted.partition(":")
    return getattr(import_module(module), attribute)


class Picture(NamedTuple):
    """What `read_planted` gives: values [x, y, z], spacing in millimetres."""

    values: Array
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)


def read_planted(path: str) -> Picture:
    """Read a `.npy` volume."""
    return Picture(np.load(path, allow_pickle=False))


def write_planted(values: Array, reference: str, out: Path) -> None:  # noqa: ARG001
    """Write a `.npy` volume; it has no geometry to take from the reference."""
    np.save(out, values)


@cache
def _planted(n: int, seed: int, labels: tuple[int, ...]) -> TemporaryDirectory[str]:
    """The planted files, kept until the process ends."""
    rng, folder = np.random.default_rng(seed), TemporaryDirectory(prefix="polyclinic-planted-")
    for row in range(n):
        shape = tuple(rng.integers(14, 19, 3))
        image, label = rng.normal(0, 0.2, shape).astype(np.float32), np.zeros(shape, np.int16)
        grid = np.indices(shape)
        for place, number in enumerate(labels, start=1):
            centre = rng.uniform(4, np.array(shape) - 4).reshape(3, 1, 1, 1)
            ball = ((grid - centre) ** 2).sum(axis=0) <= rng.uniform(3.0, 4.0) ** 2
            label[ball] = number
            image[ball] += np.float32(2.0 * place) - image[ball].round()
        np.save(Path(folder.name) / f"{row}-image.npy", image)
        np.save(Path(folder.name) / f"{row}-label.npy", label)
    return folder
