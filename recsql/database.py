"""One session with DuckDB: run SQL, fetch rows or Arrow, quote names, find SQL texts."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    import pyarrow as pa


def quote(name: str) -> str:
    """Give ``name`` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Give ``value`` as a quoted SQL string, for texts that cannot take parameters (views)."""
    return "'" + value.replace("'", "''") + "'"


@cache
def sql_names(folder: str) -> tuple[str, ...]:
    """Name the SQL files of a folder of the sql room, in alphabetical order."""
    entries = resources.files("recsql.sql").joinpath(folder).iterdir()
    return tuple(sorted(e.name[:-4] for e in entries if e.name.endswith(".sql")))


@cache
def sql_text(folder: str, name: str) -> str:
    """Give the text of one SQL file, comments included."""
    return resources.files("recsql.sql").joinpath(folder, f"{name}.sql").read_text("utf-8")


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each ``{{name}}`` of a SQL text; an unknown name raises KeyError."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], text)


def body(text: str) -> str:
    """Give a SQL text without its leading comment block."""
    lines = text.splitlines()
    start = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return "\n".join(lines[start:]).strip()


FEW = 1_000  # rows that are fetched one by one


class Session:
    """A connection with the few calls that the engine needs.

    ``RECSQL_DEBUG=1`` in the environment prints every statement to standard error.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        self._known: dict[str, list[tuple[Any, ...]]] | None = None
        self._began: int | None = None
        self._debug = os.environ.get("RECSQL_DEBUG", "") not in ("", "0")

    def execute(self, sql: str, parameters: Sequence[object] | None = None) -> None:
        """Run a statement and drop its result."""
        self._log(sql)
        if self._known is not None:
            self._known = {}
        self.con.execute(sql, parameters).fetchall()

    def rows(self, sql: str, parameters: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """Run a query and fetch every row."""
        self._log(sql)
        return self.con.execute(sql, parameters).fetchall()

    def known(self, sql: str) -> list[tuple[Any, ...]]:
        """Fetch every row of a query on state or its shape, within a transaction only once.

        What it gave is remembered until ``execute`` runs or the transaction ends.
        """
        if self._known is None:
            return self.rows(sql)
        if sql not in self._known:
            self._known[sql] = self.rows(sql)
        return self._known[sql]

    def columns(
        self, sql: str, parameters: Sequence[object] | None = None
    ) -> list[tuple[str, str]]:
        """Name and type each column a query would give, without running it."""
        return [(row[0], row[1]) for row in self.rows(f"DESCRIBE {sql}", parameters)]

    def value(self, sql: str, parameters: Sequence[object] | None = None) -> Any:
        """Run a query and give the first value of its first row; None without rows."""
        rows = self.rows(sql, parameters)
        return rows[0][0] if rows else None

    def arrow(self, sql: str) -> pa.Table:
        """Run a query and fetch it as an Arrow table."""
        self._log(sql)
        return self.con.sql(sql).to_arrow_table()

    def few(self, sql: str, types: Mapping[str, str]) -> pa.Table:
        """Run a query that mostly gives few rows and fetch it as an Arrow table.

        DuckDB plans it once, for ``arrow`` twice; of more than FEW rows each costs more in Python.

        Parameters
        ----------
        sql : without a limit of its own
        types : names and Arrow types of its columns; values become text where the type is string
        """
        import pyarrow as pa

        rows = self.rows(f"{sql} LIMIT {FEW + 1}")
        if len(rows) > FEW:
            return self.arrow(sql)
        found = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in types]
        return pa.table(
            {
                name: pa.array(_texts(column) if kind == "string" else column, kind)
                for (name, kind), column in zip(types.items(), found, strict=True)
            }
        )

    @property
    def moment(self) -> int:
        """Give the present in microseconds since 1970; within a transaction when it began."""
        return self._began or time.time_ns() // 1000

    @contextmanager
    def loaded(self, **tables: pa.Table) -> Iterator[None]:
        """Make Arrow tables readable under their names within the block."""
        for name, table in tables.items():
            self.con.register(name, table)
        try:
            yield
        except BaseException:
            with suppress(duckdb.Error):  # an aborted transaction would hide what went wrong
                self._unload(tables)
            raise
        self._unload(tables)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does, or roll all of it back when it raises."""
        self.con.execute("BEGIN TRANSACTION")
        self._known, self._began = {}, time.time_ns() // 1000
        try:
            yield
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._known = self._began = None
        self.con.execute("COMMIT")

    def _unload(self, names: Iterable[str]) -> None:
        for name in names:
            self.con.unregister(name)

    def _roll_back(self) -> None:
        try:
            self.con.execute("ROLLBACK")
        except duckdb.TransactionException:
            # DuckDB already aborted it (a failed COMMIT does); nothing is left to undo.
            return

    def _log(self, sql: str) -> None:
        if self._debug:
            print(f"-- recsql\n{sql}\n", file=sys.stderr)


def _texts(values: Iterable[object]) -> list[str | None]:
    return [None if value is None else str(value) for value in values]
