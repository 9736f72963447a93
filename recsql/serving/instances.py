"""Which connection a SQL function works through.

A registered Python function belongs to the database instance and outlives the connection that
registered it. It must hold no connection itself (a held one keeps the file locked), so each
instance has a key, and this module keeps weak references to the open connections of each key and
remembers how the file was opened. A function works on a connection of its own: a plain cursor is
closed with the connection it comes from, and DuckDB 1.5 may hang or crash when that happens while
the cursor works.
"""

from __future__ import annotations

import threading
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb

from recsql.database import Session
from recsql.errors import StateError

INSTANCE_FUNCTION = "_recsql_instance"


@dataclass
class _Instance:
    """What is known about a database instance.

    Attributes
    ----------
    connections : open connections that were registered
    path : of the file; None in memory
    options : ways to open the file once more; DuckDB refuses any other than the first one took
    writer : makes training, refreshing and binding take turns
    """

    connections: list[weakref.ref[duckdb.DuckDBPyConnection]] = field(default_factory=list)
    path: str | None = None
    options: tuple[Mapping[str, Any], ...] = ({}, {"read_only": True})
    writer: threading.RLock = field(default_factory=threading.RLock)


_LOCK = threading.Lock()
_INSTANCES: dict[str, _Instance] = {}
_KEPT: list[Callable[..., Any]] = []


def keep(callable_: Callable[..., Any]) -> None:
    """Keep a registered callable for the life of the process: collecting one crashes DuckDB."""
    _KEPT.append(callable_)


def instance_key(con: duckdb.DuckDBPyConnection) -> str | None:
    """Give the key of the instance behind ``con``; None when it was never registered."""
    try:
        row = con.cursor().execute(f"SELECT {INSTANCE_FUNCTION}(true)").fetchall()
    except duckdb.CatalogException:
        return None
    return str(row[0][0])


def new_key() -> str:
    """Make a key for an instance that has none."""
    return uuid.uuid4().hex


def join(
    key: str,
    con: duckdb.DuckDBPyConnection,
    *,
    path: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Remember ``con`` as an open connection of the instance, once, and how it was opened."""
    with _LOCK:
        instance = _INSTANCES.setdefault(key, _Instance())
        alive = [ref for ref in instance.connections if ref() is not None]
        if not any(ref() is con for ref in alive):
            alive.append(weakref.ref(con))
        instance.connections = alive
        instance.path = path or instance.path
        if options is not None:
            instance.options = (dict(options),)


def cursor_for(key: str) -> duckdb.DuckDBPyConnection:
    """Give a new connection to the instance; the caller closes it.

    Raises
    ------
    StateError
        Every connection that was registered is closed.
    """
    with _LOCK:
        instance = _INSTANCES.get(key, _Instance())
        candidates = [ref() for ref in instance.connections]
    for con in candidates:
        if con is None:
            continue
        try:
            # The cursor between is collected: nothing closes the second one with ``con``.
            return con.cursor().cursor()
        except duckdb.ConnectionException:
            continue
    for options in instance.options if instance.path else ():
        try:
            return duckdb.connect(str(instance.path), **options)
        except duckdb.ConnectionException:
            continue
    raise StateError(
        "A registered connection must be open, got none: each one was closed. "
        "Call recsql.register(con) on this connection."
    )


@contextmanager
def session_of(key: str) -> Iterator[Session]:
    """Give a session of its own in the instance, closed at the end of the block."""
    con = cursor_for(key)
    try:
        _show_no_progress(con)
        yield Session(con)
    finally:
        con.close()


def _show_no_progress(con: duckdb.DuckDBPyConnection) -> None:
    """Turn DuckDB's progress bar off: the caller's own shows how far it is."""
    try:
        con.execute("SET enable_progress_bar = false")
    except duckdb.InvalidInputException as error:
        if "has been locked" not in str(error):  # lock_configuration: the bar stays as it was
            raise


def writer_lock(key: str) -> threading.RLock:
    """Give the lock that makes training, refreshing and binding of an instance take turns."""
    with _LOCK:
        return _INSTANCES.setdefault(key, _Instance()).writer
