"""Connect to DuckDB with recsql inside, or put it into a connection that exists."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import duckdb

from recsql.database import Session
from recsql.errors import ParameterError, StateError
from recsql.functions import (
    add_python_functions,
    check_collisions,
    drop_macros,
    known_key,
    macros_current,
    write_macros,
)
from recsql.serving.instances import join, writer_lock
from recsql.store.schema import (
    check_free,
    check_not_newer,
    check_removable,
    check_version,
    is_old,
    prepare,
    remove,
    schema_exists,
    stored_prefix,
)

_PREFIX = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)?")


def connect(
    path: str | os.PathLike[str] = ":memory:", **duckdb_options: Any
) -> duckdb.DuckDBPyConnection:
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
    check_file_name(path)
    con = open_plain(path, **duckdb_options)
    try:
        return _register(con, None, duckdb_options)
    except BaseException:
        con.close()
        raise


def check_file_name(path: str | os.PathLike[str]) -> None:
    """Refuse a file whose database would be called ``recsql``."""
    if os.path.basename(path).split(".")[0].lower() == "recsql":
        raise _bad_name(os.path.basename(path))


def open_plain(path: str | os.PathLike[str], **duckdb_options: Any) -> duckdb.DuckDBPyConnection:
    """Open a database as it is, without recsql registered.

    Raises
    ------
    StateError
        The file is locked by another process, or open in this one with other options.
    """
    try:
        return duckdb.connect(str(path), **duckdb_options)
    except duckdb.ConnectionException as error:
        if "different configuration" not in str(error):
            raise
        raise StateError(
            f"The database {path} must be opened with one set of options in a process, got others "
            "than those of a connection that is open. Use a cursor of that one, for an SQLAlchemy "
            "engine recsql.sqlalchemy.duckdb_connection(engine.connect()), or close it first."
        ) from error
    except duckdb.IOException as error:
        if "Could not set lock" not in str(error):
            raise
        raise StateError(
            f"The database {path} must not be in use by another process, got: "
            f"{str(error).splitlines()[0]} Close it there, or open a copy of the file."
        ) from error


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
        A macro of the same name exists, the catalog is called ``recsql``, another database is
        in use, a transaction is open when something has to be prepared, the database is
        read-only and was never prepared, or its state is newer than this recsql.
    """
    return _register(con, prefix, None)


def uninstall(con: duckdb.DuckDBPyConnection) -> None:
    """Remove every trace of recsql from the database but the user's own data.

    Raises
    ------
    StateError
        The database is read-only, its state is newer than this recsql, the schema ``recsql`` holds
        something of the user's, or a database is called ``recsql``.
    """
    session = Session(con.cursor())
    if not schema_exists(session):
        return
    _check_name(session)
    check_not_newer(session)
    check_removable(session)
    if is_read_only(session):
        raise StateError(
            "The database must be open for writing to uninstall, got a read-only one. "
            "Open it without read_only."
        )
    key = known_key(con) or add_python_functions(con)
    with writer_lock(key), session.transaction():
        drop_macros(session)
        remove(session)


def is_read_only(session: Session) -> bool:
    """Tell whether the database can only be read."""
    return bool(
        session.value(
            "SELECT d.readonly FROM duckdb_databases() AS d "
            "WHERE d.database_name = current_database()"
        )
    )


def in_transaction(con: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether a transaction was begun on ``con``; ends the reading of a result before."""
    first, second = (con.execute("SELECT txid_current()").fetchall() for _ in range(2))
    return bool(first == second)


def _register(
    con: duckdb.DuckDBPyConnection, prefix: str | None, options: Mapping[str, Any] | None
) -> duckdb.DuckDBPyConnection:
    if prefix is not None and not (isinstance(prefix, str) and _PREFIX.fullmatch(prefix)):
        raise ParameterError(f"prefix must be letters, digits and _, got {prefix!r}. Use 'rec_'.")
    session = Session(con.cursor())
    _check_name(session)
    read_only = is_read_only(session)
    key = known_key(con)
    current = _is_current(session, prefix, read_only)
    if key is None or not current:
        _check_caller(con, session)
    if key is None:
        key = add_python_functions(con)
    join(key, con, path=_path(session), options=options)
    if not current:
        with writer_lock(key):
            _prepare(session, prefix)
    return con


def _is_current(session: Session, prefix: str | None, read_only: bool) -> bool:
    """Tell whether the state is there, of this version, with the macros it should have."""
    with session.transaction():  # one snapshot: another session may be training
        if not schema_exists(session):
            if read_only:
                raise StateError(
                    "The database must have been prepared by recsql to be used read-only, got one "
                    "that was not. Open it once without read_only: recsql.connect(path)."
                )
            return False
        check_version(session)
        if read_only:
            if is_old(session) or prefix not in (None, stored_prefix(session)):
                raise StateError(
                    "The state must be brought up to date, got a read-only database. "
                    "Open it once without read_only: recsql.connect(path)."
                )
            return True
        return (
            not is_old(session)
            and prefix in (None, stored_prefix(session))
            and macros_current(session)
        )


def _prepare(session: Session, prefix: str | None) -> None:
    is_new = not schema_exists(session)
    if is_new:
        check_free(session)
        check_collisions(session, prefix or "")
        # Not in the transaction: DuckDB 1.5 cannot commit tables of a schema that is as new as they
        # are, where the file had one of that name before.
        session.execute("CREATE SCHEMA IF NOT EXISTS recsql")
    with session.transaction():
        prepare(session, prefix)
        if prefix is not None and prefix != stored_prefix(session):
            drop_macros(session)
            session.execute("DELETE FROM recsql.functions")
            session.execute("UPDATE recsql.meta SET prefix = ?", [prefix])
        if not is_new:
            check_collisions(session, stored_prefix(session))
        write_macros(session)


def _check_name(session: Session) -> None:
    names = session.rows(
        "SELECT d.database_name, d.database_name = current_database() "
        "FROM duckdb_databases() AS d WHERE lower(d.database_name) = 'recsql'"
    )
    if names and names[0][1]:
        raise _bad_name(f"{names[0][0]}.duckdb")
    if names:
        raise StateError(
            f"No attached database must be called recsql, got {names[0][0]}: every recsql.x would "
            "be ambiguous. DETACH it, and attach it under another name."
        )


def _bad_name(file: str) -> StateError:
    return StateError(
        f"The database must not be called recsql, got the file {file}: every recsql.x would be "
        "ambiguous. Rename the file, for example to shop.duckdb."
    )


def _check_caller(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    """Refuse to prepare what the connection itself would not see."""
    if in_transaction(con):
        raise StateError(
            "A database must be registered outside of a transaction, got an open one. "
            "COMMIT or ROLLBACK, and register then."
        )
    opened = session.value("SELECT current_database()")
    used = con.execute("SELECT current_database()").fetchall()[0][0]
    if used != opened:
        raise StateError(
            f"The database in use must be {opened}, which was opened, got {used}. USE {opened}, or "
            f"open the file of {used} with recsql.connect."
        )


def _path(session: Session) -> str | None:
    """Give the file of the database; None in memory."""
    path: str | None = session.value(
        "SELECT d.path FROM duckdb_databases() AS d WHERE d.database_name = current_database()"
    )
    return path
