"""A label a voxel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from polyclinic import config
from polyclinic.errors import BadData
from polyclinic.evaluation.evaluated_rows import Cases
from polyclinic.evaluation.evaluator import evaluate
from polyclinic.evaluation.scores import of_all
from polyclinic.evaluation.settings import Evaluation
from polyclinic.outcomes.raw import Head, Raw
from polyclinic.outcomes.voxels import Voxels, dice
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults
from polyclinic.reports.sections.structures import SECTION
from polyclinic.state import State
from polyclinic.studies.tuning import identity

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
    assert [m.name for m in VOXELS.measures][:4] == ["dice", "dice//front", "dice//back", "surface_dice"]
    assert [m.title for m in VOXELS.measures][:4] == ["Dice", "Dice, front", "Dice, back", "Surface Dice at 1 mm"]
    assert {m.name: m.better for m in VOXELS.measures if "//" not in m.name} == {
        **dict.fromkeys(("dice", "surface_dice"), "high"),
        **dict.fromkeys(("hd95", "volume_error"), "low"),
    }
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
    perfect = {"dice": 1, "surface_dice": 1, "hd95": 0, "volume_error": 0}
    assert scores(predictions) == {f"{n}{of}": v for n, v in perfect.items() for of in ("", "//front", "//back")}


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
    assert predictions.columns == ["path", "volume_ml//front", "volume_ml//back"]
    assert predictions["volume_ml//front"].null_count() == 0
    assert VOXELS.truth(blind)["reference"].to_list() == [None] * 4


def test_a_structure_that_is_in_neither_picture_counts_for_nothing():
    frame = pl.DataFrame({"dice//front": [0.5, None], "dice//back": [1.0, 0.2]})
    of_dice = {name: value for name, value in scores(frame).items() if name.startswith("dice")}
    assert of_dice == pytest.approx({"dice": (0.75 + 0.2) / 2, "dice//front": 0.5, "dice//back": 0.6})


def test_a_structure_in_one_picture_alone_is_as_wrong_as_it_can_be_and_in_neither_counts_for_nothing(tmp_path):
    truth, seen = np.zeros((6, 8, 10), np.int16), np.zeros((6, 8, 10), np.int16)
    truth[1:3, 1:3, 1:3] = 1
    np.save(tmp_path / "truth.npy", truth)
    np.save(tmp_path / "seen.npy", seen)
    frame = pl.DataFrame({"path": [str(tmp_path / "seen.npy")], "reference": [str(tmp_path / "truth.npy")]})
    (row,) = VOXELS.measured(frame).to_dicts()
    assert (row["dice//front"], row["surface_dice//front"]) == (0, 0)
    assert row["hd95//front"] == pytest.approx(np.sqrt(36 + 64 + 100))
    assert (row["volume_ml//front"], row["reference_ml//front"]) == (0, 0.008)
    assert all(row[f"{name}//back"] is None for name in ("dice", "surface_dice", "hd95"))
    values = scores(frame)
    assert values["volume_error//front"] == 0.008
    assert np.isnan(values["volume_error//back"])
    assert values["volume_error"] == 0.008


def test_distances_and_volumes_are_in_the_millimetres_of_the_picture(planted, tmp_path):
    """A ball moved by one voxel along the first axis, whose voxels are 4 mm long."""
    image = planted.columns["image"]
    wide = replace(image, reader=replace(image.reader, spacing=lambda path: (4.0, 1.0, 1.0)))
    rows = planted.with_column("image", wide, "input")
    answer = VOXELS.link(certain(VOXELS.target(planted, State()), shift=1), State())
    near, far = (
        VOXELS.predictions(answer, some, decision=None, folder=tmp_path / name)
        for name, some in (("near", planted), ("far", rows))
    )
    assert (far["volume_ml//front"] == near["volume_ml//front"] * 4).all()
    assert (far["dice//front"] == near["dice//front"]).all()
    assert (far["hd95//front"] > near["hd95//front"]).all()
    assert scores(near)["surface_dice"] == 1  # one voxel is within the tolerance of 1 mm
    assert scores(far)["surface_dice"] < 0.9
    assert (
        of_all(Voxels(("front", "back"), tolerance_mm=4.0).scores(far)["surface_dice"], 4)
        == scores(far)["surface_dice"]
    )


def test_volumes_and_cases_are_shown_as_the_table_has_them(planted, tmp_path):
    answer = VOXELS.link(certain(VOXELS.target(planted, State()), shift=1), State())
    predictions = VOXELS.predictions(answer, planted, decision=None, folder=tmp_path / "maps")
    head = identity(planted, "voxels", "net", "0", "test")
    table = pl.concat([head, VOXELS.truth(planted), predictions], how="horizontal")
    about = {
        "row_id": planted.row_id,
        "groups": planted.groups,
        "strata": {},
        "roles": {"net": "model"},
        "chosen": "net",
    }
    hidden = evaluate(table, VOXELS, Evaluation(), **about)
    shown = evaluate(table, VOXELS, Evaluation(), cases=Cases(planted, tmp_path), **about)
    data = [next(s.data for s in one.sections if s.kind == "structures") for one in (hidden, shown)]
    assert "cases" not in data[0]
    assert not any(one.points for one in data[0]["volumes"]["voxels"])
    front, _ = data[1]["volumes"]["voxels"]
    assert front.points == tuple(zip(table["reference_ml//front"], table["volume_ml//front"], strict=True))
    assert front.reference_ml.value == pytest.approx(table["reference_ml//front"].mean())
    best, median, worst = data[1]["cases"]["voxels"]
    means = [np.mean([*case.dice.values()]) for case in (best, median, worst)]
    assert means == sorted(means, reverse=True)
    assert [one.name for one in best.slices] == ["sagittal", "coronal", "axial"]
    section = SECTION.model.model_validate(data[1])
    for case in section.cases["voxels"]:
        for one in case.slices:
            assert {*np.unique(one.slice().reference)} <= {0, 1, 2}
            assert one.slice().reference.any()


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


def test_the_page_warns_of_structures_that_were_missed_and_of_volumes_that_are_off():
    off = {"value": -0.1, "low": -0.2, "high": -0.05}
    front = {"structure": "front", "cases": 40, "missed": 7, "difference_ml": off, "reference_ml": {"value": 1.5}}
    fine = {"structure": "back", "cases": 40, "difference_ml": {"value": 0.1, "low": -0.2, "high": 0.3}}
    section = SECTION.model.model_validate({"volumes": {"voxels": [front, fine]}})
    about = OutcomeResults(ReportDocument.model_construct(), "voxels")
    missed, volumes = SECTION.cautions(section, about)
    assert missed.text == "Front was missed in 7 of 40 cases."
    assert volumes.text == "On average the predicted volume of front is 0.100 ml too small where 1.500 ml are true."
