"""The atlas: the mean of the labels at each place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("nibabel", reason="nibabel comes with the extra `imaging`")
atlas = pytest.importorskip("polyclinic.areas.imaging.models.atlas", reason="the area `imaging` is away")

from polyclinic.models.model import Session  # noqa: E402
from polyclinic.outcomes.outcome import Prepared  # noqa: E402
from polyclinic.outcomes.voxels import Voxels  # noqa: E402
from polyclinic.samples import File, Samples  # noqa: E402
from polyclinic.state import State  # noqa: E402
from polyclinic.timelines.format import file_reader  # noqa: E402

from .conftest import picture, save  # noqa: E402

IMAGE, LABEL = file_reader("nifti/image"), file_reader("nifti/label")
shapes = st.tuples(*[st.integers(1, 12)] * 3)


@given(shape=shapes, other=shapes)
def test_a_constant_stays_constant_on_any_grid_and_the_same_grid_changes_nothing(shape, other):
    values = np.random.default_rng(0).random(shape)
    assert np.allclose(atlas.resized(values, shape), values, atol=1e-6)
    assert np.allclose(atlas.resized(np.full(shape, 0.3), other), 0.3)


@given(shape=shapes, other=shapes)
def test_a_mirrored_volume_is_resized_to_the_mirrored_answer(shape, other):
    values = np.random.default_rng(0).random(shape)
    mirrored = atlas.resized(values[::-1, ::-1, ::-1], other)
    assert np.allclose(mirrored, atlas.resized(values, other)[::-1, ::-1, ::-1], atol=1e-5)


def test_labels_that_never_differ_are_answered_on_grids_that_do(tmp_path):
    image, labels = picture((20, 24, 16), 0)
    pairs = (("i", image), ("l", labels))
    paths = [save(tmp_path / f"{k}-{i}.nii.gz", v, np.eye(4)) for i in range(3) for k, v in pairs]
    columns = {
        "image": File(np.array(list(map(str, paths[::2]))), IMAGE),
        "label": File(np.array(list(map(str, paths[1::2]))), LABEL),
    }
    rows = Samples(np.arange(3), columns, {"image": "input", "label": "target"})
    fitted = atlas.Atlas().fit(rows, rows, Prepared(Voxels({1: "ball", 2: "bright"}), State()), Session())
    assert (fitted.raw(rows).rows()[1].argmax(axis=-1) == labels).all()

    wide = save(tmp_path / "wide.nii.gz", np.zeros((40, 24, 8), np.float32))
    one = Samples(np.arange(1), {"image": File(np.array([str(wide)]), IMAGE)}, {"image": "input"})
    (answer,) = fitted.raw(one).rows()
    assert answer.shape == (40, 24, 8, 3)
    assert np.allclose(np.exp(answer).sum(axis=-1), 1, atol=1e-3)
    assert 0.8 < (answer.argmax(axis=-1) == 1).sum() / (labels == 1).sum() < 1.2
