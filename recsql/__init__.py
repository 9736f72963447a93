"""recsql: a recommender system that lives inside DuckDB.

>>> import recsql
>>> con = recsql.connect()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recsql.version import __version__

if TYPE_CHECKING:
    from recsql.connection import connect, register, uninstall
    from recsql.errors import (
        BindError,
        MissingExtraError,
        NotBoundError,
        NotTrainedError,
        ParameterError,
        RecsqlError,
        StateError,
        UnknownNameError,
    )
    from recsql.server.running import Server, serve
    from recsql.statements.bind import (
        bind_impressions,
        bind_interactions,
        bind_items,
        bind_knowledge,
        bind_users,
    )
    from recsql.statements.forget import forget_user
    from recsql.statements.imports import import_model
    from recsql.statements.materialize import materialize
    from recsql.statements.publish import publish
    from recsql.statements.ranking import learn_ranking, use_ranking
    from recsql.statements.refresh import refresh
    from recsql.statements.train import train
    from recsql.statements.validate import validate
    from recsql.watching import watch

_HOMES = {
    "recsql.connection": ("connect", "register", "uninstall"),
    "recsql.errors": (
        "BindError",
        "MissingExtraError",
        "NotBoundError",
        "NotTrainedError",
        "ParameterError",
        "RecsqlError",
        "StateError",
        "UnknownNameError",
    ),
    "recsql.server.running": ("Server", "serve"),
    "recsql.statements.bind": (
        "bind_impressions",
        "bind_interactions",
        "bind_items",
        "bind_knowledge",
        "bind_users",
    ),
    "recsql.statements.forget": ("forget_user",),
    "recsql.statements.imports": ("import_model",),
    "recsql.statements.materialize": ("materialize",),
    "recsql.statements.publish": ("publish",),
    "recsql.statements.ranking": ("learn_ranking", "use_ranking"),
    "recsql.statements.refresh": ("refresh",),
    "recsql.statements.train": ("train",),
    "recsql.statements.validate": ("validate",),
    "recsql.watching": ("watch",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BindError",
    "MissingExtraError",
    "NotBoundError",
    "NotTrainedError",
    "ParameterError",
    "RecsqlError",
    "Server",
    "StateError",
    "UnknownNameError",
    "__version__",
    "bind_impressions",
    "bind_interactions",
    "bind_items",
    "bind_knowledge",
    "bind_users",
    "connect",
    "forget_user",
    "import_model",
    "learn_ranking",
    "materialize",
    "publish",
    "refresh",
    "register",
    "serve",
    "train",
    "uninstall",
    "use_ranking",
    "validate",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'recsql' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
