"""Bind the user's own tables: check what was asked for and build the view that reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recsql.columns import (
    ID_TYPES,
    INTEGER_TYPES,
    REAL_TIME_TYPES,
    TIME_TYPES,
    VIEWS,
    Column,
)
from recsql.data.expressions import check_expression, column_sql
from recsql.data.relations import Relation, find_relation
from recsql.database import Session, fill, quote, sql_text
from recsql.errors import BindError, did_you_mean

_IDS = frozenset({"user_id", "item_id", "basket_id", "session_id", "request_id"})


@dataclass(frozen=True)
class Binding:
    """A checked binding, ready to be stored: the view's columns and its SQL text."""

    source: str
    relation: str
    arguments: dict[str, Any]
    definition: str
    private: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def make_binding(
    session: Session,
    source: str,
    relation_name: str,
    arguments: Mapping[str, Any],
    *,
    schema: str | None = None,
    temporary: Sequence[str] = (),
) -> Binding:
    """Check the arguments of a ``bind_…`` call against the relation and build the view.

    Parameters
    ----------
    source : 'interactions', 'users', 'items' or 'impressions'
    arguments : column name or expression by column of the view, and ``attributes``,
        ``private``, ``context``, ``filter``, ``net_returns`` where the source takes them;
        None means not bound

    Raises
    ------
    BindError
        The relation, a column, a type or an expression is not as it must be.
    """
    if not isinstance(relation_name, str) or not relation_name.strip():
        raise BindError(f"The source must be the name of a table or view, got {relation_name!r}.")
    relation = find_relation(session, relation_name, schema=schema, temporary=tuple(temporary))
    selected = [
        _column(session, relation, column, arguments.get(column.name), source)
        for column in VIEWS[source]
        if column.name != "context"
    ]
    if source == "interactions":
        selected.append(_context(relation, arguments.get("context")))
    attributes, notes = _attributes(relation, source, arguments)
    private = _private(attributes, arguments.get("private") or ())
    selected += [f"source.{quote(name)} AS {quote(name)}" for name in attributes]
    definition = f"SELECT {', '.join(selected)} FROM {relation.sql} AS source"
    if arguments.get("filter"):
        check_expression(session, arguments["filter"], "filter")
        definition += f" WHERE ({arguments['filter']}\n)"
    _try(session, definition)
    if arguments.get("net_returns"):
        definition = fill(body_of("net_returns"), {"interactions": definition})
        _try(session, definition)
    _check_types(session, definition, source)
    given = {name: value for name, value in arguments.items() if value not in (None, False)}
    return Binding(source, relation_name, given, definition, private, notes)


def body_of(name: str) -> str:
    """Give the text of a view building block of the sql room, without its header."""
    from recsql.database import body

    return body(sql_text("views", name)).rstrip(";")


def unbound_view(source: str) -> str:
    """Give the text of an empty view with the right columns, for a source not bound yet."""
    columns = ", ".join(f"{column.default} AS {column.name}" for column in VIEWS[source])
    return f"SELECT {columns} WHERE false"


def write_binding(session: Session, binding: Binding) -> None:
    """Store a binding and create its view; runs inside the caller's transaction."""
    session.execute(f"CREATE OR REPLACE VIEW recsql.{binding.source} AS {binding.definition}")
    session.execute("DELETE FROM recsql.sources AS s WHERE s.source = ?", [binding.source])
    session.execute(
        "INSERT INTO recsql.sources VALUES (?, ?, ?::JSON, ?, ?, now()::TIMESTAMP)",
        [
            binding.source,
            binding.relation,
            json.dumps(binding.arguments),
            binding.definition,
            list(binding.private),
        ],
    )


def describe_binding(session: Session, binding: Binding) -> list[tuple[Any, ...]]:
    """Count what a binding reads: one row a bound column."""
    columns = session.columns(f"SELECT * FROM recsql.{binding.source}")
    bound = [
        (name, kind, _bound_to(binding, name))
        for name, kind in columns
        if _bound_to(binding, name) is not None
    ]
    counts = ", ".join(
        f"count(v.{quote(name)}), approx_count_distinct(v.{quote(name)})" for name, _, _ in bound
    )
    row = session.rows(f"SELECT count(*), {counts} FROM recsql.{binding.source} AS v")[0]
    total = row[0]
    return [
        (binding.source, name, to, kind, total, total - row[1 + 2 * n], row[2 + 2 * n])
        for n, (name, kind, to) in enumerate(bound)
    ]


def is_bound(session: Session, source: str) -> bool:
    """Tell whether a source is bound."""
    return bool(session.value("SELECT count(*) FROM recsql.sources AS s WHERE s.source = ?", [source]))


def id_types(session: Session) -> dict[str, str]:
    """Give the SQL types of the ids of the bound interactions, by name of the id."""
    kinds = dict(session.columns("SELECT * FROM recsql.interactions"))
    return {f"{name}_type": kinds[name] for name in ("user_id", "item_id", "basket_id")}


def has_real_time(session: Session) -> bool:
    """Tell whether ``ts`` of the interactions is bound to a date or timestamp."""
    kinds = dict(session.columns("SELECT * FROM recsql.interactions"))
    return kinds["ts"] in REAL_TIME_TYPES and is_argument_bound(session, "interactions", "ts")


def is_argument_bound(session: Session, source: str, argument: str) -> bool:
    """Tell whether an argument was given when the source was bound."""
    arguments = session.value(
        "SELECT s.arguments::VARCHAR FROM recsql.sources AS s WHERE s.source = ?", [source]
    )
    return arguments is not None and json.loads(arguments).get(argument) is not None


def _bound_to(binding: Binding, name: str) -> str | None:
    if name in {column.name for column in VIEWS[binding.source]}:
        value = binding.arguments.get(name)
        return ", ".join(value) if isinstance(value, list) else value
    return name


def _column(
    session: Session, relation: Relation, column: Column, given: Any, source: str
) -> str:
    if given is None:
        if column.name == "item_id" or (column.name == "user_id" and source == "users"):
            raise BindError(
                f"{column.name} must be bound for {source}, got nothing. Pass {column.name} := "
                f"'…', one of {', '.join(relation.columns)}."
            )
        return f"{column.default} AS {column.name}"
    if not isinstance(given, str):
        raise BindError(f"{column.name} must be a column name or expression, got {given!r}.")
    text = column_sql(session, given, relation.columns, column.name)
    return f"{text}::{column.type} AS {column.name}" if column.type else f"{text} AS {column.name}"


def _context(relation: Relation, names: Any) -> str:
    if not names:
        return "NULL::STRUCT(unbound BOOLEAN) AS context"
    known = [_known(relation, name, "context") for name in names]
    parts = ", ".join(f"{quote(name)} := source.{quote(name)}" for name in known)
    return f"struct_pack({parts}) AS context"


def _attributes(
    relation: Relation, source: str, arguments: Mapping[str, Any]
) -> tuple[list[str], tuple[str, ...]]:
    if source == "interactions":
        return [], ()
    reserved = {column.name for column in VIEWS[source]}
    asked = arguments.get("attributes")
    if asked is not None:
        names = [_known(relation, name, "attributes") for name in asked]
        clash = [name for name in names if name.lower() in reserved]
        if clash:
            raise BindError(
                f"attributes must not be called like a column of recsql.{source}, got "
                f"{clash[0]!r}. Rename it in a view and bind that."
            )
        return names, ()
    bound = {
        value.lower() for name in reserved if isinstance(value := arguments.get(name), str)
    }
    names = [name for name in relation.columns if name.lower() not in bound | reserved]
    left_out = [n for n in relation.columns if n.lower() in reserved and n.lower() not in bound]
    return names, tuple(f"{name} is not an attribute: recsql uses the name" for name in left_out)


def _private(attributes: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    for name in asked:
        if name not in attributes:
            raise BindError(
                f"private must name attributes, got {name!r}.{did_you_mean(name, attributes)}"
            )
    return tuple(asked)


def _known(relation: Relation, name: Any, argument: str) -> str:
    for column in relation.columns:
        if isinstance(name, str) and column.lower() == name.lower():
            return column
    raise BindError(
        f"{argument} must name columns of the source, got {name!r}."
        f"{did_you_mean(str(name), relation.columns)}"
    )


def _try(session: Session, definition: str) -> None:
    """Plan the view once, so that a wrong type is a sentence here and not an error later."""
    import duckdb

    try:
        session.columns(definition)
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise BindError(
            f"The columns must fit the source, got: {reason}. Correct the argument and bind again."
        ) from error


def _check_types(session: Session, definition: str, source: str) -> None:
    for name, kind in session.columns(definition):
        if name in _IDS and kind not in ID_TYPES:
            raise BindError(
                f"{name} must be an integer, VARCHAR or UUID, got {kind}. "
                f"Bind an expression, for example '{name}::VARCHAR'."
            )
        if name == "ts" and kind not in TIME_TYPES:
            example = "strptime(ts, '%Y-%m-%d')" if kind == "VARCHAR" else "make_timestamp(…)"
            raise BindError(
                f"ts must be a TIMESTAMP, TIMESTAMPTZ, DATE or an integer that orders, got {kind}. "
                f"Bind an expression, for example {example}."
            )


def time_sql(kind: str) -> str:
    """Give the SQL that turns ``i.ts`` of type ``kind`` into a BIGINT that orders.

    Microseconds since 1970 for dates and timestamps (UTC for TIMESTAMPTZ), the value itself
    for integers.
    """
    return "i.ts::BIGINT" if kind in INTEGER_TYPES else "epoch_us(i.ts)"
