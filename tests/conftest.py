"""Fixtures that every room of tests may use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
import shop

import recsql


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database in memory with recsql inside."""
    opened = recsql.connect()
    yield opened
    opened.close()


@pytest.fixture
def shop_con(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The small shop in memory, its orders bound."""
    shop.fill(con)
    shop.bind(con)
    return con


@pytest.fixture(scope="session")
def trained_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the small shop, bound and trained; copy it, never open it."""
    path = tmp_path_factory.mktemp("trained") / "shop.duckdb"
    opened = recsql.connect(str(path))
    shop.fill(opened)
    shop.bind(opened)
    opened.execute("CALL recsql.train()").fetchall()
    opened.execute("CHECKPOINT")
    opened.close()
    return path


@pytest.fixture
def trained_file(trained_template: Path, tmp_path: Path) -> Path:
    """A copy of the trained shop that a test may change."""
    path = tmp_path / "shop.duckdb"
    path.write_bytes(trained_template.read_bytes())
    return path


@pytest.fixture
def trained(trained_file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The trained shop, open."""
    opened = recsql.connect(str(trained_file))
    yield opened
    opened.close()


class SampleShop(NamedTuple):
    """The sample as the README's first Python block leaves it: bound and trained.

    Attributes
    ----------
    board : (task, algorithm, status, metric, test value) as the training left them
    """

    con: duckdb.DuckDBPyConnection
    board: list[tuple[str, str, str, str, float]]


@pytest.fixture(scope="session")
def sample_shop() -> Iterator[SampleShop]:
    """Give the trained sample; who asks for it is in the xdist group ``sample``."""
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    block = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert block is not None
    space: dict[str, Any] = {}
    exec(compile(block[1], "README.md", "exec"), space)
    con = space["con"]
    board = con.execute(
        "SELECT l.task, l.algorithm, l.status, l.metric, l.value FROM recsql.leaderboard AS l "
        "WHERE l.part = 'test' ORDER BY ALL"
    ).fetchall()
    yield SampleShop(con, board)
    con.close()
