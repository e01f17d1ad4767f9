"""Columns: taking rows never copies or changes elements, and what is written is what is read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyclinic.errors import BadData, UnknownName
from polyclinic.packages import missing_inputs
from polyclinic.samples import Dense, Entity, File, Ragged, Samples, store
from polyclinic.timelines.format import file_reader


@st.composite
def ragged(draw: st.DrawFn) -> Ragged:
    size = draw(st.integers(0, 30))
    spans = draw(st.lists(st.tuples(st.integers(0, size), st.integers(0, size)), min_size=1, max_size=8))
    start, stop = (np.array(v, np.int64) for v in zip(*[(min(s), max(s)) for s in spans], strict=True))
    return Ragged(start, stop, {"value": np.arange(size, dtype=np.float32)})


@given(ragged(), st.data())
def test_taking_rows_of_a_ragged_column_takes_their_elements(column: Ragged, data: st.DataObject) -> None:
    at = np.array(data.draw(st.lists(st.integers(0, len(column) - 1), max_size=6)), np.int64)
    expected = [column.rows("value")[i].tolist() for i in at]
    assert [v.tolist() for v in column.take(at).rows("value")] == expected


@given(ragged())
def test_a_compacted_column_has_the_same_rows_and_no_element_too_many(column: Ragged) -> None:
    small = column.compact()
    assert [v.tolist() for v in small.rows("value")] == [v.tolist() for v in column.rows("value")]
    assert len(small.values["value"]) == column.lengths.sum()


def test_elements_name_their_row_and_place() -> None:
    column = Ragged(np.array([1, 0]), np.array([3, 1]), {"value": np.array([10.0, 11.0, 12.0])})
    row, position = column.elements()
    assert row.tolist() == [0, 0, 1]
    assert position.tolist() == [1, 2, 0]


def test_fields_of_different_length_are_refused() -> None:
    with pytest.raises(BadData, match="differ in length"):
        Ragged(np.array([0]), np.array([1]), {"a": np.zeros(1), "b": np.zeros(2)})


def everything() -> Samples:
    proteins = Samples(np.arange(2), {"mass": Dense(np.array([1.0, 2.0]))}, {"mass": "input"})
    columns = {
        "x": Dense(np.array([[1.0, np.nan], [3.0, 4.0], [5.0, 6.0]]), ("a", "b")),
        "events": Ragged(
            np.array([0, 0, 2]),
            np.array([2, 3, 3]),
            {"code": np.array([0, 1, 0], np.int32)},
            {"code": ["HR", "MAP"]},
            spec={"min_subjects": 5},
        ),
        "image": File(np.array(["a.nii", "", "c.nii"]), file_reader("nifti/image"), {"channels": 1}),
        "protein": Entity(np.array([0, -1, 1]), proteins),
        "y": Dense(np.array([1.0, 0.0, np.nan])),
    }
    roles = dict.fromkeys(columns, "input") | {"y": "target"}
    time = np.array(["2020-01-01", "2020-01-02", "2020-01-03"], "datetime64[us]")
    strata = {"sex": np.array(["f", "m", "f"])}
    return Samples(np.array([7, 8, 9]), columns, roles, {"subject": np.array([1, 1, 2])}, time, strata)


@given(st.lists(st.integers(-1, 4), max_size=12))
def test_a_row_without_a_partner_stays_without_and_every_other_keeps_its_own(index: list[int]) -> None:
    table = Samples(np.arange(5), {"mass": Dense(np.arange(5.0))}, {"mass": "input"})
    partners, place = Entity(np.array(index, np.int64), table).rows()
    assert [None if at < 0 else float(partners.columns["mass"].values[at]) for at in place] == [
        None if at < 0 else float(at) for at in index
    ]
    assert len(partners) == len(set(index) - {-1})


def test_samples_on_disk_are_the_samples_that_were_saved(tmp_path) -> None:
    samples = everything()
    store.save(samples, tmp_path / "samples")
    again = store.load(tmp_path / "samples")
    assert again.to_polars().equals(samples.to_polars(), null_equal=True)
    assert again.roles == samples.roles
    assert again.columns["events"].levels == samples.columns["events"].levels
    assert again.columns["protein"].table.columns["mass"].values.tolist() == [1.0, 2.0]


def test_the_same_samples_are_stored_as_the_same_bytes(tmp_path) -> None:
    for name in ("one", "two"):
        store.save(everything(), tmp_path / name)
    for path in sorted((tmp_path / "one").rglob("*.npy")):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_a_row_without_a_target_is_not_labelled_and_models_never_see_targets() -> None:
    samples = everything()
    assert samples.labelled.tolist() == [True, True, False]
    assert "y" not in samples.without_targets().columns


def test_taking_by_mask_and_by_position_agree() -> None:
    samples = everything()
    by_mask = samples.take(np.array([True, False, True]))
    assert by_mask.to_polars().equals(samples.take([0, 2]).to_polars(), null_equal=True)
    assert by_mask.row_id.tolist() == [7, 9]


def test_a_column_with_too_few_rows_is_named() -> None:
    with pytest.raises(BadData, match="'x' has 2 rows"):
        Samples(np.arange(3), {"x": Dense(np.zeros(2))}, {"x": "input"})


def test_samples_without_a_target_say_so() -> None:
    with pytest.raises(UnknownName, match="target"):
        _ = everything().without_targets().y


@given(ragged(), st.data())
def test_rows_with_a_level_are_counted_as_a_loop_counts_them(column: Ragged, data: st.DataObject) -> None:
    size = len(column.values["value"])
    code = np.array(data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)), np.int32)
    coded = Ragged(column.start, column.stop, {"code": code}, {"code": list("abcd")})
    assert coded.rows_with("code").tolist() == [sum(k in set(row) for row in coded.rows("code")) for k in range(4)]


@st.composite
def rising_windows(draw: st.DrawFn) -> Ragged:
    """Windows of which each begins and ends no sooner than the one before, as those of subjects in time."""
    size = draw(st.integers(0, 12))
    code = np.array(draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)), np.int32)
    windows = draw(st.lists(st.tuples(st.integers(0, size), st.integers(0, size)), max_size=8))
    bounds = np.sort(np.array(windows, np.int64).reshape(-1, 2), axis=0)
    return Ragged(bounds.min(axis=1), bounds.max(axis=1), {"code": code}, {"code": list("abcd")})


@given(rising_windows())
def test_rows_with_a_level_are_counted_as_a_loop_counts_them_where_windows_rise(column: Ragged) -> None:
    assert column.rows_with("code").tolist() == [sum(k in set(row) for row in column.rows("code")) for k in range(4)]


@given(rising_windows())
def test_inputs_that_are_there_are_those_that_a_loop_meets_in_each_window(column: Ragged) -> None:
    labels = ["c", "a", "of no event"]
    expected = {n: sum(n in {"abcd"[k] for k in row} for row in column.rows("code")) for n in labels}
    assert missing_inputs.rows_with(column, dict.fromkeys(labels, 1.0)) == expected


@given(ragged(), st.integers(1, 12), st.integers(1, 4))
def test_blocks_hold_every_row_once_and_keep_their_bounds(column: Ragged, elements: int, rows: int) -> None:
    blocks = list(column.blocks(elements, rows))
    assert [row for b in blocks for row in range(b.start, b.stop)] == list(range(len(column)))
    for block in blocks:
        assert block.stop - block.start <= rows
        assert column.lengths[block].sum() <= elements or block.stop - block.start == 1
