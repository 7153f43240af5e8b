"""Data moves one way: a module knows only what is before it, wherever in it the import stands."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import tensorgrad_eg

PACKAGE = Path(tensorgrad_eg.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
#: Packages and modules in the order in which data goes through them.
ORDER = (
    *("errors", "running", "expr", "functions", "assume", "rules", "egraph"),
    *("program", "extract", "search", "emit", "diagram", "verify", "explain", "plan", "api"),
    *("__init__", "job", "cli", "__main__"),
)


def typing_only(node: ast.AST) -> bool:
    """Whether a statement is read by type checkers alone."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def statements(tree: ast.AST, inside: bool = False) -> list[tuple[ast.stmt, bool]]:
    """The imports of a module; whether each stands in a function."""
    found: list[tuple[ast.stmt, bool]] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append((node, inside))
        elif not typing_only(node):
            found += statements(node, inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return found


def imported(node: ast.stmt) -> list[str]:
    """The modules of the package that a statement imports."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        assert isinstance(node, ast.ImportFrom)
        inner = [f"{node.module}.{alias.name}" for alias in node.names]
        names = [name if name in MODULES else str(node.module) for name in inner]
    return [name for name in names if name in MODULES]


def reads(name: str) -> set[str]:
    """The modules of the package that a module imports anywhere."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    return {other for node, _ in statements(tree) for other in imported(node)} - {name}


def layer(name: str) -> str:
    """The package, or the module of the top level, that a module belongs to."""
    return [*name.split("."), "__init__"][1]


def test_no_module_knows_what_is_after_it() -> None:
    """There is no cycle of imports, those inside functions counted."""
    graph = {name: reads(name) for name in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' → '.join(error.args[1])}")


def test_packages_stand_in_one_order() -> None:
    """A package imports only what stands before it in the way of the data."""
    late = {
        f"{name} imports {other}"
        for name in MODULES
        for other in reads(name)
        if ORDER.index(layer(other)) > ORDER.index(layer(name))
    }
    assert not late


def test_imports_stand_at_the_top() -> None:
    """Only heavy packages of others are imported in functions, and no module of our own by a text."""
    for name, path in MODULES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        hidden = [other for node, inside in statements(tree) if inside for other in imported(node)]
        assert not hidden, f"{name} imports {hidden} in a function"
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        texts = [ast.unparse(node) for node in calls if ast.unparse(node.func).endswith("import_module")]
        assert not [text for text in texts if "tensorgrad_eg" in text], name
