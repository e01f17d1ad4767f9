"""What every model and every format promises, checked for those of this area."""

from __future__ import annotations

import pytest

pytest.importorskip("nibabel", reason="nibabel comes with the extra `imaging`")
pytest.importorskip("polyclinic.areas.imaging.volumes", reason="the area `imaging` is away")

from polyclinic.areas.imaging.formats.nifti import Nifti
from polyclinic.areas.imaging.models.atlas import Atlas
from polyclinic.areas.imaging.models.unet import UNet
from polyclinic.checks import format_checks, model_checks
from polyclinic.models.training_settings import Training
from polyclinic.outcomes.voxels import Voxels

OUTCOME = Voxels({1: "ball", 2: "bright"})
NARROW = UNet(width=8, training=Training(epochs=16, batch=2, learning_rate=5e-3, patience=16))


def by_name(check) -> str:
    return check.__name__


@pytest.mark.parametrize("check", format_checks(), ids=by_name)
def test_nifti_keeps_the_contract_of_a_format(check, folder, tmp_path):
    check(Nifti(), folder(3), tmp_path / "made")


@pytest.mark.parametrize("check", model_checks(), ids=by_name)
def test_the_atlas_keeps_the_contract_of_a_model(check, tmp_path):
    check(Atlas(), OUTCOME, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("check", model_checks(), ids=by_name)
def test_the_unet_keeps_the_contract_of_a_model(check, tmp_path):
    pytest.importorskip("torch", reason="training a network needs torch")
    check(NARROW, OUTCOME, tmp_path)
