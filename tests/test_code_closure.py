"""The code that a step can reach changes its key, and no other code does."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import polyclinic
from polyclinic import code_closure, fingerprint, registry
from polyclinic.code_closure import JUDGING, closure_of
from polyclinic.studies import data_steps, fits, run

SOURCE = Path(polyclinic.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
)


def target(kind: str, name: str) -> str:
    return registry.entry(kind, name).target


WORK = {
    "ingest": (data_steps.ingest_source, target("formats", "clif")),
    "cohort": (data_steps.write_cohort,),
    "samples": (data_steps.write_samples, target("inputs", "records")),
    "fit of trees": (fits.make_fit, target("models", "gbm"), target("outcomes", "binary")),
    "fit of volumes": (
        *(fits.make_fit, target("models", "unet"), target("outcomes", "voxels")),
        target("formats", "nifti"),
    ),
    "answer": (run.write_answers,),
    "evaluate": (run.write_evaluation, target("outcomes", "binary")),
}


def followed(module: str, visited: set[str]) -> set[str]:
    """A plain second reading of the imports, as an oracle: whole modules, everything that any line imports."""
    if module in visited or module not in MODULES:
        return visited
    visited.add(module)
    if "." in module:
        followed(module.rpartition(".")[0], visited)
    tree = ast.parse(code_closure.source_of(module).read_text(encoding="utf-8"))
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in guarded:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                followed(name if name in MODULES else polyclinic.PUBLIC.get(alias.name, node.module), visited)
        elif isinstance(node, ast.Import) and id(node) not in guarded:
            for alias in node.names:
                followed(alias.name, visited)
    return visited


@pytest.mark.parametrize("roots", [roots for _, *roots in WORK.values() if roots], ids=str)
def test_a_closure_holds_the_modules_that_the_imports_lead_to_and_no_others(roots):
    expected = set().union(*(followed(root.partition(":")[0], set()) for root in roots))
    modules = {name for name in closure_of(*roots).sources if ":" not in name}
    literal = modules - expected  # what is loaded from the registry by a literal name is no import
    assert expected <= modules
    assert not any(module.startswith("polyclinic.evaluation") for module in literal)


@pytest.mark.parametrize("work", WORK)
def test_each_module_that_a_step_can_reach_changes_its_key_and_no_other_does(work, monkeypatch):
    reached = set(closure_of(*WORK[work]).sources)
    before, of_file = closure_of(*WORK[work]).digest, fingerprint.of_file
    for module in MODULES:
        changed = code_closure.source_of(module)

        def edited(path: Path, changed: Path = changed) -> str:
            return "another" if path == changed else of_file(path)

        monkeypatch.setattr(fingerprint, "of_file", edited)
        after = closure_of.__wrapped__(*WORK[work]).digest
        assert (after != before) == (module in reached), module


@pytest.mark.parametrize("step", [data_steps.ingest_source, data_steps.write_cohort, data_steps.write_samples])
def test_no_step_before_the_fits_reaches_the_evaluation_since_its_key_is_in_theirs(step):
    named = [entry.target for kind in ("formats", "inputs") for entry in registry.entries(kind).values()]
    assert not [name for name in closure_of(step, *named).sources if name.startswith("polyclinic.evaluation")]


@pytest.mark.parametrize("model", registry.entries("models"))
@pytest.mark.parametrize("outcome", registry.entries("outcomes"))
def test_no_fit_reaches_the_evaluation_or_the_page(model, outcome):
    reached = closure_of(fits.make_fit, target("models", model), target("outcomes", outcome)).sources
    floors = {name.split(".")[1] for name in reached if name.count(".")}
    assert not floors & {"evaluation", "reports", "checks", "cli"}


def test_the_evaluation_reaches_the_measures_that_an_outcome_names():
    judged = closure_of(run.write_package, target("outcomes", "binary"), follow=JUDGING).sources
    assert "polyclinic.evaluation.calibration" in judged
    assert "polyclinic.evaluation.calibration" not in closure_of(target("outcomes", "binary")).sources


def test_a_step_is_keyed_by_the_body_of_its_function_and_not_by_its_neighbours():
    reached = closure_of(data_steps.write_samples).sources
    assert "polyclinic.studies.data_steps:write_samples" in reached
    assert "polyclinic.studies.data_steps:look_for_leaks" not in reached
    assert "polyclinic.studies.data_steps" not in reached


def test_libraries_count_by_their_version_those_that_are_loaded_by_name_too(monkeypatch):
    reached = closure_of(target("formats", "nifti"))
    assert {"numpy", "polars", "nibabel"} <= set(reached.libraries)
    assert "torch" not in reached.libraries
    monkeypatch.setattr(code_closure, "_version", lambda name: f"{name} of tomorrow")
    assert closure_of.__wrapped__(target("formats", "nifti")).digest != reached.digest


def test_a_library_is_known_by_the_distribution_that_brings_it():
    reached = closure_of("polyclinic.models.estimator", "polyclinic.config").libraries
    assert reached["sklearn"] == version("scikit-learn")
    assert reached["ruamel"] == version("ruamel.yaml")


GUEST = {
    "__init__.py": "",
    "loss.py": "from visits.weights import WEIGHT\n",
    "weights.py": "import polyclinic\nWEIGHT = 2\nstate = polyclinic.State\n",
    "beside.py": "",
    "kinds.py": (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from visits import beside\nelse:\n    from visits import weights\n"
    ),
    "reader.py": "def read():\n    from visits import weights\n    return 'levels.yaml'\n",
    "levels.yaml": "a: 1\n",
}


@pytest.fixture
def guest(tmp_path, monkeypatch) -> Path:
    """A package that is no installed distribution, as that of a user beside a notebook."""
    (tmp_path / "visits").mkdir()
    for name, text in GUEST.items():
        (tmp_path / "visits" / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "visits"


def test_modules_and_data_files_of_a_guest_count_and_what_it_takes_from_polyclinic(guest):
    reached = closure_of.__wrapped__("visits.reader").sources
    assert {"visits", "visits.reader", "visits.weights", "visits.reader:levels.yaml"} <= set(reached)
    assert "polyclinic.state" in reached
    assert not {"visits.beside", "visits.loss"} & set(reached)


def test_what_only_a_type_checker_imports_does_not_count(guest):
    reached = closure_of.__wrapped__("visits.kinds").sources
    assert "visits.weights" in reached
    assert "visits.beside" not in reached


EDITS = {
    "evaluation/jackknife.py": {"evaluate"},
    "areas/imaging/volumes.py": {"fit of volumes"},
    "outcomes/binary.py": {"fit of trees", "evaluate"},
    "areas/records/formats/clif.yaml": {"ingest"},
    "training/loop.py": {"fit of trees", "fit of volumes", "evaluate"},
    "cli/output.py": set(),
}
PRINT = """
import sys; sys.path.insert(0, {path!r})
import importlib.util
spec = importlib.util.spec_from_file_location("t", {test!r}); t = importlib.util.module_from_spec(spec); spec.loader.exec_module(t)
assert str(t.SOURCE).startswith({path!r}), t.SOURCE
print({{name: t.closure_of(*roots).digest for name, roots in t.WORK.items()}})
"""


def keys(tree: Path) -> dict[str, str]:
    code = PRINT.format(path=str(tree), test=__file__)
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return ast.literal_eval(done.stdout)


@pytest.mark.slow
def test_real_edits_of_a_copy_change_the_keys_of_the_steps_that_they_concern(tmp_path):
    shutil.copytree(SOURCE, tmp_path / "polyclinic", ignore=shutil.ignore_patterns("__pycache__"))
    before = keys(tmp_path)
    for name, concerned in EDITS.items():
        file = tmp_path / "polyclinic" / name
        text = file.read_text()
        file.write_text(f"{text}\n# another line\n")
        after = keys(tmp_path)
        file.write_text(text)
        assert {step for step in WORK if after[step] != before[step]} == concerned, name
