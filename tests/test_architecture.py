"""The shape of the source: who imports whom, which classes there are, what is documented."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import liouville

SOURCE = Path(liouville.__file__).parent
FILES = sorted(p for p in SOURCE.rglob("*.py") if p.stat().st_size)
TREES = {path.relative_to(SOURCE): ast.parse(path.read_text()) for path in FILES}

# A unit of the package may import units of smaller rank only.
RANKS = {
    "_types": 0,
    "errors": 0,
    "files": 1,
    "_yaml": 1,
    "parameters": 1,
    "conditioning": 0,
    "special": 0,
    "networks": 1,
    "config": 2,
    "storage": 2,
    "data": 2,
    "mixtures": 2,
    "run": 3,
    "couplings": 2,
    "curves": 2,
    "gauges": 3,
    "maps": 3,
    "processes": 5,
    "masked": 2,
    "weights": 2,
    "paths": 4,
    "problems": 5,
    "quantities": 5,
    "bridges": 6,
    "dynamics": 6,
    "checks": 7,
    "model": 7,
    "objectives": 7,
    "plots": 8,
    "training": 8,
    "cells": 9,
    "density": 9,
    "events": 9,
    "transport": 9,
    "control": 9,
    "cli": 10,
    "__main__": 11,
}


def unit_of(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


def imported_units(path: Path, tree: ast.Module) -> set[str]:
    """The units of the package a file imports, at its top or inside its functions."""
    package = ["liouville", *path.parts[:-1]]
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names += (
                [f"{module}.{a.name}" for a in node.names] if module == "liouville" else [module]
            )
    units = {name.split(".")[1] for name in names if name.startswith("liouville.")}
    return units - {"__version__"}


@pytest.mark.parametrize("path", [p for p in TREES if p.parts != ("__init__.py",)], ids=str)
def test_imports_point_one_way(path):
    unit = unit_of(path)
    assert unit in RANKS, f"give {unit} a rank"
    for other in imported_units(path, TREES[path]) - {unit}:
        assert other in RANKS, f"{path} imports {other}, which is no part of the package"
        assert RANKS[other] < RANKS[unit], f"{path} imports {other}"


def test_the_order_of_imports_is_that_of_the_design():
    for lower, higher in [
        ("curves", "quantities"),
        ("gauges", "quantities"),
        ("paths", "quantities"),
        ("paths", "dynamics"),
        ("dynamics", "objectives"),
        ("objectives", "training"),
        ("training", "cells"),
        ("cells", "cli"),
    ]:
        assert RANKS[lower] < RANKS[higher]


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
    for name in liouville.__all__:
        if name in ("plots", "fit_cells"):  # they need what other tests import
            continue
        assert getattr(liouville, name) is not None
    assert dir(liouville) == sorted(liouville.__all__)
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


@pytest.mark.parametrize("module", ["liouville", "liouville.data", "liouville.config"])
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
    text = (SOURCE.parents[1] / "pyproject.toml").read_text()
    assert f'version = "{liouville.__version__}"' in text
