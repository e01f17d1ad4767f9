"""Predictions and labels made elsewhere, brought into the form of the predictions table."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import polars as pl
from polars import selectors

from polyclinic import progress
from polyclinic.arrays import Array
from polyclinic.errors import BadData, Place, UnknownName, UsageError
from polyclinic.evaluation.file_decisions import with_decisions
from polyclinic.evaluation.independence import without_group
from polyclinic.evaluation.join_keys import nothing_joins, with_whole_floats
from polyclinic.figures.numbers import how_many
from polyclinic.notes import note
from polyclinic.samples.frames import in_one_type, lists_of_text, read_table
from polyclinic.samples.prediction_columns import (
    DICE,
    FOLD,
    INCIDENCE,
    LABELS,
    MODEL,
    OUTCOME,
    PACKAGE_FOLD,
    PATH,
    PREDICTED,
    PROBABILITY,
    REFERENCE,
    REFUSED,
    ROW_ID,
    RUN,
    SPLIT,
    SPLITS,
    SUBJECT,
    TIME,
    TRUTH,
    VALUE,
)
from polyclinic.timelines.tables import NULLS, scan
from polyclinic.timelines.zones import UTC_OFFSET, on_one_clock

KNOWN_KEYS = ((ROW_ID,), (SUBJECT, TIME))
PANDAS_INDEX = re.compile(r"__index_level_\d+__|Unnamed: 0")
"""What pandas calls the numbers of its rows; they name no row in another file."""
YES_OR_NO = {"true": True, "yes": True, "y": True, "1": True, "1.0": True}
YES_OR_NO |= {"false": False, "no": False, "n": False, "0": False, "0.0": False}
"""How programs write an answer as text, capitals apart."""
WEIGHTS = ("weight", "weights", "sample_weight")
NO_ZONE = "no zone"


class HasTruth(Protocol):
    """An outcome, as far as it names the columns of the truth."""

    @property
    def truth_columns(self) -> tuple[str, ...]: ...


def labelled(frame: pl.DataFrame, outcome: HasTruth) -> pl.DataFrame:
    """The rows that have a label."""
    return frame.drop_nulls(list(outcome.truth_columns))


@dataclass(frozen=True, eq=False)
class ReadPredictions:
    """Predictions from elsewhere, joined with their labels.

    Attributes
    ----------
    table
        The predictions table with the truth.
    outcome
        The outcome, with settings that follow from the table where it came as a class.
    row_id, groups, strata
        Of the rows, as `evaluate` takes them: int64 [row]; name → [row].
    cohort, sanity
        What the report says of them.
    """

    table: pl.DataFrame
    outcome: Any
    row_id: Array
    groups: Mapping[str, Array]
    strata: Mapping[str, Array]
    cohort: Mapping[str, object]
    sanity: Sequence[Mapping[str, object]]


def read(
    predictions: Path, labels: Path | None, group: str | None, outcome: Any, strata: Sequence[str]
) -> ReadPredictions:
    """Read, join and check.

    outcome: an outcome, or its class, whose settings then follow from the table (`of_table`).
    """
    here, there, named = Place(file=str(predictions)), Place(file=str(labels or predictions)), REFERENCE
    table = _of_run(_table(predictions), predictions.stem, outcome.kind, here)
    if labels is None:
        table, truth, keys = _apart(table, here)
        truth = _yes_or_no(truth, _sole(truth, TRUTH, keys, group, there), there) if outcome.kind == "binary" else truth
    else:
        table, truth = with_whole_floats(table, _table(labels))
        table, truth = _on_one_clock(table, truth, (predictions.name, labels.name))
        if outcome.kind == "binary":
            table, truth, named = _named_truth(table, truth, group, there)
        keys = _shared(table, truth, outcome.truth_columns, here)
        table, truth = _alike(table, truth, keys, here, there)
    _note_weights(table, truth)
    _once(truth, keys, there)
    _once(table, [*keys, MODEL, FOLD, SPLIT], here)
    if labels is not None:
        table = _without_truth(table, truth, keys, outcome.truth_columns, Place(file=here.file, column=named))
    if outcome.kind == "binary":
        table = _decisions(_probabilities(table, keys, group, here), here)
    joined = outcome.of_file(_joined(table, truth, keys, here))
    _scorable(joined, outcome, there)
    if outcome.kind == "binary":
        joined = with_decisions(joined, labelled(joined, outcome))
    instance = outcome
    if isinstance(outcome, type):
        instance = cast(Any, outcome).of_table(joined)
    about = joined.unique("row_id", keep="first").sort("row_id")
    for name in (*([group] if group else []), *strata):
        _no_answer(name, here)
    groups = {group: _group(about, group, here)} if group else {}
    levels = {name: _column(about, name, here).to_numpy() for name in strata}
    first = (pl.col(MODEL) == table[MODEL][0]) & (pl.col(SPLIT) == "test")
    predicted, matched = table.filter(first), joined.filter(first)
    without = truth.join(table, on=keys, how="anti").height
    checks = _left_out(predicted, matched, without) + ([] if group else without_group(labelled(matched, instance)))
    for check in checks:
        progress.say(f"{check['check']}: {check['result']}")
    cohort = _cohort(_flow(predicted, matched, instance, labels is None), instance, group)
    return ReadPredictions(joined, instance, about[ROW_ID].to_numpy(), groups, levels, cohort, checks)


def _of_run(table: pl.DataFrame, name: str, kind: str, at: Place) -> pl.DataFrame:
    """The columns that a run writes and that others may leave out: model, fold, split.

    The package's rows fall out, unless there are no others: then they are what is to be judged.
    """
    table = _of_outcome(table, kind, at)
    if "model" not in table.columns:
        table = table.with_columns(model=pl.lit(name))
    defaults = {FOLD: "0", SPLIT: "test"}
    table = table.with_columns(pl.lit(v).alias(k) for k, v in defaults.items() if k not in table.columns)
    table = table.with_columns(_column(table, name, at).cast(pl.String) for name in (MODEL, *defaults))
    for key in ("model", "fold", "split"):
        if nameless := table[key].null_count():
            fix = "fill that column, or leave it out altogether"
            raise BadData(
                f"{how_many(nameless, 'row has', 'rows have')} no {key}", at=Place(file=at.file, column=key), fix=fix
            )
    own = table.filter(pl.col(FOLD) != PACKAGE_FOLD)
    if own.is_empty():
        return table.with_columns(pl.lit(v).alias(k) for k, v in defaults.items())
    if unknown := sorted(set(own["split"]) - set(SPLITS)):
        raise UnknownName("split", unknown[0], SPLITS, at=Place(file=at.file, column="split"))
    if "test" not in own["split"]:
        fix = "give the rows that no model learned from as `test`"
        raise BadData("no row is of the split 'test'", at=Place(file=at.file, column="split"), fix=fix)
    return own


def _of_outcome(table: pl.DataFrame, kind: str, at: Place) -> pl.DataFrame:
    """The rows of one outcome; those of others are noted."""
    if OUTCOME not in table.columns:
        return table
    if table.schema[OUTCOME] != pl.String:
        what = f"the column {OUTCOME!r} holds {table.schema[OUTCOME]}, and it names which outcome a row predicts"
        fix = f"call a column of true and false answers {TRUTH!r}"
        raise BadData(what, at=Place(file=at.file, column=OUTCOME), fix=fix)
    own = table.filter(pl.col(OUTCOME) == kind)
    if own.is_empty():
        what, where = f"no row is of the outcome {kind!r}", Place(file=at.file, column=OUTCOME)
        raise BadData(what, at=where, fix="name the outcome of the predictions with --outcome, or leave the column out")
    if others := table.height - own.height:
        note(
            "rows of another outcome",
            f"{others:,} of {how_many(table.height, 'row')}: not {kind}",
            "They are not scored.",
        )
    return own


def _note_weights(*tables: pl.DataFrame) -> None:
    """Weights of rows are not used, and a reader may expect that they are."""
    if weights := sorted({c for table in tables for c in table.columns if c.lower() in WEIGHTS}):
        why = "Every row counts once; leave out rows that should not count."
        note("weights of rows", f"the column {', '.join(weights)} is not used", why)


def _joined(table: pl.DataFrame, truth: pl.DataFrame, keys: Sequence[str], at: Place) -> pl.DataFrame:
    rest = [c for c in truth.columns if c not in table.columns or c in keys]
    numbered = truth.select(rest).with_columns(truth_row=pl.int_range(truth.height))
    joined = table.join(numbered, on=keys, how="inner", maintain_order="left")
    if joined.is_empty():
        raise nothing_joins(table, truth, keys, at)
    return joined.drop("row_id", strict=False).rename({"truth_row": "row_id"})


def _scorable(joined: pl.DataFrame, outcome: Any, at: Place) -> None:
    """Whether the columns that the outcome needs are there, and (yes or no) both answers happened."""
    for name in outcome.truth_columns:
        if name not in joined.columns:
            raise UnknownName(f"column (of what happened, {outcome.kind})", name, joined.columns, at=at)
    if outcome.kind == "binary" and joined[TRUTH].n_unique() - joined[TRUTH].has_nulls() < 2:
        known, positive = joined[TRUTH].count(), int(joined[TRUTH].sum())
        labels = how_many(known, "row is labelled", "rows are labelled")
        what = f"{labels}, {positive:,} of them positive: there is nothing to distinguish"
        fix = "give rows of both kinds; or look at how the label is defined"
        raise BadData(what, at=Place(file=at.file, column=TRUTH), fix=fix)


def _flow(predicted: pl.DataFrame, matched: pl.DataFrame, outcome: Any, beside: bool) -> dict[str, pl.DataFrame]:
    """Step → its rows, the scored ones last; beside: whether the truth stands beside the predictions."""
    rows = labelled(matched, outcome)
    if beside:
        return {"rows of the predictions": predicted, "with a truth": rows}
    return {"rows of the predictions": predicted, "with a row in the labels": matched, "labelled": rows}


def _cohort(steps: Mapping[str, pl.DataFrame], outcome: Any, group: str | None) -> dict[str, object]:
    """The flow, how many rows and groups are scored, and what their targets are; of the first model."""
    last, rows = list(steps.items())[-1]
    groups = {name: {group: f[group].n_unique()} if group in f.columns else {} for name, f in steps.items()}
    size = {name: {"rows": f.height, "groups": groups[name]} for name, f in steps.items()}
    flow = [{"step": name, **n, "past_index": name == last} for name, n in size.items()]
    positive = {"positive": int(rows[TRUTH].sum())} if TRUTH in rows.columns else {}
    targets = {outcome.kind: {**positive, "labelled": rows.height}}
    return {"attrition": flow, **size[last], "targets": targets}


def _left_out(predicted: pl.DataFrame, matched: pl.DataFrame, without: int) -> list[dict[str, object]]:
    """What was left out because one file has a row that the other lacks: entries of `sanity`."""
    counts = {"predictions without a row in the labels": (predicted.height - matched.height, predicted.height)}
    counts["labels without a prediction"] = (without, without + matched.height)
    why = "Rows that only one file has are not scored; keys written otherwise are the usual reason."
    results = {check: f"{n:,} of {of:,}" for check, (n, of) in counts.items() if n}
    return [{"check": check, "applies": True, "result": result, "why": why} for check, result in results.items()]


def _table(path: Path) -> pl.DataFrame:
    """A CSV or Parquet file; paths in it are taken from its own folder."""
    frame = read_table(path)
    frame = frame.drop(name for name in frame.columns if PANDAS_INDEX.fullmatch(name))
    if frame.is_empty():
        raise BadData("there are no rows", at=Place(file=str(path)), fix="name a table that holds some")
    incidences = {name: pl.List(pl.Float64()) for name in frame.columns if name.startswith(INCIDENCE)}
    frame = frame.with_columns(
        lists_of_text(frame[name], kind)
        for name, kind in {**PREDICTED, **LABELS, **incidences}.items()
        if isinstance(kind, pl.List) and frame.schema.get(name) == pl.String
    )
    here = [c for c in (PATH, REFERENCE) if frame.schema.get(c) == pl.String]
    folder = path.resolve().parent
    return frame.with_columns(pl.col(here).map_elements(lambda p: str(folder / p), return_dtype=pl.String))


def _apart(table: pl.DataFrame, at: Place) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    """Predictions that hold the truth: the same as two tables. Without known keys, models list their rows in one order."""
    keys = next((list(k) for k in KNOWN_KEYS if set(k) <= set(table.columns)), None)
    if keys is None:
        keys = ["row_id"]
        table = table.with_columns(row_id=pl.int_range(pl.len()).over("model"))
    own = [c for c in table.columns if c in (*keys, *RUN, *PREDICTED) or c.startswith((DICE, INCIDENCE))]
    if PROBABILITY not in own:  # a column of 0.0 and 1.0 is the truth as other programs write it
        rest = table.select(selectors.float().exclude(*LABELS, *own))
        own += [column.name for column in rest if _answers(column) is None]
    truth = table.unique(keys, keep="first", maintain_order=True)
    if TRUTH in table.columns and (n := table.unique([*keys, TRUTH]).height - truth.height):
        fix = "give each row one truth, alike for every model"
        raise BadData(
            f"{how_many(n, 'row has', 'rows have')} two truths", at=Place(file=at.file, column=TRUTH), fix=fix
        )
    return table.select(own), truth.drop(c for c in own if c not in keys), keys


def _shared(table: pl.DataFrame, truth: pl.DataFrame, truths: Sequence[str], at: Place) -> list[str]:
    """The columns that name a row in both tables; truths: the columns of what happened, which are none of them."""
    no_keys = {*RUN, *PREDICTED, TRUTH, *truths}
    keys = [c for c in table.columns if c in truth.columns and c not in no_keys and c.lower() not in WEIGHTS]
    if not keys:
        columns = f"{', '.join(table.columns)}; {', '.join(truth.columns)}"
        fix = "give both the columns that name a row, for example subject_id and prediction_time"
        raise BadData(f"predictions and labels share no column ({columns})", at=at, fix=fix)
    return keys


def _on_one_clock(
    table: pl.DataFrame, truth: pl.DataFrame, files: tuple[str, str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both tables with `utc_offset` beside their times used up, times that one of them writes as text read, and integers
    that stand as text in the other as the text that they were.
    """
    shared = [c for c in table.columns if c in truth.columns]
    for name in (c for c in shared if any(isinstance(f.schema[c], pl.Datetime) for f in (table, truth))):
        text = pl.String in (table.schema[name], truth.schema[name])
        if text or any(UTC_OFFSET in frame.columns for frame in (table, truth)):
            table, truth = on_one_clock(table, truth, name, files)
    return in_one_type(table, truth, [c for c in table.columns if c in truth.columns])


def _alike(
    table: pl.DataFrame, truth: pl.DataFrame, keys: Sequence[str], here: Place, there: Place
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both tables with keys that can be compared: whole numbers of one width, times of one precision, text as text.

    Other programs write times in nanoseconds (pandas) or milliseconds, which mean the same instants. Raises `BadData`
    where the kinds differ, or one table's times have a zone and the other's do not.
    """
    for key in keys:
        kinds = [_comparable(frame.schema[key]) for frame in (table, truth)]
        zones = [_zone(kind) for kind in kinds]
        if all(zones) and len(set(zones)) > 1 and NO_ZONE in zones:
            what = f"the times are in mixed zones: {key} has {zones[0]} in the predictions and {zones[1]} in the labels"
            fix = "write the times of both files with their zone, or of both on the clock of the site"
            raise BadData(what, at=Place(file=here.file, column=key), fix=fix)
        if len(set(map(type, kinds))) > 1:
            what = f"the column {key!r} is {kinds[0]} in the predictions and {kinds[1]} in the labels"
            raise BadData(what, at=Place(file=there.file, column=key), fix="write it alike in both files")
        table, truth = (_cast(frame, key, kinds[0]) for frame in (table, truth))
    return table, truth


def _comparable(kind: pl.DataType) -> pl.DataType:
    """The kind under which two columns are compared."""
    if kind.is_integer():
        return pl.Int64()
    if isinstance(kind, (pl.Categorical, pl.Enum)):
        return pl.String()
    if isinstance(kind, pl.Date):
        return pl.Datetime("us")
    return pl.Datetime("us", kind.time_zone) if isinstance(kind, pl.Datetime) else kind


def _zone(kind: pl.DataType) -> str:
    """The zone of times, or that they have none; empty for anything else."""
    return (kind.time_zone or NO_ZONE) if isinstance(kind, pl.Datetime) else ""


def _cast(frame: pl.DataFrame, key: str, kind: pl.DataType) -> pl.DataFrame:
    if isinstance(kind, pl.Datetime) and kind.time_zone:
        return frame.with_columns(pl.col(key).dt.convert_time_zone("UTC").dt.cast_time_unit("us"))
    return frame.with_columns(pl.col(key).cast(kind))


def _once(frame: pl.DataFrame, keys: Sequence[str], at: Place) -> None:
    if twice := int(frame.select(keys).is_duplicated().sum()):
        fix = "keep one row each, or add the column that distinguishes them (`model` for several models)"
        raise BadData(
            f"{how_many(twice, 'row has', 'rows have')} the same {', '.join(keys)} as another", at=at, fix=fix
        )


def _sole(frame: pl.DataFrame, wanted: str, keys: Sequence[str], group: str | None, at: Place) -> str:
    """The column of that name, or the only one that it could be; the group counts only where no other fits.

    Raises `BadData` where none or several could be it, `UsageError` where only the group could.
    """
    if wanted in frame.columns:
        return wanted
    known = {*keys, *RUN, *PREDICTED, TRUTH, ROW_ID}
    rest = frame.select(c for c in frame.columns if c not in known and c.lower() not in WEIGHTS)
    fitting = [c.name for c in rest if (_answers(c) is not None if wanted == TRUTH else c.dtype.is_float())]
    if wanted == TRUTH and fitting in ([], [group]):
        fitting += [c.name for c in rest if _answers_in_words(c) is not None]
    if fitting == [group]:
        _no_answer(wanted, Place(file=at.file, column=group))
    fitting = [name for name in fitting if name != group]
    if len(fitting) != 1:
        every = scan(Path(str(at.file))).collect_schema().names()
        listed = ", ".join(map(repr, fitting)) or f"none of {', '.join(map(repr, every))}"
        what, holds = "the probability", "a number from 0 to 1"
        if wanted == TRUTH:
            what, holds = "what happened", "true, false or nothing where it is not known"
        fix = f"call it {wanted!r}, with {holds} in each row"
        raise BadData(f"it is unclear which column is {what}: {listed}", at=at, fix=fix)
    return fitting[0]


def _answers(column: pl.Series) -> pl.Series | None:
    """True, false and null; None where the column holds anything but 0, 1, true, false and what is missing."""
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        return None
    known = column.cast(pl.Float64).fill_nan(None)
    return known.cast(pl.Boolean) if known.drop_nulls().is_in([0.0, 1.0]).all() else None


def _answers_in_words(column: pl.Series) -> pl.Series | None:
    """True, false and null of a column of text such as yes and no; None where it holds other words."""
    if not isinstance(column.dtype, (pl.String, pl.Categorical, pl.Enum)):
        return None
    words = column.cast(pl.String).str.strip_chars()
    words = words.set(words.is_in(NULLS), None).str.to_lowercase()
    if not words.drop_nulls().is_in(list(YES_OR_NO)).all():
        return None
    return words.replace_strict(YES_OR_NO, return_dtype=pl.Boolean)


def _no_answer(name: str, at: Place) -> None:
    """Raise `UsageError` for a group or a subgroup that is the truth, or what was predicted."""
    if name in {TRUTH, *RUN, *PREDICTED}:
        holds = "what happened" if name == TRUTH else "what was predicted, or by which model"
        what = f"a column that holds {holds} cannot group the rows"
        fix = "name the column of the patient with --group, or leave it out: each row then stands alone"
        raise UsageError(what, at=Place(file=at.file, column=at.column or name), fix=fix)


def _named_truth(
    table: pl.DataFrame, truth: pl.DataFrame, group: str | None, at: Place
) -> tuple[pl.DataFrame, pl.DataFrame, str]:
    """Both tables with the truth under one name, and its name before; a truth that both hold is no key."""
    shared = [name for name in truth.columns if name in table.columns]
    keys = shared if len(shared) < truth.width else []  # labels without a column of their own: one of the shared is it
    name = _sole(truth, TRUTH, keys, group, at)
    if name != TRUTH and name in table.columns:
        table = table.rename({name: TRUTH}, strict=False)
    return table, _yes_or_no(truth, name, at), name


def _without_truth(
    table: pl.DataFrame, truth: pl.DataFrame, keys: Sequence[str], truths: Sequence[str], at: Place
) -> pl.DataFrame:
    """The predictions without the truth where the labels hold it.

    Raises `BadData` where the two contradict each other: nothing says which of them is right. Another reference file
    may be a copy of the same: it is noted.
    """
    both_hold = [c for c in dict.fromkeys((TRUTH, REFERENCE, *truths)) if c in table.columns and c in truth.columns]
    for name in both_hold:
        both = table.unique(keys).join(truth, on=keys, how="inner", suffix=" of the labels")
        own, other = _truth_of(both[name]) if name == TRUTH else both[name], both[f"{name} of the labels"]
        if own is not None and own.dtype != other.dtype:
            own, other = own.cast(pl.String), other.cast(pl.String)
        differing = 0 if own is None else int((own != other).sum())
        if differing and name != REFERENCE:
            what = (
                f"{differing:,} of {how_many(both.height, 'row')}: another truth in the predictions than in the labels"
            )
            fix = "find out which file is right, and leave that column out of the other"
            raise BadData(what, at=at, fix=fix)
        if differing:
            result = (
                f"{differing:,} of {how_many(both.height, 'row')}: another file in the predictions than in the labels"
            )
            note("reference files", result, "Those of the labels are used.")
    return table.drop(both_hold)


def _truth_of(column: pl.Series) -> pl.Series | None:
    """True, false and null, whether they are written as numbers, flags or words."""
    answers = _answers(column)
    return _answers_in_words(column) if answers is None else answers


def _yes_or_no(truth: pl.DataFrame, name: str, at: Place) -> pl.DataFrame:
    """The truth under its own name, as true, false or null."""
    answers = _truth_of(truth[name])
    if answers is None:
        what = "what happened is not yes or no: there are values other than 0, 1, true, false, yes and no"
        fix = "write true or false, and nothing where it is not known"
        raise BadData(what, at=Place(file=at.file, column=name), fix=fix)
    return truth.rename({name: TRUTH}).with_columns(answers.alias(TRUTH))


def _probabilities(table: pl.DataFrame, keys: Sequence[str], group: str | None, at: Place) -> pl.DataFrame:
    name = _sole(table, PROBABILITY, keys, group, at)
    answered = table if REFUSED not in table.columns else table.filter(pl.col(REFUSED).is_null())
    column = _column(answered, name, at)
    wrong = ~column.cast(pl.Float64, strict=False).is_between(0, 1).fill_null(False)
    if wrong.any():
        where = Place(file=at.file, column=name, row=wrong.arg_max())
        fix = "give probabilities (after the sigmoid), one for every row, or a reason in a column `refused`"
        predictions = how_many(wrong.sum(), "prediction is", "predictions are")
        raise BadData(f"{predictions} no probability between 0 and 1", at=where, fix=fix)
    return table.rename({name: PROBABILITY}).cast({PROBABILITY: pl.Float64})


def _decisions(table: pl.DataFrame, at: Place) -> pl.DataFrame:
    """The predictions with their decisions, where they have some, as true, false or null."""
    if VALUE not in table.columns:
        return table
    column = _column(table, VALUE, at)
    decisions = _truth_of(column.cast(pl.String) if column.dtype == pl.Null else column)
    if decisions is None:
        what = "what was decided is not yes or no: there are values other than 0, 1, true, false, yes and no"
        fix = "write true or false for an alert or none, or leave the column out: a threshold is then chosen"
        raise BadData(what, at=Place(file=at.file, column=VALUE), fix=fix)
    return table.with_columns(decisions.alias(VALUE))


def _group(frame: pl.DataFrame, name: str, at: Place) -> Array:
    column = _column(frame, name, at)
    if column.dtype.is_float():
        column = column.fill_nan(None)  # as pandas writes what is missing
    if column.has_nulls():
        where = Place(file=at.file, column=name)
        fix = "fill that column, or name another for --group; without it, each row stands alone"
        raise BadData(f"{how_many(column.null_count(), 'row has', 'rows have')} no {name!r}", at=where, fix=fix)
    return column.to_numpy()


def _column(frame: pl.DataFrame, name: str, at: Place) -> pl.Series:
    if name not in frame.columns:
        raise UnknownName("column", name, frame.columns, at=at)
    column = frame[name]
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object, pl.Int128):
        where, fix = Place(file=at.file, column=name), "give one text, number or time a row"
        raise BadData(f"the column {name!r} holds {column.dtype}", at=where, fix=fix)
    return column
