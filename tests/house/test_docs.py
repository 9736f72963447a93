"""What the documentation says is true: blocks run, generated pages are current, headers agree."""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

import recsql
from recsql.database import sql_names, sql_text
from recsql.headers import read_header
from recsql.result import Result
from recsql.statements.core import STATEMENTS

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```(sql|python)\n(.*?)```", re.DOTALL)
pytestmark = pytest.mark.xdist_group("sample")
# The blocks of these pages follow each other or need a server: tests/doors/test_notebooks.py and
# tests/doors/test_server_page.py run them.
ELSEWHERE = ("notebooks.md", "server.md")
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in ELSEWHERE),
]


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (page.name, text)
        for page in PAGES
        for kind, text in BLOCK.findall(page.read_text("utf-8"))
        if kind == language
    ]


@pytest.fixture(scope="module")
def shop(sample_shop: Any) -> duckdb.DuckDBPyConnection:
    """Give the connection that the README's Python block leaves behind: bound and trained."""
    con: duckdb.DuckDBPyConnection = sample_shop.con
    return con


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that a block writes go nowhere else."""
    monkeypatch.chdir(tmp_path)


def statements(text: str) -> list[str]:
    return [part.query for part in duckdb.extract_statements(text)]


def test_there_are_documented_blocks() -> None:
    assert len(blocks("sql")) >= 2
    assert len(blocks("python")) >= 1


@pytest.mark.parametrize(("page", "text"), blocks("sql"))
def test_every_documented_sql_block_runs(
    shop: duckdb.DuckDBPyConnection, page: str, text: str
) -> None:
    for query in statements(text):
        rows = shop.execute(query).fetchall()
        assert rows or query.lstrip().upper().startswith("UPDATE"), f"{page}: {query} gave nothing"


SHOWN = re.compile(r"```sql\n((?:(?!```).)*)```\n\n```text\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize(("query", "output"), SHOWN.findall(PAGES[0].read_text("utf-8")))
def test_what_the_readme_shows_is_what_comes_out(
    shop: duckdb.DuckDBPyConnection, query: str, output: str
) -> None:
    found = shop.execute(query)
    columns = tuple(column[0] for column in found.description)
    told = str(Result(columns, found.fetchall()))
    assert told.strip("\n") == output.strip("\n")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, whose exporter a block calls
def test_every_documented_python_block_runs(shop: duckdb.DuckDBPyConnection) -> None:
    assert shop.execute("FROM recommend_bundle('85123A', k := 5)").fetchall()
    recsql.publish(shop, "shop_recs.duckdb", include=["country"])
    for page, text in blocks("python")[1:]:
        exec(compile(text, page, "exec"), {"con": shop})


def test_the_generated_pages_are_what_the_headers_and_docstrings_say() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for name, text in (("functions", generate.page()), ("models", generate.models_page())):
        written = (ROOT / "docs" / f"{name}.md").read_text("utf-8")
        assert written == text, "run: python docs/generate.py"


def argument_names(signature: str) -> list[str]:
    names = [part.split(":=")[0].strip().strip('"') for part in signature.split(",")]
    return [name for name in names if name]


FILES = [(folder, name) for folder in ("functions", "statements") for name in sql_names(folder)]


@pytest.mark.parametrize(("folder", "name"), FILES)
def test_a_header_names_its_function_its_arguments_and_their_order(folder: str, name: str) -> None:
    header = read_header(folder, name)
    assert header.name == name
    assert header.summary.endswith(".")
    written = re.search(rf"MACRO .*?{name}\((.*?)\) AS", sql_text(folder, name), re.DOTALL)
    assert written is not None
    documented = [field.name for field in header.arguments]
    assert argument_names(header.signature) == documented
    assert argument_names(written[1]) == documented


@pytest.mark.parametrize("name", sql_names("functions"))
def test_a_function_returns_the_columns_of_its_header(
    shop: duckdb.DuckDBPyConnection, name: str
) -> None:
    header = read_header("functions", name)
    needed = [part for part in header.signature.split(",") if part.strip() and ":=" not in part]
    arguments = ", ".join("['85123A']" if "items" in part else "'12748'" for part in needed)
    if header.kind != "TABLE":
        described = shop.execute(f"DESCRIBE SELECT {name}({arguments}) AS result").fetchall()
        assert described[0][1] == header.kind
        return
    described = shop.execute(f"DESCRIBE FROM {name}({arguments})").fetchall()
    types = {"ITEM": "VARCHAR", "USER": "INTEGER"}
    assert [(row[0], row[1]) for row in described] == [
        (field.name, types.get(field.type, field.type)) for field in header.returns
    ]


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """Statements are known when their modules are: names of recsql load them."""
    for name in recsql.__all__:
        getattr(recsql, name)


@pytest.mark.parametrize("name", sql_names("statements"))
def test_a_statement_takes_the_same_arguments_in_sql_and_in_python(name: str) -> None:
    header = read_header("statements", name)
    in_python = list(inspect.signature(STATEMENTS[name]).parameters)[1:]  # without the call
    assert sorted(field.name for field in header.arguments) == sorted(in_python)


def test_every_public_statement_has_a_sql_side_and_the_other_way_round() -> None:
    assert set(STATEMENTS) == set(sql_names("statements"))
    assert set(STATEMENTS) <= set(recsql.__all__)
