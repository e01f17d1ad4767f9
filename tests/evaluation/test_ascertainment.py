"""Prevalence by how the outcome was looked for."""

from __future__ import annotations

import numpy as np

from polyclinic.evaluation.ascertainment import Ascertained, ascertainment, counted


def test_rows_labels_and_positives_are_counted_by_each_fact():
    labels = np.array([1.0, 0.0, np.nan, 1.0, 1.0])
    tables = ascertainment(labels, {"readings": counted(np.array([1, 1, 0, 5, 9])), "end": ["death", *["full"] * 4]})
    assert tables == [
        Ascertained("readings", "0", 1, 0, 0),
        Ascertained("readings", "1", 2, 2, 1),
        Ascertained("readings", "4 or more", 2, 2, 2),
        Ascertained("end", "death", 1, 1, 1),
        Ascertained("end", "full", 4, 3, 2),
    ]
