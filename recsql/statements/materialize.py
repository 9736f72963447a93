"""Store the recommendations of every customer."""

from __future__ import annotations

import re

from recsql.errors import ParameterError, UnknownNameError, did_you_mean
from recsql.statements.core import (
    Call,
    Rows,
    progress_over,
    refuse_uncommitted,
    require_bound,
    require_writable,
    statement,
)
from recsql.tasks import CUSTOMER_TASKS, NEIGHBOUR_TASKS

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B\s*", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


@statement
def materialize(call: Call, task: str, *, k: int = 20, memory_limit: str = "1GB") -> Rows:
    """Store the recommendations of every customer in recsql.user_recommendations."""
    from recsql.serving.everyone import materialize as store_all

    if task in NEIGHBOUR_TASKS:
        raise UnknownNameError(
            f"task must be one of {', '.join(CUSTOMER_TASKS)}, got {task!r}, which is stored "
            "already: recsql.top_items."
        )
    if task not in CUSTOMER_TASKS:
        raise UnknownNameError(
            f"task must be one of {', '.join(CUSTOMER_TASKS)}, got {task!r}."
            f"{did_you_mean(str(task), CUSTOMER_TASKS)}"
        )
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ParameterError(f"k must be at least 1, got {k!r}.")
    require_writable(call.session)
    require_bound(call.session)
    refuse_uncommitted(call)
    done = store_all(
        call.session, task, k, size_in_bytes(memory_limit), progress_over("Scoring", call.progress)
    )
    return [(task, done.model, done.users, done.rows, done.seconds)]


def size_in_bytes(text: str) -> int:
    """Read a size such as '2GB' or '512 MiB'.

    Raises
    ------
    ParameterError
        It is none.
    """
    match = _SIZE.fullmatch(str(text))
    if match is None:
        raise ParameterError(f"memory_limit must be a size, got {text!r}. For example '2GB'.")
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** _POWERS[match[2].upper()])
