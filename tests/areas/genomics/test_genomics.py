"""Sequences: read, encoded, learned from, and the position that a model cannot do without."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polyclinic
from polyclinic.areas.genomics.formats.sequences import LETTERS, Sequences, refusals
from polyclinic.areas.genomics.inputs import GenomicsInputs, letters_of, one_hot
from polyclinic.areas.genomics.models.sequence_cnn import SequenceCnn
from polyclinic.checks import format_checks, model_checks
from polyclinic.models.training_settings import Training
from polyclinic.outcomes.binary import Binary
from polyclinic.reports.sections.deletion_test import DeletionTest
from polyclinic.samples import Samples
from polyclinic.timelines.ingest import detect, ingest

dna = st.text("ACGT", min_size=4, max_size=4)
SMALL = SequenceCnn(width=16, reach=5, dropout=0.0, training=Training(epochs=12, batch=32, learning_rate=5e-3))


@pytest.mark.parametrize("check", format_checks(), ids=lambda check: check.__name__)
def test_the_format_keeps_its_contract(check, tmp_path):
    source = Sequences().planted(tmp_path / "source")
    check(Sequences(), source, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("check", model_checks(), ids=lambda check: check.__name__)
def test_the_network_keeps_its_contract(check, tmp_path):
    check(SMALL, Binary(), tmp_path)


def test_what_is_no_sequence_is_refused_and_the_rest_is_read_alike(tmp_path):
    source = Sequences().planted(tmp_path)
    assert detect(source) == "sequences"
    rows = ingest("sequences", source, tmp_path / "out", max_quarantined=1.0)
    assert rows.rows()["sequence"].to_list() == ["ACGT", "ACGT", "ACGT"]
    assert rows.refused()["refused"].to_list() == ["a character that is no nucleotide"]
    assert refusals(pl.Series([None, " ", "ACN"])).to_list() == ["no sequence", "no sequence", None]


def test_a_table_without_nucleotides_is_not_taken_for_sequences(tmp_path):
    pl.DataFrame({"sequence": ["first", "second"]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"sequence": [1, 2]}).write_parquet(tmp_path / "b.parquet")
    assert not Sequences().sniff(tmp_path / "a.parquet")
    assert not Sequences().sniff(tmp_path / "b.parquet")


@given(st.lists(dna, min_size=1, max_size=5))
def test_one_hot_says_which_nucleotide_stands_where(texts):
    values = one_hot(letters_of(texts), 4).reshape(-1, 4, 4)
    assert [["ACGT"[k] for k in row.argmax(axis=1)] for row in values] == [list(text) for text in texts]
    assert (values.sum(axis=2) == 1).all()


def test_an_ambiguous_letter_is_a_share_of_each_nucleotide():
    values = one_hot(letters_of(["RN"]), 2).reshape(2, 4)
    assert values.tolist() == [[0.5, 0, 0.5, 0], [0.25] * 4]
    assert set(LETTERS["N"]) == set("ACGT")


def test_the_study_finds_the_length_and_refuses_others():
    rows = pl.DataFrame({"row_id": [0, 1], "sequence": ["ACGT", "TTTT"]})
    inputs = GenomicsInputs(centre=2).resolved(rows, ())
    assert inputs.length == 4
    assert inputs.position_names[:5] == ("-2 A", "-2 C", "-2 G", "-2 T", "-1 A")
    assert inputs.position_names[8] == "0 A"
    assert inputs.unreadable(pl.DataFrame({"sequence": ["ACG", None, "ACGU"]})) == {
        0: "the sequence does not have 4 letters, as those of the study have",
        1: "no sequence",
    }
    assert GenomicsInputs().resolved(pl.DataFrame({"sequence": ["A", "AC"]}), ()).length == 0


def test_a_longer_or_shorter_sequence_is_centred():
    model = SequenceCnn()
    column = letters_of(["AACGTT", "CG"])
    rows = Samples(np.arange(2), {"letters": column}, {"letters": "input"})
    state = model.prepare(rows.take([0]))
    x = model.encode(rows, state)["x"]
    assert x.shape == (2, 4, 6)
    assert x[1, :, 2:4].tolist() == x[0, :, 2:4].tolist()
    assert not x[1][:, [0, 1, 4, 5]].any()


def windows(n: int, seed: int = 0) -> pl.DataFrame:
    """Random windows of 8 letters, of which the letter at position 5 says the class, apart from some noise."""
    rng = np.random.default_rng(seed)
    letters = rng.integers(0, 4, (n, 8))
    code = np.where(rng.random(n) < 0.9, np.minimum(letters[:, 5], 2), rng.integers(0, 3, n))
    texts = ["".join("ACGT"[k] for k in row) for row in letters]
    return pl.DataFrame({"sequence": texts, "kind": np.array(["ei", "ie", "n"])[code]})


def test_a_study_of_sequences_shows_the_position_that_matters(tmp_path: Path):
    windows(300).write_parquet(tmp_path / "windows.parquet")
    study = {
        "name": "windows",
        "source": {"format": "sequences", "path": str(tmp_path / "windows.parquet")},
        "target": {"column": "kind", "kind": "multiclass"},
        "inputs": {"genomics": {"centre": 5}},
        "split": {"separate": ["sequence"], "folds": 3, "stratify": "target"},
        "models": ["linear"],
        "baselines": ["naive"],
    }
    report = polyclinic.run(study, out=tmp_path / "run")
    section = report.document.section(DeletionTest)
    losses = {part.part: part.loss.value for part in section.curves[0].losses}
    assert list(losses) == ["-5", "-4", "-3", "-2", "-1", "0", "+1", "+2"]
    assert losses["0"] > 0.3 > max(value for part, value in losses.items() if part != "0") + 0.2
    assert "What the model cannot do without" in report.page.read_text(encoding="utf-8")
    windows(5, seed=1).select("sequence").write_parquet(tmp_path / "new.parquet")
    answers = polyclinic.predict(tmp_path / "run", tmp_path / "new.parquet")
    assert answers["predicted_class_value"].is_in(["ei", "ie", "n"]).all()
