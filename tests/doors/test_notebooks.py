"""Notebooks: DataFrames keep values and types, the pages' blocks and the example run in kernels."""

from __future__ import annotations

import datetime as dt
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import shop
import sqlalchemy as sa

import recsql
from recsql.sqlalchemy import create_engine, duckdb_connection

pytestmark = pytest.mark.xdist_group("notebooks")
ROOT = Path(__file__).parents[2]
TASKS = ("bundle", "next", "repeat")
PAGE = (ROOT / "docs" / "notebooks.md").read_text("utf-8")
REFERENCES = "FROM reference_customers(1, 'i05', k := 3)"
REPEATS = "FROM recommend_repeat(1, k := 3)"
NULLS = "SELECT NULL::INTEGER AS n, NULL::DATE AS day, NULL::VARCHAR AS name"
NATIVE = ("df", "pl", "to_arrow_table")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained shop with the ids of the documentation and customers with attributes."""
    path = tmp_path_factory.mktemp("documented") / "shop.duckdb"
    con = recsql.connect(path)
    shop.fill(con)
    con.execute("UPDATE orders SET sku = '85123A' WHERE sku = 'i01'")
    con.execute("UPDATE products SET sku = '85123A' WHERE sku = 'i01'")
    con.execute("UPDATE orders SET customer = 12748 WHERE customer = 2")
    con.execute("UPDATE customers SET id = 12748 WHERE id = 2")
    shop.bind(con)
    recsql.bind_users(con, "customers", user_id="id", attributes=["country"])
    for task in TASKS:
        recsql.train(con, task=task)
    con.close()
    return path


@pytest.fixture
def folder(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the shop in it."""
    (tmp_path / "shop.duckdb").write_bytes(template.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def con(folder: Path) -> Iterator[sa.Connection]:
    engine = create_engine("duckdb:///shop.duckdb")
    with engine.connect() as opened:
        yield opened
    engine.dispose()


# DataFrames


def rows_of(con: sa.Connection, query: str, how: str) -> list[dict[str, Any]]:
    """Give the rows as dictionaries, by one of the ways to a DataFrame."""
    if how == "pandas":
        return pd.read_sql(sa.text(query), con).to_dict("records")
    if how == "polars":
        return pl.read_database(sa.text(query), con).to_dicts()
    found = getattr(duckdb_connection(con).sql(query), how)()
    if how == "df":
        return list(found.to_dict("records"))
    return list(found.to_dicts() if how == "pl" else found.to_pylist(maps_as_pydicts="strict"))


def plain(value: Any) -> Any:
    """Give a date for midnight, a dictionary for a map, a float's first digits."""
    if isinstance(value, list):  # a map, in polars before 2
        return {entry["key"]: entry["value"] for entry in value}
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date()
    return round(value, 9) if isinstance(value, float) else value


@pytest.mark.parametrize("how", ["pandas", "polars", *NATIVE])
@pytest.mark.parametrize(
    "query",
    [
        "FROM recommend_bundle('85123A', k := 3)",
        "FROM recommend_next(12748, k := 3)",
        REPEATS,
        REFERENCES,
    ],
)
def test_values_are_the_same_in_every_dataframe(con: sa.Connection, query: str, how: str) -> None:
    expected = [dict(row) for row in con.execute(sa.text(query)).mappings()]
    assert expected
    found = rows_of(con, query, how)
    assert [{k: plain(v) for k, v in row.items()} for row in found] == [
        {k: plain(v) for k, v in row.items()} for row in expected
    ]


def test_arrow_keeps_the_types_of_sql(con: sa.Connection) -> None:
    native = duckdb_connection(con)
    references = native.sql(REFERENCES).to_arrow_table().schema
    assert references.field("rank").type == pa.int64()
    assert references.field("user_id").type == pa.int32()  # as in the source
    assert references.field("matches").type == pa.map_(pa.string(), pa.string())
    assert references.field("bought_at").type == pa.timestamp("us")
    repeats = native.sql(REPEATS).to_arrow_table().schema
    assert repeats.field("due_on").type == pa.date32()
    assert repeats.field("item_id").type == pa.string()
    assert [str(kind) for kind in native.sql(NULLS).to_arrow_table().schema.types] == [
        "int32",
        "date32[day]",
        "string",
    ]


def test_polars_keeps_the_types_of_sql(con: sa.Connection) -> None:
    native = duckdb_connection(con)
    repeats = native.sql(REPEATS).pl().schema
    assert repeats["rank"] == pl.Int64
    assert repeats["item_id"] == pl.String
    assert repeats["due_on"] == pl.Date
    assert native.sql(REFERENCES).pl().schema["user_id"] == pl.Int32
    assert list(native.sql(NULLS).pl().schema.values()) == [pl.Int32, pl.Date, pl.String]
    through_rows = pl.read_database(sa.text(REPEATS), con).schema
    assert (through_rows["rank"], through_rows["due_on"]) == (pl.Int64, pl.Date)


def test_pandas_keeps_numbers_and_dates(con: sa.Connection) -> None:
    native = duckdb_connection(con)
    repeats = native.sql(REPEATS).df()
    assert repeats["rank"].dtype == "int64"
    assert pd.api.types.is_datetime64_dtype(repeats["due_on"])
    assert native.sql(REFERENCES).df()["user_id"].dtype == "int32"
    nulls = native.sql(NULLS).df()
    assert nulls.isna().to_numpy().all()
    by_rows = pd.read_sql(sa.text(REPEATS), con)
    assert by_rows["rank"].dtype == "int64"
    assert type(by_rows["due_on"][0]) is dt.date


def test_what_a_statement_gives_in_python_becomes_a_dataframe(con: sa.Connection) -> None:
    found = recsql.validate(duckdb_connection(con))
    assert found.to_pandas()["check_name"].tolist() == [row["check_name"] for row in found.dicts()]
    assert found.to_arrow().num_rows == len(found)


# The page


def test_every_python_block_of_the_page_runs_in_its_order(folder: Path) -> None:
    space: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 6
    for block in blocks:
        exec(compile(block, "notebooks.md", "exec"), space)
    assert len(space["rows"]) == 5
    assert space["rows"] == [(row.rank, *row[1:]) for row in space["rows"]]
    assert [offer.item_id for offer in space["offers"]] == [row.item_id for row in space["rows"]]
    assert {row.rank for row in space["for_all"]} == {1, 2, 3}
    assert {task for task, _ in space["best"]} == set(TASKS)
    assert space["how"] in ("changed only", "rebuilt")
    assert len(space["frame"]) == len(space["by_pandas"]) == len(space["by_polars"]) == 5
    for name in ("engine", "other"):
        space.pop(name).dispose()


def run_cells(folder: Path, *cells: str) -> list[str]:
    """Run cells in a kernel that works in the folder; gives the text of what each put out."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return [
        "\n".join(
            output.get("text") or output["data"]["text/plain"]
            for output in cell.outputs
            if output.output_type != "display_data"
        )
        for cell in notebook.cells
    ]


def test_every_cell_of_the_page_runs_in_a_kernel(folder: Path) -> None:
    cells = [cell.strip() for cell in re.findall(r"```ipython\n(.*?)```", PAGE, re.DOTALL)]
    assert len(cells) >= 8
    native = ["con = recsql.connect()", "%sql con --alias memory", "%sql SELECT 5 AS five"]
    checks = ["print(frame.equals(polars_frame.to_pandas()), refreshed_frame['how'].tolist())"]
    shown = run_cells(folder, *cells, *checks, *native)
    offers = [text for cell, text in zip(cells, shown, strict=False) if "k := " in cell][:3]
    assert all("|  1   |" in text for text in offers)
    assert offers[1] == offers[2]  # by Jinja and by parameters
    assert shown[len(cells)].strip() == "True ['nothing changed']"
    assert "|  5   |" in shown[-1]


# The example


def test_the_example_gives_what_it_shows() -> None:
    spec = importlib.util.spec_from_file_location("execute", ROOT / "examples" / "execute.py")
    assert spec is not None
    assert spec.loader is not None
    execute = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(execute)
    paths = execute.notebooks()
    assert paths
    for path in paths:
        shown = nbformat.read(path, as_version=4)
        told = execute.executed(path)
        assert execute.texts(told) == execute.texts(shown), "run: python examples/execute.py"
        pictures = [
            [output for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})]
            for cell in told.cells
        ]
        assert sum(map(len, pictures)) == 3
        assert not re.search(r"/(home|tmp|Users|root)/", path.read_text("utf-8"))
