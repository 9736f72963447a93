"""What every statement shares: its two doors, its caller, and the checks of its arguments."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, Concatenate, ParamSpec

import duckdb

from recsql.connection import register
from recsql.data.bind import is_bound
from recsql.database import Session
from recsql.errors import NotBoundError, ParameterError, StateError, UnknownNameError, did_you_mean
from recsql.headers import Header, read_header
from recsql.result import Result
from recsql.serving.instances import cursor_for, instance_key, writer_lock

Rows = Sequence[tuple[Any, ...]]
Parameters = ParamSpec("Parameters")


@dataclass(frozen=True)
class Call:
    """Who calls: a session of its own, and what only the caller's session can see.

    Attributes
    ----------
    session : sees committed data
    schema : the caller's current schema, where names are looked up first
    temporary : names of the caller's TEMP tables and registered DataFrames
    visible_rows : interactions that the caller sees, uncommitted ones included; None unknown
    progress : show progress bars where there is a terminal
    """

    session: Session
    schema: str | None = None
    temporary: tuple[str, ...] = ()
    visible_rows: int | None = None
    progress: bool = False


STATEMENTS: dict[str, Callable[..., Rows]] = {}


@cache
def statement_header(name: str) -> Header:
    """Give the header of a statement's SQL file."""
    return read_header("statements", name)


def statement(
    run: Callable[Concatenate[Call, Parameters], Rows],
) -> Callable[Concatenate[duckdb.DuckDBPyConnection, Parameters], Result]:
    """Make a statement of a function: reachable from SQL, and from Python with a connection."""
    name = run.__name__
    STATEMENTS[name] = run

    @wraps(run)
    def on_connection(
        con: duckdb.DuckDBPyConnection, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        progress = bool(kwargs.pop("progress", False))
        register(con)
        key = instance_key(con)
        if key is None:
            raise StateError("The connection must be registered. Call recsql.register(con).")
        call = _call_from_python(con, key, progress)
        with writer_lock(key):
            rows = run(call, *args, **kwargs)
        columns = tuple(field.name for field in statement_header(name).returns)
        return Result(columns, list(rows))

    return on_connection


def run_from_sql(name: str, key: str, text: str) -> list[dict[str, Any]]:
    """Run a statement that SQL called; ``text`` is the JSON of its arguments and its caller."""
    given = json.loads(text)
    caller = given.pop("caller")
    call = Call(
        Session(cursor_for(key)),
        caller["schema"],
        tuple(caller.get("temporary") or ()),
        caller.get("rows"),
    )
    arguments = {name: value for name, value in given.items() if value is not None}
    with writer_lock(key):
        rows = STATEMENTS[name](call, **arguments)
    columns = [field.name for field in statement_header(name).returns]
    return [dict(zip(columns, row, strict=True)) for row in rows]




def require_bound(session: Session, source: str = "interactions") -> None:
    """Refuse to go on without a bound source."""
    if not is_bound(session, source):
        raise NotBoundError(
            f"{source} must be bound first. "
            f"CALL recsql.bind_{source}('your_table', item_id := '…')."
        )


def refuse_uncommitted(call: Call) -> None:
    """Refuse when the caller's own transaction holds rows that the statement cannot see."""
    if call.visible_rows is None:
        return
    committed = call.session.value("SELECT count(*) FROM recsql.interactions")
    if committed != call.visible_rows:
        raise StateError(
            f"The interactions must be committed first: this transaction sees {call.visible_rows:,} "
            f"rows, of which {committed:,} are committed. COMMIT, and call again."
        )


def _call_from_python(con: duckdb.DuckDBPyConnection, key: str, progress: bool) -> Call:
    facts = con.execute(
        "SELECT current_schema(), (SELECT list(t.table_name) FROM duckdb_tables() AS t "
        "WHERE t.temporary), (SELECT count(*) FROM recsql.interactions)"
    ).fetchall()[0]
    return Call(Session(cursor_for(key)), facts[0], tuple(facts[1] or ()), facts[2], progress)


def check_task(task: str | None, known: Sequence[str]) -> None:
    """Refuse an unknown task with the nearest known ones."""
    if task is not None and task not in known:
        raise UnknownNameError(
            f"task must be one of {', '.join(known)}, got {task!r}.{did_you_mean(task, known)}"
        )


def check_seed(seed: int) -> None:
    """Refuse a seed that is no whole number from 0."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ParameterError(f"seed must be a whole number >= 0, got {seed!r}.")
