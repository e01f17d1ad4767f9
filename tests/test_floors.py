"""Each floor imports only from the ground and from the floors before it; areas never import each other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import polyclinic

SOURCE = Path(__file__).resolve().parent.parent / "src" / "polyclinic"
FLOORS = re.findall(r"^ +\d+\. (\w+)", polyclinic.__doc__ or "", flags=re.MULTILINE)
HEAVY = {"torch", "rdkit", "nibabel", "matplotlib", "pandas", "sklearn", "lightgbm", "onnx", "onnxruntime", "monai"}
GROUND_MAY = {"numpy"}  # of what is not in the standard library, at the top of a ground module


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def floor_of(dotted: str) -> str:
    """ "ground", a floor's name, or "areas/NAME" for a dotted name below polyclinic."""
    parts = dotted.split(".")[1:]
    if not parts or not (SOURCE / parts[0]).is_dir():
        return "ground"
    return "/".join(parts[:2]) if parts[0] == "areas" and len(parts) > 1 else parts[0]


def dotted_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST) -> Iterator[str]:
    """Every dotted name that is imported anywhere in a module, under TYPE_CHECKING and in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the floor that they come from"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_on_loading(tree: ast.AST) -> Iterator[str]:
    """What importing the module itself imports: not in functions, not under TYPE_CHECKING."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imported(node)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imported_on_loading(node)


def broken_floors(module: str, source: str) -> list[str]:
    """The imports of a module that its floor does not allow."""
    here = floor_of(module)
    return [
        f"{module} imports {name}"
        for name in imported(ast.parse(source))
        if name.split(".")[0] == "polyclinic" and not allowed(here, floor_of(name))
    ]


def allowed(here: str, there: str) -> bool:
    if there in ("ground", here):
        return True
    if here == "ground":
        return False
    if "/" in there and here.split("/")[0] == "areas":
        return False
    return FLOORS.index(there.split("/")[0]) < FLOORS.index(here.split("/")[0])


def circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Modules that import each other, directly or through others: strongly connected ones, by repeated trimming.

    A module that imports nothing of what is left, or that nothing left imports, is on no circle.
    """
    left = {name: set(targets) for name, targets in imports.items()}
    while True:
        imported_by_others = set().union(*left.values()) if left else set()
        free = {n for n, targets in left.items() if not (targets & left.keys() - {n}) or n not in imported_by_others}
        if not free:
            return [sorted(left)] if left else []
        left = {n: targets - free for n, targets in left.items() if n not in free}


def module_imports() -> dict[str, set[str]]:
    """Module → the modules of this project that it imports anywhere, in functions too."""
    names = {dotted_name(path): path for path in modules()}
    graph = {}
    for name, path in names.items():
        imports = imported(ast.parse(path.read_text(encoding="utf-8")))
        graph[name] = {target if target in names else target.rpartition(".")[0] for target in imports} & names.keys()
    return {name: targets - {name} for name, targets in graph.items()}


def test_no_two_modules_import_each_other_in_a_circle():
    assert circles(module_imports()) == []


def test_a_circle_of_three_modules_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}) == [["a", "b", "c"]]


def test_the_order_of_folders_is_numbered_once_in_the_docstring_of_the_package():
    numbers = re.findall(r"^ +(\d+)\. \w+", polyclinic.__doc__ or "", flags=re.MULTILINE)
    assert [int(n) for n in numbers] == [*range(1, len(FLOORS) + 1)]


def test_every_folder_is_a_known_floor():
    folders = {p.name for p in SOURCE.iterdir() if p.is_dir() and any(p.rglob("*.py"))}
    assert folders <= set(FLOORS)


@pytest.mark.parametrize("path", modules(), ids=dotted_name)
def test_a_module_imports_only_from_floors_below_its_own(path):
    assert broken_floors(dotted_name(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", modules(), ids=dotted_name)
def test_heavy_libraries_are_not_loaded_with_a_module(path):
    imports = {name.split(".")[0] for name in imported_on_loading(ast.parse(path.read_text(encoding="utf-8")))}
    assert not imports & HEAVY


@pytest.mark.parametrize("path", sorted(SOURCE.glob("*.py")), ids=dotted_name)
def test_the_ground_loads_nothing_but_the_standard_library_and_numpy(path):
    import sys

    imports = {name.split(".")[0] for name in imported_on_loading(ast.parse(path.read_text(encoding="utf-8")))}
    assert imports - {"polyclinic"} - GROUND_MAY <= set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("polyclinic.samples.columns", "from polyclinic.models import model"),
        ("polyclinic.samples.columns", "def later():\n    import polyclinic.models.model"),
        ("polyclinic.samples.columns", "if TYPE_CHECKING:\n    from polyclinic.models.model import Model"),
        ("polyclinic.errors", "from polyclinic.samples import Samples"),
        ("polyclinic.areas.records.inputs", "from polyclinic.areas.imaging import AREA"),
        ("polyclinic.areas.records.inputs", "from polyclinic.studies.run import run"),
    ],
)
def test_an_import_from_a_later_floor_or_another_area_is_found(module, source):
    assert len(broken_floors(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("polyclinic.models.model", "from polyclinic.samples import Samples"),
        ("polyclinic.models.model", "from polyclinic.errors import BadData\nimport numpy"),
        ("polyclinic.areas.records.inputs", "from polyclinic.areas.records.models import transformer"),
        ("polyclinic.cli.run", "from polyclinic.studies.run import run"),
    ],
)
def test_an_import_from_below_is_allowed(module, source):
    assert broken_floors(module, source) == []


def test_outside_of_cli_and_areas_a_file_name_stands_once():
    paths = [p.relative_to(SOURCE) for p in modules() if p.name != "__init__.py"]
    names = [p.name for p in paths if p.parts[0] not in ("cli", "areas")]
    assert sorted({name for name in names if names.count(name) > 1}) == []
