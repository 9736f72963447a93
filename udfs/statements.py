"""The hidden functions behind ``CALL recsql.…``: one for each statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recsql.functions import PythonFunction
from recsql.statements import statement_names
from recsql.statements.core import run_from_sql, statement_header


def _function(name: str) -> PythonFunction:
    fields = statement_header(name).returns
    columns = ", ".join(f'"{field.name}" {field.type}' for field in fields)

    def make(key: str) -> Callable[..., Any]:
        def call_statement(arguments: Any) -> Any:
            from recsql.arrow import struct_list

            rows = [run_from_sql(name, key, text) for text in arguments.to_pylist()]
            return struct_list(rows, fields)

        return call_statement

    return PythonFunction(f"_recsql_call_{name}", ("VARCHAR",), f"STRUCT({columns})[]", make)


FUNCTIONS = [_function(name) for name in statement_names()]
