"""From predictions to the numbers of the report."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from scipy.special import expit
from sklearn import metrics
from tests.evaluation.as_document import as_document

from polyclinic import notes
from polyclinic.decisions import Threshold
from polyclinic.errors import BadData, UnknownName, UsageError
from polyclinic.evaluation.choosing import best
from polyclinic.evaluation.evaluator import evaluate
from polyclinic.evaluation.settings import Evaluation, IntervalSettings, Resampling
from polyclinic.outcomes.binary import Binary
from polyclinic.outcomes.raw import Raw
from polyclinic.outcomes.voxels import Voxels
from polyclinic.reports import external
from polyclinic.state import State

SETTINGS = Evaluation(subgroups=("side",))
ROLES = {"deep": "model", "flat": "baseline", "noise": "baseline"}
STRENGTH = {"deep": 3.0, "flat": 0.7, "noise": 0.0}
SAMPLES = Binary().planted(600, 0)
SCORES = [measure.name for measure in Binary().measures]


def document_of(*files, **how):
    return external.evaluate(*files, **how).document.model_dump(mode="json")


def table(samples=SAMPLES, folds=5):
    """Every row held out once for test, and the rows of the next fold for validation, in no particular order."""
    rng = np.random.default_rng(0)
    fold = np.arange(len(samples)) // 3 % folds
    parts = []
    for model, strength in STRENGTH.items():
        p = expit(strength * samples.X[:, 0] + rng.normal(size=len(samples)))
        for split, number in (("test", fold), ("validation", (fold + 1) % folds)):
            columns = {"row_id": samples.row_id, "fold": number.astype(str), "predicted_boolean_probability": p}
            frame = pl.DataFrame(columns).hstack(Binary().truth(samples))
            frame = frame.with_columns(uncalibrated_probability=pl.Series(p**2), refused=pl.lit(None, pl.String))
            parts.append(frame.with_columns(model=pl.lit(model), split=pl.lit(split), outcome=pl.lit("binary")))
    return pl.concat(parts).sample(fraction=1, shuffle=True, seed=1)


def evaluated(predictions=None, settings=SETTINGS, samples=SAMPLES, chosen="deep", also=(), **more):
    results = evaluate(
        table(samples) if predictions is None else predictions,
        Binary(),
        settings,
        row_id=samples.row_id,
        groups=samples.groups,
        strata=samples.strata,
        roles=ROLES | dict.fromkeys(also, "baseline"),
        chosen=chosen,
        seed=1,
        **more,
    )
    return as_document(results)


@pytest.fixture(scope="module")
def report():
    return evaluated()


def test_test_scores_come_from_pooled_out_of_fold_rows(report):
    rows = table().filter(pl.col("model") == "flat", pl.col("split") == "test")
    expected = metrics.roc_auc_score(rows["boolean_value"], rows["predicted_boolean_probability"])
    results = report["models"]["flat"]["binary"]
    assert results["test"]["auroc"]["value"] == pytest.approx(expected)
    assert results["test"]["auroc"]["n"] == 600
    assert results["test"]["auroc"]["low"] < expected < results["test"]["auroc"]["high"]
    one = rows.filter(pl.col("fold") == "2")
    assert results["folds"][2]["auroc"]["value"] == pytest.approx(
        metrics.roc_auc_score(one["boolean_value"], one["predicted_boolean_probability"])
    )
    assert set(results) == {"validation", "test", "folds"}


def test_the_model_is_compared_with_each_baseline_on_each_score(report):
    pairs = {(c["a"], c["b"], c["score"]) for c in report["comparisons"]}
    assert pairs == {("deep", b, s) for b in ("flat", "noise") for s in SCORES}
    scores = report["models"]
    for c in report["comparisons"]:
        apart = [scores[m]["binary"]["test"][c["score"]]["value"] for m in (c["a"], c["b"])]
        assert c["difference"]["value"] == pytest.approx(apart[0] - apart[1])


def test_one_answer_a_fold_ranks_nothing():
    """Each fold's answer is the share of positives outside it: pooled as they are, they rank worse than chance."""
    rows = table().filter(pl.col("model") == "flat", pl.col("split") == "test")
    happened, fold = pl.col("boolean_value").cast(float), "fold"
    outside = (happened.sum() - happened.sum().over(fold)) / (pl.len() - pl.len().over(fold))
    naive = rows.with_columns(model=pl.lit("naive"), predicted_boolean_probability=outside)
    plain = metrics.roc_auc_score(naive["boolean_value"], naive["predicted_boolean_probability"])
    assert plain < 0.5
    watched = table().filter(pl.col("model") == "flat", pl.col("split") == "validation")
    naive = pl.concat([naive, watched.with_columns(model=pl.lit("naive"))])
    results = evaluated(pl.concat([table(), naive]), also=["naive"])
    scores = results["models"]["naive"]["binary"]["test"]
    assert (scores["auroc"]["value"], scores["auroc"]["low"], scores["auroc"]["high"]) == (0.5, None, None)
    assert scores["auprc"]["value"] == pytest.approx(rows["boolean_value"].mean())
    flat = results["models"]["flat"]["binary"]["test"]["auroc"]["value"]
    assert flat == pytest.approx(evaluated()["models"]["flat"]["binary"]["test"]["auroc"]["value"])


def test_a_chosen_baseline_is_compared_with_all_and_no_pair_twice():
    pairs = {(c["a"], c["b"]) for c in evaluated(chosen="flat")["comparisons"]}
    assert pairs == {("flat", "deep"), ("flat", "noise"), ("deep", "noise")}


def test_calibration_is_reported_before_and_after(report):
    calibration = report["calibration"]["deep"]["binary"]
    assert set(calibration) == {"before", "after"}
    assert calibration["before"]["intercept"] != calibration["after"]["intercept"]
    bare = evaluated(table().drop("uncalibrated_probability"))["calibration"]["deep"]["binary"]
    assert set(bare) == {"before"}
    assert bare["before"] == calibration["after"]


def test_the_operating_point_is_chosen_on_validation_rows_and_measured_on_test_rows(report):
    point = next(o for o in report["points"] if o["model"] == "deep")
    rows = table().filter(pl.col("model") == "deep", pl.col("split") == "test")
    own = rows["fold"].replace_strict(point["fold_thresholds"], return_dtype=pl.Float64)
    alert = rows["predicted_boolean_probability"] >= own
    assert point["chosen_on"] == "validation"
    assert point["scores"]["specificity"]["value"] == pytest.approx(1 - alert.filter(~rows["boolean_value"]).mean())
    assert point["alerts_per_100"] == pytest.approx(100 * alert.mean())


def test_the_threshold_of_a_fold_comes_from_validation_rows_of_other_groups(report):
    point = next(o for o in report["points"] if o["model"] == "deep")
    rows = table().filter(pl.col("model") == "deep")
    tested = rows.filter(split="test", fold="2")["row_id"]
    subject = dict(zip(SAMPLES.row_id.tolist(), SAMPLES.groups["subject"].tolist(), strict=True))
    theirs = {subject[row] for row in tested}
    outside = rows.filter(split="validation").filter(
        ~pl.col("row_id").replace_strict(subject).is_in(list(theirs)), boolean_value=False
    )
    below = (outside["predicted_boolean_probability"] < point["fold_thresholds"]["2"]).mean()
    assert below == pytest.approx(0.9, abs=1 / outside.height)
    assert len(set(point["fold_thresholds"].values())) > 1


def test_thresholds_that_the_table_brings_are_the_ones_in_use():
    brought = table().with_columns(threshold=0.2 + 0.1 * pl.col("fold").cast(float))
    point = evaluated(brought, shipped={"deep": Threshold(0.33, {"specificity": 0.9}), "flat": None})["points"][0]
    assert point["threshold"] == 0.33
    assert point["fold_thresholds"] == pytest.approx({str(k): 0.2 + 0.1 * k for k in range(5)})
    rows = brought.filter(model="deep", split="test")
    assert point["alerts_per_100"] == pytest.approx(
        100 * (rows["predicted_boolean_probability"] >= rows["threshold"]).mean()
    )


def test_an_operating_point_says_whether_it_was_reached(report):
    point = next(o for o in report["points"] if o["model"] == "deep")
    specificity = point["scores"]["specificity"]
    assert point["reached"]["measured"] == specificity
    assert (point["reached"]["rule"], point["reached"]["target"]) == ("specificity", 0.9)
    assert point["reached"]["state"] == ("undecided" if specificity["low"] < 0.9 <= specificity["high"] else "yes")
    by_hand = evaluated(settings=Evaluation(operating_point={"threshold": 0.4}))["points"][0]
    assert by_hand["reached"] is None
    assert set(by_hand["fold_thresholds"].values()) == {0.4}


def test_calibration_has_the_level_beside_the_slope(report):
    y, p = (table().filter(model="deep", split="test")[c] for c in ("boolean_value", "predicted_boolean_probability"))
    after = report["calibration"]["deep"]["binary"]["after"]
    assert after["observed_expected"]["value"] == pytest.approx(y.mean() / p.mean())
    assert (after["predicted"], after["observed"]) == pytest.approx((p.mean(), y.mean()))
    assert after["observed_expected"]["low"] < after["observed_expected"]["value"] < after["observed_expected"]["high"]
    assert after["in_the_large"]["low"] is not None


def test_curves_are_short_and_the_decision_curve_has_its_two_naive_answers(report):
    decision, curves = report["decision"]["binary"], report["curves"]["binary"]
    assert (decision["thresholds"][0], decision["thresholds"][-1], decision["none"]) == (0.05, 0.5, 0)
    assert all(len(m) == len(decision["all"]) == len(decision["thresholds"]) for m in decision["models"].values())
    assert max(len(c["x"]) for kind in curves.values() for c in kind.values()) <= 200


def test_subgroups_are_the_chosen_model_by_level(report):
    subgroups = {s["level"]: s for s in report["subgroups"]}
    assert set(subgroups) == {"left", "right"}
    assert sum(s["n"] for s in subgroups.values()) == 600
    assert not subgroups["left"]["too_small"]
    assert subgroups["left"]["in_use"]["calibration_slope"]["value"] is not None


def test_a_small_subgroup_is_named_as_too_small_and_not_hidden():
    few = Evaluation(subgroups=("side",), min_subjects=500)
    assert [s["too_small"] for s in evaluated(settings=few)["subgroups"]] == [True, True]


def test_rows_of_the_package_unlabelled_and_refused_rows_are_never_scored():
    extra = table().with_columns(predicted_boolean_probability=pl.lit(0.5))
    package = extra.with_columns(fold=pl.lit("package"))
    unlabelled = extra.with_columns(fold=pl.lit("8"), boolean_value=pl.lit(None, pl.Boolean))
    refused = extra.with_columns(fold=pl.lit("9"), refused=pl.lit("no pressure"))
    assert evaluated(pl.concat([table(), package, unlabelled, refused])) == evaluated()


def test_the_order_of_rows_changes_no_byte_of_the_report():
    assert json.dumps(evaluated(table().sort("row_id"))) == json.dumps(evaluated(table().sort("split", "model")))


def test_one_class_only_gives_null_scores_and_no_crash():
    only = evaluated(table().with_columns(boolean_value=pl.lit(True)))
    auroc = only["models"]["deep"]["binary"]["test"]["auroc"]
    assert (auroc["value"], auroc["low"], auroc["high"], auroc["n"]) == (None, None, None, 600)
    assert only["points"][0]["threshold"] is None
    assert json.loads(json.dumps(only, allow_nan=False)) == only


def test_models_that_answer_different_rows_are_refused():
    missing = (pl.col("model") == "flat") & (pl.col("row_id") == 5)
    with pytest.raises(BadData, match="do not answer the same rows: 'deep' 600 validation rows, 'flat' 599"):
        evaluated(table().filter(~missing))


def test_a_stratum_or_a_group_that_is_not_there_suggests_one_that_is():
    with pytest.raises(UnknownName, match="did you mean 'side'"):
        evaluated(settings=Evaluation(subgroups=("sied",)))
    with pytest.raises(UnknownName, match="did you mean 'subject'"):
        evaluated(settings=Evaluation(intervals=IntervalSettings(over="subjct")))


def test_bootstrap_as_studies_said_before_still_names_the_group_and_its_resamples_are_noted():
    before = Evaluation(bootstrap=Resampling(over="subject", resamples=200))
    with notes.collection() as noted:
        results = evaluated(settings=before)
    now = evaluated(settings=Evaluation(intervals=IntervalSettings(over="subject")))
    assert results["models"] == now["models"]
    assert [note.check for note in noted] == ["evaluation.bootstrap.resamples"]


# -- predictions made by anything ------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    """Predictions and labels as somebody else would write them."""
    samples = SAMPLES.take(np.arange(300))
    keys = pl.DataFrame({"subject_id": samples.groups["subject"], "prediction_time": samples.time})
    labels = keys.with_columns(boolean_value=pl.Series(samples.y.astype(int)), site=pl.Series(samples.strata["side"]))
    risk = keys.with_columns(risk=pl.Series(expit(2.0 * samples.X[:, 0])))
    labels.write_csv(tmp_path / "labels.csv")
    risk.sample(fraction=1, shuffle=True, seed=3).write_parquet(tmp_path / "mine.parquet")
    return tmp_path, labels, risk


def test_a_file_of_predictions_gives_the_report_and_the_page(files):
    folder, labels, risk = files
    document = document_of(
        folder / "mine.parquet", labels=folder / "labels.csv", group="subject_id", out=folder / "out"
    )
    expected = metrics.roc_auc_score(labels["boolean_value"], risk["risk"])
    assert document["models"]["mine"]["binary"]["test"]["auroc"]["value"] == pytest.approx(expected)
    assert document["cohort"]["groups"] == {"subject_id": 100}
    assert document["cohort"]["targets"] == {"binary": {"positive": labels["boolean_value"].sum(), "labelled": 300}}
    assert json.loads((folder / "out/report.json").read_text()) == document
    assert [c["title"] for c in document["cautions"]] == ["Threshold", "Calibration"]
    assert "<td>the rows that are scored</td>" in (folder / "out/report.html").read_text().replace(' class="n"', "")
    assert "mine" in (folder / "out/report.html").read_text()


def test_truth_beside_the_predictions_gives_the_same_scores(files):
    folder, labels, risk = files
    risk.join(labels, on=["subject_id", "prediction_time"]).write_csv(folder / "both.csv")
    one = document_of(folder / "mine.parquet", labels=folder / "labels.csv", group="site", out=folder / "a")
    two = document_of(folder / "both.csv", group="site", out=folder / "b")
    a, b = (r["models"][m]["binary"]["test"]["auroc"] for r, m in ((one, "mine"), (two, "both")))
    assert a == pytest.approx(b)


@pytest.mark.parametrize("name", ["boolean_value", "died"])
def test_labels_may_be_floating_point_and_missing_as_nan(files, name):
    folder, labels, _ = files
    truth = labels.with_columns(pl.col("boolean_value").cast(pl.Float64).alias(name))
    truth[0, name] = float("nan")
    truth.select("subject_id", "prediction_time", name).write_parquet(folder / "floats.parquet")
    document = document_of(folder / "mine.parquet", labels=folder / "floats.parquet", out=folder / "out")
    positive = labels["boolean_value"][1:].sum()
    assert document["cohort"]["targets"] == {"binary": {"positive": positive, "labelled": 299}}


def test_several_models_are_distinguished_by_a_column_and_paired(files):
    folder, _, risk = files
    other = risk.with_columns(model=pl.lit("b"), risk=pl.lit(0.3))
    pl.concat([risk.with_columns(model=pl.lit("a")), other], how="diagonal").write_csv(folder / "two.csv")
    document = document_of(folder / "two.csv", labels=folder / "labels.csv", group="subject_id", out=folder / "o")
    assert {(c["a"], c["b"]) for c in document["comparisons"]} == {("a", "b")}
    assert document["models"]["b"]["binary"]["test"]["auroc"]["value"] == 0.5
    assert document["calibration"]["b"]["binary"]["before"]["slope"]["value"] is None


@pytest.mark.parametrize("names", [(1, 2), (0.5, 1.5), (False, True)])
def test_models_may_be_named_by_numbers(files, names):
    folder, _labels, risk = files
    several = pl.concat([risk.with_columns(model=pl.lit(name)) for name in names])
    several.write_parquet(folder / "seeds.parquet")
    document = document_of(folder / "seeds.parquet", labels=folder / "labels.csv", out=folder / "o")
    assert list(document["models"]) == [str(name).lower() if isinstance(name, bool) else str(name) for name in names]


@pytest.mark.parametrize("column", ["predicted_boolean_probability", "model", "site"])
@pytest.mark.parametrize("value", [[1], {"a": 1}, b"z"])
def test_a_column_of_lists_or_bytes_is_refused_by_its_name(files, column, value):
    folder, labels, risk = files
    table = risk.rename({"risk": "predicted_boolean_probability"}).with_columns(site=pl.lit("a"))
    table = table.with_columns(pl.Series(column, [value] * table.height)).join(
        labels.drop("site"), on=["subject_id", "prediction_time"]
    )
    table.write_parquet(folder / "odd.parquet")
    with pytest.raises(BadData, match=f"the column '{column}' holds"):
        document_of(folder / "odd.parquet", group="site", out=folder / "o")


def test_validation_rows_choose_and_otherwise_the_first_model_is_reported_on():
    rows = table()
    assert best(rows, ["noise", "deep", "flat"], Binary()) == "deep"
    assert best(rows.filter(pl.col("split") == "test"), ["noise", "deep"], Binary()) == "noise"


def refused(files, predictions, labels=None, group="subject_id"):
    folder = files[0]
    predictions.write_csv(folder / "wrong.csv")
    truth = folder / "labels.csv"
    if labels is not None:
        labels.write_csv(truth)
    with pytest.raises((BadData, UnknownName)) as caught:
        document_of(folder / "wrong.csv", labels=truth, group=group, out=folder / "o")
    assert not (folder / "o").exists()
    return str(caught.value)


def test_what_cannot_be_evaluated_says_what_where_and_what_to_do(files):
    _, labels, risk = files
    assert "between 0 and 1" in refused(files, risk.with_columns(pl.col("risk") * 4))
    assert "'age', 'risk'" in refused(
        files, risk.select("subject_id", "prediction_time", age=pl.col("risk") * 9, risk="risk")
    )
    assert "100 rows have no 'ward'" in refused(
        files,
        risk,
        labels.with_columns(ward=None).with_columns(ward=pl.when(pl.int_range(pl.len()) < 200).then(1)),
        group="ward",
    )
    assert "share no column" in refused(files, risk.select("risk"))
    assert "no row of the predictions" in refused(files, risk.with_columns(pl.col("subject_id") + 5000))
    assert "as another" in refused(files, pl.concat([risk, risk]))
    assert "did you mean 'site'" in refused(files, risk, group="sit")
    assert "300 rows are labelled, 0 of them positive" in refused(files, risk, labels.with_columns(boolean_value=0))
    assert "values other than 0, 1" in refused(files, risk, labels.with_columns(pl.col("boolean_value") * 2))


def test_pictures_are_evaluated_too(tmp_path):
    voxels = Voxels(("front", "back"))
    samples = voxels.planted(4, 0)
    sure = [np.eye(3)[np.roll(t, 1, axis=0)] * 9 for t in voxels.target(samples, State())]
    raw = Raw(np.concatenate([g.reshape(-1, 3) for g in sure]), np.array([g.shape[:3] for g in sure]))
    answer = voxels.link(raw, State())
    predictions = voxels.predictions(answer, samples, decision=None, folder=tmp_path / "maps")
    case = pl.Series("case", [f"c{i}" for i in range(4)])
    predictions.select(case, "path").write_csv(tmp_path / "maps.csv")
    voxels.truth(samples).select(case, "reference").write_csv(tmp_path / "truth.csv")
    document = document_of(
        tmp_path / "maps.csv", labels=tmp_path / "truth.csv", group="case", out=tmp_path / "o", outcome="voxels"
    )
    expected = np.nanmean(predictions.select("dice//front", "dice//back").to_numpy(), axis=1).mean()
    assert document["models"]["maps"]["voxels"]["test"]["dice"]["value"] == pytest.approx(expected)
    assert document["calibration"] == {}


def test_the_report_of_a_finished_run_is_not_written_over(files):
    folder, *_ = files
    (folder / "run" / "package").mkdir(parents=True)
    with pytest.raises(UsageError, match="folder of a run"):
        document_of(folder / "mine.parquet", labels=folder / "labels.csv", out=folder / "run")
    assert not (folder / "run" / "report.json").exists()


def test_the_predictions_of_a_run_are_all_matched(finished, tmp_path):
    finished.predictions().filter(pl.col("row_id") >= 30).write_parquet(tmp_path / "later.parquet")
    document = document_of(tmp_path / "later.parquet", out=tmp_path / "out")
    assert [check["check"] for check in document["sanity"]] == ["no group is named"]
    assert document["cohort"]["rows"] == 330


def test_rows_that_only_one_file_has_are_counted_on_the_page(files):
    folder, _, risk = files
    risk.head(250).with_columns(
        subject_id=pl.when(pl.int_range(pl.len()) < 30).then(pl.col("subject_id") + 5000).otherwise("subject_id")
    ).write_csv(folder / "mine.csv")
    document = document_of(folder / "mine.csv", labels=folder / "labels.csv", group="subject_id", out=folder / "o")
    results = {entry["check"]: entry["result"] for entry in document["sanity"]}
    assert results == {
        "predictions without a row in the labels": "30 of 250",
        "labels without a prediction": "80 of 300",
    }
    assert "Labels without a prediction" in [c["title"] for c in document["cautions"]]
    whole = document_of(folder / "mine.parquet", labels=folder / "labels.csv", group="subject_id", out=folder / "p")
    assert whole["sanity"] == []


def test_a_table_without_the_columns_of_its_outcome_names_the_missing_one(files):
    folder, _, _ = files
    with pytest.raises(UnknownName, match="unknown column \\(of what happened, voxels\\) 'reference'"):
        document_of(folder / "mine.parquet", labels=folder / "labels.csv", outcome="voxels", out=folder / "o")


def test_the_answers_of_a_package_are_judged_where_there_are_no_others(files):
    folder, _, risk = files
    own = risk.rename({"risk": "predicted_boolean_probability"})
    own.with_columns(fold=pl.lit("package"), split=pl.lit("all")).write_csv(folder / "own.csv")
    weighted, plain = (
        document_of(folder / name, labels=folder / "labels.csv", group="subject_id", out=folder / "o")
        for name in ("own.csv", "mine.parquet")
    )
    scores = [next(iter(one["models"].values()))["binary"]["test"] for one in (weighted, plain)]
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"split": "tset"}, "unknown split 'tset'"),
        ({"split": "train"}, "no row is of the split 'test'"),
        ({"model": None}, "300 rows have no model"),
    ],
)
def test_columns_of_a_run_that_say_nothing_are_errors(files, change, says):
    folder, _, risk = files
    risk.with_columns(pl.lit(v, pl.String).alias(k) for k, v in change.items()).write_csv(folder / "odd.csv")
    with pytest.raises((BadData, UnknownName), match=says):
        document_of(folder / "odd.csv", labels=folder / "labels.csv", group="subject_id", out=folder / "o")


def test_models_that_tell_another_truth_of_one_row_are_an_error(files):
    folder, labels, risk = files
    one = risk.with_columns(model=pl.lit("a"), boolean_value=labels["boolean_value"])
    other = one.with_columns(model=pl.lit("b"), boolean_value=1 - pl.col("boolean_value"))
    pl.concat([one, other.cast(one.schema)]).write_csv(folder / "both.csv")
    with pytest.raises(BadData, match="300 rows have two truths"):
        document_of(folder / "both.csv", group="subject_id", out=folder / "o")


def test_rows_of_one_subject_without_a_group_are_a_warning(files):
    folder, _, _ = files
    options = {"labels": folder / "labels.csv", "out": folder / "o"}
    alone = document_of(folder / "mine.parquet", **options)
    assert [entry["result"] for entry in alone["sanity"]] == [
        "each of 300 rows counts as independent, but subject_id has only 100 values: was --group subject_id meant?"
    ]
    assert "No group is named" in [c["title"] for c in alone["cautions"]]
    assert document_of(folder / "mine.parquet", group="subject_id", **options)["sanity"] == []
