"""A label a voxel."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from polyclinic import config
from polyclinic.errors import BadData
from polyclinic.evaluation.scores import of_all
from polyclinic.outcomes.raw import Head, Raw
from polyclinic.outcomes.voxels import Voxels, dice
from polyclinic.state import State

VOXELS = Voxels(("front", "back"))


@pytest.fixture(scope="module")
def planted():
    return VOXELS.planted(4, 0)


def certain(targets, shift=0):
    """Raw numbers that are sure of the targets, moved along the first axis."""
    grids = [np.eye(3, dtype=np.float32)[np.roll(t, shift, axis=0)] * 9 for t in targets]
    return Raw(np.concatenate([g.reshape(-1, 3) for g in grids]), np.array([t.shape for t in targets]))


def scores(frame):
    return {name: of_all(score, frame.height) for name, score in VOXELS.scores(frame).items()}


def test_dice_is_twice_the_common_over_the_sum_and_nothing_where_neither_has_it():
    labels, truth = np.array([[0, 1, 1], [0, 0, 2]]), np.array([[0, 1, 0], [0, 0, 0]])
    assert dice(labels, truth, 3) == pytest.approx([2 / 3, 0, np.nan], nan_ok=True)


def test_labels_are_names_or_numbers_with_names(planted):
    numbered = config.build(Voxels, {"labels": {"7": "b", "3": "a"}})
    assert numbered.names == {3: "a", 7: "b"}
    assert [m.name for m in VOXELS.measures] == ["dice", "dice//front", "dice//back"]
    assert [m.title for m in VOXELS.measures] == ["Dice", "Dice, front", "Dice, back"]
    assert VOXELS.head(planted, State()) == Head("grid:image", 3, "log scores")


def test_a_label_without_a_name_is_refused_with_its_file(planted):
    with pytest.raises(BadData, match="no name") as caught:
        Voxels(("front",)).target(planted, State())
    assert caught.value.at.file.endswith("0-label.npy")


def test_predictions_are_pictures_whose_paths_move_with_the_table(planted, tmp_path):
    targets = VOXELS.target(planted, State())
    predictions = VOXELS.predictions(
        VOXELS.link(certain(targets), State()), planted, decision=None, folder=tmp_path / "maps"
    )
    assert predictions["path"].to_list() == [f"maps/{i}.npy" for i in range(4)]
    written = np.load(tmp_path / predictions["path"][2])
    assert (written == planted.columns["label"].read(2).values).all()
    assert scores(predictions) == {"dice": 1, "dice//front": 1, "dice//back": 1}


def test_dice_read_from_the_files_is_the_dice_in_the_table(planted, tmp_path):
    answer = VOXELS.link(certain(VOXELS.target(planted, State()), shift=1), State())
    table = VOXELS.predictions(answer, planted, decision=None, folder=tmp_path / "maps").hstack(VOXELS.truth(planted))
    bare = table.select("reference", path=str(tmp_path) + "/" + pl.col("path"))
    assert 0.3 < scores(table)["dice"] < 1
    assert scores(bare) == pytest.approx(scores(table))
    assert Voxels.of_table(bare).names == {1: "1", 2: "2"}


def test_without_a_target_there_is_no_dice(planted, tmp_path):
    blind = planted.without_targets()
    predictions = VOXELS.predictions(
        VOXELS.link(certain(VOXELS.target(planted, State())), State()), blind, decision=None, folder=tmp_path / "m"
    )
    assert predictions.columns == ["path"]
    assert VOXELS.truth(blind)["reference"].to_list() == [None] * 4


def test_a_structure_that_is_in_neither_picture_counts_for_nothing():
    frame = pl.DataFrame({"dice//front": [0.5, None], "dice//back": [1.0, 0.2]})
    assert scores(frame) == pytest.approx({"dice": (0.75 + 0.2) / 2, "dice//front": 0.5, "dice//back": 0.6})


def test_loss_falls_when_the_answer_is_right_and_ignores_what_lies_outside(planted):
    torch = pytest.importorskip("torch")
    target = torch.as_tensor(VOXELS.target(planted, State())[0])[None]
    right = torch.nn.functional.one_hot(target, 3).movedim(-1, 1).float() * 9
    wrong = right.roll(1, dims=1)
    good, bad = (float(VOXELS.loss(raw, {"target": target}, State())) for raw in (right, wrong))
    assert good < 0.1 < 1 < bad
    padded = torch.nn.functional.pad(target, (0, 4), value=-1)
    noise = torch.cat([right, torch.randn(*right.shape[:-1], 4)], dim=-1)
    assert float(VOXELS.loss(noise, {"target": padded}, State())) == pytest.approx(good, abs=1e-6)


def test_link_gives_shares_that_add_up_however_large_the_numbers():
    probabilities = VOXELS.link(Raw(np.array([[1000.0, 999.0, -1000.0]]), np.array([[1, 1, 1]])), State())
    assert probabilities.values.sum() == pytest.approx(1)


def test_a_structure_that_never_occurs_is_an_error(planted):
    VOXELS.check(planted, "the training rows")
    three = Voxels(("front", "back", "middle"))
    with pytest.raises(BadData, match="no voxel of 'middle' in the training rows"):
        three.check(planted, "the training rows")
    assert VOXELS.facts(planted)["labelled"] == 4
