"""Write the file that any DuckDB reads."""

from __future__ import annotations

import os
from collections.abc import Sequence

from recsql.errors import ParameterError
from recsql.statements.core import (
    Call,
    Rows,
    check_names,
    progress_over,
    refuse_uncommitted,
    require_bound,
    statement,
)


@statement
def publish(
    call: Call,
    path: str | os.PathLike[str],
    *,
    k: int = 20,
    include: Sequence[str] | None = None,
    functions: Sequence[str] | None = None,
    storage_version: str | None = None,
) -> Rows:
    """Write a file whose functions answer in any DuckDB, without recsql."""
    from recsql.publishing.publish import OLDEST_STORAGE
    from recsql.publishing.publish import publish as write

    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise ParameterError(f"path must be the name of a file, got {path!r}.")
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ParameterError(f"k must be at least 1, got {k!r}.")
    check_names(include or None, "include", "country")
    check_names(functions, "functions", "recommend_bundle")
    require_bound(call.session)
    refuse_uncommitted(call)
    return write(
        call.session,
        os.fspath(path),
        k=k,
        include=list(include or ()),
        functions=functions,
        storage_version=storage_version or OLDEST_STORAGE,
        each=progress_over("Publishing", call.progress),
    )
