"""Importing polyclinic, and asking what there is, loads no framework and does nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "pandas", "sklearn", "matplotlib", "polars", "pyarrow", "lightgbm", "onnxruntime", "onnx", "rdkit"}


def modules_after(code: str) -> set[str]:
    """The top-level modules of a fresh Python after `code`."""
    show = "import sys; print('\\n'.join(m for m in sys.modules if '.' not in m), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_importing_polyclinic_loads_no_framework_and_no_numpy():
    assert not (HEAVY | {"numpy", "rich", "typer"}) & modules_after("import polyclinic")


@pytest.mark.parametrize("words", ["'--help'", "'list'", "'run', '--help'"])
def test_help_and_list_load_no_framework(words):
    code = f"import sys\nfrom polyclinic.cli import app\ntry:\n    app([{words}])\nexcept SystemExit: pass"
    assert not (HEAVY | {"numpy"}) & modules_after(code)


def test_a_public_name_is_loaded_at_its_first_use():
    assert "polars" not in modules_after("import polyclinic; polyclinic.PolyclinicError")
    assert "numpy" in modules_after("import polyclinic; polyclinic.Samples")


def test_the_public_names_are_all_there():
    import polyclinic

    assert set(polyclinic.__all__) <= set(dir(polyclinic))
    for name in polyclinic.__all__:
        assert getattr(polyclinic, name) is not None


def test_an_unknown_name_says_which_is_near():
    import polyclinic

    with pytest.raises(AttributeError, match=r"Sample.*did you mean 'Samples'"):
        _ = polyclinic.Sample
