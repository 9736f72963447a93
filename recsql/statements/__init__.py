"""The statements: each is a Python function on the module and a ``CALL recsql.…`` in SQL.

One file a subject; ``sql/statements/<name>.sql`` is the SQL side of each.
"""

from __future__ import annotations

import importlib
import pkgutil


def statement_names() -> tuple[str, ...]:
    """Name every statement, after importing every file of this room."""
    from recsql.statements import core

    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return tuple(sorted(core.STATEMENTS))
