"""The model card: what a package is for, whom it was made from, how well it did, and where it must not be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyclinic.figures.numbers import count, finite, number
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
    parts = [
        f"# {known.get('title') or known.get('name') or 'Model package'}",
        _section(
            "Intended use",
            str(known.get("intended_use") or "Not stated: do not use it for patient care.").strip(),
        ),
        _section("What it is", _lines(_model(known))),
        _section("Data", _lines(_data(known))),
        _section("Scores", _scores(known)),
        _section("Calibration", _calibration(known)),
        _section("Limits", _limits(known)),
        _section("Whom it fails", FAILS),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


FAILS = (
    "Scores by subgroup, with intervals and with the groups that are too small to judge, stand in the report of the "
    "run. Read them before use: a group that is not listed there was not tested."
)


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}" if text else ""


def _lines(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _model(known: Mapping[str, Any]) -> list[str]:
    members = known.get("members") or 1
    mean = f", the mean of {members} fold models" if members > 1 else ""
    lines = [f"Model: `{known.get('model', 'unknown')}`{mean}."]
    if known.get("outcome"):
        lines.append(f"Answer: {known['outcome']}.")
    if known.get("threshold") is not None:
        lines.append(f"Threshold for an alert: {number(known['threshold'])}, chosen on validation rows.")
    if "portable" in known:
        lines.append(PORTABLE[bool(known["portable"])])
    return lines


def _data(known: Mapping[str, Any]) -> list[str]:
    about = known.get("about") or {}
    lines = []
    if about.get("data"):
        lines.append(f"Learned from `{about['data']}`.")
    if about.get("data_licence"):
        lines.append(
            f"Licence of the data: {about['data_licence']}; commercial use: {about.get('data_commercial', 'unknown')}."
        )
    if about.get("source_format"):
        lines.append(f"Format that it reads: `{about['source_format']}`.")
    rows = (known.get("limits") or {}).get("rows")
    if rows is not None:
        lines.append(f"Learned from {count(rows)} rows.")
    if known.get("past_index"):
        lines.append(
            "The labels look past the moment of asking, the inputs do not: it can be asked live, before the outcome."
        )
    return lines


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
    found = known.get("calibration") or {}
    if not found:
        return "None: its answers are given as the model makes them."
    return f"Recalibrated on validation rows ({told(found)})."


def _limits(known: Mapping[str, Any]) -> str:
    """What the inputs looked like when it learned: outside of it, nothing is known."""
    lines = []
    for name, about in (known.get("limits") or {}).items():
        if not isinstance(about, Mapping):
            continue
        ranges = [f"{k} {number(a)} to {number(b)}" for k, (a, b) in (about.get("range") or {}).items()]
        length = about.get("length")
        words = [str(about["kind"])] if "kind" in about else []
        if finite(about.get("present")):
            words.append(f"{100 * about['present']:.0f} % present")
        if length:
            words.append(f"length {number(length[0], 0)} to {number(length[1], 0)}")
        lines.append(f"`{name}`: {', '.join([*words, *ranges])}.")
    if not lines:
        return ""
    return f"Inputs as they were when it learned; outside of them nothing is known.\n\n{_lines(lines)}"
