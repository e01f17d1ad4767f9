"""A study from its data to its report and package, over a data frame."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from jsonschema import Draft202012Validator
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.deaths import patients, study

from polyclinic import fingerprint
from polyclinic.errors import BadData, Interrupted, UnknownName, UsageError
from polyclinic.packages.fitted import Fitted
from polyclinic.packages.predict import predict
from polyclinic.reports import schema
from polyclinic.reports.report import Report
from polyclinic.samples import store
from polyclinic.studies.run import plan, run


def steps(report: Report) -> dict[str, bool]:
    return {s.step: s.reused for s in report.document.steps}


def test_a_run_leaves_everything_that_it_promises(finished: Report) -> None:
    for name in ("study.yaml", "report.html", "report.json", "predictions.parquet", "package/recipe.json"):
        assert (finished.folder / name).is_file(), name
    content = json.loads((finished.folder / "report.json").read_text())
    assert [*Draft202012Validator(schema.shipped()).iter_errors(content)] == []


def test_every_labelled_row_is_held_out_once_by_every_model(finished: Report) -> None:
    out_of_fold = finished.predictions().filter((pl.col("split") == "test") & (pl.col("fold") != "package"))
    for _, rows in out_of_fold.group_by("model"):
        assert sorted(rows["row_id"]) == list(range(360))


def test_the_models_find_what_was_planted_and_the_naive_one_does_not(finished: Report) -> None:
    scores = {(r["model"], r["score"]): r for r in finished.scores().to_dicts()}
    assert scores["gbm", "auroc"]["low"] > 0.6
    assert scores["logistic", "auroc"]["low"] > 0.6
    assert scores["naive", "auroc"]["value"] < 0.55


def test_the_package_repeats_the_rows_that_it_answered_in_the_run(finished: Report) -> None:
    stored = finished.predictions().filter(pl.col("fold") == "package")
    again = predict(finished.package, finished.folder / "source.parquet")
    assert again["row_id"].to_list() == stored["row_id"].to_list()
    gap = (again["predicted_boolean_probability"] - stored["predicted_boolean_probability"]).abs().max()
    assert gap <= 1e-6


@pytest.mark.parametrize("size", [1, 7, 100])
def test_what_the_package_answers_does_not_depend_on_the_batch(finished: Report, tmp_path: Path, size: int) -> None:
    stored = finished.predictions().filter(pl.col("fold") == "package")["predicted_boolean_probability"]
    patients().drop("died")[:size].write_parquet(tmp_path / "rows.parquet")
    again = predict(finished.package, tmp_path / "rows.parquet")["predicted_boolean_probability"]
    assert (again - stored[:size]).abs().max() <= 1e-6


def test_each_folds_parts_repeat_its_out_of_fold_rows(finished: Report) -> None:
    samples = store.load(next((finished.folder / "steps").glob("samples-*")) / "samples")
    stored = finished.predictions().filter(pl.col("split") == "test")
    from polyclinic.outcomes.binary import Binary

    for folder in sorted((finished.folder / "steps").glob("fit-gbm-*")):
        rows = stored.filter((pl.col("model") == "gbm") & (pl.col("fold") == folder.name.split("-")[2]))
        fitted = Fitted.read(folder / "state", folder / "parts")
        answer = fitted.answer(samples.take(rows["row_id"].to_numpy()), Binary()).values[:, 0]
        assert np.abs(answer - rows["uncalibrated_probability"].to_numpy()).max() <= 1e-6


def test_a_changed_line_of_the_evaluation_trains_nothing_again(finished: Report) -> None:
    changed = study(patients())
    changed["evaluation"] |= {"operating_point": {"specificity": 0.8}}
    again = run(changed, out=finished.folder)
    reused = steps(again)
    assert all(reused[name] for name in reused if name.startswith(("ingest", "cohort", "samples", "fit")))
    assert not reused["evaluate"]


def test_other_subgroups_train_nothing_again(finished: Report, tmp_path: Path) -> None:
    shutil.copytree(finished.folder, tmp_path / "run")
    changed = study(patients())
    changed["evaluation"] = {"intervals": {"over": "patient"}, "subgroups": ["ward"]}
    again = run(changed, out=tmp_path / "run")
    assert all(reused for name, reused in steps(again).items() if name.startswith(("fit", "package", "answer")))
    assert {s.column for s in again.document.subgroups} == {"ward"}


def test_a_changed_model_is_fitted_again_and_the_others_are_not(finished: Report) -> None:
    fewer = run(study(patients(), models=["logistic"], baselines=["naive"]), out=finished.folder)
    assert steps(fewer)["fit-naive-0"]
    again = run(study(patients(), models=[{"gbm": {"learning_rate": 0.2}}]), out=finished.folder)
    assert not steps(again)["fit-gbm-0"]
    assert steps(again)["fit-logistic-0"]


def test_a_plan_lists_the_steps_and_does_nothing(tmp_path: Path) -> None:
    patients().write_parquet(tmp_path / "rows.parquet")
    planned = plan(study(patients()) | {"source": {"frame": str(tmp_path / "rows.parquet")}}, out=tmp_path / "run")
    names = [step.name for step in planned.steps]
    assert names[:4] == ["ingest", "cohort", "samples", "leak"]
    assert names[-1] == "evaluate"
    assert {step.reused for step in planned.steps} == {"no"}
    assert not (tmp_path / "run").exists()


def test_a_plan_of_a_data_frame_writes_nothing_either(tmp_path: Path) -> None:
    planned = plan(study(patients()), out=tmp_path / "run")
    assert len(planned.steps) == 4 + 3 * 3 + 3
    assert not (tmp_path / "run").exists()


def test_a_plan_of_a_finished_run_says_that_it_is_reused_and_one_of_another_seed_that_it_is_not(
    finished: Report,
) -> None:
    again, other = (plan(study(patients(), seed=seed), out=finished.folder) for seed in (5, 6))
    assert [step.reused for step in again.steps] == ["yes"] * 13 + ["depends"] * 3
    assert {step.reused for step in other.steps if step.name.startswith("fit")} == {"no"}
    assert all(step.seconds is not None for step in other.steps)
    assert other.seconds == pytest.approx(sum(step.seconds for step in other.steps if step.reused == "no"))


def test_permuting_the_test_labels_changes_no_byte_of_the_package(tmp_path: Path) -> None:
    frame, part = patients(), pl.Series("split", ["train"] * 210 + ["validation"] * 60 + ["test"] * 90)
    keys = pl.DataFrame({"row_id": range(360)}).with_columns(part)
    keys.write_csv(tmp_path / "split.csv")
    turned = frame.with_columns(died=pl.concat([frame["died"][:270], frame["died"][270:].reverse()]))
    assert not turned.equals(frame)
    split = {"separate": ["patient"], "file": str(tmp_path / "split.csv")}
    for name, rows in (("one", frame), ("two", turned)):
        run(study(rows, split=split), out=tmp_path / name)
    one, two = (fingerprint.of_files(tmp_path / n / "package") for n in ("one", "two"))
    assert one == two
    scores = [Report.open(tmp_path / n).scores().filter(pl.col("score") == "auroc")["value"] for n in ("one", "two")]
    assert scores[0].to_list() != scores[1].to_list()


class Stopped(ClassifierMixin, BaseEstimator):
    """Behaves like a user who presses Ctrl-C in the middle of a fit."""

    def fit(self, x, y):
        raise KeyboardInterrupt

    def predict_proba(self, x):
        return np.full((len(x), 2), 0.5)


def test_a_stopped_run_goes_on_from_its_finished_steps(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="what was finished is kept"):
        run(study(patients(), models=["gbm", Stopped()]), out=tmp_path / "run", allow_code=True)
    assert not (tmp_path / "run" / "report.html").exists()
    assert not [path for path in (tmp_path / "run" / "steps").glob(".*") if path.is_dir()]
    again = run(study(patients()), out=tmp_path / "run")
    assert all(steps(again)[f"fit-gbm-{k}"] for k in range(3))


def test_a_scikit_learn_pipeline_is_a_model(tmp_path: Path) -> None:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    frame = patients().with_columns(pl.col("lactate").fill_null(2.0))
    report = run(study(frame, models=[pipeline], baselines=["naive"]), out=tmp_path / "run")
    assert report.document.chosen["binary"] == "Pipeline"
    stored = report.predictions().filter(pl.col("fold") == "package")["predicted_boolean_probability"]
    again = predict(report.package, tmp_path / "run" / "source.parquet")["predicted_boolean_probability"]
    assert (again - stored).abs().max() <= 1e-6


def test_a_column_that_is_the_label_is_found_and_named(tmp_path: Path) -> None:
    frame = patients().with_columns(discharge_code=pl.col("died").cast(pl.Int8) * 20 + 1)
    with pytest.raises(BadData, match="'discharge_code' gives the target all by itself"):
        run(study(frame), out=tmp_path / "run")


def test_one_answer_only_is_refused_before_anything_is_fitted(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="only negative rows"):
        run(study(patients().with_columns(died=pl.lit(False))), out=tmp_path / "run")


def test_two_patients_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="2 groups are too few"):
        run(study(patients(6)), out=tmp_path / "run")


def test_inputs_that_are_all_missing_are_survived_and_reported(tmp_path: Path) -> None:
    empty = patients().with_columns(lactate=pl.lit(None, pl.Float64), age=pl.lit(None, pl.Float64))
    report = run(study(empty, baselines=["naive"]), out=tmp_path / "run")
    shares = {m.column: m.share for m in report.document.cohort.missing}
    assert shares["lactate"] == shares["age"] == 1.0


def test_a_group_that_the_evaluation_misspells_stops_before_anything_is_fitted(tmp_path: Path) -> None:
    changed = study(patients(), evaluation={"intervals": {"over": "patent"}})
    with pytest.raises(UnknownName, match="did you mean 'patient'"):
        run(changed, out=tmp_path / "run")
    assert not list((tmp_path / "run" / "steps").glob("fit-*"))


def test_rows_that_a_split_file_does_not_name_are_a_step_of_their_own(tmp_path: Path) -> None:
    frame = patients(240)
    parts = pl.Series("split", ["train"] * 120 + ["validation"] * 30 + ["test"] * 60)
    keys = frame[:210].select("patient").with_columns(parts).unique(maintain_order=True)
    keys.write_csv(tmp_path / "split.csv")
    how = {"separate": ["patient"], "file": str(tmp_path / "split.csv")}
    report = run(study(frame, split=how, models=["logistic"], baselines=[], gates={}), out=tmp_path / "run")
    steps = {s.step: s.rows for s in report.document.cohort.attrition}
    assert report.document.cohort.rows == steps["named in the split file"] == 210


def test_patients_that_the_split_does_not_keep_apart_are_warned_of(tmp_path: Path) -> None:
    frame = patients(240).with_columns(site=pl.int_range(240) % 8)
    small = {"models": ["logistic"], "baselines": [], "gates": {}}
    named = {"table": {"groups": ["patient", "site"]}}
    apart = {"separate": ["site"], "folds": 2}
    document = run(study(frame, split=apart, inputs=named, **small), out=tmp_path / "run").document
    results = {s.check: s.result for s in document.sanity}
    assert results == {"patients learned from and held out": "80 of 80"}
    assert "Patients learned from and held out" in [c.title for c in document.cautions]
    assert not run(study(patients(240), **small), out=tmp_path / "apart").document.sanity


def test_a_run_that_stops_before_its_report_leaves_the_one_before_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"models": ["logistic"], "baselines": [], "gates": {}}
    run(study(patients(120), **small), out=tmp_path)
    before = fingerprint.of_files(tmp_path / "package"), (tmp_path / "report.json").read_bytes()
    monkeypatch.setattr("polyclinic.studies.run_report.report", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(Interrupted):
        run(study(patients(120), seed=9, **small), out=tmp_path)
    assert before == (fingerprint.of_files(tmp_path / "package"), (tmp_path / "report.json").read_bytes())


def test_the_folder_of_a_run_is_runs_and_its_name_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert plan(study(patients())).folder == Path("runs/deaths")
    with pytest.raises(UsageError, match="no name for a folder"):
        plan(study(patients(), name="../deaths"))
    patients().write_parquet("patients.parquet")
    document = {**study(patients()), "source": {"format": "table", "path": "patients.parquet"}}
    Path("another.yaml").write_text(json.dumps(document))
    assert plan("another.yaml").folder == Path("runs/deaths")


def test_a_subgroup_may_be_a_comparison_of_a_column_and_trains_nothing_again(finished: Report) -> None:
    changed = study(patients())
    changed["evaluation"] |= {"subgroups": ["sex", {"old": {"column": "age", "value_min": 65}}]}
    again = run(changed, out=finished.folder)
    levels = {(s.column, s.level): s.n for s in again.document.subgroups}
    assert levels["old", "yes"] == patients().filter(pl.col("age") > 65).height
    assert set(levels) == {("sex", "f"), ("sex", "m"), ("old", "yes"), ("old", "no")}
    reused = steps(again)
    assert all(reused[name] for name in reused if name.startswith("fit"))


def test_the_folder_of_another_study_is_refused_and_left_as_it_is(finished: Report) -> None:
    before = fingerprint.of_file(finished.folder / "report.json")
    with pytest.raises(UsageError, match="holds the run of another study, 'deaths'"):
        run({**study(patients()), "name": "readmission"}, out=finished.folder)
    assert fingerprint.of_file(finished.folder / "report.json") == before


def test_index_times_for_rows_without_times_are_refused(finished: Report, tmp_path: Path) -> None:
    patients().drop("died").write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(UsageError, match="table of index times cannot be used"):
        predict(finished.package, tmp_path / "rows.parquet", index=tmp_path / "rows.parquet")
