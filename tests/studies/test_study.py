"""Reading a study: what is wrong is named with key, line and the nearest known name."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyclinic import config
from polyclinic.errors import PolyclinicError, UnknownName, UsageError
from polyclinic.studies.study_parser import load_study

GOOD = """\
name: mine
source: {frame: rows.csv}
target: {column: y, kind: binary}
split:
  separate: [patient]
models: [gbm]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.study.yaml"
    path.write_text(text)
    return path


def test_defaults_are_written_out_and_the_study_reads_back(tmp_path: Path) -> None:
    first = load_study(written(tmp_path, GOOD))
    document = first.document()
    assert document["split"]["test"] == 0.2
    assert load_study(document).document() == document


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("models:", "modles:"), 6, "did you mean 'models'"),
        (("separate:", "seperate:"), 5, "did you mean 'separate'"),
        (("[gbm]", "[gmb]"), 6, "did you mean 'gbm'"),
        (("kind: binary", "kind: binry"), None, "did you mean 'binary'"),
        (("[gbm]", "[{gbm: {leafs: 3}}]"), 6, "unknown key 'leafs'"),
        (("[patient]", "[patient]\n  folds: five"), 6, "split.folds"),
        (("[gbm]", "[gbm]\nchoose: {by: aucroc}"), 7, "did you mean 'auroc'"),
        (("[gbm]", "[gbm]\ngates:\n  better_than: gmb"), 8, "did you mean 'gbm'"),
        (("[gbm]", "[gbm]\ngates:\n  min: {aucroc: 0.8}"), 8, "did you mean 'auroc'"),
        (("[gbm]", "[gbm]\ngates: {worst_subgroup: {min_subject: 2}}"), 7, "did you mean 'min_subjects'"),
        (("{frame: rows.csv}", "{data: clif-dmo}"), 2, "unknown dataset 'clif-dmo'"),
        (("{frame: rows.csv}", "{}"), 2, "a source is one of"),
        (("target: {column: y, kind: binary}\n", ""), None, "has no question"),
        (("name: mine\n", ""), None, "no 'name'"),
        (("name: mine", 'name: ""'), None, "no 'name'"),
        (("[gbm]", "[gbm]\nseed: -1"), 7, "seed is -1"),
        (("[gbm]", "[gbm]\nseed: many"), 7, "seed is 'many'"),
        (("[gbm]", "[gbm]\ntraining: {device: gpuu}"), 7, "one of auto, cpu"),
        (("[gbm]", "[gbm]\nevaluation: {decision: {thresholds: [0.5, 0.1]}}"), 7, "two rising numbers"),
        (("[gbm]", "[gbm]\nevaluation: {operating_point: {specificity: 1.2}}"), 7, "a number from 0 to 1"),
        (("[gbm]", "[gbm]\nevaluation: {operating_point: {speed: 0.9}}"), 7, "operating_point is one of"),
        (("models: [gbm]", "models: [gbm, gbm]"), 6, "two models are called 'gbm'"),
        (("models: [gbm]", "models: [{../../outside: {model: gbm}}]"), 6, "a model cannot be called"),
        (("name: mine", "name: [mine"), 2, "cannot be read as YAML"),
        (("models: [gbm]", "models: 5"), 6, "for example  models: [gbm]"),
        (("{column: y, kind: binary}", "y"), 3, "for example  target: {column: y"),
        (("models: [gbm]", "inputs: table\nmodels: [gbm]"), 6, "for example  inputs:"),
        (("models: [gbm]", "models: [{gbm: five}]"), 6, "must be a mapping of settings"),
        (("models: [gbm]", "models:\n  - gbm:\n    leafs: 3"), 8, "unknown model 'leafs'"),
        (("[patient]", "patient"), 5, "must be a list"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, change, line, says) -> None:
    with pytest.raises(PolyclinicError) as error:
        load_study(written(tmp_path, GOOD.replace(*change)))
    assert says in str(error.value)
    if line is not None:
        assert f"mine.study.yaml:{line}" in str(error.value)


def test_set_changes_one_key(tmp_path: Path) -> None:
    assert load_study(written(tmp_path, GOOD), ["split.folds=3"]).split.folds == 3


def test_set_with_an_unknown_key_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'folds'"):
        load_study(written(tmp_path, GOOD), ["split.fold=3"])


def test_set_reaches_a_model_of_the_list_and_leaves_the_others(tmp_path: Path) -> None:
    several = written(tmp_path, GOOD.replace("[gbm]", "[{gbm: {rounds: 7}}, logistic]"))
    document = load_study(several, ["models.gbm.leaves=5", "models.logistic.coverage=0.9"]).document()
    gbm, logistic = document["models"]
    assert (gbm["gbm"]["rounds"], gbm["gbm"]["leaves"], logistic["logistic"]["coverage"]) == (7, 5, 0.9)


@pytest.mark.parametrize(
    ("assignment", "says"),
    [("models.gmb.leaves=5", "did you mean 'gbm'"), ("models.gbm.leaves=few", "--set models.gbm.leaves=few")],
)
def test_set_on_a_model_of_the_list_names_its_mistake(tmp_path: Path, assignment: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        load_study(written(tmp_path, GOOD), [assignment])


def test_a_rule_that_set_breaks_is_placed_at_the_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--set evaluation\.operating_point\.speed=1"):
        load_study(written(tmp_path, GOOD), ["evaluation.operating_point.speed=1"])


def test_models_by_name_are_all_there(tmp_path: Path) -> None:
    by_name = written(tmp_path, GOOD.replace(" [gbm]", "\n  gbm: {leaves: 5}\n  logistic:\n"))
    assert [c.name for c in load_study(by_name).candidates] == ["gbm", "logistic"]


TABLE = """
name: falls
source: {frame: residents.csv}
target: {column: fell}
split: {separate: [home]}
models: [gbm]
evaluation: {intervals: {over: home}, subgroups: [sex]}
"""


@pytest.mark.parametrize(
    ("change", "name", "line"),
    [
        (("column: fell", "column: fall"), "fell", 4),
        (("separate: [home]", "separate: [hone]"), "home", 5),
        (("over: home", "over: hom"), "home", 7),
        (("subgroups: [sex]", "subgroups: [sexe]"), "sex", 7),
    ],
)
def test_a_column_that_the_table_does_not_have_is_found_with_its_line(tmp_path, monkeypatch, change, name, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "residents.csv").write_text("home,sex,age,fell\n1,f,80,0\n")
    load_study(written(tmp_path, TABLE), check_sources=True)
    wrong = written(tmp_path, TABLE.replace(*change))
    with pytest.raises(UnknownName, match=f"did you mean '{name}'") as caught:
        load_study(wrong, check_sources=True)
    assert caught.value.at.line == line
    load_study(wrong)  # without its data a study is only read


@pytest.mark.parametrize("name", ["../gbm", "a/b", ".gbm", "a b"])
def test_a_model_whose_name_is_no_name_for_a_folder_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="a model cannot be called"):
        load_study(written(tmp_path, TABLE.replace("[gbm]", f'[{{"{name}": {{model: gbm}}}}]')))


SHIPPED = config.plain(load_study("hypotension").document())


def keys_of(node: object) -> list[tuple[object, ...]]:
    """The keys to every value of a document."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path for key, value in inner for path in [(key,), *((key, *rest) for rest in keys_of(value))]]


@given(
    st.sampled_from(keys_of(SHIPPED)),
    st.sampled_from([5, -1.5, "x", "", True, None, [], [1], ["x"], {}, {"a": 1}, float("nan")]),
)
def test_any_value_in_any_place_of_a_study_is_at_most_a_reported_mistake(keys: tuple, value: object) -> None:
    document = copy.deepcopy(SHIPPED)
    node = document
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value
    with contextlib.suppress(PolyclinicError):
        load_study(document)


def test_a_misspelt_shipped_study_suggests_the_nearest() -> None:
    with pytest.raises(PolyclinicError, match="unknown study"):
        load_study("hypotensoin")


@pytest.mark.parametrize(
    "setting",
    ["split.test=5", "split.folds=1", "report.min_cell=-3", "training.threads=-4", "evaluation.bootstrap.resamples=-5"],
)
def test_a_setting_out_of_range_is_refused_before_anything_runs(tmp_path: Path, setting: str) -> None:
    with pytest.raises(UsageError, match=setting.partition("=")[0]):
        load_study(written(tmp_path, GOOD), [setting])


def test_one_model_need_not_be_a_list(tmp_path: Path) -> None:
    study = load_study(written(tmp_path, GOOD.replace("[gbm]", "gbm")))
    assert [c.name for c in study.candidates] == ["gbm"]


@pytest.mark.parametrize("more", ["", "labels: index.csv\n", "description: who dies\n"])
def test_a_task_where_a_study_is_expected_is_called_one_with_the_command_for_it(tmp_path: Path, more: str) -> None:
    file = written(tmp_path, f"{more}predicates: {{died: {{code: DEATH}}}}\ntrigger: died\n")
    with pytest.raises(UsageError, match="this is a task, not a study") as caught:
        load_study(file)
    assert f"polyclinic cohort SOURCE {file.name}" in caught.value.fix


def test_a_study_with_a_key_of_a_task_is_a_study_with_an_unknown_key(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="trigger"):
        load_study(written(tmp_path, "name: mine\nsource: {data: clif-demo}\ntrigger: died\n"))


def test_a_model_that_cannot_give_the_answer_is_refused_when_the_study_is_read():
    target = {"column": "label", "kind": "voxels", "labels": ["front"]}
    document = {"name": "x", "source": {"frame": "x.csv"}, "target": target, "models": ["gbm"]}
    with pytest.raises(
        UsageError, match="gbm gives one answer for each row of its input; 'voxels' asks for one for each grid"
    ):
        load_study(document)
