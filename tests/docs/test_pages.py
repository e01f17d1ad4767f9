"""What the documentation shows is run: Python and shell blocks of the tutorial and the how-to pages, in their order."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType

import pytest

import polyclinic
from polyclinic.studies.study import BLOCKS, KEYS

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
PAGES = [DOCS / "start.md", *sorted((DOCS / "how-to").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_the_page_runs(page, tmp_path, monkeypatch):
    """A block with a title is a file; `python` and `bash` are run; `console`, `toml` and the rest are only shown."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, object] = {}
    for kind, title, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if title:
            Path(title).write_text(text, encoding="utf-8")
        elif kind == "python":
            exec(compile(text, f"{page.name}", "exec"), names)
        elif kind == "bash":
            shell(text)


@pytest.mark.slow
def test_your_own_model_works_when_its_page_is_followed_in_one_folder(tmp_path, monkeypatch):
    """Every block in its order, the console commands too, in an environment of its own."""
    monkeypatch.chdir(tmp_path)
    venv.create(tmp_path / "env", with_pip=False)
    (site,) = (tmp_path / "env").glob("lib/*/site-packages")
    (site / "shared.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    python = str(tmp_path / "env" / "bin" / "python")
    monkeypatch.setenv("PATH", f"{tmp_path / 'env' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    pip = f"{sys.executable} -m pip --python {python}"
    script = ""
    for kind, title, text in BLOCK.findall((DOCS / "how-to" / "your-own-model.md").read_text(encoding="utf-8")):
        if title:
            Path(title).write_text(text, encoding="utf-8")
        elif kind == "python":
            script += text
        elif kind == "console":
            Path("page.py").write_text(script, encoding="utf-8")
            commands = text.replace("$ ", "").replace("pip install", f"{pip} install --no-deps")
            commands = commands.replace("polyclinic ", f"{python} -m polyclinic.cli ")
            shell(f"{python} page.py\n{commands}")
    assert Path("runs/wards/package/recipe.json").is_file()


def shell(text: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", text], capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


def writer(name: str) -> ModuleType:
    """The script that writes a page of the reference from the code."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["write_commands", "write_study"])
def test_a_page_that_is_written_from_the_code_says_what_the_code_says(name):
    script = writer(name)
    assert script.PAGE.read_text(encoding="utf-8") == script.page(), f"run: python docs/{name}.py"


def test_every_key_of_a_study_has_its_meaning_on_the_page():
    script = writer("write_study")
    text = script.PAGE.read_text(encoding="utf-8")
    assert {*script.TOP, *BLOCKS} == set(KEYS)
    for name, cls in BLOCKS.items():
        for key, default, meaning in script.settings(cls):
            assert meaning, f"the docstring of {cls.__name__} says nothing of {key} ({name})"
            assert f"| `{key}` | {default} |" in text


def test_the_python_page_names_what_the_package_exports():
    named = re.findall(r"^::: (\S+)", (DOCS / "reference" / "python.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"run", "plan", "evaluate", "predict"} <= {name.rpartition(".")[2] for name in named}
    for name in named:
        attribute = name.rpartition(".")[2]
        assert resolve_name(name) is getattr(polyclinic, attribute, resolve_name(name))


def test_every_link_of_the_top_files_leads_somewhere():
    for file in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        text = (REPOSITORY / file).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", text):
            assert target.startswith("docs/img/") or (REPOSITORY / target).exists(), f"{file}: {target}"


def test_every_page_is_in_the_navigation():
    nav = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    missing = [p for p in DOCS.rglob("*.md") if p.relative_to(DOCS).as_posix() not in nav]
    assert missing == []
