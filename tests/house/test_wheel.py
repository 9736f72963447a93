"""The wheel holds what the source tree holds, and nothing leaks to the top level."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(source)],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def expected_names() -> set[str]:
    found = {str(path.relative_to(ROOT)) for path in (ROOT / "recsql").rglob("*") if wanted(path)}
    for room in ("onnx_models", "udfs", "sql"):
        found |= {
            f"recsql/{path.relative_to(ROOT)}" for path in (ROOT / room).rglob("*") if wanted(path)
        }
    return found


def wanted(path: Path) -> bool:
    return (
        path.suffix in (".py", ".sql", ".yml", ".parquet", ".typed")
        and "__pycache__" not in path.parts
    )


def test_the_wheel_holds_every_module_and_sql_text(wheel_names: set[str]) -> None:
    packaged = {name for name in wheel_names if not name.split("/")[0].endswith(".dist-info")}
    assert {n for n in packaged if not n.endswith(".md")} == expected_names()


def test_only_recsql_stands_at_the_top_level(wheel_names: set[str]) -> None:
    tops = {name.split("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"recsql"}
