"""The SQL surface: Python functions registered in the instance, macros written in the file."""

from __future__ import annotations

import importlib
import pkgutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from recsql.data.bind import bound_types, has_real_time, id_types, is_argument_bound, is_bound
from recsql.database import Session, body, fill, literal, quote, sql_names, sql_text
from recsql.errors import StateError
from recsql.headers import Header, read_header
from recsql.serving.instances import INSTANCE_FUNCTION, instance_key, keep, new_key
from recsql.store.schema import UNBOUND_TYPES, schema_exists, stored_prefix
from recsql.tasks import TASKS

_REGISTRATION = threading.Lock()
_COMPLETE: set[str] = set()
_ATTEMPTS = 20


@dataclass(frozen=True)
class PythonFunction:
    """A Python function that SQL calls; ``make(key)`` gives the Arrow callable of an instance."""

    name: str
    parameters: tuple[str, ...]
    returns: str
    make: Callable[[str], Callable[..., Any]]


def python_functions() -> list[PythonFunction]:
    """Collect ``FUNCTIONS`` of every file of the udfs room."""
    room = importlib.import_module("recsql.udfs")
    found: list[PythonFunction] = []
    for module in pkgutil.iter_modules(room.__path__):
        found += importlib.import_module(f"recsql.udfs.{module.name}").FUNCTIONS
    return found


def known_key(con: duckdb.DuckDBPyConnection) -> str | None:
    """Give the key of the instance behind ``con``; None when it lacks a Python function."""
    key = instance_key(con)
    return key if key in _COMPLETE else None


def add_python_functions(con: duckdb.DuckDBPyConnection) -> str:
    """Register every Python function in the instance behind ``con``; gives the instance's key.

    They belong to the instance and are never removed; the callables live as long as the
    process, because DuckDB keeps calling them after the registering connection is closed. The
    function that tells the key comes first, so that all others have the same key whoever
    registers them.
    """
    with _REGISTRATION:
        key = instance_key(con)
        if key is None:
            key = new_key()
            _register(con, _instance_function(), key)
        if key not in _COMPLETE:
            for function in python_functions():
                _register(con, function, key)
            _COMPLETE.add(key)
    return key


def write_macros(session: Session) -> None:
    """Write each macro whose text is not the stored one; inside the caller's transaction.

    A function of a task that is not trained, or of a source that is not bound, becomes a macro
    of the same columns that answers with the missing CALL.
    """
    values = template_values(session)
    prefix = values["prefix"]
    written = dict(session.rows("SELECT f.name, f.definition FROM recsql.functions AS f"))
    missing = missing_calls(session)
    changed: list[tuple[str, str, bool, str]] = []
    for folder, schema, start in (("functions", "main", prefix), ("statements", "recsql", "")):
        for name in sql_names(folder):
            header = read_header(folder, name)
            text = macro_text(folder, header, values, missing)
            if written.get(start + name) != text:
                changed.append((start + name, schema, header.kind == "TABLE", text))
    if not changed:
        return
    with _empty_views(session):
        for row in changed:
            session.execute(row[-1])
            session.execute("DELETE FROM recsql.functions AS f WHERE f.name = ?", [row[0]])
            session.execute("INSERT INTO recsql.functions VALUES (?, ?, ?, ?)", row)


@contextmanager
def _empty_views(session: Session) -> Iterator[None]:
    """Put empty views of the same columns in the place of the bound ones within the block.

    DuckDB binds a macro when it is created, and mistakes an unqualified column in the text of a
    view that the macro reads, or of a view below that, for the macro's parameter of the same name
    ('Conflicting column names'). When the macro is called it does not.
    """
    sources = [row[0] for row in session.rows("SELECT s.source FROM recsql.sources AS s")]
    for source in sources:
        columns = ", ".join(
            f"NULL::{kind} AS {quote(name)}" for name, kind in bound_types(session, source).items()
        )
        # Renamed, not made again: the table behind a view may be gone.
        session.execute(f"ALTER VIEW recsql.{source} RENAME TO _bound_{source}")
        session.execute(f"CREATE VIEW recsql.{source} AS SELECT {columns} WHERE false")
    yield
    for source in sources:
        session.execute(f"DROP VIEW recsql.{source}")
        session.execute(f"ALTER VIEW recsql._bound_{source} RENAME TO {source}")


def macros_current(session: Session) -> bool:
    """Tell whether every macro already has the text it should have."""
    values, missing = template_values(session), missing_calls(session)
    written = dict(session.rows("SELECT f.name, f.definition FROM recsql.functions AS f"))
    return all(
        written.get((values["prefix"] if folder == "functions" else "") + name)
        == macro_text(folder, read_header(folder, name), values, missing)
        for folder in ("functions", "statements")
        for name in sql_names(folder)
    )


def check_collisions(session: Session, prefix: str) -> None:
    """Refuse to overwrite a macro that the user made."""
    names = [(prefix + name).lower() for name in sql_names("functions")]
    ours: list[str] = []
    if schema_exists(session):
        ours = [row[0].lower() for row in session.rows("SELECT f.name FROM recsql.functions AS f")]
    clash = session.rows(
        "SELECT f.function_name FROM duckdb_functions() AS f WHERE NOT f.internal "
        "AND f.schema_name = 'main' AND f.database_name = current_database() "
        "AND list_contains(?, lower(f.function_name)) "
        "AND NOT list_contains(?, lower(f.function_name)) ORDER BY 1",
        [names, ours],
    )
    if clash:
        raise StateError(
            f"The function name {clash[0][0]} must be free, got a macro of yours with that name. "
            f"Register with another prefix: recsql.register(con, prefix='rec_')."
        )


def drop_macros(session: Session) -> None:
    """Drop the macros that recsql wrote in the main schema."""
    for name, schema, is_table in session.rows(
        "SELECT f.name, f.schema_name, f.is_table FROM recsql.functions AS f"
    ):
        kind = "MACRO TABLE" if is_table else "MACRO"
        session.execute(f"DROP {kind} IF EXISTS {quote(schema)}.{quote(name)}")


def template_values(session: Session) -> dict[str, str]:
    """Give the values that the macro texts are filled with."""
    bound = is_bound(session, "interactions")
    types = id_types(session) if bound else UNBOUND_TYPES
    values = dict(types, prefix=stored_prefix(session))
    # What is stored, not what the setting asks for: that counts from the next training on.
    values["depth"] = str(session.value("SELECT t.stored_depth FROM recsql.totals AS t") or 0)
    values["real_time"] = str(bound and has_real_time(session)).lower()
    values |= _popular_defaults(session, real_time=values["real_time"] == "true")
    values["bought_at"] = (
        "make_timestamp(epoch_us(i.ts))" if values["real_time"] == "true" else "NULL::TIMESTAMP"
    )
    values["at_time"] = _moment(session, bound)
    values["has_ts"] = str(bound and is_argument_bound(session, "interactions", "ts")).lower()
    incumbents = dict(
        session.rows(
            "SELECT m.task, m.algorithm FROM recsql.models AS m WHERE m.status = 'incumbent'"
        )
    )
    for task in TASKS:
        values[f"{task}_model"] = literal(incumbents.get(task, ""))
    return values


def _popular_defaults(session: Session, *, real_time: bool) -> dict[str, str]:
    """Give the window and the half-life of popular(): those that training chose."""
    days, half_life = "30" if real_time else None, None
    chosen = session.rows(
        "SELECT m.params->>'days', m.params->>'half_life_days' FROM recsql.models AS m "
        "WHERE m.status = 'incumbent' AND m.algorithm = 'popularity' AND m.task = 'popular'"
    )
    if real_time and chosen:
        days, half_life = chosen[0]
    return {"popular_days": days or "NULL", "popular_half_life": half_life or "NULL"}


def _moment(session: Session, bound: bool) -> str:
    """Give SQL for the argument at_time on the scale of times: BIGINT."""
    if not bound or not is_argument_bound(session, "interactions", "ts"):
        sentence = "at_time must be left out where no ts is bound. CALL recsql.bind_interactions."
        return f"CASE WHEN at_time IS NOT NULL THEN error({literal(sentence)})::BIGINT END"
    if has_real_time(session):
        return "epoch_us(at_time::TIMESTAMP)"
    return "at_time::BIGINT"


def missing_calls(session: Session) -> dict[str, str]:
    """Name, for each thing a header can need and that is not there, the call that brings it."""
    missing: dict[str, str] = {}
    bound = {row[0] for row in session.rows("SELECT s.source FROM recsql.sources AS s")}
    trained = {
        row[0]
        for row in session.rows(
            "SELECT m.task FROM recsql.models AS m WHERE m.status = 'incumbent'"
        )
    }
    skipped = dict(
        session.rows(
            "SELECT m.task, min(m.error) FROM recsql.models AS m WHERE m.status <> 'retired' "
            "GROUP BY m.task HAVING bool_and(m.status = 'skipped') AND count(DISTINCT m.error) = 1"
        )
    )
    calls = {
        "interactions": "CALL recsql.bind_interactions('your_table', "
        "user_id := '…', item_id := '…')",
        "users": "CALL recsql.bind_users('your_table', user_id := '…')",
        "items": "CALL recsql.bind_items('your_table', item_id := '…')",
    }
    for source, call in calls.items():
        if source not in bound:
            missing[source] = f"{source} must be bound first. {call}."
    for task in TASKS:
        if "interactions" not in bound:
            missing[f"task {task}"] = missing["interactions"] + " Then CALL recsql.train()."
        elif task not in trained:
            reason = f", got none: {skipped[task]}" if task in skipped else ""
            missing[f"task {task}"] = (
                f"The task {task} must be trained first{reason}. "
                f"CALL recsql.train(task := '{task}')."
            )
    if "interactions" not in bound:
        missing["scores"] = missing["interactions"] + " Then CALL recsql.train()."
    elif not trained:
        missing["scores"] = "The scores must be computed first. CALL recsql.train()."
    return missing


def macro_text(
    folder: str, header: Header, values: Mapping[str, str], missing: Mapping[str, str]
) -> str:
    """Give the text of a macro; that of one that names the missing CALL where something is."""
    reasons = [missing[need] for need in header.needs if need in missing]
    if folder == "functions" and reasons:
        return refusing_macro(header, f"{header.name}: {reasons[0]}", values)
    return fill(body(sql_text(folder, header.name)), values)


def refusing_macro(header: Header, sentence: str, values: Mapping[str, str]) -> str:
    """Give the text of a macro of the same arguments and columns that answers with a sentence."""
    opening = f"CREATE OR REPLACE MACRO {values['prefix']}{header.name}({header.signature})"
    failure = f"error({literal(sentence)})"
    if header.kind != "TABLE":
        return f"{opening} AS {failure}::{header.kind};"
    named = {"ITEM": values["item_id_type"], "USER": values["user_id_type"]}
    columns = ", ".join(
        f"NULL::{named.get(column.type, column.type)} AS {quote(column.name)}"
        for column in header.returns
    )
    return f"{opening} AS TABLE SELECT {columns} WHERE {failure}::BOOLEAN;"


def _register(con: duckdb.DuckDBPyConnection, function: PythonFunction, key: str) -> None:
    callable_ = function.make(key)
    keep(callable_)
    create: Any = con.cursor().create_function  # takes names of types, which its stub does not
    for attempt in range(_ATTEMPTS):
        try:
            create(
                function.name,
                callable_,
                list(function.parameters),
                con.type(function.returns),
                type="arrow",
                side_effects=True,
                null_handling="special",
            )
        except duckdb.Error as error:
            if "already" in str(error):
                return
            if "onflict" not in str(error) or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(0.01 * (attempt + 1))
        else:
            return


def _instance_function() -> PythonFunction:
    def make(key: str) -> Callable[..., Any]:
        def tell_key(rows: Any) -> Any:
            import pyarrow as pa

            return pa.array([key] * len(rows), type=pa.string())

        return tell_key

    return PythonFunction(INSTANCE_FUNCTION, ("BOOLEAN",), "VARCHAR", make)
