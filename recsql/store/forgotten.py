"""Customers who are forgotten: kept out of the views, and out of what is stored."""

from __future__ import annotations

from collections.abc import Sequence

from recsql.data.bind import create_views, id_types
from recsql.database import Session

# Tables that name customers, and the column that does; all others are made anew by a refresh.
_NAMED_IN = {
    "user_recommendations": "user_id",
    "user_scores": "user_id",
    "user_features": "user_id",
    "splits": "user_id",
    "baseline": "key",
}


def forget(session: Session, user: str, readable: Sequence[str]) -> tuple[int, int]:
    """Hide a customer and delete the rows that name them; in the caller's transaction.

    Parameters
    ----------
    user : written as the ids of the bound interactions are
    readable : sources whose views can be created again

    Returns
    -------
    rows of interactions that are hidden, and rows of the state that are deleted
    """
    seen = "SELECT count(*) FROM recsql.interactions AS i WHERE i.user_id::VARCHAR = ?"
    hidden = int(session.value(seen, [user]))
    session.execute(
        "INSERT OR REPLACE INTO recsql.forgotten_users SELECT ?, now()::TIMESTAMP, CASE WHEN "
        "NOT EXISTS (FROM recsql.artifacts AS a WHERE NOT starts_with(a.model_id, 'imported/')) "
        "AND NOT EXISTS (FROM recsql.buyers) "
        "THEN now()::TIMESTAMP END",
        [user],
    )
    create_views(session, readable)
    deleted = 0
    for table, column in _NAMED_IN.items():
        condition = f"t.{column}::VARCHAR = ?" + (" AND t.kind = 'user'" if column == "key" else "")
        deleted += len(
            session.rows(f"DELETE FROM recsql.{table} AS t WHERE {condition} RETURNING 1", [user])
        )
    return hidden, deleted


def as_stored(session: Session, user: str) -> str | None:
    """Write an id as the bound interactions write it; None when it cannot be one of theirs."""
    kind = id_types(session)["user_id_type"]
    text: str | None = session.value(f"SELECT TRY_CAST(? AS {kind})::VARCHAR", [user])
    return text


def is_removal_pending(session: Session) -> bool:
    """Tell whether models may still know somebody who was forgotten since they learned."""
    return bool(
        session.value("SELECT count(*) FROM recsql.forgotten_users AS f WHERE f.removed_at IS NULL")
    )


def finish_removal(session: Session) -> None:
    """Delete what the models before the serving ones learned, and note that it is done.

    In the caller's transaction, after everything that serves learned again.
    """
    session.execute(
        "DELETE FROM recsql.artifacts AS a USING recsql.models AS m "
        "WHERE m.model_id = a.model_id AND m.status <> 'incumbent'"
    )
    session.execute(
        "UPDATE recsql.forgotten_users AS f SET removed_at = now()::TIMESTAMP "
        "WHERE f.removed_at IS NULL"
    )
