"""The format of `report.json`, and which of its counts may be seen."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from polyclinic.errors import BadData, Place

COUNTS = frozenset({"rows", "groups", "n", "all", "negative", "positive", "labelled"})


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of `report.json`: the least that it holds."""
    return dict(json.loads(files("polyclinic.reports").joinpath("report.schema.json").read_bytes()))


def validate(report: Mapping[str, Any]) -> None:
    """Raise `BadData` with the key where a report is not as the schema says."""
    from jsonschema import Draft202012Validator

    found = Draft202012Validator(schema()).iter_errors(report)
    if faults := sorted(found, key=lambda fault: [*map(str, fault.path)]):
        first, others = faults[0], f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
        what = f"this is not a report of format 1: {_what(first)}{others}"
        at = Place(file="report.json", key=".".join(map(str, first.path)) or "the whole")
        fix = "write it again with `polyclinic run` or `polyclinic evaluate` of this version"
        raise BadData(what, at=at, fix=fix)


def _what(fault: Any) -> str:
    """The fault without the value, which may be long or someone's."""
    if fault.validator == "required":
        return str(fault.message)
    return f"{fault.validator} should be {json.dumps(fault.validator_value)[:80]}"


def suppress(report: Mapping[str, Any], min_cell: int) -> dict[str, Any]:
    """A copy in which counts from 1 to below `min_cell` in cohort, table 1 and subgroups are `"<5"` (for 5).

    A subgroup whose rows or groups are suppressed keeps no scores either. Complements are not: a total can still give a
    single suppressed cell away.
    """
    if min_cell <= 1:
        return {**report}
    subgroups = [_hidden(_suppressed(s, min_cell)) for s in report["subgroups"]]
    return {**report, "cohort": _suppressed(report["cohort"], min_cell), "subgroups": subgroups}


def _suppressed(value: Any, least: int, *, counts: bool = False) -> Any:
    """counts: whether a bare number here is a count."""
    if isinstance(value, Mapping):
        inside = {k: k in COUNTS or (counts and not isinstance(v, Mapping)) for k, v in value.items()}
        return {k: _suppressed(v, least, counts=inside[k]) for k, v in value.items()}
    if isinstance(value, list):
        return [_suppressed(one, least, counts=counts) for one in value]
    if not counts or isinstance(value, bool):
        return value
    return f"<{least}" if isinstance(value, int) and 0 < value < least else value


def _hidden(subgroup: dict[str, Any]) -> dict[str, Any]:
    if not any(isinstance(subgroup.get(size), str) for size in ("n", "groups")):
        return subgroup
    nothing = {"value": None, "low": None, "high": None}
    scores = {name: {**score, **nothing, "n": subgroup["n"]} for name, score in subgroup["scores"].items()}
    return {k: v for k, v in subgroup.items() if k != "calibration"} | {"scores": scores, "too_small": True}
