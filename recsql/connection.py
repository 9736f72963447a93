"""Connect to DuckDB with recsql inside, or put it into a connection that exists."""

from __future__ import annotations

from typing import Any

import duckdb

from recsql.database import Session
from recsql.errors import ParameterError, StateError
from recsql.functions import (
    add_python_functions,
    check_collisions,
    drop_macros,
    macros_current,
    write_macros,
)
from recsql.serving.instances import instance_key, join, new_key, writer_lock
from recsql.store.schema import check_version, prepare, remove, schema_exists, stored_prefix


def connect(path: str = ":memory:", **duckdb_options: Any) -> duckdb.DuckDBPyConnection:
    """Open a database with recsql registered; gives a plain DuckDB connection.

    Parameters
    ----------
    path : file, or ':memory:'
    duckdb_options : passed to ``duckdb.connect``, for example ``read_only=True``

    Raises
    ------
    StateError
        The file is called ``recsql.duckdb``, is locked by another process, or holds the state
        of a newer recsql.
    """
    try:
        con = duckdb.connect(str(path), **duckdb_options)
    except duckdb.IOException as error:
        if "lock" not in str(error).lower():
            raise
        raise StateError(
            f"The database {path} must not be in use by another process: "
            f"{str(error).splitlines()[0]} Close the other one, or open read-only copies."
        ) from error
    try:
        return register(con)
    except BaseException:
        con.close()
        raise


def register(
    con: duckdb.DuckDBPyConnection, *, prefix: str | None = None
) -> duckdb.DuckDBPyConnection:
    """Prepare a connection: state schema, Python functions and macros; may be called again.

    Parameters
    ----------
    prefix : put before the names of the SQL functions, for databases where a name is taken;
        None keeps the prefix that the database has

    Raises
    ------
    StateError
        A macro of the same name exists, the catalog is called ``recsql``, a transaction is
        open, or the state is newer than this recsql.
    """
    session = Session(con.cursor())
    _check_name(session)
    if prefix is not None and not (prefix == "" or prefix.isidentifier()):
        raise ParameterError(f"prefix must be letters, digits and _, got {prefix!r}. Use 'rec_'.")
    key = instance_key(con)
    if key is None:
        key = new_key()
        add_python_functions(con, key)
    join(key, con)
    with writer_lock(key):
        if _is_read_only(session):
            _check_read_only(session)
        else:
            _prepare(session, prefix)
    return con


def uninstall(con: duckdb.DuckDBPyConnection) -> None:
    """Remove every trace of recsql from the database but the user's own data."""
    session = Session(con.cursor())
    if not schema_exists(session):
        return
    with session.transaction():
        drop_macros(session)
        remove(session)


def _prepare(session: Session, prefix: str | None) -> None:
    fresh = not schema_exists(session)
    if fresh:
        check_collisions(session, prefix or "")
    else:
        check_version(session)
        if prefix is not None and prefix != stored_prefix(session):
            with session.transaction():
                check_collisions(session, prefix)
                drop_macros(session)
                session.execute("DELETE FROM recsql.functions")
                session.execute("UPDATE recsql.meta SET prefix = ?", [prefix])
    if fresh or not macros_current(session):
        with session.transaction():
            prepare(session, prefix)
            write_macros(session)


def _check_name(session: Session) -> None:
    if session.value("SELECT current_database()") == "recsql":
        raise StateError(
            "The database must not be called recsql (the file recsql.duckdb): every recsql.x "
            "would be ambiguous. Rename the file, for example to shop.duckdb."
        )


def _check_read_only(session: Session) -> None:
    if schema_exists(session):
        check_version(session)


def _is_read_only(session: Session) -> bool:
    return bool(
        session.value(
            "SELECT d.readonly FROM duckdb_databases() AS d "
            "WHERE d.database_name = current_database()"
        )
    )
