"""Bind the user's tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from recsql.data.bind import (
    create_views,
    describe_binding,
    is_readable,
    make_binding,
    readable_sources,
    write_binding,
)
from recsql.statements.core import Call, Rows, require_writable, statement
from recsql.statements.follow import follow
from recsql.store.schema import reset_stored


@statement
def bind_interactions(
    call: Call,
    relation: str,
    *,
    item_id: str | None = None,
    user_id: str | None = None,
    ts: str | None = None,
    event: str | None = None,
    quantity: str | None = None,
    value: str | None = None,
    rating: str | None = None,
    basket_id: str | None = None,
    session_id: str | None = None,
    context: Sequence[str] | None = None,
    filter: str | None = None,
    net_returns: bool = False,
) -> Rows:
    """Bind the table of purchases, clicks or other events: columns or expressions."""
    arguments = dict(locals())
    return _bind(call, "interactions", arguments.pop("relation"), arguments)


@statement
def bind_users(
    call: Call,
    relation: str,
    *,
    user_id: str | None = None,
    attributes: Sequence[str] | None = None,
    private: Sequence[str] | None = None,
    filter: str | None = None,
) -> Rows:
    """Bind the table of customers; attributes are all other columns unless they are listed."""
    arguments = dict(locals())
    return _bind(call, "users", arguments.pop("relation"), arguments)


@statement
def bind_items(
    call: Call,
    relation: str,
    *,
    item_id: str | None = None,
    title: str | None = None,
    category: str | None = None,
    available: str | None = None,
    attributes: Sequence[str] | None = None,
    filter: str | None = None,
) -> Rows:
    """Bind the table of items; ``available`` false keeps an item out of every recommendation."""
    arguments = dict(locals())
    return _bind(call, "items", arguments.pop("relation"), arguments)


@statement
def bind_impressions(
    call: Call,
    relation: str,
    *,
    item_id: str | None = None,
    user_id: str | None = None,
    ts: str | None = None,
    request_id: str | None = None,
    position: str | None = None,
    clicked: str | None = None,
    attributes: Sequence[str] | None = None,
    filter: str | None = None,
) -> Rows:
    """Bind the table of what was shown to whom."""
    arguments = dict(locals())
    return _bind(call, "impressions", arguments.pop("relation"), arguments)


@statement
def bind_knowledge(
    call: Call,
    facts: str,
    *,
    head: str | None = None,
    relation: str | None = None,
    tail: str | None = None,
    filter: str | None = None,
) -> Rows:
    """Bind the table of facts about items: what is joined to what, and how."""
    arguments = dict(locals())
    return _bind(call, "knowledge", arguments.pop("facts"), arguments)


def _bind(call: Call, source: str, relation: str, arguments: dict[str, Any]) -> Rows:
    session = call.session
    del arguments["call"]
    require_writable(session)
    binding = make_binding(
        session, source, relation, arguments, schema=call.schema, temporary=call.temporary
    )
    before = session.rows(
        "SELECT s.definition, s.column_types::VARCHAR FROM recsql.sources AS s WHERE s.source = ?",
        [source],
    )
    changed = not before or (before[0][0], json.loads(before[0][1])) != (
        binding.definition,
        binding.types,
    )
    trained = session.rows(
        "SELECT DISTINCT m.task FROM recsql.models AS m WHERE m.status = 'incumbent' ORDER BY 1"
    )
    readable = readable_sources(session) if source == "interactions" else []
    users_readable = source == "users" or is_readable(session, "users")
    with session.transaction():
        write_binding(session, binding)
        create_views(session, readable)  # who is forgotten is told by the ids of the interactions
        described = describe_binding(session, binding)
        if source == "interactions" and changed:
            reset_stored(session)
        follow(session, users=users_readable)
    rows: list[tuple[Any, ...]] = [(*row, "") for row in described]
    notes = list(binding.notes)
    if trained and changed:
        tasks = ", ".join(task for (task,) in trained)
        notes.append(
            f"the models of {tasks} no longer fit: CALL recsql.train()"
            if source == "interactions"
            else f"stored answers ({tasks}) follow at the next CALL recsql.refresh()"
        )
    return rows + [(source, "", "", "", None, None, None, note) for note in notes]
