"""The hidden functions behind what goes with an item for one customer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recsql.functions import PythonFunction
from recsql.headers import Field
from recsql.serving.instances import session_of
from recsql.tasks import NEIGHBOUR_TASKS

_FIELDS = [
    Field("rank", "BIGINT", ""),
    Field("item_id", "VARCHAR", ""),
    Field("score", "DOUBLE", ""),
    Field("support", "BIGINT", ""),
    Field("model", "VARCHAR", ""),
]
_RETURNS = f"STRUCT({', '.join(f'{field.name} {field.type}' for field in _FIELDS)})[]"
_PARAMETERS = ("VARCHAR", "VARCHAR", "BIGINT", "BOOLEAN")


def _function(task: str) -> PythonFunction:
    def make(key: str) -> Callable[..., Any]:
        def recommend(users: Any, items: Any, ks: Any, exclude_bought: Any) -> Any:
            from recsql.arrow import struct_list
            from recsql.serving.walks import AskedWalk, answer_walks

            columns = (column.to_pylist() for column in (users, items, ks, exclude_bought))
            asked = [AskedWalk(*values) for values in zip(*columns, strict=True)]
            with session_of(key) as session:
                return struct_list(answer_walks(session, task, asked), _FIELDS)

        return recommend

    return PythonFunction(f"_recsql_runtime_{task}_for", _PARAMETERS, _RETURNS, make)


FUNCTIONS = [_function(task) for task in NEIGHBOUR_TASKS]
