"""A model's own recipe: one setting of it is changed without losing the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from polyclinic import config, registry
from polyclinic.models.training_settings import Training


def with_a_recipe() -> list[str]:
    """The models that train otherwise than by default."""
    models = {name: registry.load("models", name) for name in registry.entries("models")}
    instances = {name: model() for name, model in models.items() if "training" in model.__dataclass_fields__}
    return [name for name, model in instances.items() if model.training != Training()]


@pytest.mark.parametrize("name", with_a_recipe())
def test_one_setting_of_the_recipe_leaves_the_others_as_the_model_has_them(name: str) -> None:
    model = registry.load("models", name)
    changed = config.build(model, {"training": {"epochs": 3}}, file="study.yaml")
    assert changed.training == replace(model().training, epochs=3)
    assert changed.training != Training(epochs=3)
