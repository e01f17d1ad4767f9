"""A package: whole, unaltered, of a format that is known; and what it says when it is not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy.special import logit
from tests.deaths import patients

from polyclinic.errors import BadData, BadPackage
from polyclinic.models import encoders
from polyclinic.models.gbm import Gbm
from polyclinic.models.model import Session
from polyclinic.outcomes.adjustment import Recalibration
from polyclinic.outcomes.binary import Binary
from polyclinic.outcomes.outcome import Prepared
from polyclinic.outcomes.raw import mean
from polyclinic.packages import parts
from polyclinic.packages.encodings import encodings
from polyclinic.packages.fitted import Fitted
from polyclinic.packages.limits import limits_of
from polyclinic.packages.package import ModelPackage
from polyclinic.packages.predict import opened_source, predict
from polyclinic.packages.question import Question
from polyclinic.packages.verify import verify
from polyclinic.reports.report import Report
from polyclinic.samples import Dense, Samples
from polyclinic.samples.assembly import assemble, select_rows
from polyclinic.state import State
from polyclinic.timelines.timeline import Timeline


@pytest.fixture
def package(finished: Report, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.package, tmp_path / "package"))


def test_a_package_holds_what_it_promises_and_no_pickle(package: Path) -> None:
    for name in ("recipe.json", "combine.json", "limits.json", "card.md", "checksums.json", "parts", "state"):
        assert (package / name).exists(), name
    assert {p.suffix for p in package.rglob("*") if p.is_file()} <= {".json", ".onnx", ".safetensors", ".md"}
    assert verify(package).portable is True


def test_an_altered_file_is_named(package: Path) -> None:
    path = package / "combine.json"
    path.write_text(path.read_text().replace("mean", "Mean"))
    with pytest.raises(BadPackage, match=r"combine.json is altered"):
        verify(package)


def test_a_missing_and_an_added_file_are_named(package: Path) -> None:
    (package / "limits.json").unlink()
    with pytest.raises(BadPackage, match=r"limits.json is missing"):
        verify(package)
    (package / "limits.json").write_text("{}")
    (package / "extra.txt").write_text("")
    with pytest.raises(BadPackage, match=r"extra.txt is not part|limits.json is altered"):
        verify(package)


@pytest.mark.parametrize(("number", "what_to_do"), [(3, "upgrade polyclinic"), (1, "make it again"), ("x", "upgrade")])
def test_a_package_of_another_format_says_what_to_do(package: Path, number: object, what_to_do: str) -> None:
    recipe = json.loads((package / "recipe.json").read_text())
    (package / "recipe.json").write_text(json.dumps(recipe | {"format": number}))
    with pytest.raises(BadPackage, match="this version reads format 2") as error:
        verify(package)
    assert what_to_do in error.value.fix


def test_members_that_encode_alike_share_one_encoding(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = ModelPackage.open(package)
    source = opened_source(patients(30), None, tmp_path / "source")
    rows = assemble(opened.question, source, select_rows(opened.question, source, live=True), live=True)
    one, *rest = opened.members
    members = [one, replace(one, state=State({**one.state.values, "seen": 1})), *rest, one]
    expected = mean([member.answer(rows, opened.question.outcome) for member in members]).values
    matrix, calls = encoders.matrix, []
    monkeypatch.setattr(encoders, "matrix", lambda rows, learned: calls.append(learned) or matrix(rows, learned))
    answers = replace(opened, members=members, adjustment=None).answer(rows).values
    assert len(calls) == 1
    np.testing.assert_array_equal(answers, expected)


def test_members_whose_model_encodes_one_by_one_share_an_encoding_where_their_states_are_equal() -> None:
    calls = []

    @dataclass(frozen=True)
    class Counting:
        def encode(self, rows: Samples, state: State) -> dict[str, np.ndarray]:
            calls.append(state)
            return {"x": np.full(len(rows), state.values["number"])}

    members = [Fitted(Counting(), State({"number": number}), []) for number in (1, 2, 1)]
    rows = Binary().planted(4, 0)
    read = {n: v["x"][0] for one in encodings(members) for n, v in zip(one.members, one.encode(rows), strict=True)}
    assert read == {0: 1, 1: 2, 2: 1}
    assert len(calls) == 2


def test_a_folder_that_is_no_package_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadPackage, match="not a model package"):
        ModelPackage.open(tmp_path)


def test_a_part_of_another_version_is_refused_with_the_line_that_installs_it() -> None:
    with pytest.raises(BadPackage) as error:
        parts.require("numpy", "0.0.1")
    assert "pip install 'numpy==0.0.1'" in str(error.value)


def test_a_part_that_is_not_installed_is_refused_by_name() -> None:
    with pytest.raises(BadPackage, match="installed: none"):
        parts.require("no-such-distribution", "1.0")


def test_prediction_loads_no_torch(finished: Report) -> None:
    code = (
        "import sys; from pathlib import Path; from polyclinic.packages.predict import predict;"
        f"predict(Path({str(finished.package)!r}), {str(finished.folder / 'source.parquet')!r});"
        "sys.exit(bool({'torch', 'lightgbm', 'sklearn', 'onnx', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_one_row_out_for_each_row_in_and_in_its_order(finished: Report, tmp_path: Path) -> None:
    rows = pl.read_parquet(finished.folder / "source.parquet").drop("died")
    order = np.random.default_rng(1).permutation(rows.height).tolist()
    rows[order].write_csv(tmp_path / "rows.csv")
    predictions = predict(finished.package, tmp_path / "rows.csv")
    stored = finished.predictions().filter(pl.col("fold") == "package")
    assert predictions["row_id"].to_list() == list(range(rows.height))
    wanted = stored["predicted_boolean_probability"][order]
    assert (predictions["predicted_boolean_probability"] - wanted).abs().max() <= 1e-6


def test_the_threshold_and_the_calibration_stand_in_the_package(finished: Report, package: Path) -> None:
    combine = json.loads((package / "combine.json").read_text())
    assert combine["decision"]["name"] == "threshold"
    assert 0 < combine["decision"]["settings"]["value"] < 1
    assert finished.document.package.decision == ModelPackage.open(package).decision.describe()


def test_a_package_recalibrates_its_answers(package: Path, tmp_path: Path) -> None:
    source = opened_source(patients(30), None, tmp_path / "source")
    plain = replace(ModelPackage.open(package), adjustment=None)
    moved = replace(plain, adjustment=Recalibration(slope=0.5, intercept=-1.0))
    before, after = (p.predict(source)["predicted_boolean_probability"] for p in (plain, moved))
    np.testing.assert_allclose(logit(after), 0.5 * logit(before) - 1, atol=1e-9)


def test_a_zip_of_a_package_and_the_folder_of_its_run_serve_as_well(finished: Report, package: Path) -> None:
    rows = pl.read_parquet(finished.folder / "source.parquet").drop("died")
    packed = shutil.make_archive(str(package), "zip", package.parent, "package")
    wanted = predict(package, rows)
    assert predict(packed, rows).equals(wanted)
    assert predict(finished.folder, rows).equals(wanted)
    assert verify(Path(packed)) == verify(package)


def test_an_altered_file_in_a_zip_is_named(package: Path) -> None:
    (package / "card.md").write_text("better than ever")
    with pytest.raises(BadPackage, match=r"card.md is altered"):
        verify(Path(shutil.make_archive(str(package), "zip", package)))


def test_one_cell_of_text_refuses_its_own_row_and_no_other(finished: Report, package: Path) -> None:
    rows = pl.read_parquet(finished.folder / "source.parquet").drop("died").head(5)
    name = next(c for c in rows.columns if rows[c].dtype.is_float())
    typed = rows.with_columns(pl.col(name).cast(pl.String))
    typed[2, name] = "see notes"
    predictions = predict(package, typed)
    assert predictions["refused"].to_list() == [None, None, f"column {name!r} holds text, not a number", None, None]
    probability = predictions["predicted_boolean_probability"]
    assert probability.null_count() == 1
    wanted = predict(package, rows)["predicted_boolean_probability"]
    assert (probability - wanted).drop_nulls().abs().max() < 1e-6


def test_a_cell_of_text_or_an_infinite_one_of_a_csv_refuses_its_own_row(
    finished: Report, package: Path, tmp_path: Path
) -> None:
    rows = pl.read_parquet(finished.folder / "source.parquet").drop("died").head(40)
    name = next(c for c in rows.columns if rows[c].dtype.is_float())
    wanted = predict(package, rows)["predicted_boolean_probability"]
    for wrong in ("see notes", "inf"):
        typed = rows.with_columns(pl.format(" {}", name))
        typed[2, name] = wrong
        typed.write_csv(tmp_path / "rows.csv")
        predictions = predict(package, tmp_path / "rows.csv")
        assert predictions["refused"].is_not_null().arg_true().to_list() == [2]
        assert predictions["predicted_boolean_probability"].is_null().arg_true().to_list() == [2]
        assert predictions["patient"].to_list() == rows["patient"].to_list()
        assert (predictions["predicted_boolean_probability"] - wanted).abs().max() < 1e-6


def test_rows_of_which_none_can_be_read_still_give_the_columns_of_an_answer(finished: Report, package: Path) -> None:
    rows = pl.read_parquet(finished.folder / "source.parquet").drop("died").head(2)
    name = next(c for c in rows.columns if rows[c].dtype.is_float())
    predictions = predict(package, rows.with_columns(pl.lit("no").alias(name)))
    assert predictions["refused"].null_count() == 0
    assert predictions.schema == predict(package, rows).schema


def test_a_timeline_that_is_read_in_parts_is_answered_as_in_whole(tmp_path: Path, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    began = datetime(2024, 1, 1)
    for shard in range(4):
        subjects = [n for n in range(1, 41) if n % 4 == shard]
        rows = [(s, began + timedelta(hours=h), "HR", float(rng.normal(60 + s, 1))) for s in subjects for h in range(3)]
        schema = {"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String, "numeric_value": pl.Float32}
        pl.DataFrame(rows, schema, orient="row").write_parquet(tmp_path / "data" / f"{shard}.parquet")
    source, question = Timeline(tmp_path), Question(inputs={"records": {"lookback": "24h"}})
    when = began + timedelta(hours=3)
    samples = assemble(question, source, select_rows(question, source, at=when, live=True), live=True)
    samples = samples.with_column("y", Dense((samples.groups["subject"] > 20).astype(np.float32), ("y",)), "target")
    model = Gbm(rounds=20, min_leaf=1)
    fitted = model.fit(samples, samples, Prepared(Binary(), State()), Session()).named("gbm")
    in_memory = ModelPackage(question, [fitted], {}, limits=limits_of(samples, samples))
    whole = in_memory.predict(source, at=when)
    monkeypatch.setattr("polyclinic.packages.package.BYTES_READ", 1)
    monkeypatch.setattr("polyclinic.areas.records.inputs.PART", 1)
    parts = in_memory.predict(source, at=when)
    assert whole["subject_id"].to_list() == list(range(1, 41))
    assert whole["predicted_boolean_probability"].n_unique() > 2
    assert_frame_equal(parts, whole)


def test_a_source_without_a_column_of_the_package_is_bad_data_that_names_it(finished: Report, package: Path) -> None:
    rows = pl.read_parquet(finished.folder / "source.parquet").drop("died")
    name = next(c for c in rows.columns if rows[c].dtype.is_float())
    with pytest.raises(BadData, match=f"does not fit this package: unknown column '{name}'"):
        predict(package, rows.drop(name))


def test_a_source_of_the_other_kind_is_refused_by_the_package(package: Path) -> None:
    events = pl.DataFrame({"subject_id": [1], "time": [None], "code": ["SEX//F"]})
    with pytest.raises(BadData, match="answers for rows without times; the source holds events in time"):
        predict(package, Timeline.of(events))
