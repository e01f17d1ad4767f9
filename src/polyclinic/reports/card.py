"""The model card: what a package is for, whom it was made from, how well it did, and where it must not be used."""

from __future__ import annotations

from collections.abc import Mapping
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
    use = known.get("intended_use") or "Not stated: do not use it for patient care."
    asked = f"Recalibrated on validation rows ({told(known.get('calibration'))})."
    plain = "None: its answers are given as the model makes them."
    sections = {
        "Intended use": str(use).strip(),
        "What it is": _model(known),
        "Data": _data(known),
        "Scores": _scores(known),
        "Calibration": asked if known.get("calibration") else plain,
        "Limits": _limits(known),
        "Whom it fails": FAILS,
    }
    title = f"# {known.get('title') or known.get('name') or 'Model package'}"
    return "\n\n".join([title, *(f"## {name}\n\n{text}" for name, text in sections.items() if text)]) + "\n"


FAILS = (
    "Scores by subgroup, with intervals and with the groups that are too small to judge, stand in the report of the "
    "run. Read them before use: a group that is not listed there was not tested."
)
PAST = "The labels look past the moment of asking, the inputs do not: it can be asked live, before the outcome."


def _list(lines: Mapping[str, Any]) -> str:
    """The lines that hold."""
    return "\n".join(f"- {line}" for line, holds in lines.items() if holds)


def _model(known: Mapping[str, Any]) -> str:
    members, threshold = known.get("members") or 1, known.get("threshold")
    mean = f", the mean of {members} fold models" if members > 1 else ""
    lines = {
        f"Model: `{known.get('model', 'unknown')}`{mean}.": True,
        f"Answer: {known.get('outcome')}.": known.get("outcome"),
        f"Threshold for an alert: {number(threshold)}, chosen on validation rows.": threshold is not None,
        PORTABLE[bool(known.get("portable"))]: "portable" in known,
    }
    return _list(lines)


def _data(known: Mapping[str, Any]) -> str:
    about, rows = known.get("about") or {}, (known.get("limits") or {}).get("rows")
    data, licence, format = (about.get(key) for key in ("data", "data_licence", "source_format"))
    lines = {
        f"Learned from `{data}`.": data,
        f"Licence of the data: {licence}; commercial use: {about.get('data_commercial', 'unknown')}.": licence,
        f"Format that it reads: `{format}`.": format,
        f"Learned from {count(rows)} rows.": rows is not None,
        PAST: known.get("past_index"),
    }
    return _list(lines)


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


def _limits(known: Mapping[str, Any]) -> str:
    """What the inputs looked like when it learned: outside of it, nothing is known."""
    lines = {}
    for name, about in (known.get("limits") or {}).items():
        if isinstance(about, Mapping):
            present, length = about.get("present"), about.get("length")
            words: list[Any] = [about.get("kind"), finite(present) and f"{percent(present, 0)} present"]
            words += [length and f"length {number(length[0], 0)} to {number(length[1], 0)}"]
            words += [f"{k} {number(a)} to {number(b)}" for k, (a, b) in (about.get("range") or {}).items()]
            lines[f"`{name}`: {', '.join(filter(None, words))}."] = True
    opening = "Inputs as they were when it learned; outside of them nothing is known."
    return f"{opening}\n\n{_list(lines)}" if lines else ""
