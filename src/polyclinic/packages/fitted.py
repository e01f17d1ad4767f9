"""What a fit leaves: a model's settings, what it learned, and the parts that answer."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol, Self, TypeAlias

import numpy as np
import polars as pl

from polyclinic import config, registry
from polyclinic.arrays import Array
from polyclinic.outcomes.outcome import Outcome
from polyclinic.outcomes.raw import Raw, concatenate
from polyclinic.packages import recipe
from polyclinic.packages.contents import Contents, read_folder
from polyclinic.packages.parts import OnnxPart, Part, Values, load_parts, require, save_parts
from polyclinic.packages.recipe import MemberDocument
from polyclinic.packages.state_files import load_state, save_state
from polyclinic.samples import Samples
from polyclinic.state import State

History: TypeAlias = Sequence[Mapping[str, float]]
"""One record an epoch or a tree: its number, and the losses."""


class Encoder(Protocol):
    """The settings of a model, by which rows become named arrays; see `models.model.Model`."""

    def encode(self, rows: Samples, state: State) -> Mapping[str, Array]: ...


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted model. The study and the package answer through these same parts.

    model: the settings dataclass, whose `encode` turns rows into named arrays; name: its name in the registry.
    outcome_state: what the outcome learned from the training rows (centre, scale, classes).
    parts: run one after another over what `encode` gives; the last gives `raw`.
    batch: rows encoded and answered at a time (memory, never answers, depends on it).
    history: one record an epoch (`epoch`, `train`, `validation`); empty where there are no epochs.
    """

    model: Encoder
    state: State
    parts: Sequence[Part]
    name: str = ""
    batch: int = 4096
    history: History = ()
    outcome_state: State = field(default_factory=State)

    def raw(self, rows: Samples) -> Raw:
        """What the parts give for these rows."""
        return concatenate([self.of_encoded(self.encoded(some)) for some in self.batches(rows)])

    def batches(self, rows: Samples) -> Iterator[Samples]:
        """The rows, at most `batch` at a time; once nothing where there are none."""
        for first in range(0, max(len(rows), 1), self.batch):
            yield rows.take(np.arange(first, min(first + self.batch, len(rows))))

    def encoded(self, rows: Samples) -> Values:
        """What the model makes of these rows without their targets: at most `batch` of them."""
        return dict(self.model.encode(rows.without_targets(), self.state))

    def of_encoded(self, values: Values) -> Raw:
        """What the parts give for encoded rows; what an earlier part gave stays visible to the later ones."""
        for part in self.parts:
            values = {**values, **part(values)}
        return Raw(np.asarray(values["raw"]), values.get("shape"))

    def same_model(self, other: Self) -> bool:
        """Whether both are fits of the same model with the same settings."""
        mine, theirs = ((f.name, config.settings_of(f.model)) for f in (self, other))
        return mine == theirs

    def answer(self, rows: Samples, outcome: Outcome) -> Raw:
        """Linked answers (probabilities) for these rows."""
        return self.linked(self.raw(rows), outcome)

    def linked(self, raw: Raw, outcome: Outcome) -> Raw:
        """Raw numbers of this model as answers."""
        return outcome.link(raw, self.outcome_state)

    def predict(self, rows: Samples, outcome: Outcome, *, folder: Path = Path()) -> pl.DataFrame:
        """The outcome's columns of the predictions table for these rows."""
        return pl.concat(
            outcome.predictions(self.answer(some, outcome), some, decision=None, folder=folder)
            for some in self.batches(rows)
        )

    @property
    def precision(self) -> str | None:
        """The numbers that a network was fitted with, `single` or `double`; None for a model that is no network."""
        training = config.settings_of(self.model).get("training")
        return training.get("precision") if isinstance(training, Mapping) else None

    @property
    def portable(self) -> bool:
        """Whether ONNX parts alone answer."""
        return all(isinstance(part, OnnxPart) for part in self.parts)

    def needs(self) -> dict[str, str]:
        """Distribution → version, of the model and of its parts."""
        needed = [registry.entry("models", self.name).needs(), *(part.needs() for part in self.parts)]
        return {one["distribution"]: one["version"] for one in needed if one}

    def named(self, name: str) -> Self:
        """The same under its name in the registry."""
        return replace(self, name=name)

    def save(self, state: Path, parts: Path) -> None:
        """Write settings and state to one folder, parts to another; no pickle."""
        save_state(self.state, state)
        save_state(self.outcome_state, state, "outcome")
        document = MemberDocument(
            model=self.name,
            settings=config.settings_of(self.model),
            parts=save_parts(self.parts, parts),
            batch=self.batch,
            history=tuple(self.history),
            needs=self.needs(),
        )
        (state / "model.json").write_text(json.dumps(asdict(document), indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, contents: Contents, state: str, parts: str) -> Self:
        """Read what `save` wrote to two folders of a package; torch is not needed.

        Raises
        ------
        BadPackage
            Where a file is missing or malformed, or a distribution differs from the one that it was made with.
        """
        name = f"{state}/model.json"
        document = recipe.read(MemberDocument, contents, name)
        for distribution, version in document.needs.items():
            require(distribution, version)
        model = config.build(registry.load("models", document.model), document.settings, file=name)
        loaded = load_parts(contents, parts, document.parts)
        learned, of_outcome = load_state(contents, state), load_state(contents, state, "outcome")
        return cls(model, learned, loaded, document.model, document.batch, document.history, of_outcome)

    @classmethod
    def read(cls, state: Path, parts: Path) -> Self:
        """As `load`, from the two folders that `save` wrote."""
        folders = {"state": state, "parts": parts}
        contents = {f"{k}/{n}": data for k, at in folders.items() for n, data in read_folder(at).items()}
        return cls.load(contents, "state", "parts")
