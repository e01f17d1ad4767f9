"""The model card: what a package is for, whom it was made from, how well it did, and where it must not be used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from polyclinic.figures.numbers import count, finite, number, percent
from polyclinic.reports.finding import told
from polyclinic.reports.reading import score_name

PORTABLE = {
    True: "Portable: yes. Its parts are ONNX alone; any ONNX runtime can answer with them.",
    False: "Portable: no. A part is named code, which must be installed where the package answers (see `recipe.json`).",
}


def card(known: Mapping[str, Any]) -> str:
    """The card as Markdown, for `card.md` of a package.

    known: title, name, intended_use, about (what the package says of itself, data and licence included), outcome, model,
    members (how many fold models are averaged), portable, calibration, threshold, validation (score → value), limits
    (input → ranges), past_index; missing keys leave their lines out. It holds nothing of the test rows, so that a
    package is the same whatever they say; their scores stand in the report.
    """
    sections = {
        "Intended use": str(
            known.get("intended_use") or "Not stated: do not use it for patient care."
        ).strip(),
        "What it is": _lines(_model(known)),
        "Data": _lines(_data(known)),
        "Scores": _scores(known),
        "Calibration": _calibration(known),
        "Limits": _limits(known),
        "Whom it fails": FAILS,
    }
    title = f"# {known.get('title') or known.get('name') or 'Model package'}"
    return "\n\n".join([title, *(f"## {name}\n\n{text}" for name, text in sections.items() if text)]) + "\n"


FAILS = (
    "Scores by subgroup, with intervals and with the groups that are too small to judge, stand in the report of the "
    "run. Read them before use: a group that is not listed there was not tested."
)


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _model(known: Mapping[str, Any]) -> Iterator[str]:
    members = known.get("members") or 1
    mean = f", the mean of {members} fold models" if members > 1 else ""
    yield f"Model: `{known.get('model', 'unknown')}`{mean}."
    if known.get("outcome"):
        yield f"Answer: {known['outcome']}."
    if known.get("threshold") is not None:
        yield f"Threshold for an alert: {number(known['threshold'])}, chosen on validation rows."
    if "portable" in known:
        yield PORTABLE[bool(known["portable"])]


def _data(known: Mapping[str, Any]) -> Iterator[str]:
    about, rows = known.get("about") or {}, (known.get("limits") or {}).get("rows")
    if about.get("data"):
        yield f"Learned from `{about['data']}`."
    if about.get("data_licence"):
        commercial = about.get("data_commercial", "unknown")
        yield f"Licence of the data: {about['data_licence']}; commercial use: {commercial}."
    if about.get("source_format"):
        yield f"Format that it reads: `{about['source_format']}`."
    if rows is not None:
        yield f"Learned from {count(rows)} rows."
    if known.get("past_index"):
        yield "The labels look past the moment of asking, the inputs do not: it can be asked live, before the outcome."


def _scores(known: Mapping[str, Any]) -> str:
    found = known.get("validation") or {}
    if not found:
        return ""
    table = ["| score, on validation rows | value |", "|---|---|"]
    table += [f"| {score_name(name)} | {number(value)} |" for name, value in found.items()]
    words = "Validation rows chose this model, so these values flatter it; the report has those of held-out rows with intervals."
    if (known.get("members") or 1) > 1:
        words += " Under cross-fitting scores estimate the procedure: the mean of the fold models is not itself scored."
    return "\n".join([*table, "", words])


def _calibration(known: Mapping[str, Any]) -> str:
    found = known.get("calibration")
    asked = f"Recalibrated on validation rows ({told(found)})."
    return asked if found else "None: its answers are given as the model makes them."


def _limits(known: Mapping[str, Any]) -> str:
    """What the inputs looked like when it learned: outside of it, nothing is known."""
    lines = []
    for name, about in (known.get("limits") or {}).items():
        if isinstance(about, Mapping):
            words = [str(about["kind"])] if "kind" in about else []
            words += [percent(about["present"], 0) + " present"] if finite(about.get("present")) else []
            if length := about.get("length"):
                words.append(f"length {number(length[0], 0)} to {number(length[1], 0)}")
            words += [f"{k} {number(a)} to {number(b)}" for k, (a, b) in (about.get("range") or {}).items()]
            lines.append(f"`{name}`: {', '.join(words)}.")
    opening = "Inputs as they were when it learned; outside of them nothing is known."
    return f"{opening}\n\n{_lines(lines)}" if lines else ""
