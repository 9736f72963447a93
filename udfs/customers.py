"""The hidden functions behind the recommendations for customers: one for each task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recsql.functions import PythonFunction
from recsql.headers import Field
from recsql.tasks import CUSTOMER_TASKS

_FIELDS = [
    Field("rank", "BIGINT", ""),
    Field("item_id", "VARCHAR", ""),
    Field("score", "DOUBLE", ""),
    Field("model", "VARCHAR", ""),
]
_PARAMETERS = ("VARCHAR", "BIGINT", "BIGINT", "BOOLEAN")


def _function(task: str) -> PythonFunction:
    columns = ", ".join(f'"{field.name}" {field.type}' for field in _FIELDS)

    def make(key: str) -> Callable[..., Any]:
        def recommend(users: Any, ks: Any, until: Any, exclude_bought: Any) -> Any:
            from recsql.arrow import struct_list
            from recsql.serving.customers import Asked, answer
            from recsql.serving.instances import session_of

            columns = (column.to_pylist() for column in (users, ks, until, exclude_bought))
            asked = [Asked(*values) for values in zip(*columns, strict=True)]
            with session_of(key) as session:
                return struct_list(answer(session, task, asked), _FIELDS)

        return recommend

    return PythonFunction(f"_recsql_runtime_{task}", _PARAMETERS, f"STRUCT({columns})[]", make)


FUNCTIONS = [_function(task) for task in CUSTOMER_TASKS]
