"""The U-Net: what patches do to a volume, and what no volume may do to another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("nibabel", reason="nibabel comes with the extra `imaging`")
unet = pytest.importorskip("polyclinic.areas.imaging.models.unet", reason="the area `imaging` is away")

from polyclinic.errors import BadData  # noqa: E402
from polyclinic.models.model import Session  # noqa: E402
from polyclinic.models.training_settings import Training  # noqa: E402
from polyclinic.outcomes.voxels import Voxels  # noqa: E402
from polyclinic.packages.fitted import Fitted  # noqa: E402
from polyclinic.samples import File, Samples  # noqa: E402
from polyclinic.timelines.format import file_reader  # noqa: E402

from .conftest import cut_short, picture, save  # noqa: E402

IMAGE, LABEL = file_reader("nifti/image"), file_reader("nifti/label")
OUTCOME = Voxels({1: "ball", 2: "bright"})
SMALL = unet.UNet(width=4, voxels=2000, training=Training(epochs=2, batch=2, learning_rate=1e-2))


def rows_of(images, labels=()) -> Samples:
    columns = {"image": File(np.array(list(map(str, images))), IMAGE)}
    roles = {"image": "input"}
    if labels:
        columns["label"], roles["label"] = (File(np.array(list(map(str, labels))), LABEL), "target")
    return Samples(np.arange(len(images)), columns, roles)


def boxed(volumes, patch) -> dict:
    batch = np.empty(len(volumes), object)
    batch[:] = volumes
    return {"volume": batch, "patch": np.tile(np.array(patch), (len(volumes), 1))}


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    here = tmp_path_factory.mktemp("cases")
    images, labels = [], []
    for case in range(6):
        image, label = picture((17 + case, 20, 14), case)
        images.append(save(here / f"image_{case}.nii.gz", image))
        labels.append(save(here / f"label_{case}.nii.gz", label))
    return rows_of(images, labels)


@pytest.fixture(scope="module")
def fitted(cases) -> Fitted:
    pytest.importorskip("torch", reason="training a network needs torch")
    from polyclinic.training.loop import fit

    return fit(SMALL, cases.take(np.arange(4)), cases.take([4, 5]), OUTCOME, Session(seed=3)).named("unet")


@given(
    shape=st.tuples(*[st.integers(1, 21)] * 3),
    patch=st.tuples(*[st.integers(1, 9)] * 3),
    overlap=st.sampled_from([0.0, 0.25, 0.5]),
)
@settings(max_examples=60, deadline=None)
def test_patches_that_answer_with_what_they_see_are_stitched_to_the_volume(shape, patch, overlap):
    volumes = [np.random.default_rng(seed).normal(size=shape).astype(np.float32) for seed in (0, 1)]
    values = boxed(volumes, patch)
    how = {"overlap": overlap}
    pieces = unet.cut(values, {}, how)["voxels"]
    assert pieces.shape[1:] == (1, *patch)
    out = unet.stitch({**values, "raw": np.concatenate([pieces, -pieces], axis=1)}, {}, how)
    assert out["shape"].tolist() == [list(shape)] * 2
    expected = np.concatenate([np.stack([v.ravel(), -v.ravel()], axis=1) for v in volumes])
    assert np.allclose(out["raw"], expected, atol=1e-5)


@given(factor=st.floats(0.1, 1e3), shift=st.floats(-1e3, 1e3))
@settings(deadline=None)
def test_the_scale_of_a_scanner_changes_nothing(factor, shift):
    image, _ = picture((9, 9, 9), 0)
    again = unet.normalised((image.astype(np.float64) * factor + shift).astype(np.float32))
    assert np.allclose(again, unet.normalised(image), atol=0.02)


def test_what_is_no_number_becomes_the_mean_and_a_flat_volume_is_all_mean():
    image, _ = picture((6, 6, 6), 0)
    image[0, 0, 0], image[1, 1, 1] = np.nan, np.inf
    normalised = unet.normalised(image)
    assert normalised[0, 0, 0] == normalised[1, 1, 1] == 0
    assert np.isfinite(normalised).all()
    for flat in (np.full((3, 3, 3), 7.0, np.float32), np.full((3, 3, 3), np.nan, np.float32)):
        assert not unet.normalised(flat).any()


@given(shape=st.tuples(*[st.integers(1, 600)] * 3), voxels=st.integers(2_000, 200_000))
def test_a_patch_can_be_halved_three_times_and_stays_small(shape, voxels):
    patch = unet.patch_shape(np.array(shape, float), voxels)
    assert all(side % 8 == 0 and side >= 8 for side in patch)
    assert all(side < full + 8 for side, full in zip(patch, shape, strict=True))


@given(angles=st.tuples(*[st.floats(-3, 3)] * 3))
def test_a_turn_keeps_lengths_and_hands(angles):
    matrix = unet.turned(np.array(angles))
    assert np.allclose(matrix @ matrix.T, np.eye(3))
    assert np.isclose(np.linalg.det(matrix), 1)


def test_without_chance_a_drawn_patch_is_the_middle_of_the_volume_and_nothing_outside_is_a_target():
    image, labels = picture((12, 6, 10), 0)
    batch = {**boxed([image], (8, 8, 8)), "target": [labels]}
    drawn = SMALL.draw(batch, None)
    assert drawn["voxels"].shape == (1, 1, 8, 8, 8)
    assert np.allclose(drawn["voxels"][0, 0, :, 1:7], image[2:10, :, 1:9])
    assert (drawn["target"][0, :, 1:7] == labels[2:10, :, 1:9]).all()
    assert (drawn["target"][0][:, [0, 7]] == -1).all()


def test_a_drawn_target_moves_with_its_image():
    labels = picture((20, 20, 20), 0)[1]
    batch = {**boxed([labels.astype(np.float32)], (16, 16, 16)), "target": [labels]}
    drawn = replace(SMALL, intensity=0.0).draw(batch, np.random.default_rng(5))
    target = drawn["target"][0].clip(0)
    assert np.abs(drawn["voxels"][0, 0] - target).mean() < 0.1
    assert (target > 0).sum() > 100


def test_a_volume_is_answered_alike_in_any_batch(fitted, cases):
    alone = [fitted.raw(cases.take([row])).rows()[0] for row in range(len(cases))]
    for size in (2, 4096):
        together = replace(fitted, batch=size).raw(cases.take(np.arange(6)[::-1])).rows()[::-1]
        assert max(np.abs(a - b).max() for a, b in zip(alone, together, strict=True)) < 1e-4


def test_files_that_fit_in_memory_are_read_once_and_give_the_same_weights(cases, monkeypatch):
    pytest.importorskip("torch", reason="training a network needs torch")
    from polyclinic.areas.imaging import volumes
    from polyclinic.training import loop

    read, paths = volumes.read, []
    monkeypatch.setattr(volumes, "read", lambda path: paths.append(path) or read(path))

    def reads_and_graph(epochs: int, memory: int):
        paths.clear()
        model = replace(SMALL, training=replace(SMALL.training, epochs=epochs, schedule="constant"))
        fitted = loop.fit(model, cases.take(np.arange(4)), cases.take([4, 5]), OUTCOME, Session(seed=3, memory=memory))
        return len(paths), fitted.parts[1].graph

    (once, _), (whole, one), (again, other) = (reads_and_graph(*how) for how in ((1, 1 << 30), (2, 1 << 30), (2, 0)))
    assert once == whole < again
    assert one == other


def test_it_learns_the_balls(fitted, cases):
    losses = [epoch["validation"] for epoch in fitted.history]
    assert losses[-1] < losses[0]


def test_saved_and_loaded_it_answers_alike(fitted, cases, tmp_path):
    where = tmp_path / "state", tmp_path / "parts"
    fitted.save(*where)
    again = Fitted.read(*where)
    assert again.model == fitted.model
    assert np.array_equal(again.raw(cases).values, fitted.raw(cases).values)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((3, 40, 2), np.float32),
        np.full((9, 9, 9), np.nan, np.float32),
        np.where(np.indices((20, 17, 15)).sum(0) % 5, 1, np.nan).astype(np.float32),
    ],
    ids=["smaller than a patch", "nothing but NaN", "some NaN"],
)
def test_an_odd_volume_without_a_label_is_answered_on_its_own_grid(fitted, tmp_path, image):
    raw = fitted.raw(rows_of([save(tmp_path / "odd.nii.gz", image)]))
    assert raw.shape.tolist() == [list(image.shape)]
    assert raw.values.shape == (image.size, 3)
    assert np.isfinite(raw.values).all()


def test_a_file_that_is_cut_short_stops_with_its_name(fitted, tmp_path):
    path = save(tmp_path / "short.nii.gz", picture((15, 15, 15), 0)[0])
    cut_short(path)
    with pytest.raises(BadData, match="cannot be used") as caught:
        fitted.raw(rows_of([path]))
    assert caught.value.at.file == str(path)


def test_it_reads_one_column_of_volumes(cases):
    two = cases.with_column("second", cases.columns["image"], "input")
    with pytest.raises(BadData, match="2 columns of files"):
        SMALL.prepare(two)
