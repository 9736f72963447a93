"""The hidden functions behind items like an item and customers like a customer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recsql.functions import PythonFunction
from recsql.headers import Field
from recsql.serving.instances import session_of


def _function(what: str) -> PythonFunction:
    fields = [
        Field("rank", "BIGINT", ""),
        Field(f"{what}_id", "VARCHAR", ""),
        Field("similarity", "DOUBLE", ""),
    ]

    def make(key: str) -> Callable[..., Any]:
        def similar(ids: Any, ks: Any) -> Any:
            from recsql.arrow import lists_of, struct_list
            from recsql.serving.similar import AskedSimilar, answer_items, answer_users

            answer = answer_items if what == "item" else answer_users
            pairs = zip(ids.to_pylist(), ks.to_pylist(), strict=True)
            asked = [AskedSimilar(*values) for values in pairs]
            if not asked:
                return struct_list([], fields)
            with session_of(key) as session, session.transaction():
                found = answer(session, asked)
            return lists_of(found.sizes, found.columns())

        return similar

    returns = f"STRUCT({', '.join(f'{field.name} {field.type}' for field in fields)})[]"
    return PythonFunction(f"_recsql_runtime_similar_{what}s", ("VARCHAR", "BIGINT"), returns, make)


FUNCTIONS = [_function("item"), _function("user")]
