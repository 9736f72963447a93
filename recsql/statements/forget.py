"""Forget a customer."""

from __future__ import annotations

from recsql.errors import ParameterError
from recsql.statements.core import (
    Call,
    Rows,
    refuse_uncommitted,
    require_bound,
    require_writable,
    statement,
)


@statement
def forget_user(call: Call, user_id: object) -> Rows:
    """Take a customer out of everything that recsql reads, stores and has learned."""
    from recsql.data.bind import id_types, readable_sources
    from recsql.networks.leftovers import delete_leftovers
    from recsql.store.forgotten import as_stored, forget, is_removal_pending

    session = call.session
    require_writable(session)
    require_bound(session)
    refuse_uncommitted(call)
    user = None if user_id is None else as_stored(session, str(user_id))
    if user is None:
        shown = "NULL" if user_id is None else repr(str(user_id))
        raise ParameterError(
            f"user_id must be an id of type {id_types(session)['user_id_type']}, got {shown}. "
            "Ask for it: SELECT DISTINCT user_id FROM recsql.interactions."
        )
    readable = readable_sources(session)
    with session.transaction():
        hidden, deleted = forget(session, user, readable)
        pending = is_removal_pending(session)
    delete_leftovers(days=0)  # of trainings that knew them
    step = "CALL recsql.refresh(): models learn again without them." if pending else ""
    return [(user, hidden, deleted, step)]
