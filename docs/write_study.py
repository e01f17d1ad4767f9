"""Write docs/reference/study.md from the settings themselves:  python docs/write_study.py"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from polyclinic import config, registry
from polyclinic.studies.study import BLOCKS

PAGE = Path(__file__).parent / "reference" / "study.md"
TOP = {
    "name": "what the study is called; `runs/NAME` is the folder of its run",
    "title": "the question, as the page has it; `name` if left out",
    "intended_use": "which patients the model is for, and which it is not for",
    "task": "a name from `polyclinic list tasks`, a file beside the study, or the task itself",
    "target": "`{column, kind, …}`: what is predicted, where rows have no times; further keys are those of the outcome",
    "labels": "a table of labels, in place of a task or beside rows",
    "inputs": "one block for each kind of inputs, see below; those of the source's area if left out",
    "models": "a name, a list of names, or names with settings; a second one of a kind gets a name of its own: "
    "`wide: {model: transformer, width: 128}`",
    "baselines": "as `models`; what the models are compared with",
    "seed": "a whole number from 0; everything random derives from it",
}
HEAD = """# The study file

Written from the settings themselves by `docs/write_study.py`.

Every key has a default but `name`, `source` and one of `task`, `target`, `labels`. `polyclinic validate STUDY` prints
all of them written out; an unknown key is an error with its line and the nearest right one. `polyclinic show NAME`
prints a study that ships.

```yaml
name: hypotension
title: Will mean arterial pressure fall below 65 mmHg within the next two hours?
intended_use: Which patients it is for, and which it is not for.
source:
  data: clif-demo              # a registered set; or {format: clif, path: DIR}, {timeline: DIR}, {frame: FILE}
task: hypotension              # a name or a file; without times: target: {column: y, kind: binary}, or labels: FILE
inputs:
  records: {lookback: 24h}     # one block an area
split: {separate: [subject], folds: 5, validation: 0.15}
models:
  - transformer: {width: 64, layers: 2}
baselines: [last-value, logistic, gbm]
choose: {by: auroc}            # on validation rows
evaluation:
  intervals: {over: subject}
  operating_point: {specificity: 0.90}
  subgroups: [sex, age_band]
  decision: {thresholds: [0.05, 0.50]}
gates:
  better_than: last-value
  calibration_slope: [0.8, 1.2]
report: {min_cell: 5}          # counts from 1 to 4 are written as <5
seed: 13
```

A target of two words or codes says which one means yes: `target: {column: death, kind: binary, positive: "Yes"}`. A table's
columns are all read but the target; `inputs: {table: {without: [date_of_death]}}` leaves some out, `{use: [age, sex]}`
names the ones to read, `{groups: [hospital]}` makes groups for splits and intervals.

`--set key=value` changes any key for one run: `--set split.folds=3`, `--set evaluation.operating_point.specificity=0.95`.
A model in the list is reached by its name and the others stay: `--set models.transformer.width=32`.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, "## Keys of a study\n", table((key, "", text) for key, text in TOP.items())]
    for name, cls in BLOCKS.items():
        parts += [f"## {name}\n", f"{summary(cls)}\n", table(settings(cls))]
    for kind in ("inputs", "outcomes", "models"):
        where = {"inputs": "inputs", "outcomes": "target", "models": "models"}[kind]
        parts += [f"## Settings of {kind}\n", f"They stand under `{where}`.\n"]
        for name in registry.entries(kind):
            cls = registry.load(kind, name)
            rows = list(settings(cls))
            parts += [f"### {name}\n", f"{summary(cls)}\n", table(rows) if rows else ""]
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def settings(cls: Any, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Key, default and meaning of every setting, those of inner blocks below their own."""
    known, hints = meanings(cls), get_type_hints(cls)
    for item in fields(cls):
        if not item.init:
            continue
        default = item.default if item.default_factory is MISSING else item.default_factory()
        inner = default if is_dataclass(default) and not isinstance(default, type) else None
        if inner is None:
            shown = "required" if default is MISSING else f"`{plain(default)}`"
            yield f"{prefix}{item.name}", shown, known.get(item.name, "")
        else:
            yield from settings(type(inner), f"{prefix}{item.name}.")
    assert set(hints) >= {item.name for item in fields(cls)}


def plain(value: Any) -> str:
    """A default as YAML has it, on one line."""
    if is_dataclass(value) and not isinstance(value, type):
        value = config.settings_of(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {plain(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(plain, value)) + "]"
    return (
        {None: "null", True: "true", False: "false", "": '""'}.get(value, str(value))
        if _hashable(value)
        else str(value)
    )


def _hashable(value: Any) -> bool:
    return value is None or isinstance(value, bool | str)


def summary(cls: Any) -> str:
    """The first paragraph of a docstring."""
    text = (inspect.getdoc(cls) or "").partition("\n\n")[0]
    return " ".join(text.split()) if not re.match(r"^\w+: ", text) else ""


def meanings(cls: Any) -> dict[str, str]:
    """What the docstring says of each setting: a section `Attributes`, or paragraphs `name: text; name: text`."""
    text = inspect.getdoc(cls) or ""
    section = re.search(r"^Attributes\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    names = "|".join(item.name for item in fields(cls)) or "-"
    if section:
        pairs = re.findall(rf"^((?:{names})(?:, (?:{names}))*)\n((?:    .*\n?|\n)+)", section[1], re.MULTILINE)
        return {name: " ".join(words.split()) for listed, words in pairs for name in listed.split(", ")}
    body = " ".join(text.partition("\nRaises")[0].split())
    marks = list(re.finditer(rf"(?:^|(?<=[;.] ))((?:{names})(?:, (?:{names}))*): ", body))
    ends = [*(mark.start() for mark in marks[1:]), *([len(body)] if marks else [])]
    return {
        name: body[mark.end() : end].strip(" ;")
        for mark, end in zip(marks, ends, strict=True)
        for name in mark[1].split(", ")
    }


def table(rows: Any) -> str:
    """Keys as a table."""
    listed = list(rows)
    if not any(default for _, default, _ in listed):
        return "\n".join(["| key | meaning |", "|---|---|", *(f"| `{k}` | {m} |" for k, _, m in listed)]) + "\n"
    lines = [f"| `{key}` | {default} | {escaped(meaning)} |" for key, default, meaning in listed]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *lines]) + "\n"


def escaped(text: str) -> str:
    """Text that stays in one cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    missing = {name for name, cls in BLOCKS.items() for key, _, text in settings(cls) if not text}
    print(f"{config.plain(sorted(missing))} lack a meaning" if missing else "written")
