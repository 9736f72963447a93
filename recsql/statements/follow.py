"""What follows new stored answers or a new binding, inside the same transaction."""

from __future__ import annotations

from recsql.data.bind import is_bound
from recsql.database import Session
from recsql.functions import write_macros
from recsql.insights.features import build_user_features


def follow(session: Session, *, users: bool = True) -> None:
    """Bring the user inverted index and the macros up to date.

    The index stays as it was where ``users`` is false: because no attribute changed, or because
    the table behind them is gone, which must not keep anyone from binding something else.
    """
    if users and is_bound(session, "users"):
        build_user_features(session)
    write_macros(session)
