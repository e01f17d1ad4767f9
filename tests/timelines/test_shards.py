"""Shards and identifiers: every subject in one place, in order, the same bytes whatever the pieces."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from unittest.mock import patch

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyclinic import fingerprint
from polyclinic.errors import BadData
from polyclinic.timelines.identifiers import Identifiers, number_of, shard_of
from polyclinic.timelines.shards import ORDER, Shards

EVENT = st.tuples(
    st.integers(0, 6),
    st.none() | st.datetimes(datetime(2100, 1, 1), datetime(2100, 1, 2)),
    st.sampled_from(["A//x", "A//y", "B"]),
    st.none() | st.floats(-5, 5, width=32),
    st.none() | st.sampled_from(["cuff", "line", "", "by hand"]),
)
SCHEMA = {
    "subject_id": pl.Int64,
    "time": pl.Datetime("us"),
    "code": pl.String,
    "numeric_value": pl.Float32,
    "text_value": pl.String,
}


def write(pieces: list[pl.DataFrame], folder: Path, shards: int) -> list[pl.DataFrame]:
    with Shards(folder, shards) as store:
        for piece in pieces:
            store.add(piece)
        store.finish()
    return [pl.read_parquet(p) for p in sorted(folder.glob("*.parquet"))]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(EVENT, min_size=1, max_size=40), st.integers(1, 4), st.integers(1, 40), st.booleans(), st.integers(0, 5)
)
def test_nothing_is_lost_each_subject_lies_in_one_shard_and_is_sorted(events, shards, cut, in_seconds, most_texts):
    frame = pl.DataFrame(events, SCHEMA, orient="row")
    frame = frame.with_columns(pl.col("time").dt.truncate("1s")) if in_seconds else frame
    with tempfile.TemporaryDirectory() as name, patch("polyclinic.timelines.shards.MOST_TEXTS", most_texts):
        root = Path(name)
        written = write([frame[:cut], frame[cut:]], root / "two", shards)
        write([frame], root / "one", shards)
        assert fingerprint.of_folder(root / "one") == fingerprint.of_folder(root / "two")
    for shard in written:
        assert shard.equals(shard.sort(*ORDER, maintain_order=True))
    homes = [set(shard["subject_id"]) for shard in written]
    assert sum(map(len, homes)) == len(set().union(*homes))
    names = [name for name in SCHEMA if name in written[0].columns]
    together = pl.concat(written).select(names)
    assert together.sort(names).equals(frame.select(names).sort(names))


def test_events_of_one_instant_and_code_keep_the_order_of_the_source(tmp_path):
    values = np.random.default_rng(1).integers(0, 99, 20_000).astype(np.float32).tolist()
    same = {
        name: [value] * 20_000 for name, value in (("subject_id", 1), ("time", datetime(2100, 1, 1)), ("code", "A"))
    }
    events = pl.DataFrame({**same, "numeric_value": values, "text_value": None}, SCHEMA)
    (shard,) = write([events], tmp_path / "data", 1)
    assert shard["numeric_value"].to_list() == values


def test_a_shard_depends_on_the_subject_alone_and_neighbours_spread():
    subjects = np.arange(10_000)
    shards = shard_of(subjects, 8)
    assert np.array_equal(shards[::-1], shard_of(subjects[::-1], 8))
    assert np.bincount(shards, minlength=8).min() > 1_100


@given(st.lists(st.text(max_size=5), unique=True, max_size=20))
def test_text_identifiers_become_the_same_positive_numbers_in_any_order(names):
    first, second = Identifiers(), Identifiers()
    numbers = first.numbers(pl.Series(names, dtype=pl.String), file="f").to_list()
    assert second.numbers(pl.Series(names[::-1], dtype=pl.String), file="f").to_list() == numbers[::-1]
    assert len(set(numbers)) == len(names)
    assert all(number >= 0 for number in numbers)
    assert first.table().equals(second.table())


def test_two_identifiers_with_one_number_are_an_error_that_shows_neither():
    taken = Identifiers(owner={number_of("ann"): "bob"})
    with pytest.raises(BadData, match="same number") as caught:
        taken.numbers(pl.Series(["ann"]), file="f.csv")
    assert "ann" not in str(caught.value)
    assert "bob" not in str(caught.value)
