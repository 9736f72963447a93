"""The hidden functions behind repeat purchases: for a customer, and for everyone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recsql.functions import PythonFunction
from recsql.headers import Field
from recsql.serving.instances import session_of

_FIELDS = [
    Field("rank", "BIGINT", ""),
    Field("item_id", "VARCHAR", ""),
    Field("due_on", "DATE", ""),
    Field("due_low", "DATE", ""),
    Field("due_high", "DATE", ""),
    Field("probability", "DOUBLE", ""),
    Field("last_bought", "DATE", ""),
    Field("times_bought", "BIGINT", ""),
    Field("quantity", "DOUBLE", ""),
]
_DUE_FIELDS = [Field("user_id", "VARCHAR", ""), *_FIELDS]


def _repeat_function() -> PythonFunction:
    def make(key: str) -> Callable[..., Any]:
        def recommend(users: Any, ks: Any, days: Any) -> Any:
            from recsql.arrow import struct_list
            from recsql.serving.repeats import AskedRepeats, answer_repeats

            columns = (column.to_pylist() for column in (users, ks, days))
            asked = [AskedRepeats(*values) for values in zip(*columns, strict=True)]
            with session_of(key) as session:
                return struct_list(answer_repeats(session, asked), _FIELDS)

        return recommend

    parameters = ("VARCHAR", "BIGINT", "BIGINT")
    return PythonFunction("_recsql_runtime_repeat", parameters, _struct(_FIELDS), make)


def _due_function() -> PythonFunction:
    def make(key: str) -> Callable[..., Any]:
        def list_due(from_days: Any, to_days: Any, least: Any) -> Any:
            from recsql.arrow import struct_list
            from recsql.serving.repeats import answer_due

            columns = (column.to_pylist() for column in (from_days, to_days, least))
            with session_of(key) as session:
                rows = [answer_due(session, *values) for values in zip(*columns, strict=True)]
            return struct_list(rows, _DUE_FIELDS)

        return list_due

    parameters = ("BIGINT", "BIGINT", "DOUBLE")
    return PythonFunction("_recsql_runtime_due", parameters, _struct(_DUE_FIELDS), make)


def _struct(fields: list[Field]) -> str:
    return f"STRUCT({', '.join(f'{field.name} {field.type}' for field in fields)})[]"


FUNCTIONS = [_repeat_function(), _due_function()]
