"""Bring stored answers up to date."""

from __future__ import annotations

import time

from recsql.errors import ParameterError
from recsql.statements.core import (
    Call,
    Rows,
    refuse_uncommitted,
    require_bound,
    require_writable,
    statement,
)
from recsql.statements.follow import follow
from recsql.statements.progress import learning_shown


@statement
def refresh(call: Call, *, retrain: bool = True) -> Rows:
    """Bring stored answers up to date with inserted, changed and deleted rows.

    With ``retrain`` the serving models learn again where enough has changed, and all models
    compete again where the change is significant.
    """
    from recsql.selection.refresh import refresh as run_refresh
    from recsql.selection.upkeep import keep_up

    if not isinstance(retrain, bool):
        raise ParameterError(f"retrain must be true or false, got {retrain!r}.")

    require_writable(call.session)
    require_bound(call.session)
    refuse_uncommitted(call)
    started = time.perf_counter()
    with learning_shown("Refreshing", call.progress):
        done = run_refresh(call.session, follow)
        drift = keep_up(call.session, follow) if retrain else None
    return [
        (
            done.how,
            done.reason,
            done.changed_buyers,
            done.changed_days,
            None if drift is None else drift.decision,
            None if drift is None else drift.why,
            time.perf_counter() - started,
        )
    ]
