"""Rows that a model cannot tell apart are counted, and so are those whose labels contradict each other."""

from __future__ import annotations

import numpy as np
import pytest

from polyclinic import notes
from polyclinic.samples import Dense, Ragged, Samples
from polyclinic.samples.repeats import note_repeats


def rows(columns, labels, **groups):
    target = {"y": Dense(np.asarray(labels, np.float32))}
    roles = {**dict.fromkeys(columns, "input"), "y": "target"}
    named = {name: np.array(values) for name, values in groups.items()}
    return Samples(np.arange(len(labels)), {**columns, **target}, roles, named)


def noted(samples, unit=""):
    with notes.collection() as collected:
        note_repeats(samples, unit)
    return {entry.check: entry.result for entry in collected}


def test_molecules_with_both_labels_are_counted_by_molecule_however_they_were_written():
    samples = rows({}, [1, 0, 1, 1, 0, np.nan], molecule=["CO", "CO", "CC", "CC", "C", "C"])
    assert noted(samples, "molecule") == {
        "repeats": "2 molecules stand in several rows (4 of 5 rows)",
        "labels": "1 molecule has contradicting labels (2 of 5 rows)",
    }


def test_rows_without_a_molecule_are_not_one_molecule():
    assert noted(rows({}, [1, 0], molecule=["", ""]), "molecule") == {}


def test_equal_inputs_with_other_labels_are_counted_in_a_table_gaps_and_signs_of_zero_being_alike():
    values = np.array([[1, np.nan], [1, np.nan], [0.0, 2], [-0.0, 2], [3, 3]])
    samples = rows({"x": Dense(values)}, [0, 1, 1, 0, 1])
    assert noted(samples) == {"labels": "2 sets of equal inputs have contradicting labels (4 of 5 rows)"}


@pytest.mark.parametrize("labels", [[0.5, 0.7], [1, 1]])
def test_measurements_that_differ_and_labels_that_agree_contradict_nothing(labels):
    assert noted(rows({"x": Dense(np.zeros(2))}, labels)) == {}


def test_sequences_are_not_compared():
    events = Ragged(np.array([0, 0]), np.array([1, 1]), {"value": np.zeros(1)})
    assert noted(rows({"x": Dense(np.zeros(2)), "events": events}, [0, 1])) == {}
