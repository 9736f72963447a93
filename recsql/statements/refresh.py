"""Bring stored answers up to date."""

from __future__ import annotations

import time

from recsql.statements.core import (
    Call,
    Rows,
    refuse_uncommitted,
    require_bound,
    require_writable,
    statement,
)
from recsql.statements.follow import follow


@statement
def refresh(call: Call) -> Rows:
    """Bring stored answers up to date with inserted, changed and deleted rows."""
    from recsql.selection.refresh import refresh as run_refresh

    require_writable(call.session)
    require_bound(call.session)
    refuse_uncommitted(call)
    started = time.perf_counter()
    done = run_refresh(call.session, follow)
    return [
        (
            done.how,
            done.reason,
            done.changed_buyers,
            done.changed_days,
            time.perf_counter() - started,
        )
    ]
