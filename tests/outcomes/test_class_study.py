"""A study of classes from its data frame to its page and package, and the same predictions judged as a stranger's."""

import numpy as np
import polars as pl
import pytest

import polyclinic
from polyclinic.errors import BadData
from polyclinic.outcomes.class_columns import class_texts, read_columns
from polyclinic.outcomes.multiclass import Multiclass
from polyclinic.reports.report import Report
from polyclinic.reports.sections.classes import Classes, with_complements
from polyclinic.samples.prediction_columns import PREDICTION_SET


def frame(n: int = 240, seed: int = 0) -> pl.DataFrame:
    """Two rows a patient; three numbers, the greatest of which (with noise) is the class; few rows of a rare one."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    code = np.argmax(x + 0.5 * rng.normal(size=x.shape) + [0, 0.3, -0.4], axis=1)
    kind = pl.Series(np.array(["ei", "ie", "n"])[code].tolist())
    columns = {f"x{k}": x[:, k] for k in range(3)} | {"patient": np.arange(n) // 2}
    sex = np.where(np.arange(n) % 4 < 2, "f", "m")
    return pl.DataFrame(columns).with_columns(kind=kind.set(pl.Series(rng.random(n) < 0.05), None), sex=pl.Series(sex))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Report:
    study = {
        "name": "kinds",
        "source": {"frame": frame()},
        "target": {"column": "kind", "kind": "multiclass", "coverage": 0.8},
        "split": {"separate": ["patient"], "folds": 3, "stratify": "target"},
        "models": ["linear"],
        "baselines": ["naive"],
        "evaluation": {"subgroups": ["sex"]},
        "gates": {"better_than": "naive"},
    }
    return polyclinic.run(study, out=tmp_path_factory.mktemp("kinds") / "run")


def test_the_classes_of_the_study_stand_in_its_package_and_in_its_file(finished):
    assert "classes: [ei, ie, n]" in (finished.folder / "study.yaml").read_text() or (
        polyclinic.load_study(finished.folder).question.outcome.names == ("ei", "ie", "n")
    )
    answers = polyclinic.predict(finished.folder, frame(10, seed=3).drop("kind"))
    assert answers["classes"].to_list() == [["ei", "ie", "n"]] * 10
    assert answers["probabilities"].list.sum().to_list() == pytest.approx([1] * 10)
    assert answers[PREDICTION_SET].list.len().min() >= 1


def test_the_package_repeats_its_own_rows(finished):
    table = pl.read_parquet(finished.folder / "predictions.parquet").filter(fold="package")
    again = polyclinic.predict(finished.folder, finished.folder / "source.parquet")
    one, other = (np.stack(t["probabilities"].to_list()) for t in (table, again))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_model_is_better_than_the_naive_one_and_its_sets_keep_their_promise(finished):
    document = finished.document
    assert [gate.state for gate in document.gates] == ["passed"]
    results = document.section(Classes).outcomes["multiclass"]
    assert results.coverage.low <= 0.8 <= results.coverage.high
    known = frame()["kind"].drop_nulls()
    assert [row.rows for row in results.by_class] == known.value_counts().sort("kind")["count"].to_list()
    assert document.measures["multiclass"]["accuracy"].chance == pytest.approx(
        known.value_counts()["count"].max() / len(known)
    )
    assert {group.level for group in document.subgroups} == {"f", "m"}
    assert all("set_coverage" in group.in_use for group in document.subgroups)


def test_the_page_shows_what_is_confused_and_hides_few_rows(finished):
    page = finished.page.read_text(encoding="utf-8")
    assert "True and decided classes of linear" in page
    assert "of true ei:" in page
    shared = finished.document.suppressed(20).section(Classes).outcomes["multiclass"]
    for counts in shared.counts:
        assert sum(isinstance(cell, str) for cell in counts) != 1
    assert not any(isinstance(cell, int) and 0 < cell < 20 for counts in shared.counts for cell in counts)


@pytest.mark.parametrize(
    ("table", "hidden"),
    [
        ([["<5", 7, 30], [9, 40, 8], [11, 12, 50]], [["<5", "<10", 30], ["<10", "<50", 8], [11, 12, 50]]),
        ([[10, 20], [30, 40]], [[10, 20], [30, 40]]),
        ([["<5", 0], [0, 30]], [["<5", 0], [0, 30]]),
    ],
    ids=["a second one of its row and its column", "nothing", "no other to hide"],
)
def test_a_single_hidden_count_does_not_stand_alone(table, hidden):
    assert with_complements(table) == hidden


def test_predictions_of_another_program_get_the_same_scores(finished, tmp_path):
    table = pl.read_parquet(finished.folder / "predictions.parquet").filter(pl.col("fold") != "package")
    table = table.filter(split="test", model="linear")
    plain = table.select("row_id", "patient", "class_value").with_columns(
        pl.Series(f"probability//{name}", [p[k] for p in table["probabilities"].to_list()])
        for k, name in enumerate(["ei", "ie", "n"])
    )
    plain.write_csv(tmp_path / "theirs.csv")
    report = polyclinic.evaluate(tmp_path / "theirs.csv", group="patient", out=tmp_path / "out", outcome="multiclass")
    ours, theirs = (r.document.models[m]["multiclass"].test for r, m in ((finished, "linear"), (report, "theirs")))
    for name in ("macro_f1", "accuracy", "auroc", "log_loss"):
        assert theirs[name].value == pytest.approx(ours[name].value, nan_ok=True), name
        assert theirs[name].low == pytest.approx(ours[name].low, abs=1e-6), name


LISTS = pl.DataFrame(
    {"class_value": ["a", "b"], "classes": [["a", "b"]] * 2, "probabilities": [[0.2, 0.8], [0.5, 0.5]]}
)


def test_a_class_that_no_list_names_has_probability_zero():
    table = LISTS.with_columns(class_value=pl.Series(["a", "c"]))
    read = read_columns(table, Multiclass().predicted)
    assert read["classes"].to_list() == [["a", "b", "c"]] * 2
    assert read["probabilities"].to_list() == [[0.2, 0.8, 0.0], [0.5, 0.5, 0.0]]
    assert read["predicted_class_value"].to_list() == ["b", None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": [[0.2, 0.9], [0.5, 0.5]]}, "1 row has no probabilities that add up to 1"),
        ({"probabilities": [[0.2, 0.8], [None, 0.5]]}, "1 row has no probabilities that add up to 1"),
        ({"classes": [["a", "b"], ["b", "a"]]}, "do not all list the same classes"),
        ({"predicted_class_value": ["a", "z"]}, "decided for a class that"),
    ],
)
def test_what_is_no_prediction_of_classes_is_refused(change, message):
    with pytest.raises(BadData, match=message):
        read_columns(LISTS.with_columns(**{name: pl.Series(v) for name, v in change.items()}), Multiclass().predicted)


def test_names_lose_their_blanks():
    assert class_texts(pl.Series("y", [" a", "", None])).to_list() == ["a", None, None]
