"""What is looked at of label pictures beside the scores: volumes, structures missed or invented, and single cases."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl

from polyclinic.arrays import Array, Floats
from polyclinic.evaluation.estimates import Estimate
from polyclinic.evaluation.evaluated_rows import Cases, EvaluatedRows
from polyclinic.evaluation.jackknife import jackknife
from polyclinic.evaluation.outcome_section import OutcomeSection
from polyclinic.evaluation.scores import row_mean
from polyclinic.figures.pictures import packed
from polyclinic.samples import File
from polyclinic.samples.prediction_columns import DICE, PATH, REFERENCE_VOLUME, VOLUME
from polyclinic.samples.samples import of_rows

LONGEST = 160
"""Voxels along the longer side of a slice that a report holds; a larger one is thinned out."""
MOST_POINTS = 500
DIRECTIONS = ("sagittal", "coronal", "axial")


class Structured(Protocol):
    """An outcome, as far as it names structures; see `polyclinic.outcomes.voxels.Voxels`."""

    @property
    def names(self) -> Mapping[int, str]: ...

    def measured(self, frame: pl.DataFrame) -> pl.DataFrame: ...


@dataclass(frozen=True, slots=True)
class StructureVolumes:
    """The volumes of one structure over the test rows of the chosen model.

    Attributes
    ----------
    structure
        Its name.
    cases, absent
        Rows with a reference, and those of them in which the reference lacks the structure.
    missed, invented
        Rows in which the reference alone has it, and in which the prediction alone has it.
    reference_ml, predicted_ml
        Mean volume.
    difference_ml
        Mean of predicted less true volume.
    agreement_ml
        Where 95 % of the differences lie, were they normal: the mean less and plus 1.96 standard deviations (Bland and
        Altman 1986); None below two rows.
    points
        True and predicted volume of each row, at most 500, where single cases may be shown.
    """

    structure: str
    cases: int
    absent: int
    missed: int
    invented: int
    reference_ml: Estimate
    predicted_ml: Estimate
    difference_ml: Estimate
    agreement_ml: tuple[float, float] | None
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class PackedSlice:
    """A slice as text; see `polyclinic.figures.pictures.Slice`."""

    name: str
    rows: int
    columns: int
    sides: tuple[float, float]
    grey: str
    predicted: str
    reference: str


@dataclass(frozen=True, slots=True)
class ShownCase:
    """A single case: its rank (best, median, worst), its name, the Dice of its structures, and three slices."""

    rank: str
    name: str
    dice: Mapping[str, float | None]
    slices: tuple[PackedSlice, ...]


@dataclass(frozen=True, eq=False)
class StructureEvaluation:
    """The test rows of the chosen model, each with a number a structure; numbers: label in the pictures → its name."""

    rows: EvaluatedRows
    frame: pl.DataFrame
    names: Mapping[int, str]

    def numbers(self, prefix: str, name: str) -> Floats:
        """One number a row, NaN where there is none."""
        column = f"{prefix}{name}"
        if column not in self.frame.columns:
            return np.full(self.frame.height, np.nan)
        return self.frame[column].cast(pl.Float64).fill_null(np.nan).to_numpy()

    def volumes(self) -> list[StructureVolumes]:
        """Each structure."""
        return [self._volumes(name) for name in self.names.values()]

    def _volumes(self, name: str) -> StructureVolumes:
        predicted, true = self.numbers(VOLUME, name), self.numbers(REFERENCE_VOLUME, name)
        known = ~np.isnan(true) & ~np.isnan(predicted)
        columns = {"true": true, "predicted": predicted, "difference": predicted - true}
        replicates = jackknife(
            {key: row_mean(column) for key, column in columns.items()}, self.rows.test.groups, seed=self.rows.seed
        )
        differences = columns["difference"][known]
        middle, spread = (differences.mean(), 1.96 * differences.std(ddof=1)) if known.sum() > 1 else (0.0, np.nan)
        some = np.flatnonzero(known)[:MOST_POINTS] if self.rows.cases is not None else ()
        return StructureVolumes(
            structure=name,
            cases=int(known.sum()),
            absent=int((true[known] == 0).sum()),
            missed=int(((true > 0) & (predicted == 0)).sum()),
            invented=int(((true == 0) & (predicted > 0)).sum()),
            reference_ml=replicates.estimate("true"),
            predicted_ml=replicates.estimate("predicted"),
            difference_ml=replicates.estimate("difference"),
            agreement_ml=(float(middle - spread), float(middle + spread)) if known.sum() > 1 else None,
            points=tuple((float(true[row]), float(predicted[row])) for row in some),
        )

    def shown(self, cases: Cases) -> list[ShownCase]:
        """The best, the median and the worst row by the mean Dice of its structures."""
        table = np.stack([self.numbers(DICE, name) for name in self.names.values()], axis=1)
        known = np.flatnonzero(~np.isnan(table).all(axis=1))
        if not len(known):
            return []
        order = known[np.argsort(-np.nanmean(table[known], axis=1), kind="stable")]
        ranks = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
        return [self._case(cases, rank, int(row), table[row]) for rank, row in ranks.items()]

    def _case(self, cases: Cases, rank: str, row: int, dice: Floats) -> ShownCase:
        samples = cases.samples.take([self.rows.test.place[row]])
        pictures, target = next(iter(of_rows(samples, File).values())), samples.target
        assert isinstance(pictures, File)
        assert isinstance(target, File)
        predicted = target.reader.read(str(cases.folder / Path(self.frame[PATH][row]))).values
        volumes = pictures.read(0).values, self._channels(predicted), self._channels(target.read(0).values)
        spacing = pictures.reader.spacing
        sides = (1.0,) * predicted.ndim if spacing is None else spacing(str(pictures.references[0]))
        names = samples.row_id.astype(str) if samples.file_names is None else samples.file_names
        by_name = {name: None if np.isnan(v) else float(v) for name, v in zip(self.names.values(), dice, strict=True)}
        shown = slices(*volumes, sides) if predicted.ndim == len(DIRECTIONS) else ()
        return ShownCase(rank, str(names[0]), by_name, shown)

    def _channels(self, values: Array) -> Array:
        """1 for the first structure, 2 for the second …, 0 for everything else."""
        channels = np.zeros(values.shape, np.uint8)
        for place, number in enumerate(self.names, start=1):
            channels[values == number] = place
        return channels


def slices(grey: Array, predicted: Array, reference: Array, spacing: tuple[float, ...]) -> tuple[PackedSlice, ...]:
    """A slice along each axis, where the structures of both pictures are largest.

    Parameters
    ----------
    grey, predicted, reference
        Intensities and structures, [right, front, head].
    spacing
        Millimetres from one voxel to the next along each axis.
    """
    low, high = np.nanpercentile(grey, [1, 99])
    scaled = np.nan_to_num((grey - low) / max(high - low, 1e-12)).clip(0, 1) * 255
    either = (predicted > 0) | (reference > 0)
    if not either.any():
        either = np.ones(either.shape, bool)
    taken = []
    for axis, name in enumerate(DIRECTIONS):
        others = tuple(other for other in range(3) if other != axis)
        at = _largest(either.sum(axis=others))
        pictures = [np.take(volume, at, axis=axis).T for volume in (scaled, predicted, reference)]
        step = -(-max(pictures[0].shape) // LONGEST)
        thin = [picture[::step, ::step].astype(np.uint8) for picture in pictures]
        sides = (spacing[others[1]] * step, spacing[others[0]] * step)
        rows, columns = thin[0].shape
        taken.append(PackedSlice(name, rows, columns, sides, *map(packed, thin)))
    return tuple(taken)


def _largest(areas: Array) -> int:
    """The middle one of the largest areas."""
    largest = np.flatnonzero(areas == areas.max())
    return int(largest[len(largest) // 2])


def sections(rows: EvaluatedRows, outcome: Structured) -> list[OutcomeSection]:
    """Registered among `evaluations`; see `Outcome.sections`."""
    if rows.chosen not in rows.test.frames:
        return []
    frame = outcome.measured(rows.test.frames[rows.chosen])
    evaluation = StructureEvaluation(rows, frame, outcome.names)
    data: dict[str, object] = {"volumes": {rows.outcome: evaluation.volumes()}}
    if rows.cases is not None:
        data["cases"] = {rows.outcome: evaluation.shown(rows.cases)}
    return [OutcomeSection("structures", data)]
