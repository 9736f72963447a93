"""What every statement shares: its two doors, its caller, and the checks of its arguments."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import duckdb

from recsql.connection import in_transaction, is_read_only, register
from recsql.data.bind import is_bound
from recsql.database import Session
from recsql.errors import (
    NotBoundError,
    ParameterError,
    RecsqlError,
    StateError,
    UnknownNameError,
    did_you_mean,
)
from recsql.functions import add_python_functions
from recsql.headers import Header, read_header
from recsql.result import Result
from recsql.serving.instances import session_of, writer_lock

Rows = Sequence[tuple[Any, ...]]
Parameters = ParamSpec("Parameters")
T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """Who calls: a session of its own, and what only the caller's session can see.

    Attributes
    ----------
    session : sees committed data
    schema : the caller's current schema, where names are looked up first
    temporary : names of the caller's TEMP tables and registered DataFrames
    count_visible : counts the interactions that the caller sees, uncommitted ones included;
        gives None where the caller has no transaction open
    committed_rows : committed interactions when the call began; None: not counted yet
    from_sql : an error ends the caller's transaction
    progress : show progress bars where there is a terminal
    """

    session: Session
    schema: str | None = None
    temporary: tuple[str, ...] = ()
    count_visible: Callable[[], int | None] = lambda: None
    committed_rows: int | None = None
    from_sql: bool = False
    progress: bool = False

    @property
    def visible_rows(self) -> int | None:
        """Count the interactions that the caller sees; None without a transaction."""
        return self.count_visible()


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
        key = add_python_functions(con)
        with session_of(key) as session:
            call = _call_from_python(con, session, progress)
            with writer_lock(key):
                rows = run(call, *args, **kwargs)
        columns = tuple(field.name for field in statement_header(name).returns)
        return Result(columns, list(rows))

    return cast(Callable[Concatenate[duckdb.DuckDBPyConnection, Parameters], Result], on_connection)


def run_from_sql(name: str, key: str, text: str) -> list[dict[str, Any]]:
    """Run a statement that SQL called; ``text`` is the JSON of its arguments and its caller."""
    given = json.loads(text)
    caller = given.pop("caller")
    required = statement_header(name).required
    arguments = {n: value for n, value in given.items() if value is not None or n in required}
    with session_of(key) as session:
        # Counted before the wait for other writers, in which rows may come and go.
        call = Call(
            session,
            caller["schema"],
            tuple(caller.get("temporary") or ()),
            count_visible=lambda: caller.get("rows"),
            committed_rows=_committed(session) if "rows" in caller else None,
            from_sql=True,
            progress=bool(caller.get("progress")),
        )
        try:
            with writer_lock(key):
                rows = STATEMENTS[name](call, **arguments)
        except RecsqlError as error:
            # DuckDB 1.5 appends the traceback to the message that a user reads.
            raise error.with_traceback(None) from None
    columns = [field.name for field in statement_header(name).returns]
    return [dict(zip(columns, row, strict=True)) for row in rows]


def require_bound(session: Session, source: str = "interactions") -> None:
    """Refuse to go on without a bound source."""
    if not is_bound(session, source):
        raise NotBoundError(
            f"{source} must be bound first. "
            f"CALL recsql.bind_{source}('your_table', item_id := '…')."
        )


def require_writable(session: Session) -> None:
    """Refuse to begin where nothing can be written."""
    if is_read_only(session):
        raise StateError(
            "The database must be open for writing, got a read-only one. "
            "Open it without read_only, or with a process that may write the file."
        )


def refuse_uncommitted(call: Call) -> None:
    """Refuse when the caller's own transaction holds rows that the statement cannot see.

    SQL does not tell whether a transaction is open, and other sessions may have committed rows
    since the call began: from there only rows that are too many are proof.
    """
    visible = call.visible_rows
    if visible is None:
        return
    committed = _committed(call.session) if call.committed_rows is None else call.committed_rows
    if visible > committed or (visible < committed and not call.from_sql):
        remedy = "ROLLBACK, change the rows again, COMMIT," if call.from_sql else "COMMIT,"
        raise StateError(
            f"The interactions must be committed first, got a transaction that sees {visible:,} "
            f"rows where {committed:,} are committed. {remedy} and call again."
        )


def _committed(session: Session) -> int:
    return int(session.value("SELECT count(*) FROM recsql.interactions"))


def _call_from_python(con: duckdb.DuckDBPyConnection, session: Session, progress: bool) -> Call:
    schema, temporary = con.execute(
        "SELECT current_schema(), (SELECT list(t.name) FROM (SELECT t.table_name AS name "
        "FROM duckdb_tables() AS t WHERE t.temporary UNION ALL SELECT v.view_name "
        "FROM duckdb_views() AS v WHERE v.temporary AND NOT v.internal) AS t)"
    ).fetchall()[0]

    def count_visible() -> int | None:
        if not in_transaction(con):
            return None
        return int(con.execute("SELECT count(*) FROM recsql.interactions").fetchall()[0][0])

    return Call(
        session, schema, tuple(temporary or ()), count_visible=count_visible, progress=progress
    )


def check_task(task: str | None, known: Sequence[str]) -> None:
    """Refuse an unknown task with the nearest known ones."""
    if task is not None and task not in known:
        raise UnknownNameError(
            f"task must be one of {', '.join(known)}, got {task!r}.{did_you_mean(str(task), known)}"
        )


def check_names(names: Sequence[str] | None, argument: str, example: str) -> None:
    """Refuse a list argument that is no list of names, or names nothing."""
    if names is None:
        return
    texts = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    if not texts or not names:
        raise ParameterError(
            f"{argument} must be a list of names, got {names!r}. For example ['{example}']."
        )


def check_seconds(seconds: float | None, argument: str) -> None:
    """Refuse a time that is no number above 0."""
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0
    if seconds is not None and not number:
        raise ParameterError(
            f"{argument} must be above 0 seconds, got {seconds!r}. Leave it out for no limit."
        )


def check_seed(seed: int) -> None:
    """Refuse a seed that is no whole number from 0."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ParameterError(f"seed must be a whole number >= 0, got {seed!r}. The default is 0.")


def progress_over(what: str, wanted: bool) -> Callable[[Sequence[T]], Iterator[T]]:
    """Give a wrapper of a sequence that shows a bar on a terminal, and else nothing."""

    def plain(names: Sequence[T]) -> Iterator[T]:
        yield from names

    if not wanted:
        return plain

    def bar(names: Sequence[T]) -> Iterator[T]:
        from rich.console import Console
        from rich.progress import track

        console = Console(stderr=True)
        yield from track(names, description=what, console=console, disable=not console.is_terminal)

    return bar
