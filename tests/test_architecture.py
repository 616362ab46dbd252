"""The shape of the source: who imports whom, which classes there are, what is documented."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import liouville

SOURCE = Path(liouville.__file__).parent
FILES = sorted(p for p in SOURCE.rglob("*.py") if p.stat().st_size)
TREES = {path.relative_to(SOURCE): ast.parse(path.read_text()) for path in FILES}

# A room imports rooms of smaller rank only.
RANKS = {
    "errors": 0,
    "numerics": 1,
    "runs": 1,
    "curves": 2,
    "data": 2,
    "gauges": 3,
    "maps": 3,
    "paths": 4,
    "problems": 5,
    "processes": 5,
    "quantities": 5,
    "dynamics": 6,
    "checks": 7,
    "model": 7,
    "objectives": 7,
    "plots": 8,
    "training": 8,
    "cells": 9,
    "diffusions": 9,
    "tasks": 10,
    "cli": 11,
    "__main__": 12,
}
MOST_ROOMS = 25
MOST_ARROWS = 120


def imported(tree: ast.Module) -> list[str]:
    """The modules of the package a file imports, at its top or inside its functions.

    A private name counts as a module: `liouville.x._y` for `from liouville.x import _y`.
    """
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "liouville":
            module = str(node.module)
            for alias in node.names:
                if module == "liouville" or alias.name.startswith("_"):
                    names.add(f"{module}.{alias.name}")
                else:
                    names.add(module)
    return sorted(names - {"liouville.__version__"})


IMPORTS = {path: imported(tree) for path, tree in TREES.items()}


def room_of(module: str) -> str:
    """`paths` of `liouville.paths._base`; every task is a room of its own."""
    parts = module.split(".")[1:]
    return ".".join(parts[: 2 if parts[:1] == ["tasks"] else 1])


def module_of(path: Path) -> str:
    return ".".join(["liouville", *path.with_suffix("").parts]).removesuffix(".__init__")


@pytest.mark.parametrize("path", [p for p in TREES if p.parts != ("__init__.py",)], ids=str)
def test_imports_point_one_way(path):
    own = path.parts[0].removesuffix(".py")
    assert own in RANKS, f"give {own} a rank"
    for other in {name.split(".")[1] for name in IMPORTS[path]} - {own}:
        assert other in RANKS, f"{path} imports {other}, which is no part of the package"
        assert RANKS[other] < RANKS[own], f"{path} imports {other}"


def private_imports(module: str, names: list[str]) -> list[str]:
    """The private modules and names of other rooms."""
    return [
        name
        for name in names
        if any(part.startswith("_") and not part.startswith("__") for part in name.split("."))
        and room_of(name) != room_of(module)
    ]


@pytest.mark.parametrize("path", TREES, ids=str)
def test_nobody_imports_what_another_room_keeps_private(path):
    assert private_imports(module_of(path), IMPORTS[path]) == []


def test_benchmarks_and_examples_import_public_names_only():
    for folder in ("benchmarks", "examples"):
        for path in sorted((SOURCE.parents[1] / folder).glob("*.py")):
            found = re.findall(r"^\s*from (liouville[\w.]*) import (.*)", path.read_text(), re.M)
            names = [f"{module}.{name}" for module, name in found]
            assert private_imports("liouville.benchmarks", names) == [], path


def test_there_are_few_rooms_and_few_arrows_between_them():
    arrows = {
        (path.parts[0].removesuffix(".py"), name.split(".")[1])
        for path in TREES
        for name in IMPORTS[path]
    }
    arrows = {(a, b) for a, b in arrows if a != b and a != "__init__" and b in RANKS}
    assert len(RANKS) <= MOST_ROOMS
    assert len(arrows) <= MOST_ARROWS, len(arrows)


def test_every_room_says_what_it_is():
    for path in SOURCE.rglob("__init__.py"):
        assert ast.get_docstring(TREES[path.relative_to(SOURCE)]), path


# Classes.


def last_name(node: ast.expr) -> str:
    """`Module` for `eqx.Module`, `Generic` for `Generic[T]`."""
    if isinstance(node, ast.Subscript):
        return last_name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


CLASSES = [
    (path, node)
    for path, tree in TREES.items()
    for node in ast.walk(tree)
    if isinstance(node, ast.ClassDef)
]
BASES = {last_name(base) for _, node in CLASSES for base in node.bases}
# Errors are a hierarchy by nature: a user catches one class or one of its kinds.
EXEMPT = {"LiouvilleError"}


def has_abstract_members(node: ast.ClassDef) -> bool:
    marks = (
        last_name(decorator)
        for member in node.body
        if isinstance(member, ast.FunctionDef)
        for decorator in member.decorator_list
    )
    fields = (
        last_name(member.annotation) for member in node.body if isinstance(member, ast.AnnAssign)
    )
    return "abstractmethod" in marks or any(
        f in ("AbstractVar", "AbstractClassVar") for f in fields
    )


@pytest.mark.parametrize(("path", "node"), CLASSES, ids=[f"{p}:{n.name}" for p, n in CLASSES])
def test_every_class_is_abstract_or_final(path, node):
    if node.name in EXEMPT or "Protocol" in {last_name(base) for base in node.bases}:
        return
    is_abstract = node.name.startswith("Abstract")
    assert has_abstract_members(node) == is_abstract
    if not is_abstract:
        assert node.name not in BASES, f"{node.name} is final but has subclasses"


# Documentation.


def undocumented(path: Path) -> list[str]:
    missing = []

    def visit(body: list[ast.stmt], place: str, *, inherits: bool) -> None:
        for node in body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            name = f"{place}{node.name}"
            accessors = [last_name(d) for d in node.decorator_list]
            if not ast.get_docstring(node) and not {"overload", "setter"} & set(accessors):
                missing.append(name)
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{name}.", inherits=bool(node.bases))

    tree = TREES[path]
    is_private = path.name.startswith("_") and path.name != "__init__.py"
    if not is_private and not ast.get_docstring(tree):
        missing.append("the module")
    visit(tree.body, "", inherits=False)
    return missing


@pytest.mark.parametrize("path", TREES, ids=str)
def test_everything_public_is_documented(path):
    assert undocumented(path) == []


def test_public_names_are_there():
    assert {"paths", "networks", "fit_cells", "Model", "__version__"} <= set(dir(liouville))
    for name in dir(liouville):
        if name in ("plots", "fit_cells"):  # they need what other tests import
            continue
        assert getattr(liouville, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        liouville.nonsense  # noqa: B018


# Start-up.


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("module", ["liouville", "liouville.data", "liouville.runs.config"])
def test_importing_does_not_import_jax(module):
    loaded = modules_after(f"import {module}")
    assert module in loaded
    assert "jax" not in loaded


def test_help_does_not_import_jax():
    cli = SOURCE / "cli"
    if not any(p.stat().st_size for p in cli.glob("*.py")) and not (SOURCE / "cli.py").exists():
        pytest.skip("there is no command line yet")
    code = (
        "import sys\nsys.argv = ['liouville', '--help']\nfrom liouville.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code"
    )
    assert "jax" not in modules_after(code)


def test_the_version_is_that_of_the_package():
    folder, version = SOURCE.parents[1], liouville.__version__
    assert f'version = "{version}"' in (folder / "pyproject.toml").read_text()
    assert f"version: {version}\n" in (folder / "CITATION.cff").read_text()
