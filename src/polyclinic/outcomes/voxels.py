"""A label for every voxel of a volume: segmentation.

A *picture* is an array of one volume: of intensities, or of labels. Its format's reader gives it in one orientation
whatever its file has, so that Dice and losses compare what lies at the same place.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
from annotated_types import Gt

from polyclinic import registry
from polyclinic.arrays import Array, Floats
from polyclinic.decisions import Decision
from polyclinic.errors import BadData, Place, UsageError
from polyclinic.outcomes.outcome import Outcome, measures_of
from polyclinic.outcomes.raw import Head, Per, Raw
from polyclinic.samples import Column, File, Role, Samples
from polyclinic.samples.prediction_columns import (
    BY_STRUCTURE,
    DICE,
    HD95,
    PATH,
    REFERENCE,
    REFERENCE_VOLUME,
    SURFACE_DICE,
    VOLUME,
)
from polyclinic.samples.samples import of_rows
from polyclinic.state import State
from polyclinic.timelines.format import FileReader, file_readers

if TYPE_CHECKING:
    from torch import Tensor

    from polyclinic.evaluation.evaluated_rows import EvaluatedRows
    from polyclinic.evaluation.measures import Measure
    from polyclinic.evaluation.outcome_section import OutcomeSection
    from polyclinic.evaluation.scores import Score

Pair: TypeAlias = tuple[Array, Array | None, tuple[float, ...]]
"""Predicted and true channel numbers [x, y, z], None without a reference, and the millimetres between voxels."""


@dataclass(frozen=True)
class Voxels(Outcome):
    """Which structure each voxel belongs to. The target is a File column of label pictures.

    Channel 0 is the background, channel k the k-th label in rising order.

    Parameters
    ----------
    labels
        Number in the pictures → name of the structure, or names for 1, 2, …; 0 is the background.
    tolerance_mm
        Of the surface Dice: what an expert would accept as the same surface.
    """

    labels: dict[int, str] | tuple[str, ...]
    tolerance_mm: Annotated[float, Gt(0)] = 1.0
    kind: ClassVar[str] = "voxels"
    example: ClassVar[dict[str, Any]] = {"labels": {1: "small", 2: "large"}}
    planted_size: ClassVar[int] = 20
    truth_columns: ClassVar[tuple[str, ...]] = (REFERENCE,)
    answer_columns: ClassVar[tuple[str, ...]] = ()
    per: ClassVar[Per] = "grid"

    @property
    def names(self) -> dict[int, str]:
        """Label number → name, rising, without the background."""
        labels = self.labels if isinstance(self.labels, Mapping) else dict(enumerate(self.labels, start=1))
        return {int(number): str(name) for number, name in sorted(labels.items()) if int(number) != 0}

    def columns(
        self, target: Mapping[str, object], rows: pl.DataFrame, files: Mapping[str, FileReader]
    ) -> dict[str, Column]:
        """The label pictures, read by the source's own reader; raises `UsageError` where there is none."""
        name = str(target["column"])
        if name not in files:
            what, fix = f"the target {name!r} is no column of pictures", "name the column of the label pictures"
            raise UsageError(what, at=Place(column=name), fix=fix)
        return {name: File(rows[name].fill_null("").to_numpy().astype(str), files[name])}

    def target(self, rows: Samples, state: State) -> npt.NDArray[np.object_]:
        """One int64 array of channel numbers [x, y, z] a row. Raises `BadData` for a label that has no name."""
        column = rows.target
        if not isinstance(column, File):
            return np.empty(0, object)
        pairs = zip(column.read_all(), column.references.tolist(), strict=True)
        return np.fromiter((self._channels(picture.values, path) for picture, path in pairs), np.object_)

    def _channels(self, values: Array, file: str) -> npt.NDArray[np.int64]:
        known = np.array([0, *self.names])
        place = np.searchsorted(known, values).clip(0, len(known) - 1)
        if (wrong := known[place] != values).any():
            what = f"a label picture has {wrong.sum()} voxels with a label that has no name"
            fix = f"name every label of the pictures in `labels`; named: {', '.join(map(str, known))}"
            raise BadData(what, at=Place(file=file), fix=fix)
        return place.astype(np.int64)

    def head(self, rows: Samples, state: State) -> Head:
        """One channel a label, background included, for each voxel of the first input picture."""
        return Head(f"grid:{next(iter(of_rows(rows, File)))}", len(self.names) + 1, "log scores")

    def loss(self, raw: "Tensor", batch: Mapping[str, "Tensor"], state: State) -> "Tensor":
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

    def link(self, raw: Raw, state: State) -> Raw:
        """Scores → probabilities over the channels of each voxel."""
        from scipy.special import softmax

        return Raw(softmax(raw.values, axis=-1), raw.shape)

    def predictions(self, answer: Raw, rows: Samples, *, decision: Decision | None, folder: Path) -> pl.DataFrame:
        """`path` of a label picture a row, written with the input picture's own writer and geometry.

        A picture has the name of its case. The path is relative to the parent of `folder`, so that a table beside that
        folder can be moved with it. `volume_ml//NAME` is each structure's volume. Where the rows have a target, each
        row has its own `dice//NAME`, `surface_dice//NAME`, `hd95//NAME` (null: the structure is in neither picture)
        and `reference_ml//NAME`.
        """
        pictures: File = next(iter(of_rows(rows, File).values()))
        write = pictures.reader.write
        if write is None:
            fix = "let its format's `files` give the column of input pictures a FileReader with `write`"
            raise UsageError(f"the reader {pictures.reader.name!r} cannot write a label picture", fix=fix)
        numbers = np.array([0, *self.names])
        channels = [grid.argmax(axis=-1) for grid in answer.rows()]
        stems = rows.row_id if rows.file_names is None else rows.file_names
        names = [f"{stem}{pictures.reader.ending}" for stem in stems]
        folder.mkdir(parents=True, exist_ok=True)
        sources = pictures.references.tolist()
        for channel, source, name in zip(channels, sources, names, strict=True):
            write(numbers[channel].astype(np.int16), source, folder / name)
        table = pl.DataFrame({PATH: [f"{folder.name}/{name}" for name in names]}, {PATH: pl.String})
        truth: dict[int, Array] = {}
        if rows.having("target"):
            known = np.flatnonzero(rows.labelled).tolist()
            truth = dict(zip(known, self.target(rows.take(known), State()), strict=True))
        spacings = [
            spacing_of(pictures.reader, source, channel) for source, channel in zip(sources, channels, strict=True)
        ]
        compared = [(channel, truth.get(row), spacings[row]) for row, channel in enumerate(channels)]
        return table.hstack(self._measured(compared, BY_STRUCTURE if rows.having("target") else (VOLUME,)))

    def _measured(self, pairs: Iterable[Pair], prefixes: Sequence[str]) -> pl.DataFrame:
        """The columns of these prefixes, a number a structure; null where there is none, or nothing to compare with."""
        names = [f"{prefix}{name}" for prefix in prefixes for name in self.names.values()]
        table = [[value for prefix in prefixes for value in self._row(pair)[prefix]] for pair in pairs]
        return pl.DataFrame(np.reshape(table, (-1, len(names))).astype(np.float64), names).fill_nan(None)

    def _row(self, pair: Pair) -> dict[str, Floats]:
        """Prefix of a column → one number a structure, float64 [structure]; NaN where there is none."""
        from polyclinic.outcomes.structure_scores import surfaces, volumes_ml  # it loads SciPy, which takes long

        y_pred, y_true, spacing = pair
        missing = np.full(count := len(self.names), np.nan)
        if y_true is None:
            volume = volumes_ml(y_pred, count, spacing) if y_pred.size else missing
            return {**dict.fromkeys(BY_STRUCTURE, missing), VOLUME: volume}
        surface_dice, distance = surfaces(y_pred, y_true, count, spacing, self.tolerance_mm)
        volumes = {VOLUME: y_pred, REFERENCE_VOLUME: y_true}
        return {
            DICE: dice(y_pred, y_true, count),
            SURFACE_DICE: surface_dice,
            HD95: distance,
            **{prefix: volumes_ml(channels, count, spacing) for prefix, channels in volumes.items()},
        }

    def truth(self, rows: Samples) -> pl.DataFrame:
        """`reference`: the path of the true label picture, null where there is none."""
        pictures = rows.target if rows.having("target") else None
        paths = pictures.references.tolist() if isinstance(pictures, File) else [None] * len(rows)
        return pl.DataFrame({REFERENCE: [path or None for path in paths]}, {REFERENCE: pl.String})

    @property
    def measures(self) -> "tuple[Measure, ...]":
        """`dice`, the mean over a row's structures, averaged over rows; `dice//NAME`, one structure's; and so surface
        Dice, distance and volume error.
        """
        return tuple(measure for whole in self._wholes() for measure in (whole, *self._parts(whole)))

    def _wholes(self) -> "tuple[Measure, ...]":
        dice_, surface, distance, volume = measures_of(("dice", "surface_dice", "hd95", "volume_error"))
        return dice_, replace(surface, title=f"{surface.title} at {self.tolerance_mm:g} mm"), distance, volume

    def _parts(self, whole: "Measure") -> "list[Measure]":
        return [whole.of_part(name, whole.score, self._title(name)) for name in self.names.values()]

    def _title(self, name: str) -> str:
        """How the page calls a structure: one without a name by its label."""
        return f"label {name}" if name.isdigit() else name.replace("_", " ")

    def scores(self, frame: pl.DataFrame) -> "dict[str, Score]":
        """Of each row's own numbers; reads `path` and `reference` only where the table lacks them."""
        values = self._by_measure(self.measured(frame))
        return {measure.name: measure.score(values[measure.name]) for measure in self.measures}

    def measured(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The table with a number a structure in each row, read from `path` and `reference` where it has none."""
        if any(f"{DICE}{name}" in frame.columns for name in self.names.values()):
            return frame
        return frame.hstack(self._measured(self._read(frame), BY_STRUCTURE))

    def _by_measure(self, frame: pl.DataFrame) -> dict[str, Floats]:
        """Name of a measure → float64 [row], NaN where a row has none."""
        values: dict[str, Floats] = {}
        for name, prefix in (("dice", DICE), ("surface_dice", SURFACE_DICE), ("hd95", HD95)):
            values |= self._of_structures(name, [_numbers(frame, f"{prefix}{one}") for one in self.names.values()])
        volumes = [
            (_numbers(frame, f"{VOLUME}{n}"), _numbers(frame, f"{REFERENCE_VOLUME}{n}")) for n in self.names.values()
        ]
        errors = [
            np.where((true == 0) & (predicted == 0), np.nan, np.abs(predicted - true)) for predicted, true in volumes
        ]
        return values | self._of_structures("volume_error", errors)

    def _of_structures(self, name: str, columns: Sequence[Floats]) -> dict[str, Floats]:
        """The mean of each row over its structures, and each structure by itself."""
        table = pl.DataFrame(
            {f"{name}//{one}": column for one, column in zip(self.names.values(), columns, strict=True)}
        )
        whole = table.fill_nan(None).mean_horizontal().cast(pl.Float64).fill_null(np.nan).to_numpy()
        return {name: whole, **{column: table[column].to_numpy() for column in table.columns}}

    def _read(self, frame: pl.DataFrame) -> Iterator[Pair]:
        for row, (path, reference) in enumerate(frame.select(PATH, REFERENCE).iter_rows()):
            if not (path and reference):
                yield np.zeros(0, np.int64), None, ()
                continue
            reader = label_reader(Path(reference))
            y_pred, y_true = label_reader(Path(path)).read(path).values, reader.read(reference).values
            differs = "" if reader.differs is None else reader.differs(path, reference)
            if y_pred.shape != y_true.shape:
                differs = f"shape {y_pred.shape} is not {y_true.shape}"
            if differs:
                what = f"the predicted picture does not lie where its reference lies: {differs}"
                fix = "write predictions on the grid of the reference"
                raise BadData(what, at=Place(file=path, row=row), fix=fix)
            spacing = spacing_of(reader, reference, y_true)
            yield self._channels(y_pred, path), self._channels(y_true, reference), spacing

    def sections(self, rows: "EvaluatedRows") -> "Sequence[OutcomeSection]":
        """Volumes, structures that were missed or invented, and where they may be shown the best, the median and the
        worst case.
        """
        sections: Sequence[OutcomeSection] = registry.load("evaluations", "structure-sections")(rows, self)
        return sections

    @classmethod
    def of_table(cls, frame: pl.DataFrame) -> Self:
        """The settings that follow from a table of paths alone: the labels that occur."""
        named = [c.removeprefix(DICE) for c in frame.columns if c.startswith(DICE)]
        paths = [p for p in frame[REFERENCE].to_list() if p] if REFERENCE in frame.columns else []
        if named or not paths:
            return cls(tuple(named))
        pictures = (label_reader(Path(path)).read(path).values for path in dict.fromkeys(paths))
        numbers = {int(number) for picture in pictures for number in np.unique(picture)}
        return cls({number: str(number) for number in sorted(numbers - {0})})

    def check(self, rows: Samples, where: str) -> None:
        """Raise `BadData` where a structure occurs in none of these targets."""
        channels = set().union(*(np.unique(picture).tolist() for picture in self.target(rows, State())))
        absent = [name for channel, name in enumerate(self.names.values(), start=1) if channel not in channels]
        if absent:
            what = f"no voxel of {absent[0]!r} in {where}: there is nothing to learn it from"
            fix = "check the numbers in `labels`, or use fewer folds"
            raise BadData(what, at=Place(file=where), fix=fix)

    def facts(self, rows: Samples) -> dict[str, object]:
        """Voxels by label over all labelled rows, and how many rows are labelled."""
        totals = np.zeros(len(self.names) + 1, np.int64)
        for picture in self.target(rows.take(rows.labelled), State()):
            totals += np.bincount(picture.ravel(), minlength=len(totals))
        voxels = dict(zip(["background", *self.names.values()], totals.tolist(), strict=True))
        return {"labelled": int(rows.labelled.sum()), "voxels": voxels}

    def planted(self, n: int, seed: int) -> Samples:
        """Noisy volumes of unequal size with one ball of each label, the brighter the higher the label."""
        here, rows = _planted(n, seed, tuple(self.names)).name, np.arange(n, dtype=np.int64)
        roles: dict[str, Role] = {"image": "input", "label": "target"}
        paths = {kind: np.array([f"{here}/{row}-{kind}.npy" for row in rows], str) for kind in roles}
        columns = {kind: File(names, PLANTED, {"channels": 1}) for kind, names in paths.items()}
        return Samples(rows, columns, roles, {"subject": rows})


def spacing_of(reader: FileReader, path: str, values: Array) -> tuple[float, ...]:
    """Millimetres between neighbouring values along each axis; 1 where the files have no geometry."""
    return (1.0,) * values.ndim if reader.spacing is None else reader.spacing(path)


def _numbers(frame: pl.DataFrame, name: str) -> Floats:
    """float64 [row] of a column, NaN where it is null or not there."""
    if name not in frame.columns:
        return np.full(frame.height, np.nan)
    return frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def dice(y_pred: Array, y_true: Array, structures: int) -> npt.NDArray[np.float64]:
    """The overlap of two label pictures, structure by structure.

    Parameters
    ----------
    y_pred, y_true
        Channel numbers of the same shape, 0 … structures.
    structures
        How many there are beside the background.

    Returns
    -------
    ndarray
        float64 [structure]: twice the common voxels over the sum of both; NaN where neither picture has the structure.

    References
    ----------
    Dice 1945, doi:10.2307/1932409.
    """
    size = structures + 1
    pairs = np.bincount(y_pred.ravel() * size + y_true.ravel(), minlength=size * size).reshape(size, size)
    either = (pairs.sum(axis=0) + pairs.sum(axis=1)).astype(np.float64)
    shares = np.divide(2 * pairs.diagonal(), either, out=np.full(size, np.nan), where=either > 0)
    return np.asarray(shares[1:])


def label_reader(path: Path) -> FileReader:
    """The label reader of the first registered format of rows that knows this file; raises `BadData`."""
    if path.suffix == ".npy":
        return PLANTED
    for name in registry.entries("formats"):
        readers = list(file_readers(name).values())
        if readers and registry.load("formats", name)().sniff(path):
            return readers[-1]
    at, fix = Place(file=str(path)), "see `polyclinic list formats`"
    raise BadData("no installed format reads this picture", at=at, fix=fix)


@dataclass(frozen=True, slots=True, eq=False)
class PlantedPicture:
    """values: [x, y, z]."""

    values: Array


def read_planted(path: str) -> PlantedPicture:
    """Read a `.npy` volume."""
    return PlantedPicture(np.load(path, allow_pickle=False))


def write_planted(values: Array, reference: str, out: Path) -> None:  # noqa: ARG001
    """Write a `.npy` volume; it has no geometry to take from the reference."""
    np.save(out, values)


PLANTED = FileReader(read_planted, write_planted, ".npy")


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
