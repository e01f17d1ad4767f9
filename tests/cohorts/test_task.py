"""What is wrong in a task file is said with key, line and a way out."""

from __future__ import annotations

import contextlib
import copy
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from polyclinic import config
from polyclinic.cohorts.durations import duration
from polyclinic.cohorts.extract import extract
from polyclinic.cohorts.task_parser import load_task, parse_task
from polyclinic.errors import Place, PolyclinicError, UsageError

GOOD = """\
predicates:
  admission: {code: {regex: "^ADMISSION//.*"}}
  death: {code: DEATH}
trigger: admission
windows:
  first_day:
    start: trigger
    end: start + 24h
    start_inclusive: false
    end_inclusive: true
    has:
      death: (None, 0)
    index_timestamp: end
  target:
    start: first_day.end
    end: start + 7 days
    label: death
"""


def wrong(tmp_path: Path, old: str, new: str) -> UsageError:
    assert old in GOOD
    path = tmp_path / "task.yaml"
    path.write_text(GOOD.replace(old, new), "utf-8")
    with pytest.raises(UsageError) as caught:
        load_task(path)
    return caught.value


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("trigger: admission", "trigger: admision", 4, "'admission'"),
        ("      death: (None", "      deth: (None", 12, "'death'"),
        ("first_day.end", "frist_day.end", 15, "'first_day'"),
        ("label: death", "label: deaht", 17, "'death'"),
        ("    label:", "    lable:", 17, "'label'"),
        ("windows:", "widows:", 5, "'windows'"),
        ("start + 24h", "start + 24 moons", 8, "24h"),
        ("start + 24h", "start - 24h", 6, "turn the sign"),
        ("start: trigger", "start: target.end", 6, "hang one of them on trigger"),
        ("end: start + 7 days", "end: trigger", 14, "start + 24h"),
        ("(None, 0)", "(None, None)", 12, "(1, None)"),
        ('"^ADMISSION//.*"', '"^ADMISSION(//"', 2, "escape"),
        ("{code: DEATH}", "{expr: or(admission)}", 3, "and(a, b)"),
        ("{code: DEATH}", '{expr: "and(or(a, b)a, b)"}', 3, "and(a, b)"),
        ("{code: DEATH}", '{expr: "or(#0, admission)"}', 3, "and(a, b)"),
        ("{code: DEATH}", '{expr: "or(admission, nor(a, b))"}', 3, "and(a, b)"),
        ("start_inclusive: false", "start_inclusive: 'no'", 9, "true or false"),
    ],
)
def test_a_mistake_is_found_with_its_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    error = wrong(tmp_path, old, new)
    assert error.at is not None
    assert error.at.line == line
    assert says in error.fix


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"values": {"A": {"plausible": ["low", 9]}}}, "values.A.plausible.0"),
        ({"values": {"A": {"plausible": [None, 9]}}}, "values.A.plausible.0"),
        ({"predicates": {"a": {"code": "A", "other_cols": "ward"}}}, "predicates.a.other_cols"),
        ({"windows": {"w": {"start": "trigger", "end": "start + 1h", "has": [3, 1]}}}, "windows.w.has"),
        ({"at_risk": {"last": 5}}, "at_risk.last"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(more: dict[str, object], key: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_task({"predicates": {"a": {"code": "A"}}, "trigger": "a", **more})
    assert caught.value.at is not None
    assert caught.value.at.key == key
    assert caught.value.fix


def test_a_predicate_may_be_called_by_a_number() -> None:
    task = parse_task({"predicates": {7: {"code": "A"}}, "trigger": 7})
    assert list(task.predicates) == ["7"]


def test_an_unknown_key_of_a_predicate_is_a_column_and_must_exist() -> None:
    task = parse_task({"predicates": {"a": {"code": "A", "value_mni": 3}}, "trigger": "a"})
    schema = {"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String, "numeric_value": pl.Float32}
    with pytest.raises(UsageError, match="value_min"):
        extract(task, pl.LazyFrame(schema=schema))


def test_predicates_can_come_from_a_second_file(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text("predicates: {}\ntrigger: a\n", "utf-8")
    (tmp_path / "more.yaml").write_text("predicates:\n  a: {code: A}\n", "utf-8")
    task = load_task(tmp_path / "task.yaml", tmp_path / "more.yaml")
    assert task.document["predicates"] == {"a": {"code": "A"}}
    assert parse_task(task.document).predicates == task.predicates


def test_a_mistake_in_a_second_file_is_placed_in_that_file(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text("predicates: {}\ntrigger: a\n", "utf-8")
    (tmp_path / "more.yaml").write_text("\npredicates:\n  a:\n    code: A\n    value_max: many\n", "utf-8")
    with pytest.raises(UsageError, match="value_max must be a number") as error:
        load_task(tmp_path / "task.yaml", tmp_path / "more.yaml")
    assert error.value.at == Place(str(tmp_path / "more.yaml"), key="predicates.a.value_max", line=5)


def test_a_task_that_starts_after_its_index_cannot_be_used_live() -> None:
    windows = {"before": {"start": None, "end": "trigger - 24h", "index_timestamp": "end"}}
    task = parse_task({"predicates": {"a": {"code": "A"}}, "trigger": "a", "windows": windows})
    with pytest.raises(UsageError, match="hindsight"):
        extract(task, pl.LazyFrame(), outcome=False)


@pytest.mark.parametrize(
    ("text", "hours"),
    [("24h", 24), ("1 day 2 hours", 26), ("-1 day", -24), ("1 day, 2:30:00", 26.5), ("90 min", 1.5), ("1:30", 0.025)],
)
def test_spans_of_time(text: str, hours: float) -> None:
    assert duration(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "24", "soon", "1.2.3 h", "3 months"])
def test_what_is_no_span_of_time(text: str) -> None:
    with pytest.raises(UsageError, match="not a span of time"):
        duration(text)


SHIPPED = config.plain(load_task("hypotension").document)
COMPLETE = SHIPPED | {
    "patient_demographics": {"adult": {"code": "AGE", "value_min": 18, "static": True}},
    "predicates": {**SHIPPED["predicates"], "either": {"expr": "or(map, low)"}, "any": {"code": {"any": ["A", "B"]}}},
}


def keys_of(node: object) -> list[tuple[object, ...]]:
    """The keys to every value of a document."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [own for key, value in inner for own in [(key,), *((key, *rest) for rest in keys_of(value))]]


JUNK = [5, -1.5, "x", "", True, None, [], [1], ["x"], {}, {"a": 1}, float("nan"), {"regex": None}, [[1]], {1: {}}]


@pytest.mark.parametrize("keys", keys_of(COMPLETE), ids=lambda keys: ".".join(map(str, keys)))
def test_no_value_in_any_place_of_a_task_is_more_than_an_error_of_ours(keys: tuple[Any, ...]) -> None:
    parse_task(COMPLETE)
    for value in JUNK:
        document = copy.deepcopy(COMPLETE)
        node: Any = document
        for key in keys[:-1]:
            node = node[key]
        node[keys[-1]] = value
        with contextlib.suppress(PolyclinicError):
            parse_task(document)


@pytest.mark.parametrize("document", [None, 5, "x", [], [1], {}, {1: 2}, {"windows": None}])
def test_what_is_no_task_is_an_error_of_ours(document: object) -> None:
    with pytest.raises(PolyclinicError):
        parse_task(document)


@pytest.mark.parametrize("text", ["", "5\n", "[a]\n", "predicates: 5\n", "windows: {}\n", "predicates: {a: 5}\n"])
def test_a_second_file_that_holds_no_predicates_is_an_error_of_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / "task.yaml").write_text("predicates: {a: {code: A}}\ntrigger: a\n", "utf-8")
    (tmp_path / "more.yaml").write_text(text, "utf-8")
    with pytest.raises(PolyclinicError):
        load_task(tmp_path / "task.yaml", tmp_path / "more.yaml")


@pytest.mark.parametrize("text", ["99999999999999999999h", "1001 years", "400000 days", "9" * 5000 + " days"])
def test_a_span_of_more_than_a_thousand_years_is_none(text):
    with pytest.raises(UsageError, match="is not a span of time"):
        duration(text)


def test_a_study_where_a_task_is_expected_is_called_one_with_the_command_that_runs_it(tmp_path: Path) -> None:
    file = tmp_path / "my.study.yaml"
    file.write_text("name: mine\nsource: {data: clif-demo}\ntask: hypotension\nmodels: [gbm]\n")
    with pytest.raises(UsageError, match="this is a study, not a task") as caught:
        load_task(file)
    assert f"polyclinic run {file}" in caught.value.fix


def test_a_task_with_a_key_of_a_study_is_a_task_with_an_unknown_key() -> None:
    with pytest.raises(UsageError, match="models"):
        parse_task({"predicates": {"a": {"code": "A"}}, "trigger": "a", "models": ["gbm"]})
