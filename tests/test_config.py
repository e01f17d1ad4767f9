"""Settings from YAML: every key is known or named with its place, and what is wanted is said in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from polyclinic import config
from polyclinic.errors import UnknownName, UsageError


@dataclass(frozen=True, kw_only=True)
class Leaf:
    size: int = 3
    colour: str = "green"


@dataclass(frozen=True, kw_only=True)
class Tree:
    name: str
    leaf: Leaf = Leaf(size=5)
    leaves: tuple[Leaf, ...] = ()
    by_name: Mapping[str, Leaf] = field(default_factory=dict)
    perhaps: Leaf | None = None
    either: str | Leaf = ""
    pair: tuple[str, Leaf] | None = None


def built(text: str) -> Tree:
    return config.build(Tree, config.parse(f"name: oak\n{text}", "tree.yaml"), file="tree.yaml")


PLACES = [
    ("leaf: {size: 1}", "leaf"),
    ("leaves:\n  - {}\n  - {size: 1}", "leaves.1"),
    ("by_name: {a: {size: 1}}", "by_name.a"),
    ("perhaps: {size: 1}", "perhaps"),
    ("either: {size: 1}", "either"),
    ("pair: [x, {size: 1}]", "pair.1"),
]


@pytest.mark.parametrize(("text", "key"), PLACES)
def test_an_unknown_key_is_named_wherever_settings_stand(text, key):
    built(text)
    with pytest.raises(UnknownName, match="unknown key 'sise'") as error:
        built(text.replace("size", "sise"))
    assert (error.value.fix, error.value.at.key) == ("did you mean 'size'?", f"{key}.sise")
    assert error.value.at.line == 1 + len(text.splitlines())


@pytest.mark.parametrize(("text", "key"), PLACES)
def test_a_value_that_does_not_fit_is_named_with_what_is_wanted_and_the_default(text, key):
    with pytest.raises(UsageError, match=f"{key}.size must be a whole number") as error:
        built(text.replace("size: 1", "size: large"))
    assert "the default is" in error.value.fix
    assert (error.value.at.file, error.value.at.line) == ("tree.yaml", 1 + len(text.splitlines()))


def test_settings_within_settings_keep_the_default_of_the_outer_ones():
    assert built("leaf: {colour: red}").leaf == Leaf(size=5, colour="red")
    assert built("leaves: [{colour: red}]").leaves == (Leaf(colour="red"),)


def test_what_is_missing_is_asked_for_by_its_line():
    with pytest.raises(UsageError, match="name is missing") as error:
        config.build(Tree, config.parse("leaf: {}", "tree.yaml"), file="tree.yaml")
    assert error.value.fix == "add a line `name: …`"


@pytest.mark.parametrize("text", ["leaves: 5", "by_name: 5", "perhaps: [1]", "pair: [x]", "leaves: [5]"])
def test_another_shape_is_an_error_with_its_line(text):
    with pytest.raises(UsageError) as error:
        built(text)
    assert error.value.at.line == 2
