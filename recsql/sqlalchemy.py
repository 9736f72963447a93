"""SQLAlchemy engines whose connections answer recsql: made anew, or one that exists.

>>> from recsql.sqlalchemy import create_engine
>>> engine = create_engine("duckdb:///shop.duckdb")

SQLAlchemy opens a transaction before each statement, and a transaction of DuckDB sees what was
committed when it began. The statements of recsql read and write in a session of their own: the
transaction around a CALL is therefore ended before it and begun anew after it, so that what follows
sees what the statement did.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from recsql.connection import check_file_name, register
from recsql.errors import MissingExtraError, ParameterError, StateError

if TYPE_CHECKING:
    import duckdb
    from sqlalchemy.engine import URL, Connection, Engine, ExceptionContext

_REGISTERED = "recsql_registered"
_CHANGED = "recsql_changed"
_ENDED = "recsql_ended"

_BLANK = r"(?:\s|--[^\n]*\n|/\*(?:(?!\*/).)*\*/)*"
_CALL = re.compile(rf"{_BLANK}CALL\s+\"?recsql\"?\s*\.\s*\"?(\w+)", re.IGNORECASE | re.DOTALL)
_CHANGES_NOTHING = re.compile(
    rf"{_BLANK}\(*\s*(?:SELECT|FROM|VALUES|TABLE|PIVOT|UNPIVOT|SHOW|DESCRIBE|DESC|SUMMARIZE|EXPLAIN"
    r"|CALL|PRAGMA|SET|RESET|USE|LOAD|WITH(?!.*\b(?:INSERT|UPDATE|DELETE|MERGE)\b))\b"
    r"[^;]*(?:;\s*)?",
    re.IGNORECASE | re.DOTALL,
)


def create_engine(url: str | URL, **kwargs: Any) -> Engine:
    """Give an SQLAlchemy engine whose connections answer recsql.

    Parameters
    ----------
    url : ``duckdb:///shop.duckdb``, ``duckdb:///:memory:`` or an ``sqlalchemy.URL``
    kwargs : passed to ``sqlalchemy.create_engine``, for example
        ``connect_args={"read_only": True}``

    Raises
    ------
    MissingExtraError
        SQLAlchemy or duckdb-sqlalchemy is not installed.
    ParameterError
        The URL is not one of DuckDB.
    StateError
        The file is called ``recsql.duckdb``.
    """
    sqlalchemy = _sqlalchemy()
    address = sqlalchemy.make_url(url)
    _check_backend(address.get_backend_name())
    check_file_name(address.database or "")
    return listen(sqlalchemy.create_engine(address, **kwargs))


def listen(engine: Engine) -> Engine:
    """Make an engine of duckdb-sqlalchemy answer recsql; gives it back, and may be called again.

    Each connection of its pool is registered once, when it is first used: those that were open
    before, too. Where a database cannot be registered, that use raises what ``recsql.register``
    raises.

    Raises
    ------
    MissingExtraError
        SQLAlchemy or duckdb-sqlalchemy is not installed.
    ParameterError
        The engine is not one of DuckDB.
    """
    event = _sqlalchemy().event
    _check_backend(getattr(getattr(engine, "dialect", None), "name", type(engine).__name__))
    for name, listener in (
        ("checkout", _register),
        ("begin", _forget_changes),
        ("before_cursor_execute", _end_transaction),
        ("after_cursor_execute", _begin_anew),
        ("handle_error", _begin_anew_after_error),
    ):
        if not event.contains(engine, name, listener):
            event.listen(engine, name, listener)
    return engine


def duckdb_connection(con: Connection) -> duckdb.DuckDBPyConnection:
    """Give a DuckDB connection to the database of an SQLAlchemy connection.

    It is for what needs one: ``recsql.train(…)`` and the other statements in Python,
    ``.sql(…).pl()``, ``.sql(…).to_arrow_table()``. It has transactions of its own, so it sees what
    is committed; it ends when the engine closes the connection it comes from.

    Raises
    ------
    ParameterError
        ``con`` is no SQLAlchemy connection.
    """
    _sqlalchemy()
    from sqlalchemy.engine import Connection

    if not isinstance(con, Connection):
        raise ParameterError(
            f"con must be an SQLAlchemy connection, got {type(con).__name__}. "
            "Use one of engine.connect()."
        )
    return _native(con.connection.dbapi_connection).cursor()


def _sqlalchemy() -> Any:
    try:
        import duckdb_sqlalchemy  # noqa: F401
        import sqlalchemy
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "SQLAlchemy and duckdb-sqlalchemy must be installed to make an engine, got no module "
            f"{error.name}. pip install 'duckdb-recsql[sqlalchemy]'."
        ) from error
    return sqlalchemy


def _check_backend(name: str) -> None:
    if name != "duckdb":
        raise ParameterError(
            f"The engine must be one of DuckDB, got {name}. "
            "Use a URL such as duckdb:///shop.duckdb."
        )


def _native(dbapi_connection: Any) -> duckdb.DuckDBPyConnection:
    """Give the DuckDB connection inside the dialect's own: the one that it enters as."""
    return cast("duckdb.DuckDBPyConnection", dbapi_connection.__enter__())


def _register(dbapi_connection: Any, record: Any, _proxy: Any) -> None:
    if _REGISTERED not in record.info:
        register(_native(dbapi_connection))
        record.info[_REGISTERED] = True


def _forget_changes(con: Connection) -> None:
    con.info.pop(_CHANGED, None)


def _end_transaction(
    con: Connection, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool
) -> None:
    """End the transaction before a statement of recsql; remember what changes something."""
    if con.get_isolation_level() == "AUTOCOMMIT":
        return
    call = _CALL.match(statement)
    if call is None:
        if not _CHANGES_NOTHING.fullmatch(statement):
            con.info.setdefault(_CHANGED, " ".join(statement.split())[:60])
        return
    if _CHANGED in con.info:
        raise StateError(
            f"CALL recsql.{call[1]} must see committed data, got a transaction that has run: "
            f"{con.info[_CHANGED]}. Commit it before the CALL."
        )
    con.dialect.do_commit(con.connection)
    con.info[_ENDED] = True


def _begin_anew(con: Connection, *_execution: Any) -> None:
    if con.info.pop(_ENDED, False):
        con.dialect.do_begin(con.connection)


def _begin_anew_after_error(context: ExceptionContext) -> None:
    if context.connection is not None and not context.connection.closed:
        _begin_anew(context.connection)
