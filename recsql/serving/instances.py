"""Which open connection a SQL function works through.

A registered Python function belongs to the database instance and outlives the connection that
registered it. It must hold no connection itself (a held one keeps the file locked), so each
instance has a key, this module keeps weak references to the open connections of each key, and a
function takes a cursor of the first one that is open.
"""

from __future__ import annotations

import threading
import uuid
import weakref
from collections.abc import Callable
from typing import Any

import duckdb

from recsql.errors import StateError

INSTANCE_FUNCTION = "_recsql_instance"

_LOCK = threading.Lock()
_CONNECTIONS: dict[str, list[weakref.ref[duckdb.DuckDBPyConnection]]] = {}
_KEPT: list[Callable[..., Any]] = []
_WRITERS: dict[str, threading.RLock] = {}


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


def join(key: str, con: duckdb.DuckDBPyConnection) -> None:
    """Remember ``con`` as an open connection of the instance, once."""
    with _LOCK:
        alive = [ref for ref in _CONNECTIONS.get(key, []) if ref() is not None]
        if not any(ref() is con for ref in alive):
            alive.append(weakref.ref(con))
        _CONNECTIONS[key] = alive


def cursor_for(key: str) -> duckdb.DuckDBPyConnection:
    """Give a new cursor of the instance.

    Raises
    ------
    StateError
        Every connection that was registered is closed.
    """
    with _LOCK:
        candidates = [ref() for ref in _CONNECTIONS.get(key, [])]
    for con in candidates:
        if con is None:
            continue
        try:
            return con.cursor()
        except duckdb.ConnectionException:
            continue
    raise StateError(
        "A registered connection must be open, got none: each one was closed. "
        "Call recsql.register(con) on this connection."
    )


def writer_lock(key: str) -> threading.RLock:
    """Give the lock that makes training, refreshing and binding of an instance take turns."""
    with _LOCK:
        return _WRITERS.setdefault(key, threading.RLock())
