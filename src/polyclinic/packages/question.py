"""The question that a study and its package share: who, from what, and what is predicted."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from polyclinic import config, registry
from polyclinic.cohorts.task import Task
from polyclinic.cohorts.task_parser import parse_task
from polyclinic.errors import Place
from polyclinic.outcomes.outcome import Outcome
from polyclinic.samples.inputs import Inputs, Stratified


@dataclass(frozen=True, kw_only=True)
class Question:
    """Which rows are predicted, from which inputs, and which target.

    inputs: name of registered inputs → settings; task_document: the task's document, where there are times;
    target: {"column" or what the outcome reads in its place, "kind", …}, where there are none; labels: a table of labels in place of either.
    """

    inputs: Mapping[str, Mapping[str, Any]]
    task_document: Mapping[str, Any] | None = None
    target: Mapping[str, Any] = field(default_factory=dict)
    labels: str | None = None

    @property
    def kind(self) -> str:
        """The kind of outcome."""
        return str(self.target.get("kind") or (self.task_document or {}).get("kind") or "binary")

    @cached_property
    def readers(self) -> dict[str, Inputs]:
        """Name → the inputs with their settings."""
        return {
            name: config.build(registry.load("inputs", name), settings, file=f"inputs.{name}")
            for name, settings in self.inputs.items()
        }

    @cached_property
    def live_readers(self) -> dict[str, Inputs]:
        """The same without strata, which break results down and have no place in a live prediction."""
        readers: dict[str, Any] = dict(self.readers)
        for name, reader in readers.items():
            if isinstance(reader, Stratified):
                readers[name] = replace(readers[name], strata=type(reader.strata)())
        return readers

    @cached_property
    def task(self) -> Task | None:
        """The task, where there is one."""
        return None if self.task_document is None else parse_task(self.task_document)

    @cached_property
    def outcome(self) -> Outcome:
        """The outcome with the settings that the target gives it."""
        cls = registry.load("outcomes", self.kind, at=Place(key="target.kind"))
        outcome: Outcome = config.build(cls, cls.settings_in(self.target), file="target")
        return outcome

    @property
    def target_columns(self) -> tuple[str, ...]:
        """The columns of a table that tell the answer; none where a task tells it."""
        return self.outcome.reads(self.target)
