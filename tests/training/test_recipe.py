"""A model's own recipe: one setting of it is changed without losing the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from polyclinic import config, registry


def with_a_recipe() -> list[str]:
    return [n for n in registry.entries("models") if hasattr(registry.load("models", n), "training")]


@pytest.mark.parametrize("name", with_a_recipe())
def test_one_setting_of_the_recipe_leaves_the_others_as_the_model_has_them(name: str) -> None:
    model = registry.load("models", name)
    changed = config.build(model, {"training": {"epochs": 3}}, file="study.yaml")
    assert changed.training == replace(model().training, epochs=3)
    assert changed.training != type(changed.training)(epochs=3), "the model has a recipe of its own"
