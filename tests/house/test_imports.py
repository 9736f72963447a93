"""Imports go one way, and importing recsql stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEVELS = [
    {"errors", "columns", "tasks", "version"},
    {"database"},
    {"settings", "headers", "pretty", "result"},
    {"kernels"},
    {"data"},
    {"networks"},
    {"models", "onnx_models", "metrics", "splits"},
    {"selection", "store"},
    {"serving", "insights"},
    {"arrow", "functions"},
    {"connection"},
    {"publishing"},
    {"statements"},
    {"watching", "server"},
    {"cli", "demo", "doctor", "dbt", "sqlalchemy", "udfs"},
]
TOP_ROOMS = ("udfs", "onnx_models")
LEVEL_OF = {name: level for level, names in enumerate(LEVELS) for name in names}
HEAVY = ("numba", "torch", "sqlalchemy", "onnxruntime", "lightfm", "pyarrow", "scipy", "pandas")


def modules() -> list[Path]:
    found = [path for path in (ROOT / "recsql").rglob("*.py") if path.name != "__init__.py"]
    for room in TOP_ROOMS:
        found += [path for path in (ROOT / room).glob("*.py") if path.name != "__init__.py"]
    return sorted(found)


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0] if parts[0] in TOP_ROOMS else parts[1]


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("recsql."):
            rooms.add(node.module.split(".")[1])
        elif isinstance(node, ast.ImportFrom) and node.module == "recsql":
            rooms |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {a.name.split(".")[1] for a in node.names if a.name.startswith("recsql.")}
    return rooms


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_rooms_below_its_own(path: Path) -> None:
    own = LEVEL_OF[room_of(path)]
    above = {room for room in imported_rooms(path) if LEVEL_OF[room] > own}
    assert not above, f"{path} imports {above}"


def test_every_room_has_a_level() -> None:
    assert {room_of(path) for path in modules()} <= set(LEVEL_OF)


def test_importing_recsql_loads_no_heavy_library() -> None:
    code = f"import sys, recsql; print([n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_imported() -> None:
    import recsql

    for name in recsql.__all__:
        assert getattr(recsql, name) is not None


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    import recsql

    with pytest.raises(AttributeError, match="module 'recsql' has no attribute 'recommmend'"):
        _ = recsql.recommmend
