"""Gradient-boosted trees (LightGBM; Ke et al. 2017) on numbers and on summaries of sequences, answered by ONNX."""

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from polyclinic import dependencies, openmp, progress
from polyclinic.arrays import Array
from polyclinic.models.family_targets import EncodedRows, constant_answer
from polyclinic.models.linear_graph import written
from polyclinic.models.model import Session
from polyclinic.models.table import Rows, TableModel
from polyclinic.outcomes.family import Family
from polyclinic.packages.fitted import History
from polyclinic.packages.parts import OnnxPart

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset
    from onnx import AttributeProto, ModelProto, NodeProto

Settings: TypeAlias = Mapping[str, object]
OPSET = 15
BLOCK = 8192
FLOAT32 = 4
SAMPLED, FEWEST, MOST = 1 << 21, 10_000, 200_000
"""Numbers from which LightGBM places its bins, and the rows that are taken at least and at most."""
FIXED = {"bagging_freq": 1, "verbosity": -1}
REPEATABLE = {"deterministic": True, "force_col_wise": True}
"""Sums column by column: the same on any number of threads, and with half of the columns left out, as for each tree
here, quicker than row by row."""
WATCHED = 8192
"""Training rows whose loss is followed, at most: the curve is drawn, and nothing is decided by it."""


@dataclass(frozen=True)
class Gbm(TableModel):
    """Boosted trees that stop when validation rows no longer gain.

    rounds, patience: trees at most, and trees without a gain before it stops; min_leaf: rows in a leaf at least, but
    no more than a twentieth of the training rows, or few rows could not be divided at all; learning_rate: half of it
    takes twice the trees to the same scores; hours, coverage: as in `TableModel`; the rest is LightGBM's own.
    """

    rounds: int = 300
    patience: int = 20
    learning_rate: float = 0.1
    leaves: int = 4
    min_leaf: int = 60
    l2: float = 10.0
    features: float = 0.5
    rows: float = 0.7

    def learned(self, train: Rows, validation: Rows, session: Session) -> tuple[OnnxPart, History]:
        """History: the loss after each tree kept or tried; on training rows, of some of them; the mean over outputs."""
        with openmp.asleep("lightgbm", "sklearn"):
            import lightgbm  # noqa: F401  (loaded with threads that sleep)

        (rows, target), (watched, validation_target) = train, validation
        how = {
            **FIXED,
            **REPEATABLE,
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": min(self.min_leaf, max(1, len(rows) // 20)),
            "lambda_l2": self.l2,
            "feature_fraction": self.features,
            "bagging_fraction": self.rows,
            "seed": session.seed,
            "bin_construct_sample_cnt": max(FEWEST, min(MOST, SAMPLED // rows.width)),
            "num_threads": openmp.threads("lightgbm", session.threads),
        }
        if FLOAT32 * (len(rows) + len(watched)) * rows.width <= session.memory:
            _ = rows.whole, watched.whole
        answers = constant_answer(target)
        boosters, histories = list["Booster | float"](), list[History]()
        for output, objective in objectives(target.family):
            known, y, weight = target.known(output)
            if len(np.unique(y)) < 2 or not len(validation_target.known(output)[1]):
                boosters.append(float(answers[output]))
                continue
            learn = binned(rows, known, y, weight, {**how, **objective})
            watch = followed(watched, *validation_target.known(output), learn, {**how, **objective})
            booster, history = self._boosted({**how, **objective}, learn, watch, len(y))
            boosters.append(booster)
            histories.append(history)
        return graph(boosters, rows.width), averaged(histories)

    def _boosted(self, how: Settings, learn: "Dataset", watch: "Dataset", rows: int) -> tuple["Booster", History]:
        """The booster, and its losses round by round."""
        import lightgbm

        some = learn.subset(np.unique(np.linspace(0, rows - 1, min(rows, WATCHED), dtype=int)).tolist())
        curve: dict[str, dict[str, list[float]]] = {}
        calls = [lightgbm.early_stopping(self.patience, verbose=False), lightgbm.record_evaluation(curve)]
        # LightGBM stops by every set but the one of this name.
        sets = {"valid_sets": [some, watch], "valid_names": ["training", "validation"]}
        rounds = progress.track(range(self.rounds), text="trees", total=self.rounds)
        with closing(rounds):
            calls.append(lambda _: next(rounds, None))
            booster = lightgbm.train(dict(how), learn, self.rounds, callbacks=calls, **sets)
        losses = zip(*(next(iter(curve[part].values())) for part in sets["valid_names"]), strict=True)
        return booster, [{"epoch": i, "train": a, "validation": b} for i, (a, b) in enumerate(losses, start=1)]


def objectives(family: Family) -> list[tuple[int, Settings]]:
    """One booster after the other: which output it learns, and LightGBM's objective; classes share one booster."""
    if family.distribution == "categorical":
        return [(0, {"objective": "multiclass", "metric": "multi_logloss", "num_class": family.channels})]
    if family.distribution == "quantiles":
        return [(0, _of_level(level)) for level in family.levels]
    names = {"gaussian": ("regression", "l2"), "counts": ("poisson", "poisson")}
    objective, metric = names.get(family.distribution, ("binary", "binary_logloss"))
    return [(output, {"objective": objective, "metric": metric}) for output in range(family.channels)]


def _of_level(level: float | None) -> Settings:
    if level is None:
        return {"objective": "regression", "metric": "l2"}
    return {"objective": "quantile", "metric": "quantile", "alpha": level}


def averaged(histories: Sequence[History]) -> History:
    """The mean of several curves, epoch by epoch; one that stopped stays at its last value."""
    longest = max((len(history) for history in histories), default=0)
    return [
        {
            "epoch": epoch + 1,
            **{
                part: float(np.mean([history[min(epoch, len(history) - 1)][part] for history in histories]))
                for part in ("train", "validation")
            },
        }
        for epoch in range(longest)
    ]


def binned(rows: EncodedRows, known: Array, y_true: Array, weight: Array, how: Settings) -> "Dataset":
    """Training rows as LightGBM keeps them: bins, a byte a number.

    known: which rows have a target, bool [row]; y_true, weight: of these.
    """
    import lightgbm

    class Quiet(lightgbm.Dataset):
        """Says nothing while it is built: where LightGBM reads blocks, it forgets the `verbosity` of its settings."""

        forgotten: Mapping[str, object] = {"verbosity": how["verbosity"]}

        def get_params(self) -> dict[str, object]:
            return {**super().get_params(), **self.forgotten}

    dataset = Quiet(in_blocks(_part(rows, known)), y_true, weight=_unequal(weight), params=dict(how)).construct()
    dataset.forgotten = {}  # other rows are compared with these by their settings
    return dataset


def followed(
    rows: EncodedRows, known: Array, y_true: Array, weight: Array, learn: "Dataset", how: Settings
) -> "Dataset":
    """Validation rows, binned as the training rows are."""
    import lightgbm

    part = in_blocks(_part(rows, known))
    return lightgbm.Dataset(part, y_true, weight=_unequal(weight), reference=learn, params=dict(how))


def _part(rows: EncodedRows, known: Array) -> EncodedRows:
    """The rows whose target is known; those that are encoded already are not encoded again."""
    if known.all():
        return rows
    part = replace(rows, samples=rows.samples.take(known))
    if "whole" in vars(rows):
        vars(part)["whole"] = rows.whole[known]
    return part


def _unequal(weight: Array) -> Array | None:
    """The weights, where rows do not all count one."""
    return None if (weight == 1).all() else weight


def in_blocks(rows: EncodedRows) -> object:
    """Encoded rows as LightGBM reads them: some at a time, so that only its own bins, a byte a number, stay in memory."""
    import lightgbm

    class Blocks(lightgbm.Sequence):
        batch_size = BLOCK

        def __init__(self) -> None:
            self.first = -BLOCK
            self.values = np.empty(0)

        def __len__(self) -> int:
            return len(rows)

        def __getitem__(self, index: int | slice) -> Array:
            """A stretch of rows, float32; or one row, float64: LightGBM takes single ones, in order, to place its bins."""
            if isinstance(index, slice):
                return np.ascontiguousarray(rows.whole[index] if "whole" in vars(rows) else rows.block(index))
            first = int(index) // BLOCK * BLOCK
            if first != self.first:
                self.first, self.values = first, self[first : first + BLOCK]
            return np.asarray(self.values[index - first], np.float64)

    return Blocks()


def graph(boosters: "Sequence[Booster | float]", width: int) -> OnnxPart:
    """Boosters' raw scores as one ONNX graph: takes `x` float32 [row, width], gives `raw` float32 [row, channel].

    boosters: one a channel, or one that has a channel a class; a number stands for a channel that is the same for all.

    A threshold is a float64 midpoint between two float32 values. Rounded up to float32 it would equal the
    upper one and flip that row; rounded down it divides the same rows as before.
    """
    models = [_converted(booster, width) for booster in boosters if not isinstance(booster, float)]
    first = 0
    numbered = iter(models)
    for booster in boosters:
        if not isinstance(booster, float):
            model = next(numbered)
            channels = booster.num_model_per_iteration()
            _renumber(_trees(model), channels, first)
        else:
            channels = 1
        first += channels
    whole, *others = models
    for other in others:
        _append(_trees(whole), _trees(other))
    trees = _trees(whole)
    if first > 1:
        trees["n_targets"].i = first
    if constants := {k: b for k, b in enumerate(boosters) if isinstance(b, float)}:
        bases = [constants.get(channel, 0.0) for channel in range(first)]
        _tree_node(whole).attribute.append(_floats("base_values", bases))
    return written(whole)


def _converted(booster: "Booster", width: int) -> "ModelProto":
    """One booster as an ONNX model with the output `raw`."""
    import lightgbm

    dependencies.need("onnxmltools", extra="train", to="write trees as an ONNX graph")
    from onnxmltools.convert import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    text = booster.model_to_string(num_iteration=booster.best_iteration or -1)
    text = re.sub(r"^threshold=(.+)$", _rounded, text, flags=re.M)
    text = re.sub(r"^tree_sizes=.*\n", "", text, flags=re.M)  # lengths in bytes, which just changed
    text = re.sub(r"^(\[objective: |objective=)[^\]\n]+", r"\1regression", text, flags=re.M)
    taken = [("x", FloatTensorType([None, width]))]
    plain = lightgbm.Booster(model_str=text)
    model = convert_lightgbm(plain, initial_types=taken, target_opset=OPSET, name="trees")
    output = model.graph.output[0]
    for node in model.graph.node:
        node.output[:] = ["raw" if name == output.name else name for name in node.output]
    output.name = "raw"
    output.type.tensor_type.shape.dim[0].ClearField("dim_value")
    output.type.tensor_type.shape.dim[1].ClearField("dim_value")
    return model


def _tree_node(model: "ModelProto") -> "NodeProto":
    return next(node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor")


def _trees(model: "ModelProto") -> dict[str, "AttributeProto"]:
    """The trees of a model: attribute name → attribute."""
    return {attribute.name: attribute for attribute in _tree_node(model).attribute}


def _renumber(trees: "Mapping[str, AttributeProto]", channels: int, first: int) -> None:
    """Let the trees of a booster, which take turns among its channels, add to the channels from `first` on."""
    targets = [first + tree % channels for tree in trees["target_treeids"].ints]
    del trees["target_ids"].ints[:]
    trees["target_ids"].ints.extend(targets)


def _append(trees: "Mapping[str, AttributeProto]", others: "Mapping[str, AttributeProto]") -> None:
    """Add the trees of another booster behind these."""
    behind = max(trees["nodes_treeids"].ints) + 1
    for name in ("nodes_treeids", "target_treeids"):
        trees[name].ints.extend(number + behind for number in others[name].ints)
    for name, attribute in others.items():
        if name in ("n_targets", "post_transform", "nodes_treeids", "target_treeids"):
            continue
        for kind in ("ints", "floats", "strings"):
            getattr(trees[name], kind).extend(getattr(attribute, kind))


def _floats(name: str, values: Sequence[float]) -> "AttributeProto":
    from onnx import helper

    return helper.make_attribute(name, [float(value) for value in values])


def _rounded(line: re.Match[str]) -> str:
    wide = np.array(line[1].split(), float)
    narrow = wide.astype(np.float32)
    narrow = np.where(narrow > wide, np.nextafter(narrow, np.float32(-np.inf)), narrow)
    return "threshold=" + " ".join(repr(float(v)) for v in narrow)
