"""Check the expressions a user binds: one expression, built-in pure functions, nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from recsql.data.builtins import parts, pure_functions
from recsql.database import Session, quote
from recsql.errors import BindError, did_you_mean

_CLASSES = frozenset(
    {
        "BETWEEN",
        "CASE",
        "CAST",
        "COLLATE",
        "COLUMN_REF",
        "COMPARISON",
        "CONJUNCTION",
        "CONSTANT",
        "FUNCTION",
        "LAMBDA",
        "LAMBDA_REF",
        "OPERATOR",
        "TYPE",
    }
)
_NODE_KEYS = frozenset(
    {"type", "cte_map", "select_list", "from_table", "aggregate_handling", "sample"}
)
_RULE = "one expression over the columns of the source with built-in functions"
_REMEDY = "Put anything more into a view and bind that."
_ALIAS = "source"
_LIKE_A_NAME = re.compile(r"[\w\s.-]+")


def column_sql(session: Session, text: str, columns: Mapping[str, str], argument: str) -> str:
    """Give the SQL of a column argument: a column name of ``columns``, or a checked expression.

    Raises
    ------
    BindError
        The text is neither a column of the source nor an allowed expression.
    """
    exact = _column_named(text, columns)
    if exact is not None:
        return f"{_ALIAS}.{quote(exact)}"
    if text.strip().isidentifier() and text.strip().lower() not in ("true", "false", "null"):
        raise BindError(
            f"{argument} must be a column of the source or an expression, got {text!r}: "
            f"{_no_such_column(text.strip(), columns)}"
        )
    try:
        check_expression(session, text, columns, argument)
    except BindError as error:
        near = did_you_mean(text, columns) if _LIKE_A_NAME.fullmatch(text) else ""
        raise BindError(f"{error}{near}") from None
    return f"({text}\n)"


def check_expression(
    session: Session, text: str, columns: Mapping[str, str], argument: str
) -> None:
    """Raise BindError unless ``text`` is one pure expression over ``columns``."""
    _parse(session, text, text, argument)
    tree = list(parts(_parse(session, f"({text}\n)", text, argument)))  # as it will be embedded
    names = {name.lower() for name in columns} | _lambda_parameters(tree)
    for part in tree:
        kind = part["class"]
        if kind not in _CLASSES:
            shown = kind.lower().replace("_", " ")
            raise _refusal(argument, text, f"a {shown} is not allowed")
        if kind == "FUNCTION":
            _check_function(session, part["function_name"], text, argument)
        if kind == "COLUMN_REF":
            first, *rest = part["column_names"]
            if first.lower() == _ALIAS and rest and first.lower() not in names:
                first = rest[0]
            if first.lower() not in names:
                raise _refusal(argument, text, _no_such_column(first, columns), remedy="")


def _parse(session: Session, sql: str, text: str, argument: str) -> Any:
    """Give the tree of an expression; anything that is not exactly one is refused."""
    parsed = json.loads(
        session.value(
            "SELECT json_serialize_sql(?, skip_null := true, skip_empty := true)",
            [f"SELECT {sql}"],
        )
    )
    if parsed.get("error"):
        reason = str(parsed.get("error_message", "")).splitlines()
        raise _refusal(argument, text, reason[0] if reason else "it cannot be parsed")
    statements = parsed["statements"]
    node = statements[0]["node"]
    single = (
        len(statements) == 1
        and node["type"] == "SELECT_NODE"
        and set(node) <= _NODE_KEYS
        and not node.get("cte_map")
        and not node.get("sample")
        and node.get("aggregate_handling") == "STANDARD_HANDLING"
        and node["from_table"]["type"] == "EMPTY"
        and len(node["select_list"]) == 1
        and not node["select_list"][0].get("alias")
    )
    if not single:
        raise _refusal(argument, text, "it is more than an expression")
    return node["select_list"][0]


def _check_function(session: Session, name: str, text: str, argument: str) -> None:
    redefined = session.value(
        "SELECT count(*) FROM duckdb_functions() AS f "
        "WHERE NOT f.internal AND lower(f.function_name) = ?",
        [name.lower()],
    )
    if redefined or name.lower() not in pure_functions():
        raise _refusal(
            argument, text, f"{name} is not a built-in scalar function without side effects"
        )


def _lambda_parameters(tree: list[dict[str, Any]]) -> set[str]:
    return {
        part["column_names"][0].lower()
        for function in tree
        if function["class"] == "LAMBDA"
        for part in parts(function["lhs"])
        if part["class"] == "COLUMN_REF"
    }


def _no_such_column(name: str, columns: Mapping[str, str]) -> str:
    return (
        f"there is no column {name!r}.{did_you_mean(name, columns)} "
        f"The columns are {', '.join(columns)}."
    )


def _refusal(argument: str, text: str, reason: str, *, remedy: str = _REMEDY) -> BindError:
    end = "" if reason.endswith(".") else "."
    return BindError(f"{argument} must be {_RULE}, got {text!r}: {reason}{end} {remedy}".rstrip())


def _column_named(text: str, columns: Mapping[str, str]) -> str | None:
    if text in columns:
        return text
    unquoted = text.strip()
    if len(unquoted) > 1 and unquoted[0] == unquoted[-1] == '"':
        unquoted = unquoted[1:-1].replace('""', '"')
    matches = [name for name in columns if name.lower() == unquoted.lower()]
    return matches[0] if len(matches) == 1 else None
