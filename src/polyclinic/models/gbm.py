"""Gradient-boosted trees (LightGBM; Ke et al. 2017) on numbers and on summaries of sequences, answered by ONNX."""

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from polyclinic import dependencies, openmp, progress
from polyclinic.arrays import Array
from polyclinic.models.linear import written
from polyclinic.models.model import Session
from polyclinic.models.table import EncodedRows, Rows, TableModel
from polyclinic.packages.fitted import History
from polyclinic.packages.parts import OnnxPart

OPSET = 15
BLOCK = 8192
FLOAT32 = 4
SAMPLED, FEWEST, MOST = 1 << 21, 10_000, 200_000
"""Numbers from which LightGBM places its bins, and the rows that are taken at least and at most."""
FIXED = {"objective": "binary", "metric": "binary_logloss", "bagging_freq": 1, "verbosity": -1}
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
        """History: the log loss after each tree kept or tried; on training rows, of some of them."""
        with openmp.asleep("lightgbm", "sklearn"):
            import lightgbm

        (rows, y_train), (watched, y_validation) = train, validation
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
        learn = binned(rows, y_train, how)
        watch = lightgbm.Dataset(in_blocks(watched), y_validation, reference=learn, params=how)
        booster, history = self._boosted(how, learn, watch, len(rows))
        return graph(booster, rows.width), history

    def _boosted(self, how: Mapping[str, Any], learn: Any, watch: Any, rows: int) -> tuple[Any, History]:
        """The booster, and its losses round by round."""
        import lightgbm

        some = learn.subset(np.unique(np.linspace(0, rows - 1, min(rows, WATCHED), dtype=int)).tolist())
        curve: dict[str, Any] = {}
        calls = [lightgbm.early_stopping(self.patience, verbose=False), lightgbm.record_evaluation(curve)]
        # LightGBM stops by every set but the one of this name.
        sets = {"valid_sets": [some, watch], "valid_names": ["training", "validation"]}
        rounds = progress.track(range(self.rounds), text="trees", total=self.rounds)
        with closing(rounds):
            calls.append(lambda _: next(rounds, None))
            booster = lightgbm.train(dict(how), learn, self.rounds, callbacks=calls, **sets)
        losses = zip(*(curve[part]["binary_logloss"] for part in sets["valid_names"]), strict=True)
        return booster, [{"epoch": i, "train": a, "validation": b} for i, (a, b) in enumerate(losses, start=1)]


def binned(rows: EncodedRows, y_true: Array, how: Mapping[str, Any]) -> Any:
    """Training rows as LightGBM keeps them: bins, a byte a number."""
    import lightgbm

    class Quiet(lightgbm.Dataset):
        """Says nothing while it is built: where LightGBM reads blocks, it forgets the `verbosity` of its settings."""

        forgotten: Mapping[str, Any] = {"verbosity": how["verbosity"]}

        def get_params(self) -> dict[str, Any]:
            return {**super().get_params(), **self.forgotten}

    dataset = Quiet(in_blocks(rows), y_true, params=dict(how)).construct()
    dataset.forgotten = {}  # other rows are compared with these by their settings
    return dataset


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


def graph(booster: Any, width: int) -> OnnxPart:
    """A booster's raw score as an ONNX graph: takes `x` float32 [row, width], gives `raw` float32 [row, 1].

    A threshold is a float64 midpoint between two float32 values. Rounded up to float32 it would equal the
    upper one and flip that row; rounded down it divides the same rows as before.
    """
    import lightgbm

    dependencies.need("onnxmltools", extra="train", to="write trees as an ONNX graph")
    from onnxmltools.convert import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    text = booster.model_to_string(num_iteration=booster.best_iteration or -1)
    text = re.sub(r"^threshold=(.+)$", _rounded, text, flags=re.M)
    text = re.sub(r"^tree_sizes=.*\n", "", text, flags=re.M)  # lengths in bytes, which just changed
    text = re.sub(r"^(\[objective: |objective=)\w+", r"\1regression", text, flags=re.M)
    taken = [("x", FloatTensorType([None, width]))]
    plain = lightgbm.Booster(model_str=text)
    model = convert_lightgbm(plain, initial_types=taken, target_opset=OPSET, name="trees")
    output = model.graph.output[0]
    for node in model.graph.node:
        node.output[:] = ["raw" if name == output.name else name for name in node.output]
    output.name = "raw"
    output.type.tensor_type.shape.dim[0].ClearField("dim_value")
    return written(model)


def _rounded(line: re.Match[str]) -> str:
    wide = np.array(line[1].split(), float)
    narrow = wide.astype(np.float32)
    narrow = np.where(narrow > wide, np.nextafter(narrow, np.float32(-np.inf)), narrow)
    return "threshold=" + " ".join(repr(float(v)) for v in narrow)
