"""Check the expressions a user binds: one expression, built-in pure functions, nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

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
    }
)
_NODE_KEYS = frozenset(
    {"type", "cte_map", "select_list", "from_table", "aggregate_handling", "sample"}
)
_RULE = "one expression over the columns of the source with built-in functions"
_REMEDY = "Put anything more into a view and bind that."


def column_sql(session: Session, text: str, columns: dict[str, str], argument: str) -> str:
    """Give the SQL of a column argument: a column name of ``columns``, or a checked expression.

    Raises
    ------
    BindError
        The text is neither a column of the source nor an allowed expression.
    """
    exact = _column_named(text, columns)
    if exact is not None:
        return quote(exact)
    if text.strip().isidentifier() and text.strip().lower() not in ("true", "false", "null"):
        raise BindError(
            f"{argument} must be a column of the source or an expression, got {text!r}: there is "
            f"no such column.{did_you_mean(text, columns)} Its columns are "
            f"{', '.join(columns)}."
        )
    check_expression(session, text, argument)
    return f"({text}\n)"


def check_expression(session: Session, text: str, argument: str) -> None:
    """Raise BindError unless ``text`` is one expression with built-in, pure functions only."""
    parsed = json.loads(
        session.value(
            "SELECT json_serialize_sql(?, skip_null := true, skip_empty := true)",
            [f"SELECT {text}"],
        )
    )
    if parsed.get("error"):
        reason = str(parsed.get("error_message", "")).splitlines()
        detail = f" ({reason[0]})" if reason else ""
        raise BindError(f"{argument} must be {_RULE}, got {text!r}{detail}. {_REMEDY}")
    statements = parsed["statements"]
    node = statements[0]["node"]
    single = (
        len(statements) == 1
        and node["type"] == "SELECT_NODE"
        and set(node) <= _NODE_KEYS
        and not node.get("cte_map")
        and not node.get("sample")
        and node["from_table"]["type"] == "EMPTY"
        and len(node["select_list"]) == 1
        and not node["select_list"][0].get("alias")
    )
    if not single:
        raise BindError(f"{argument} must be {_RULE}, got {text!r}. {_REMEDY}")
    for part in _parts(node["select_list"][0]):
        kind = part["class"]
        if kind not in _CLASSES:
            raise BindError(
                f"{argument} must be {_RULE}, got {text!r}: {kind.lower()} is not allowed. {_REMEDY}"
            )
        if kind == "FUNCTION":
            _check_function(session, part["function_name"], text, argument)


def _check_function(session: Session, name: str, text: str, argument: str) -> None:
    known = session.rows(
        "SELECT f.internal, f.function_type, f.stability FROM duckdb_functions() AS f "
        "WHERE f.function_name = ?",
        [name.lower()],
    )
    pure = bool(known) and all(
        internal and (kind == "macro" or (kind == "scalar" and stability == "CONSISTENT"))
        for internal, kind, stability in known
    )
    if not pure:
        raise BindError(
            f"{argument} must be {_RULE}, got {text!r}: the function {name} is not a built-in "
            f"scalar function without side effects. {_REMEDY}"
        )


def _parts(tree: Any) -> Iterator[dict[str, Any]]:
    """Walk over every expression of a serialized expression tree."""
    if isinstance(tree, dict):
        if "class" in tree and "type" in tree:
            yield tree
        for child in tree.values():
            yield from _parts(child)
    elif isinstance(tree, list):
        for child in tree:
            yield from _parts(child)


def _column_named(text: str, columns: dict[str, str]) -> str | None:
    if text in columns:
        return text
    unquoted = text.strip()
    if len(unquoted) > 1 and unquoted[0] == unquoted[-1] == '"':
        unquoted = unquoted[1:-1].replace('""', '"')
    matches = [name for name in columns if name.lower() == unquoted.lower()]
    return matches[0] if len(matches) == 1 else None
