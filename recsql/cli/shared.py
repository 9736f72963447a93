"""What the commands share: their common arguments, the group that turns errors into sentences."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer
from typer.core import TyperGroup

from recsql.connection import check_file_name, connect
from recsql.database import Session
from recsql.errors import NotBoundError, ParameterError, RecsqlError
from recsql.store.schema import schema_exists

DatabaseArgument = Annotated[
    Path, typer.Argument(metavar="DATABASE", help="Your DuckDB file.", show_default=False)
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")
]

_MAGIC = slice(8, 12)  # the bytes of a DuckDB file that say so
_DATABASE_ENDINGS = (".duckdb", ".db", ".ddb")
# What DuckDB puts before a sentence of ours that was raised below a SQL function.
_RAISED_IN_SQL = re.compile(
    r"^.*?Python exception occurred while executing the UDF: \w+: |^Invalid Input Error: ", re.S
)


class SentenceGroup(TyperGroup):
    """A group of commands whose refusals are a sentence and exit code 1, not a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; ``RECSQL_DEBUG=1`` lets the traceback through."""
        try:
            return super().invoke(ctx)
        except (RecsqlError, duckdb.Error) as error:
            if os.environ.get("RECSQL_DEBUG", "") not in ("", "0"):
                raise
            typer.echo(sentence(error), err=True)
            raise typer.Exit(1) from error


def sentence(error: Exception) -> str:
    """Give what an error says, without what DuckDB wraps around a sentence of recsql."""
    return _RAISED_IN_SQL.sub("", str(error)).strip() or type(error).__name__


def example(*lines: str) -> str:
    """Give the end of a help text: examples that keep their lines."""
    return "\b\n" + "\n".join(("Example:" if len(lines) == 1 else "Examples:", *lines))


@contextmanager
def open_database(path: Path, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a file that exists, with recsql registered, and close it after the block.

    Raises
    ------
    ParameterError
        There is no such file; the nearest names of the folder are offered.
    StateError
        The file is called ``recsql.duckdb``.
    NotBoundError
        It is only read, and holds nothing of recsql yet.
    """
    check_exists(path)
    check_file_name(path)
    if read_only and not _is_prepared(path):
        raise NotBoundError(
            f"The orders in {path} must be bound first. "
            f"recsql bind {path} interactions your_table --item-id …"
        )
    con = quiet(connect(str(path), read_only=read_only))
    try:
        yield con
    finally:
        con.close()


def quiet(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Keep DuckDB's own progress bar, which may be on, out of standard output."""
    con.execute("SET enable_progress_bar = false")
    return con


def _is_prepared(path: Path) -> bool:
    try:
        with duckdb.connect(str(path), read_only=True) as con:
            return schema_exists(Session(con))
    except duckdb.IOException:  # locked or damaged: connect says which
        return True


def check_exists(path: Path) -> None:
    """Refuse a path that is no DuckDB file.

    DuckDB itself would create a missing one, and open a CSV file as a database in memory.
    """
    if path.is_file():
        head = _head(path)
        if not head or head[_MAGIC] == b"DUCK":
            return
        raise ParameterError(
            f"DATABASE must be a DuckDB file, got {path}: another kind of file. Load it into one."
        )
    found = "a folder" if path.is_dir() else "no such file"
    raise ParameterError(f"DATABASE must be a DuckDB file, got {path}: {found}.{_nearest(path)}")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAGIC.stop)


def _nearest(path: Path) -> str:
    folder = path if path.is_dir() else path.parent
    if not folder.is_dir():
        return " Check the folder."
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    databases = [name for name in names if name.endswith(_DATABASE_ENDINGS)]
    near = difflib.get_close_matches(path.name, [n for n in names if not n.endswith(".wal")], n=3)
    offered = [str(folder / name) for name in near or databases[:3]]
    return f" Did you mean {' or '.join(offered)}?" if offered else " Check the name."
