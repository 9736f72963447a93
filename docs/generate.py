"""Write docs/functions.md from the headers of the SQL files, and docs/models.md from the classes.

python docs/generate.py
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from recsql.columns import VIEWS
from recsql.database import sql_names, sql_text
from recsql.headers import Field, Header, read_header
from recsql.models.base import Model
from recsql.models.catalogue import catalogue, models_for
from recsql.settings import SETTINGS
from recsql.tasks import TASKS

FOLDER = Path(__file__).parent
TYPES = {"ITEM": "type of your item ids", "USER": "type of your user ids"}


def page() -> str:
    """Give the text of docs/functions.md."""
    parts = [
        "# Functions, statements and tables",
        "Generated from the headers of the files in `sql/` by `python docs/generate.py`.",
        "## Functions",
        "Macros in the main schema: use them in FROM, LATERAL, views and subqueries, with"
        " positional or named arguments.",
        *(_section("functions", name, "") for name in sql_names("functions")),
        "## In a published file",
        "What the file that `CALL recsql.publish(…)` writes answers, in any DuckDB, without recsql:"
        " *identical* to what the database answered at that moment, *materialized* (stored for"
        " what could be asked), or *absent*, with an error that says why.",
        _published(),
        "## Statements",
        "Run them with `CALL`; each commits by itself. In Python the same names take a connection"
        " first: `recsql.train(con, task='bundle')`.",
        *(_section("statements", name, "recsql.") for name in sql_names("statements")),
        "## Views over your tables",
        *(_view(name) for name in VIEWS),
        "## Tables of the state",
        "Ordinary tables in schema `recsql`.",
        *(_table(folder, name) for folder in ("tables", "stored") for name in sql_names(folder)),
        "## Tables of a published file",
        "Beside those of these names above.",
        *(_table("published_tables", name) for name in sql_names("published_tables")),
        "## Settings",
        "`UPDATE recsql.settings SET value = '100' WHERE name = 'stored_depth'`; the next statement"
        " obeys.",
        _rows(
            ["name", "default", "meaning"],
            [[f"`{s.name}`", s.value or "NULL", s.meaning] for s in SETTINGS],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def models_page() -> str:
    """Give the text of docs/models.md."""
    parts = [
        "# Models",
        "Generated from the docstrings in `recsql/models/` by `python docs/generate.py`.",
        "`CALL recsql.train()` measures every model that can serve a task, in several settings, and"
        " the best one serves. `models := ['ease']` asks for some only. Those that are only"
        " measured, as the answer to beat, are called trivial.",
        _rows(
            ["task", "models"],
            [[f"`{task}`", ", ".join(f"`{m.name}`" for m in models_for(task))] for task in TASKS],
        ),
        *(_model(cls) for cls in catalogue().values()),
    ]
    return "\n\n".join(parts) + "\n"


def _model(cls: type[Model]) -> str:
    trivial = [f"`{task}` (trivial)" for task in cls.baseline_for]
    tasks = ", ".join([*(f"`{task}`" for task in cls.tasks), *trivial])
    own, shared = inspect.cleandoc(cls.__doc__ or ""), inspect.cleandoc(cls.__base__.__doc__ or "")
    if "Source:" in shared and "Source:" not in own:  # a class and its sisters
        own += f"\n\n{shared}"
    paragraphs = re.split(r"\n\s*\n", own)
    said = [" ".join(paragraph.split()) for paragraph in paragraphs]
    settings = ", ".join(f"`{name}` = {value!r}" for name, value in cls().params().items())
    parts = [f"### {cls.name}", f"Serves {tasks}.", *(_plain(text) for text in said)]
    return "\n\n".join([*parts, *([f"Settings: {settings}."] if settings else [])])


def _plain(text: str) -> str:
    parts = text.replace("``", "`").split("`")
    return "`".join(
        part if place % 2 else part.replace("*", "\\*") for place, part in enumerate(parts)
    )


def _section(folder: str, name: str, schema: str) -> str:
    header: Header = read_header(folder, name)
    parts = [f"### {name}", f"`{schema}{name}({header.signature})` → {header.kind}", header.summary]
    if header.needs:
        parts.append("Needs: " + ", ".join(header.needs) + ".")
    if header.arguments:
        parts.append(_fields("argument", header.arguments))
    if header.kind == "TABLE":
        parts.append(_fields("column", header.returns))
    else:
        parts += [f"Returns {field.type}: {field.meaning}." for field in header.returns]
    if header.empty:
        parts.append(f"Empty {header.empty}.")
    if header.source:
        parts.append(f"Source: {header.source}.")
    return "\n\n".join(parts)


def _published() -> str:
    headers = [read_header("functions", name) for name in sql_names("functions")]
    rows = [[f"`{h.name}`", h.in_a_file, h.file_note] for h in headers]
    return _rows(["function", "answers", "note"], rows)


def _fields(what: str, fields: list[Field]) -> str:
    rows = [[f"`{f.name}`", TYPES.get(f.type, f.type), f.meaning] for f in fields]
    return _rows([what, "type", "meaning"], rows)


def _view(name: str) -> str:
    rows = [[f"`{c.name}`", c.type or "as in your table", c.meaning] for c in VIEWS[name]]
    return f"### recsql.{name}\n\n" + _rows(["column", "type", "meaning"], rows)


def _table(folder: str, name: str) -> str:
    text = sql_text(folder, name)
    said = [line[3:] for line in text.splitlines() if line.startswith("-- ")][1:]
    columns = [line.strip().rstrip(",") for line in text.splitlines() if line.startswith("    ")]
    listed = ", ".join(f"`{line.split()[0]}`" for line in columns if line[0].islower())
    return f"### recsql.{name}\n\n{' '.join(said)}\n\nColumns: {listed}."


def _rows(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(_cell(text) for text in row)} |" for row in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    (FOLDER / "functions.md").write_text(page(), "utf-8")
    (FOLDER / "models.md").write_text(models_page(), "utf-8")
