"""Walking or not: a label for every few samples of a signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.decisions import Decision
from polyclinic.outcomes.outcome import Outcome, measures_of
from polyclinic.outcomes.raw import Head, Raw
from polyclinic.samples import Ragged, Samples
from polyclinic.state import State
from polyclinic.timelines.format import FileReader

STRIDE = 5


@dataclass(frozen=True)
class Walking(Outcome):
    """The chance of walking, one for each `stride` samples of `signal`. Raw numbers are logits."""

    signal: str = "acceleration"
    stride: int = STRIDE
    kind: ClassVar[str] = "walking"
    truth_columns: ClassVar[tuple[str, ...]] = ("labels",)
    answer_columns: ClassVar[tuple[str, ...]] = ()
    planted_size: ClassVar[int] = 120

    def columns(
        self, target: Mapping[str, object], rows: pl.DataFrame, files: Mapping[str, FileReader]
    ) -> dict[str, Ragged]:
        """The target column out of a table's list column."""
        from wearable_steps.inputs import ragged

        name = str(target["column"])
        return {name: ragged(rows[name], of=self.signal, stride=self.stride)}

    def target(self, rows: Samples, state: State) -> npt.NDArray[Any]:
        """One float32 array [step] a row."""
        labels = np.empty(len(rows), object)
        labels[:] = [v.astype(np.float32) for v in rows.target.rows("value")]
        return labels

    def head(self, rows: Samples, state: State) -> Head:
        """One channel for each step of the signal."""
        return Head(f"element:{self.signal}", 1, "log odds")

    def loss(self, raw: Any, batch: Mapping[str, Any], state: State) -> Any:
        """Cross-entropy, averaged over a row's steps: torch [row], from raw [row, 1, step]."""
        from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

        return cross_entropy(raw[:, 0], batch["target"], reduction="none").mean(dim=1)

    def link(self, raw: Raw, state: State) -> Raw:
        """Logits → probabilities."""
        return Raw(1 / (1 + np.exp(-raw.values.astype(np.float64))), raw.shape)

    def predictions(self, answer: Raw, rows: Samples, *, decision: Decision | None, folder: Path) -> pl.DataFrame:
        """`probabilities`: a list a row."""
        lists = [row[:, 0].tolist() for row in answer.rows()]
        return pl.DataFrame({"probabilities": pl.Series(lists, dtype=pl.List(pl.Float64))})

    def truth(self, rows: Samples) -> pl.DataFrame:
        """`labels`: a list a row, null where it is not known."""
        known = rows.labelled if rows.having("target") else np.zeros(len(rows), bool)
        target = self.target(rows, State()) if known.any() else np.empty(len(rows), object)
        lists = [row.tolist() if labelled else None for row, labelled in zip(target, known, strict=True)]
        return pl.DataFrame({"labels": pl.Series(lists, dtype=pl.List(pl.Float64))})

    @property
    def measures(self) -> Any:
        """Balanced accuracy over all steps."""
        return measures_of(("balanced-accuracy-of-steps",))

    def scores(self, frame: pl.DataFrame) -> dict[str, Any]:
        """Of the lists of both."""
        counts = frame.select("labels", "probabilities").rows()
        table = np.array([confusion(np.array(truth), np.array(chance)) for truth, chance in counts])
        return {measure.name: measure.score(table) for measure in self.measures}

    def facts(self, rows: Samples) -> dict[str, object]:
        """Steps, and how many of them are walked."""
        steps = np.concatenate([*self.target(rows, State()), np.zeros(0, np.float32)])
        return {"steps": len(steps), "walked": int(steps.sum())}

    def planted(self, n: int, seed: int) -> Samples:
        """Walking shakes the wrist."""
        rng = np.random.default_rng(seed)
        pairs = [recording(rng, self.stride) for _ in range(n)]
        signal, labels = (self._ragged([p[k] for p in pairs], k) for k in (0, 1))
        rows = np.arange(n, dtype=np.int64)
        columns, roles = {self.signal: signal, "walking": labels}, {self.signal: "input", "walking": "target"}
        return Samples(rows, columns, roles, {"person": rows // 3})  # type: ignore[arg-type]

    def _ragged(self, arrays: list[npt.NDArray[np.float32]], which: int) -> Ragged:
        stop = np.cumsum([len(a) for a in arrays])
        start = np.concatenate([[0], stop[:-1]])
        of, stride = (self.signal, self.stride) if which else (None, 1)
        return Ragged(start, stop, {"value": np.concatenate(arrays)}, of=of, stride=stride)


def confusion(truth: npt.NDArray[Any], chance: npt.NDArray[Any]) -> tuple[float, float, float, float]:
    """Hits, walked steps, right rejections, other steps."""
    said = chance >= 0.5
    hit, rejected = float((said & (truth == 1)).sum()), float((~said & (truth == 0)).sum())
    return hit, float((truth == 1).sum()), rejected, float((truth == 0).sum())


def recording(rng: np.random.Generator, stride: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """12 to 20 steps of `stride` samples: quiet, or shaken by walking."""
    walking = (rng.random(rng.integers(12, 21)) < 0.5).astype(np.float32)
    shake = np.repeat(0.2 + walking, stride)
    return (rng.normal(size=len(shake)) * shake).astype(np.float32), walking
