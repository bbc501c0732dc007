"""Who may know whom: imports go one way, and heavy packages load only when they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import minidl

PACKAGE = Path(minidl.__file__).parent

ORDER = [
    *("types", "record", "checks", "randomness", "shapes", "augment", "data"),
    *("kernels", "initializers", "module", "layers", "metrics", "losses"),
    *("paths", "schedules", "optim"),
    *(
        "arrays",
        "wiring",
        "graph",
        "builders",
        "taps",
        "architecture",
        "files",
        "summary",
        "engine",
        "gradcheck",
        "models",
        "explain",
    ),
    *("training", "doctor", "bench", "interop", "plotting", "report", "cli"),
]
"""Each room may import itself and those before it: ``data`` knows nothing of models, ``optim``
nothing of graphs, ``training`` nothing of plots, and nothing knows ``cli``."""

LATE = {("graph", "engine"), ("graph", "summary"), ("graph", "files"), ("graph", "gradcheck")}
"""The exceptions, inside functions: thin methods of a graph that import when they are called."""

HEAVY = {
    "scipy",
    "tqdm",
    "matplotlib",
    "safetensors",
    "threadpoolctl",
    "torch",
    "onnx",
    "sklearn",
    "PIL",
    "tomli",
    "tensorboardX",
}
WAITING = {
    "minidl.cli",
    "minidl.doctor.checks",
    "minidl.engine.crew",
    "minidl.engine.program",
    "minidl.plotting",
}
"""What of the package itself waits until it is used, so that importing minidl is quick."""

UNSAFE = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}


class Import(NamedTuple):
    """One import: of what, and whether it waits for a call or serves type checkers alone."""

    file: str
    line: int
    target: str
    late: bool
    typing: bool

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line} imports {self.target}"

    @property
    def room(self) -> str:
        return room(self.file)


def room(path: str) -> str:
    """Return the first part of a path inside the package: kernels, graph ..."""
    return path.split("/")[0].removesuffix(".py")


def is_typing_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def targets(node: ast.AST) -> list[str]:
    """Return what an import statement names, as dotted paths; none where it is no import."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def walk(file: str, node: ast.AST, late: bool = False, typing: bool = False) -> Iterator[Import]:
    """Walk the imports below a node of a file."""
    for target in targets(node):
        yield Import(file, getattr(node, "lineno", 0), target, late, typing)
    late = late or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    guarded = set(node.body) if is_typing_guard(node) and isinstance(node, ast.If) else set()
    for child in ast.iter_child_nodes(node):
        yield from walk(file, child, late, typing or child in guarded)


def read(path: Path) -> list[Import]:
    file = path.relative_to(PACKAGE).as_posix()
    return list(walk(file, ast.parse(path.read_text(encoding="utf-8"))))


FILES = sorted(PACKAGE.rglob("*.py"))
IMPORTS = [found for path in FILES for found in read(path)]
INSIDE = [
    found
    for found in IMPORTS
    if found.target.startswith("minidl.") and not found.file.startswith("__")
]


def test_the_reader_sees_the_package() -> None:
    """Or the tests below would pass on nothing."""
    assert len(FILES) > 30
    assert any(found.late for found in IMPORTS)
    assert any(found.typing for found in IMPORTS)
    assert {"kernels", "layers", "graph", "engine"} <= {found.room for found in INSIDE}


def test_every_room_has_its_place() -> None:
    rooms = {room(path.relative_to(PACKAGE).as_posix()) for path in FILES}
    assert rooms - set(ORDER) == {"__init__", "__main__"}


def test_imports_go_one_way() -> None:
    wrong = [
        found.place
        for found in INSIDE
        if not found.typing
        and not (found.late and (found.room, room_of(found)) in LATE)
        and ORDER.index(room_of(found)) > ORDER.index(found.room)
    ]
    assert wrong == []


def room_of(found: Import) -> str:
    return found.target.split(".")[1]


def test_every_exception_is_needed() -> None:
    used = {(found.room, room_of(found)) for found in INSIDE if found.late}
    assert used >= LATE


def test_nothing_imports_pickle() -> None:
    assert [found.place for found in IMPORTS if found.target.split(".")[0] in UNSAFE] == []


def test_heavy_packages_are_imported_inside_functions() -> None:
    wrong = [
        found.place
        for found in IMPORTS
        if found.target.split(".")[0] in HEAVY and not (found.late or found.typing)
    ]
    assert wrong == []


def test_kernels_know_arrays_and_shapes_alone() -> None:
    known = {room_of(found) for found in INSIDE if found.room == "kernels"}
    assert known <= {"types", "shapes", "kernels"}


@pytest.mark.parametrize("statement", ["import minidl", "from minidl import *"])
def test_importing_loads_nothing_heavy(statement: str) -> None:
    code = f"import sys\n{statement}\nprint(*sorted(sys.modules))"
    command = [sys.executable, "-W", "error", "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "minidl.graph" in loaded
    assert {name.split(".")[0] for name in loaded} & HEAVY == set()
    assert WAITING & {*loaded} == set()


def test_every_exported_name_exists() -> None:
    assert len(set(minidl.__all__)) == len(minidl.__all__)
    assert [name for name in minidl.__all__ if not hasattr(minidl, name)] == []
