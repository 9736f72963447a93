"""The steps of docs/published_file.md, run as they stand in a folder with the published sample."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import recsql

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / ".clients"
PAGE = (ROOT / "docs" / "published_file.md").read_text("utf-8")
pytestmark = pytest.mark.xdist_group("sample")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(sample_shop: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the file that the page writes."""
    made = tmp_path_factory.mktemp("page")
    recsql.publish(sample_shop.con, made / "shop_recs.duckdb", include=["country"])
    return made


def run(command: list[Any], folder: Path) -> str:
    path = f"{CLIENTS / 'cli/bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, "PATH": path}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("text", blocks("sh"))
def test_the_command_line_reads_the_file(folder: Path, text: str) -> None:
    for line in text.strip().splitlines():
        said = run(["bash", "-c", line], folder)
        assert "85123A" in line or "rows" in said or "│" in said, line
        assert len(said.splitlines()) > 5, line


def test_python_without_recsql_reads_the_file(folder: Path) -> None:
    (text,) = blocks("python")
    said = run([CLIENTS / "bare/bin/python", "-c", text], folder)
    assert "match_score" in said
    assert "United Kingdom" in said


def test_node_reads_the_file(folder: Path, sample_shop: Any) -> None:
    (text,) = blocks("js")
    modules = folder / "node_modules"
    if not modules.exists():
        modules.symlink_to(CLIENTS / "node" / "node_modules")
    (folder / "ask.mjs").write_text(text)
    said = run(["node", "ask.mjs"], folder)
    for (item,) in sample_shop.con.execute(
        "SELECT item_id FROM recommend_next(12748, k := 3)"
    ).fetchall():
        assert item in said
