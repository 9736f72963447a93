"""Bind the user's own tables: check what was asked for and build the view that reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from recsql.columns import (
    ID_TYPES,
    INTEGER_TYPES,
    REAL_TIME_TYPES,
    REQUIRED,
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
    """A checked binding, ready to be stored: the view's SQL text and the types of its columns."""

    source: str
    relation: str
    arguments: dict[str, Any]
    definition: str
    types: dict[str, str]
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
    source : 'interactions', 'users', 'items', 'impressions' or 'knowledge'
    arguments : column name or expression by column of the view, and ``attributes``,
        ``private``, ``context``, ``filter``, ``net_returns`` where the source takes them;
        None means not bound

    Raises
    ------
    BindError
        The relation, a column, a type or an expression is not as it must be.
    """
    if not isinstance(relation_name, str) or not relation_name.strip():
        shown = (
            repr(relation_name) if isinstance(relation_name, str) else type(relation_name).__name__
        )
        raise BindError(
            f"The source must be the name of a table or view, got {shown}. "
            "CREATE TABLE … AS FROM what you have, and bind that by its name."
        )
    relation = find_relation(session, relation_name, schema=schema, temporary=tuple(temporary))
    selected = {
        column.name: _column(session, relation, column, arguments.get(column.name), source)
        for column in VIEWS[source]
        if column.name != "context"
    }
    if source == "interactions":
        selected["context"] = _context(relation, arguments)
    attributes, notes = _attributes(relation, source, arguments)
    private = _private(attributes, _names(arguments.get("private"), "private"))
    selected |= {name: f"source.{quote(name)}" for name in attributes}
    # Named only outside: an expression must not meet the columns that stand before it.
    definition = (
        f"SELECT bound.* FROM (SELECT {', '.join(selected.values())} FROM {relation.sql} AS source"
        f"{_where(session, relation, arguments.get('filter'))}) "
        f"AS bound({', '.join(map(quote, selected))})"
    )
    types = _types(session, definition)
    if _is_true(arguments.get("net_returns"), "net_returns"):
        definition = fill(body_of("net_returns"), {"interactions": definition})
        types = _types(session, definition)
    _check_types(types, arguments)
    given = {name: value for name, value in arguments.items() if value not in (None, False)}
    return Binding(source, relation_name, given, definition, types, private, notes)


def body_of(name: str) -> str:
    """Give the text of a view building block of the sql room, without its header."""
    from recsql.database import body

    return body(sql_text("views", name)).rstrip(";")


def unbound_view(source: str) -> str:
    """Give the text of an empty view with the right columns, for a source not bound yet."""
    columns = ", ".join(f"{column.default} AS {column.name}" for column in VIEWS[source])
    return f"SELECT {columns} WHERE false"


def write_binding(session: Session, binding: Binding) -> None:
    """Store a binding and create its view; runs inside the caller's transaction.

    Raises
    ------
    BindError
        The view cannot be read: it would read itself.
    """
    create_view(session, binding.source, binding.definition)
    try:
        session.columns(f"SELECT * FROM recsql.{binding.source}")
    except duckdb.BinderException as error:
        raise BindError(
            f"The source must not read recsql.{binding.source}, got {binding.relation}, which "
            "does. Bind what stands behind it."
        ) from error
    session.execute("DELETE FROM recsql.sources AS s WHERE s.source = ?", [binding.source])
    session.execute(
        "INSERT INTO recsql.sources VALUES (?, ?, ?::JSON, ?, ?::JSON, ?, now()::TIMESTAMP)",
        [
            binding.source,
            binding.relation,
            json.dumps(binding.arguments),
            binding.definition,
            json.dumps(binding.types),
            list(binding.private),
        ],
    )


def create_view(session: Session, source: str, definition: str) -> None:
    """Create the view of a source, without the customers who are forgotten."""
    names_users = any(column.name == "user_id" for column in VIEWS[source])
    forgotten = session.value("SELECT count(*) FROM recsql.forgotten_users AS f")
    if names_users and forgotten:
        user = "remembered.user_id::VARCHAR"
        if source != "interactions":  # ids are compared as those of the interactions
            user = f"TRY_CAST({user} AS {id_types(session)['user_id_type']})::VARCHAR"
        definition = (
            f"SELECT remembered.* FROM ({definition}) AS remembered ANTI JOIN "
            f"recsql.forgotten_users AS forgotten ON forgotten.user_id = {user}"
        )
    session.execute(f"CREATE OR REPLACE VIEW recsql.{source} AS {definition}")


def create_views(session: Session, sources: Sequence[str]) -> None:
    """Create views of bound sources again: who is forgotten has changed, or the ids have."""
    if not session.value("SELECT count(*) FROM recsql.forgotten_users AS f"):
        return
    for source, definition in session.rows(
        "SELECT s.source, s.definition FROM recsql.sources AS s WHERE list_contains(?, s.source)",
        [list(sources)],
    ):
        create_view(session, source, definition)


def readable_sources(session: Session) -> list[str]:
    """Name the bound sources whose tables are there as they were bound; see ``is_readable``."""
    rows = session.rows("SELECT s.source FROM recsql.sources AS s ORDER BY s.source")
    return [source for (source,) in rows if is_readable(session, source)]


def describe_binding(session: Session, binding: Binding) -> list[tuple[Any, ...]]:
    """Count what a binding reads: one row a bound column.

    Raises
    ------
    BindError
        A row cannot be read: a value does not fit the type of its column.
    """
    bound = [
        (name, kind, _bound_to(binding, name))
        for name, kind in binding.types.items()
        if _bound_to(binding, name) is not None
    ]
    counts = ", ".join(
        f"count(v.{quote(name)}), approx_count_distinct(v.{quote(name)})" for name, _, _ in bound
    )
    try:
        row = session.rows(f"SELECT count(*), {counts} FROM recsql.{binding.source} AS v")[0]
    except duckdb.Error as error:
        raise _does_not_fit(error) from error
    total = row[0]
    return [
        (
            binding.source,
            name,
            to,
            kind,
            total,
            total - row[1 + 2 * n],
            min(row[2 + 2 * n], row[1 + 2 * n]),  # the count of distinct values is approximate
        )
        for n, (name, kind, to) in enumerate(bound)
    ]


def is_bound(session: Session, source: str) -> bool:
    """Tell whether a source is bound."""
    return bool(
        session.value("SELECT count(*) FROM recsql.sources AS s WHERE s.source = ?", [source])
    )


def is_readable(session: Session, source: str) -> bool:
    """Tell whether the view of a source can be read: its table is there as it was bound.

    Ask outside of a transaction: DuckDB 2.0 ends one at such an error.
    """
    try:
        session.columns(f"SELECT * FROM recsql.{source}")
    except duckdb.Error:
        return False
    return True


def bound_types(session: Session, source: str) -> dict[str, str]:
    """Give the types of the columns as they were bound; the table itself may be gone since."""
    types: dict[str, str] = json.loads(_stored(session, source)[1] or "{}")
    return types


def id_types(session: Session) -> dict[str, str]:
    """Give the SQL types of the ids of the interactions; VARCHAR while they are not bound."""
    kinds = bound_types(session, "interactions")
    return {
        f"{name}_type": kinds.get(name, "VARCHAR") for name in ("user_id", "item_id", "basket_id")
    }


def has_real_time(session: Session) -> bool:
    """Tell whether ``ts`` of the interactions is bound to a date or timestamp."""
    kind = bound_types(session, "interactions")["ts"]
    return kind in REAL_TIME_TYPES and is_argument_bound(session, "interactions", "ts")


def is_argument_bound(session: Session, source: str, argument: str) -> bool:
    """Tell whether an argument was given when the source was bound."""
    arguments = _stored(session, source)[0]
    return arguments is not None and json.loads(arguments).get(argument) not in (None, [])


def bound_definition(session: Session, source: str) -> str | None:
    """Give the text that defines the view of a source; None while it is not bound."""
    return _stored(session, source)[2]


def _stored(session: Session, source: str) -> tuple[str | None, str | None, str | None]:
    """Give arguments, column types and definition of a source as they are stored."""
    for name, *found in session.known(
        "SELECT s.source, s.arguments::VARCHAR, s.column_types::VARCHAR, s.definition "
        "FROM recsql.sources AS s"
    ):
        if name == source:
            return found[0], found[1], found[2]
    return None, None, None


def _bound_to(binding: Binding, name: str) -> str | None:
    if name in {column.name for column in VIEWS[binding.source]}:
        value = binding.arguments.get(name)
        return ", ".join(value) if isinstance(value, list) else value
    return name


def _column(session: Session, relation: Relation, column: Column, given: Any, source: str) -> str:
    if given is None:
        if column.name in REQUIRED[source]:
            raise BindError(
                f"{column.name} must be bound for {source}, got nothing. Pass {column.name} := "
                f"'…', one of {', '.join(relation.columns)}."
            )
        return column.default
    if not isinstance(given, str):
        raise BindError(
            f"{column.name} must be a column name or expression, got {given!r}. Write it as text."
        )
    text = column_sql(session, given, relation.columns, column.name)
    return f"{text}::{column.type}" if column.type else text


def _where(session: Session, relation: Relation, condition: Any) -> str:
    if condition is None:
        return ""
    if not isinstance(condition, str):
        raise BindError(f"filter must be a condition, got {condition!r}. Write it as text.")
    check_expression(session, condition, relation.columns, "filter")
    types = _types(session, f"SELECT ({condition}\n) FROM {relation.sql} AS source")
    kind = next(iter(types.values()))
    if kind != "BOOLEAN":
        raise BindError(
            f"filter must be true or false for a row, got {condition!r}, which is {kind}. "
            "Write a comparison, for example 'quantity > 0'."
        )
    return f" WHERE ({condition}\n)"


def _context(relation: Relation, arguments: Mapping[str, Any]) -> str:
    names = _names(arguments.get("context"), "context")
    if not names:
        return "NULL::STRUCT(unbound BOOLEAN)"
    known = dict.fromkeys(_known(relation.columns, name, "context") for name in names)
    for name in known:
        for other in ("user_id", "item_id"):
            if str(arguments.get(other)).lower() == name.lower():
                raise BindError(
                    f"context must be what is known of a request, got {name!r}, which is bound as "
                    f"{other}. Leave it out."
                )
    parts = ", ".join(f"{quote(name)} := source.{quote(name)}" for name in known)
    return f"struct_pack({parts})"


def _attributes(
    relation: Relation, source: str, arguments: Mapping[str, Any]
) -> tuple[list[str], tuple[str, ...]]:
    if source in ("interactions", "knowledge"):
        return [], ()
    reserved = {column.name for column in VIEWS[source]}
    asked = arguments.get("attributes")
    if asked is not None:
        names = [
            _known(relation.columns, name, "attributes") for name in _names(asked, "attributes")
        ]
        clash = [name for name in names if name.lower() in reserved]
        if clash:
            raise BindError(
                f"attributes must not be called like a column of recsql.{source}, got "
                f"{clash[0]!r}. Rename it in a view and bind that."
            )
        return names, ()
    bound = {value.lower() for name in reserved if isinstance(value := arguments.get(name), str)}
    names = [name for name in relation.columns if name.lower() not in bound | reserved]
    left_out = [n for n in relation.columns if n.lower() in reserved and n.lower() not in bound]
    return names, tuple(f"{name} is not an attribute: recsql uses the name" for name in left_out)


def _private(attributes: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    return tuple(_known(attributes, name, "private", "attributes") for name in asked)


def _names(given: Any, argument: str) -> list[str]:
    """Give a list argument without repetitions; BindError unless it is a list of names."""
    if given is None:
        return []
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise BindError(
            f"{argument} must be a list of column names, got {given!r}. Write it in brackets."
        )
    return list(dict.fromkeys(given))


def _known(columns: Iterable[str], name: Any, argument: str, what: str = "columns") -> str:
    known = list(columns)
    for column in known:
        if isinstance(name, str) and column.lower() == name.lower():
            return column
    raise BindError(
        f"{argument} must name {what} of the source, got {name!r}."
        f"{did_you_mean(str(name), known)} The {what} are {', '.join(known) or 'none'}."
    )


def _is_true(given: Any, argument: str) -> bool:
    if given is None or isinstance(given, bool):
        return bool(given)
    raise BindError(f"{argument} must be true or false, got {given!r}. Leave it out for false.")


def _types(session: Session, definition: str) -> dict[str, str]:
    """Plan a query, so that a wrong type is a sentence here and not an error later."""
    try:
        return dict(session.columns(definition))
    except duckdb.Error as error:
        raise _does_not_fit(error) from error


def _does_not_fit(error: duckdb.Error) -> BindError:
    return BindError(
        f"Every column must fit the source and its type, got: {str(error).splitlines()[0]} "
        "Correct the argument, for example with TRY_CAST, and bind again."
    )


def _check_types(types: Mapping[str, str], arguments: Mapping[str, Any]) -> None:
    for name, kind in types.items():
        given = arguments.get(name)
        if name in _IDS and kind not in ID_TYPES:
            raise BindError(
                f"{name} must be an integer, VARCHAR or UUID, got {kind}. "
                f"Bind an expression, for example '({given})::VARCHAR'."
            )
        if name == "ts" and kind not in TIME_TYPES:
            example = (
                f"strptime({given}, ''%Y-%m-%d'')" if kind == "VARCHAR" else f"({given})::BIGINT"
            )
            raise BindError(
                f"ts must be a TIMESTAMP, TIMESTAMPTZ, DATE or an integer that orders, got {kind}. "
                f"Bind an expression, for example '{example}'."
            )


def time_sql(kind: str) -> str:
    """Give the SQL that turns ``i.ts`` of type ``kind`` into a BIGINT that orders.

    Microseconds since 1970 for dates and timestamps (UTC for TIMESTAMPTZ), the value itself
    for integers.
    """
    return "TRY_CAST(i.ts AS BIGINT)" if kind in INTEGER_TYPES else "epoch_us(i.ts)"
