"""The hidden functions behind the recommendations for customers: one for each task."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from recsql.errors import ParameterError
from recsql.functions import PythonFunction
from recsql.headers import Field
from recsql.serving.instances import session_of
from recsql.tasks import CUSTOMER_TASKS

_FIELDS = [
    Field("rank", "BIGINT", ""),
    Field("item_id", "VARCHAR", ""),
    Field("score", "DOUBLE", ""),
    Field("model", "VARCHAR", ""),
]
_RETURNS = f"STRUCT({', '.join(f'{field.name} {field.type}' for field in _FIELDS)})[]"
_PARAMETERS = ("VARCHAR", "BIGINT", "BIGINT", "BOOLEAN", "VARCHAR")

_EXAMPLES = {"attributes": "{'country': 'France'}", "context": "{'device': 'phone'}"}


def _function(task: str) -> PythonFunction:
    def make(key: str) -> Callable[..., Any]:
        def recommend(users: Any, ks: Any, until: Any, exclude_bought: Any, contexts: Any) -> Any:
            from recsql.serving.customers import Asked

            given = (users, ks, until, exclude_bought, contexts)
            columns = (column.to_pylist() for column in given)
            asked = [
                Asked(user, k, moment, exclude, context=_parsed(text, "context"))
                for user, k, moment, exclude, text in zip(*columns, strict=True)
            ]
            return _answered(key, task, asked)

        return recommend

    return PythonFunction(f"_recsql_runtime_{task}", _PARAMETERS, _RETURNS, make)


def _session_function() -> PythonFunction:
    def make(key: str) -> Callable[..., Any]:
        def recommend(sessions: Any, ks: Any, exclude_bought: Any, contexts: Any) -> Any:
            from recsql.serving.customers import Asked

            given = (sessions, ks, exclude_bought, contexts)
            columns = (column.to_pylist() for column in given)
            asked = [
                Asked(
                    None,
                    k,
                    exclude_bought=exclude,
                    items=items or [],
                    context=_parsed(text, "context"),
                )
                for items, k, exclude, text in zip(*columns, strict=True)
            ]
            return _answered(key, "next", asked)

        return recommend

    parameters = ("VARCHAR[]", "BIGINT", "BOOLEAN", "VARCHAR")
    return PythonFunction("_recsql_runtime_session", parameters, _RETURNS, make)


def _first_for_function() -> PythonFunction:
    def make(key: str) -> Callable[..., Any]:
        def recommend(attributes: Any, ks: Any, contexts: Any) -> Any:
            from recsql.serving.customers import Asked

            columns = (column.to_pylist() for column in (attributes, ks, contexts))
            asked = [
                Asked(
                    None,
                    k,
                    attributes=_parsed(text, "attributes"),
                    context=_parsed(context, "context"),
                )
                for text, k, context in zip(*columns, strict=True)
            ]
            return _answered(key, "first", asked)

        return recommend

    parameters = ("VARCHAR", "BIGINT", "VARCHAR")
    return PythonFunction("_recsql_runtime_first_for", parameters, _RETURNS, make)


def _parsed(text: str | None, what: str) -> dict[str, Any]:
    """Read values by name from JSON; NULL has none."""
    found = json.loads(text) if text else {}
    if not isinstance(found, dict):
        raise ParameterError(
            f"{what} must be values by name, got {text}. For example {_EXAMPLES[what]}."
        )
    return found


def _answered(key: str, task: str, asked: list[Any]) -> Any:
    from recsql.arrow import lists_of, struct_list
    from recsql.serving.customers import answer

    if not asked:
        return struct_list([], _FIELDS)
    with session_of(key) as session:
        lists = answer(session, task, asked)
    return lists_of(lists.sizes, lists.columns())


FUNCTIONS = [
    *(_function(task) for task in (*CUSTOMER_TASKS, "first")),
    _session_function(),
    _first_for_function(),
]
