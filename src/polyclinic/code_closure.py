"""The code that a piece of work can reach: modules of the house and of guests, and the libraries that these import.

The closure is read from the sources: every import of a module counts, also one inside a function, and every name that
is loaded from the registry by a literal. Nothing is imported to find it. Steps are keyed by it, so that a changed loss
or reader is never answered with an old result, while a changed line elsewhere repeats nothing.

Code of the house and of guests counts by the SHA-256 of its source; a library counts by its version.
"""

import ast
import gc
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import Distribution, PackageNotFoundError, distributions, version
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import TypeAlias

import polyclinic
from polyclinic import fingerprint, registry

JUDGING = frozenset({"measures", "adjustments", "decisions", "evaluations"})
"""Kinds of registered names that judge or adjust what a fit gave. A closure follows them only on request:
an outcome names its measures, and yet a fit does not depend on them."""

DATA_FILES = frozenset({".yaml", ".yml", ".json", ".csv", ".txt", ".html", ".css", ".md"})

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class CodeClosure:
    """What some work can reach.

    Attributes
    ----------
    sources
        Module, `module:definition` or `module:file` → SHA-256 of its text.
    libraries
        Distribution → version, "unknown" where it has none.
    """

    sources: Mapping[str, str]
    libraries: Mapping[str, str]

    @property
    def digest(self) -> str:
        """One SHA-256 of all of it."""
        return fingerprint.of_value({"sources": dict(self.sources), "libraries": dict(self.libraries)})


@cache
def closure_of(*roots: str | Callable[..., object], follow: Collection[str] = frozenset()) -> CodeClosure:
    """The code that these roots can reach.

    Parameters
    ----------
    roots
        A function, whose own body counts and no other part of its module; a module (`package.module`), or a registered
        target (`package.module:attribute`, `package:file.yaml`), of which the whole module counts.
    follow
        Kinds of registered names of `JUDGING` that count all the same.
    """
    walk = _Walk(follow=frozenset(follow))
    for root in roots:
        if isinstance(root, str):
            walk.add_target(root)
        else:
            walk.add_function(root)
    while walk.waiting:
        walk.visit(walk.waiting.pop())
    libraries = {name: _version(name) for name in sorted(walk.libraries)}
    return CodeClosure(dict(sorted(walk.sources.items())), libraries)


@dataclass
class _Walk:
    """A closure in the making: what it holds so far, and the modules that are still to be read."""

    follow: frozenset[str]
    sources: dict[str, str] = field(default_factory=dict)
    libraries: set[str] = field(default_factory=set)
    waiting: list[str] = field(default_factory=list)

    def add_target(self, target: str) -> None:
        """A module, or the target of a registered name."""
        module, _, attribute = target.partition(":")
        source = source_of(module)
        file = None if source is None else source.parent / attribute
        if file is not None and file.suffix in DATA_FILES and file.is_file():
            self.sources[f"{module}:{attribute}"] = fingerprint.of_file(file)
        self.add_module(module)

    def add_function(self, function: Callable[..., object]) -> None:
        """The body of a function, and what it uses of its own module and of others."""
        function = function.func if isinstance(function, partial) else function
        assert isinstance(function, FunctionType), "a step is made by a plain function"
        self.add_definition(function.__module__, function.__name__)

    def add_definition(self, module: str, name: str) -> None:
        """One top-level definition of a module: its text, and whatever its names stand for."""
        if (key := f"{module}:{name}") in self.sources:
            return
        own, imports = _top_level(module)
        node = own[name]
        self.sources[key] = fingerprint.of_value(ast.unparse(node))
        for used in _names(node):
            if used in own:
                self.add_definition(module, used)
            elif used in imports:
                self.add_import(*imports[used])
        self.add_text(_Text.of(node))

    def add_module(self, module: str) -> None:
        """A module, and the packages around it, whose `__init__` runs when it is imported."""
        parts = module.split(".")
        for depth in range(1, len(parts) + 1):
            name = ".".join(parts[:depth])
            if name not in self.sources and name not in self.waiting:
                self.waiting.append(name)

    def add_import(self, module: str, attribute: str) -> None:
        """One import: `from module import attribute`, or `import module` where there is no attribute."""
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names:
            return
        if not _is_followed(top):
            self.libraries.add(top)
        elif attribute and source_of(f"{module}.{attribute}") is not None:
            self.add_module(f"{module}.{attribute}")
        elif module == "polyclinic" and attribute in polyclinic.PUBLIC:
            self.add_module(polyclinic.PUBLIC[attribute])
        else:
            self.add_module(module)

    def add_text(self, text: "_Text") -> None:
        """What a piece of source imports, and what it loads by a literal name."""
        for imported in text.imports:
            self.add_import(*imported)
        for kind, name in text.loads:
            if name in registry.entries(kind) and (kind not in JUDGING or kind in self.follow):
                self.add_target(registry.entry(kind, name).target)

    def visit(self, module: str) -> None:
        """Read a module that waits."""
        source = source_of(module)
        if module in self.sources or source is None:
            return
        self.sources[module] = fingerprint.of_file(source)
        text = _module_text(module)
        self.add_text(text)
        for name in text.files:
            if (file := source.with_suffix(name) if name in DATA_FILES else source.parent / name).is_file():
                self.sources[f"{module}:{file.name}"] = fingerprint.of_file(file)


@dataclass(frozen=True, slots=True)
class _Text:
    """What a piece of source says of other code.

    Attributes
    ----------
    imports
        (module, attribute) of its imports and of libraries that it loads by name.
    loads
        (kind, name) of registered names that it loads by a literal.
    files
        String constants that may name a data file beside the module, or its suffix.
    """

    imports: tuple[tuple[str, str], ...]
    loads: tuple[tuple[str, str], ...]
    files: tuple[str, ...]

    @classmethod
    def of(cls, tree: ast.AST) -> "_Text":
        """Read a piece of source."""
        imports: list[tuple[str, str]] = []
        loads: list[tuple[str, str]] = []
        files: list[str] = []
        for node in _running(tree):
            if isinstance(node, ast.Import):
                imports += ((alias.name, "") for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                imports += ((node.module, alias.name) for alias in node.names)
            elif isinstance(node, ast.Attribute):
                if isinstance(node.value, ast.Name) and node.value.id == "polyclinic":
                    imports.append(("polyclinic", node.attr))
            elif isinstance(node, ast.Constant):
                files += [node.value] if isinstance(node.value, str) and _names_data_file(node.value) else []
            elif isinstance(node, ast.Call):
                words = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if called in ("need", "import_module") and words:
                    imports.append((words[0], ""))
                elif called in ("load", "entry") and len(words) >= 2 and words[0] in registry.KINDS:
                    loads.append((words[0], words[1]))
        return cls(tuple(imports), tuple(loads), tuple(files))


@cache
def _module_text(module: str) -> _Text:
    """What a whole module says. Its tree is not kept: a hundred of them would cost more memory than they save time."""
    with _collector_asleep():
        return _Text.of(_parsed(module))


@cache
def source_of(module: str) -> Path | None:
    """The file of a module, found from its top package downwards: to find it by its whole name imports its parents."""
    package, *below = module.split(".")
    spec = find_spec(package)
    if spec is None:
        return None
    if not below:
        return Path(spec.origin) if spec.origin else None
    folders = [Path(folder).joinpath(*below) for folder in spec.submodule_search_locations or ()]
    files = [file for folder in folders for file in (folder.with_suffix(".py"), folder / "__init__.py")]
    return next((file for file in files if file.is_file()), None)


@cache
def _is_followed(top: str) -> bool:
    """Whether the sources of a top package count: the house, guests that register names, and a user's own files.

    A package that lies among the installed ones and registers nothing is a library.
    """
    targets = (entry.target for kind in registry.KINDS for entry in registry.entries(kind).values())
    if top == "polyclinic" or any(target.partition(":")[0].partition(".")[0] == top for target in targets):
        return True
    try:
        source = source_of(top)
    except ValueError:  # `__main__` of an interactive session has no spec
        return False
    return source is not None and source.suffix == ".py" and "site-packages" not in source.parts


def _parsed(module: str) -> ast.Module:
    source = source_of(module)
    assert source is not None, f"{module} has no source"
    return ast.parse(source.read_text(encoding="utf-8"))


@contextmanager
def _collector_asleep() -> Iterator[None]:
    """Do not look for garbage within the block: among so many new nodes, none of them garbage, that takes most of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@cache
def _version(top: str) -> str:
    """The version of the distribution that brings a top package."""
    try:
        return version(top)
    except PackageNotFoundError:  # `sklearn` is brought by scikit-learn
        return next((one.version for one in distributions() if _brings(one, top)), "unknown")


def _brings(distribution: Distribution, top: str) -> bool:
    """Whether a top package is among the files of a distribution.

    The list of files is searched as a text: `packages_distributions`, which parses all lists, takes half a second.
    """
    if top in (distribution.read_text("top_level.txt") or "").split():
        return True
    files = f"\n{distribution.read_text('RECORD') or ''}"
    return f"\n{top}/" in files or f"\n{top}.py," in files


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """A piece of source and everything in it, in any order, but for what only a type checker reads."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name, value in vars(node).items():
            if isinstance(value, list):
                only_checked = name == "body" and isinstance(node, ast.If) and _is_type_checking(node.test)
                waiting += [] if only_checked else [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                waiting.append(value)


def _is_type_checking(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in (getattr(test, "id", None), getattr(test, "attr", None))


@cache
def _top_level(module: str) -> tuple[dict[str, Definition], dict[str, tuple[str, str]]]:
    """Name → definition, and name → import, of what a module names at its top."""
    with _collector_asleep():
        tree = _parsed(module)
    return _definitions(tree), _bindings(tree)


def _bindings(tree: ast.Module) -> dict[str, tuple[str, str]]:
    """Name → (module, attribute), for what a module imports at its top."""
    bindings: dict[str, tuple[str, str]] = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            bindings |= {alias.asname or alias.name.partition(".")[0]: (alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            bindings |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
    return bindings


def _definitions(tree: ast.Module) -> dict[str, Definition]:
    """Name → the top-level function, class or assignment that defines it."""
    definitions: dict[str, Definition] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            definitions[node.name] = node
        elif isinstance(node, ast.Assign):
            definitions |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            definitions[node.target.id] = node
    return definitions


def _names(node: ast.AST) -> Iterator[str]:
    """The names that a definition uses; the annotations of its arguments only describe them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Name):
            yield child.id
        elif isinstance(child, ast.arg) or child is getattr(node, "returns", None):
            continue
        elif isinstance(child, ast.arguments):
            for default in (*child.defaults, *(d for d in child.kw_defaults if d is not None)):
                yield from _names(ast.Expr(default))
        else:
            yield from _names(child)


def _names_data_file(text: str) -> bool:
    """Whether a string may name a file beside the module (a mapping, schema or page), or the suffix of its own."""
    return len(text) < 100 and "\n" not in text and (text in DATA_FILES or Path(text).suffix in DATA_FILES)
