"""Splits: no group on two sides, every labelled row held out once, the same division for the same seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyclinic import notes
from polyclinic.errors import BadData, UnknownName
from polyclinic.samples import Dense, Samples
from polyclinic.samples.splits import Split, joined, split


def rows_of(subjects: list[int], sites: list[int] | None = None, missing: int = 0) -> Samples:
    n = len(subjects)
    y = np.where(np.arange(n) < missing, np.nan, np.arange(n) % 2)
    groups = {"subject": np.array(subjects)} | ({"site": np.array(sites)} if sites else {})
    return Samples(np.arange(n), {"y": Dense(y)}, {"y": "target"}, groups)


many = st.lists(st.integers(0, 30), min_size=60, max_size=200).filter(lambda s: len(set(s)) >= 12)


@given(many, st.integers(2, 5), st.integers(0, 99))
def test_every_labelled_row_is_held_out_once_and_groups_stay_apart(subjects, folds, seed) -> None:
    samples = rows_of(subjects, missing=5)
    parts = split(samples, Split(folds=folds), seed)
    held_out = np.sort(np.concatenate([f.test for f in parts]))
    assert held_out.tolist() == np.flatnonzero(samples.labelled).tolist()
    for fold in parts:
        sides = [set(samples.groups["subject"][p].tolist()) for p in (fold.train, fold.validation, fold.test)]
        assert not (sides[0] & sides[1])
        assert not (sides[0] & sides[2])
        assert not (sides[1] & sides[2])


@given(many, st.integers(2, 5), st.integers(0, 99))
def test_classes_are_dealt_evenly_and_groups_stay_whole(subjects, folds, seed) -> None:
    samples = rows_of(subjects)
    common = np.random.default_rng(seed).random(len(subjects)) < 0.8
    samples = samples.with_column("y", Dense(common.astype(np.float32)), "target")
    for stratify in (None, "target"):
        parts = split(samples, Split(folds=folds, stratify=stratify), seed)
        assert np.sort(np.concatenate([f.test for f in parts])).tolist() == list(range(len(subjects)))
    largest = max(np.bincount(subjects))
    for code in (0, 1):
        counts = [(common[f.test] == code).sum() for f in parts]
        assert max(counts) - min(counts) <= 2 * largest


def test_single_rows_of_a_rare_class_stand_in_every_part() -> None:
    rare = np.arange(200) % 20 == 0
    samples = rows_of(list(range(200))).with_column("y", Dense(rare.astype(np.float32)), "target")
    for seed in range(5):
        parts = split(samples, Split(folds=5, stratify="target"), seed)
        assert [int(rare[f.test].sum()) for f in parts] == [2] * 5
        assert [len(f.test) for f in parts] == [40] * 5
        (one,) = split(samples, Split(stratify="target", test=0.2, validation=0.25), seed)
        assert [int(rare[p].sum()) for p in (one.train, one.validation, one.test)] == [6, 2, 2]


def test_a_target_of_numbers_cannot_be_dealt_evenly() -> None:
    samples = rows_of(list(range(300))).with_column("y", Dense(np.arange(300) / 7), "target")
    with pytest.raises(BadData, match="no classes that could be dealt"):
        split(samples, Split(stratify="target"), 0)
    with pytest.raises(UnknownName, match="sexx"):
        split(samples, Split(stratify="sexx"), 0)


def test_each_hospital_is_held_out_once() -> None:
    sites = [0] * 30 + [1] * 20 + [2] * 10 + [3] * 5
    parts = split(rows_of(list(range(65)), sites, missing=3), Split(by="site"), 0)
    assert [fold.name for fold in parts] == ["0", "1", "2", "3"]
    assert [len(fold.test) for fold in parts] == [27, 20, 10, 5]
    assert [len(fold.validation) for fold in parts] == [20, 10, 5, 27]
    with pytest.raises(BadData, match="has 2 groups"):
        split(rows_of(list(range(4)), [0, 0, 1, 1]), Split(by="site"), 0)
    with pytest.raises(ValueError, match="a fold of its own"):
        Split(by="site", folds=3)


@given(many, st.integers(3, 6), st.integers(0, 99))
def test_the_validation_parts_of_the_folds_together_hold_every_group_once(subjects, folds, seed) -> None:
    samples = rows_of(subjects, missing=5)
    parts = [np.unique(samples.groups["subject"][f.validation]) for f in split(samples, Split(folds=folds), seed)]
    assert sorted(np.concatenate(parts)) == np.unique(samples.groups["subject"][samples.labelled]).tolist()


@given(many, st.integers(0, 99))
def test_two_folds_leave_rows_to_learn_from_and_validate_no_group_twice(subjects, seed) -> None:
    samples = rows_of(subjects)
    one, two = split(samples, Split(folds=2), seed)
    assert not np.intersect1d(one.validation, two.validation).size
    assert one.train.size
    assert two.train.size


@given(many, st.integers(0, 99))
def test_the_same_seed_divides_alike(subjects, seed) -> None:
    samples = rows_of(subjects)
    one, two = (split(samples, Split(test=0.3), seed)[0] for _ in range(2))
    assert one.train.tolist() == two.train.tolist()
    assert one.test.tolist() == two.test.tolist()


def test_rows_that_share_either_of_two_groups_stay_together() -> None:
    units = joined(rows_of([1, 1, 2, 3, 4], [7, 8, 8, 9, 9]), ["subject", "site"])
    assert units[0] == units[1] == units[2]
    assert units[3] == units[4] != units[0]


def test_shares_of_rows_are_about_those_of_the_settings() -> None:
    fold = split(rows_of(np.repeat(np.arange(200), 5).tolist()), Split(test=0.2, validation=0.15), 1)[0]
    assert len(fold.test) == pytest.approx(200, abs=10)
    assert len(fold.validation) == pytest.approx(120, abs=10)


def test_three_patients_are_too_few_for_five_folds() -> None:
    with pytest.raises(BadData, match="3 groups are too few for 5 folds"):
        split(rows_of([1, 2, 3] * 10), Split(folds=5), 0)


@given(folds=st.integers(2, 12), sizes=st.lists(st.integers(1, 40), min_size=24, max_size=24), seed=st.integers(0, 99))
def test_as_many_groups_as_the_error_asks_for_are_enough(folds: int, sizes: list[int], seed: int) -> None:
    """One for each of three folds or more; two folds divide what they learn from once more."""
    least = 4 if folds == 2 else folds
    for groups in (least - 1, least):
        rows = rows_of(np.repeat(np.arange(groups), sizes[:groups]).tolist())
        if groups < least:
            with pytest.raises(BadData, match=f"at least {least} are needed"):
                split(rows, Split(folds=folds), seed)
        else:
            assert len(split(rows, Split(folds=folds), seed)) == folds


def test_a_group_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'subject'"):
        split(rows_of([1, 2, 3, 4]), Split(separate=("subjects",)), 0)


def test_a_users_own_file_decides(tmp_path) -> None:
    parts = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    pl.DataFrame({"subject": list(range(10)), "split": parts}).write_csv(tmp_path / "split.csv")
    fold = split(rows_of(list(range(10))), Split(file=str(tmp_path / "split.csv")), 0)[0]
    assert fold.test.tolist() == [8, 9]
    assert fold.validation.tolist() == [6, 7]


def test_a_file_that_puts_a_patient_on_both_sides_is_refused(tmp_path) -> None:
    parts = ["train", "test"] + ["train"] * 6 + ["validation", "test"]
    pl.DataFrame({"row_id": list(range(10)), "split": parts}).write_csv(tmp_path / "split.csv")
    with pytest.raises(BadData, match="subject stand both in train and in test"):
        split(rows_of([0, 0, 2, 3, 4, 5, 6, 7, 8, 9]), Split(file=str(tmp_path / "split.csv")), 0)


def test_a_file_of_folds_holds_each_out_once(tmp_path) -> None:
    folds = [i % 3 for i in range(30)]
    pl.DataFrame({"subject": list(range(30)), "fold": folds}).write_csv(tmp_path / "folds.csv")
    parts = split(rows_of(list(range(30))), Split(file=str(tmp_path / "folds.csv")), 0)
    assert [f.test.tolist() for f in parts] == [[i for i in range(30) if i % 3 == k] for k in range(3)]


@pytest.mark.parametrize("folds", [3, 5])
def test_the_folds_of_a_file_validate_each_other_in_turn(tmp_path, folds) -> None:
    pl.DataFrame({"subject": range(30), "fold": [i % folds for i in range(30)]}).write_csv(tmp_path / "folds.csv")
    parts = split(rows_of(list(range(30))), Split(file=str(tmp_path / "folds.csv")), 0)
    for fold, following in zip(parts, [*parts[1:], parts[0]], strict=True):
        assert fold.validation.tolist() == following.test.tolist()
        assert len(fold.train) == 30 - len(fold.test) - len(fold.validation)


def test_a_share_for_validation_that_has_no_say_is_noted() -> None:
    samples = rows_of(list(range(30)))
    with notes.collection() as quiet:
        split(samples, Split(folds=3), 0)
        split(samples, Split(validation=0.2), 0)
    with notes.collection() as noted:
        with_share = split(samples, Split(folds=3, validation=0.4), 0)
    assert not quiet
    assert [n.check for n in noted] == ["split.validation"]
    assert [len(f.validation) for f in with_share] == [10, 10, 10]


def test_a_fold_without_rows_to_learn_from_is_refused(tmp_path) -> None:
    parts = ["train"] + ["test"] * 9
    pl.DataFrame({"subject": list(range(10)), "split": parts}).write_csv(tmp_path / "split.csv")
    with pytest.raises(BadData, match="fold 0 has no validation rows"):
        split(rows_of(list(range(10))), Split(file=str(tmp_path / "split.csv")), 0)


def test_a_typing_error_in_a_split_file_is_no_part_of_its_own(tmp_path):
    parts = ["train"] * 6 + ["tset"] + ["validation", "test", "test"]
    pl.DataFrame({"row_id": range(10), "split": parts}).write_csv(tmp_path / "split.csv")
    with pytest.raises(UnknownName, match="did you mean 'test'"):
        split(rows_of(list(range(10))), Split(file=str(tmp_path / "split.csv"), separate=()), 0)


def test_a_column_of_the_table_says_the_parts():
    part = np.array(["train"] * 14 + ["test"] * 5 + ["unknown"])
    rows = Samples(
        np.arange(20), {"y": Dense(np.arange(20, dtype=np.float32) % 2)}, {"y": "target"}, strata={"part": part}
    )
    (fold,) = split(rows, Split(separate=(), column="part", validation=0.25), 3)
    assert fold.test.tolist() == [14, 15, 16, 17, 18]
    assert sorted([*fold.train, *fold.validation]) == list(range(14))
    assert len(fold.validation) > 0
    with pytest.raises(UnknownName, match="part"):
        split(rows, Split(separate=(), column="elsewhere"), 3)
    with pytest.raises(UnknownName, match="kept"):
        split(
            replace(rows, strata={"part": np.where(part == "test", "kept", part)}), Split(separate=(), column="part"), 3
        )
    with pytest.raises(ValueError, match="says the parts"):
        Split(column="part", folds=3)
