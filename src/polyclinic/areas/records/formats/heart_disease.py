"""The heart disease files of UCI: one file a hospital, 14 numbers a patient, without a header."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from polyclinic.errors import BadData, Place
from polyclinic.timelines.format import WORDS, Chunk, Fault, FileReader, Gives, without
from polyclinic.timelines.tables import readable

PATTERN = "processed.*.data"
COLUMNS = (
    *("age", "sex", "chest_pain", "resting_pressure", "cholesterol", "fasting_glucose_high", "resting_ecg"),
    *("max_heart_rate", "exercise_angina", "st_depression", "st_slope", "vessels", "thallium", "grade"),
)
MEANINGS: Mapping[str, Mapping[int, str]] = {
    "sex": {0: "female", 1: "male"},
    "chest_pain": {1: "typical angina", 2: "atypical angina", 3: "other pain", 4: "no pain"},
    "fasting_glucose_high": {0: "no", 1: "yes"},
    "resting_ecg": {0: "normal", 1: "ST-T abnormal", 2: "left ventricular hypertrophy"},
    "exercise_angina": {0: "no", 1: "yes"},
    "st_slope": {1: "rising", 2: "flat", 3: "falling"},
    "thallium": {3: "normal", 6: "fixed defect", 7: "reversible defect"},
}
"""Column → what its codes mean."""
IMPOSSIBLE = ("cholesterol", "resting_pressure")
"""Columns in which 0 stands for a value that was not measured."""
NO_CODE = "a code that the column does not have"
FEW_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class HeartDisease:
    """Rows of `processed.HOSPITAL.data`: one patient each, `?` where nothing is known.

    Columns: those of the files with their codes in words; `site`, the hospital; `grade`, 0 to 4, and `disease`, whether
    it is above 0; `subject_id`, since every row is another patient.
    """

    gives: ClassVar[Gives] = "rows"
    files: ClassVar[Mapping[str, FileReader]] = {}
    looks_for: ClassVar[str] = f"a folder with files {PATTERN} of 14 columns"
    columns: ClassVar[tuple[str, ...]] = ("subject_id", "site", *COLUMNS, "disease")

    def sniff(self, source: Path) -> bool:
        """Whether this is a folder with such files, or one of them."""
        files = _files(source)
        return bool(files) and all(_has_columns(file) for file in files)

    def read(self, source: Path) -> Iterator[Chunk]:
        """One chunk a hospital, in the order of their names; raises `BadData` for a file of other columns."""
        first = 0
        for file in _files(source):
            chunk = _chunk(file, first)
            first += chunk.rows_in
            yield chunk

    def planted(self, folder: Path) -> Path:
        """Write an example for the checks: two hospitals, and a row with words where a number should be."""
        folder.mkdir(parents=True, exist_ok=True)
        row = "63.0,1.0,1.0,145.0,0,1.0,2.0,150.0,0.0,2.3,3.0,?,6.0,2\n"
        (folder / "processed.north.data").write_text(row * 3, encoding="utf-8")
        (folder / "processed.south.data").write_text(row + row.replace("63.0", "old"), encoding="utf-8")
        return folder


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.match(PATTERN) else []
    return sorted(file for file in source.glob(PATTERN) if file.is_file())


def _has_columns(file: Path) -> bool:
    """Whether the first line has as many cells as there are columns."""
    with file.open("rb") as lines:
        return lines.readline(FEW_BYTES).count(b",") == len(COLUMNS) - 1


def _chunk(file: Path, first: int) -> Chunk:
    """The rows of one hospital; first: how many rows other hospitals have before them."""
    with readable(file):
        table = pl.read_csv(file, has_header=False, infer_schema=False, null_values=["?", ""])
    if table.width != len(COLUMNS):
        fix = "take the files as UCI gives them, without a header"
        raise BadData(f"{table.width} columns in place of {len(COLUMNS)}", at=Place(file=file.name), fix=fix)
    table.columns = list(COLUMNS)
    numbers = table.with_columns(pl.all().str.strip_chars().cast(pl.Float64, strict=False))
    worded = numbers.with_columns(_in_words(numbers[name]) for name in MEANINGS)
    row_id = pl.int_range(first, first + table.height, dtype=pl.Int64, eager=True).alias("row_id")
    rows = worded.with_columns(
        *(pl.when(pl.col(name) > 0).then(name).alias(name) for name in IMPOSSIBLE),
        subject_id=row_id,
        site=pl.lit(file.name.split(".")[1]),
        disease=pl.col("grade") > 0,
    ).with_columns(pl.col("grade").cast(pl.Int64))
    faults: list[Fault] = [(name, WORDS, numbers[name].is_null() & table[name].is_not_null()) for name in COLUMNS]
    faults += [(name, NO_CODE, worded[name].is_null() & numbers[name].is_not_null()) for name in MEANINGS]
    whole = rows.select("subject_id", "site", *COLUMNS, "disease").insert_column(0, row_id)
    kept, refused = without(faults, whole, "row_id")
    away = whole.join(kept.select("row_id"), on="row_id", how="anti")
    zeros = sum(int((numbers[name] == 0).sum()) for name in IMPOSSIBLE)
    noted = {"a cholesterol or a pressure of 0, which was not measured": zeros} if zeros else {}
    return Chunk(file.name, table.height, kept.height, kept, refused, noted=noted, refused_rows=away)


def _in_words(series: pl.Series) -> pl.Series:
    """Codes in words, null where the column has no such code."""
    return series.replace_strict(MEANINGS[series.name], default=None, return_dtype=pl.String)
