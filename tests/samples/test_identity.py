"""What the caller calls a row, and what its files are called."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from polyclinic.samples import Samples, store
from polyclinic.samples.identity import Identity, file_names, with_identity
from polyclinic.samples.inputs import Inputs

names = st.lists(st.one_of(st.none(), st.text(max_size=12), st.sampled_from(["a", "A", "a-1", "a 1", "..", "../x"])))


class Named(Inputs):
    """Inputs that know what rows are called."""

    def __init__(self, *columns):
        self.names = columns

    def identity(self, rows):
        return {name: rows[name] for name in self.names}


@given(names)
def test_names_of_files_are_unique_and_cannot_leave_their_folder(cases):
    names = file_names(cases, list(range(len(cases))))
    assert len({name.lower() for name in names}) == len(cases)
    assert all(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name) for name in names)
    assert all(len(name) <= 200 for name in names)


def test_a_case_with_a_plain_name_keeps_it_and_equal_ones_get_their_row_number():
    assert file_names(["brain_07", "é/x", None, "b", "B"], [10, 11, 12, 13, 14]) == [
        "brain_07",
        "x",
        "12",
        "b-13",
        "B-14",
    ]


def test_the_first_inputs_that_know_a_name_have_their_word_and_columns_of_the_table_itself_are_left_out():
    rows = pl.DataFrame({"row_id": [4, 5], "case": ["x", "y"], "fold": ["1", "2"], "home": [7, 8]})
    identity = Identity.of([Named("case", "fold"), Named("home")], rows)
    assert identity.columns(np.array([5, 4])).to_dict(as_series=False) == {"case": ["y", "x"], "home": [8, 7]}
    assert identity.file_names == {4: "x", 5: "y"}
    assert Identity.of([Named()], rows).columns(np.array([4])).width == 0


def test_the_identity_stands_behind_the_row_id_in_place_of_what_was_empty():
    table = pl.DataFrame({"row_id": [0], "subject_id": [None], "model": ["m"]})
    labelled = with_identity(table, pl.DataFrame({"subject_id": ["007"], "case": ["x"]}))
    assert labelled.columns == ["row_id", "subject_id", "case", "model"]
    assert labelled["subject_id"].to_list() == ["007"]


def test_identity_and_names_stay_with_their_rows_on_disk_too(tmp_path):
    own = pl.DataFrame({"case": ["a", None, "c"]})
    rows = Samples(np.arange(3), {}, {}, identity=own, file_names=np.array(["a", "1", "c"]))
    store.save(rows.take([2, 0]), tmp_path / "s")
    again = store.load(tmp_path / "s")
    assert again.identity.to_dict(as_series=False) == {"case": ["c", "a"]}
    assert again.file_names.tolist() == ["c", "a"]
    assert rows.take(np.array([False, True, False])).identity["case"].to_list() == [None]
