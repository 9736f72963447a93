"""Which SQL functions are built in and pure: same arguments, same result, nothing else touched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import duckdb

# Called consistent by some version of DuckDB, but they read the clock, the session or the plan.
_NOT_PURE = frozenset(
    {
        "age",  # with one argument: up to today
        "current_localtime",
        "current_localtimestamp",
        "current_setting",
        "getvariable",
        "json_serialize_plan",
        "vector_type",
    }
)
_QUERY = (
    "SELECT lower(f.function_name), f.function_type, f.stability, CASE f.function_type "
    "WHEN 'macro' THEN json_serialize_sql('SELECT ' || f.macro_definition, skip_null := true, "
    "skip_empty := true) END, f.parameters FROM duckdb_functions() AS f "
    "WHERE f.function_type IN ('scalar', 'macro', 'aggregate')"
)
Overload = tuple[str, str | None, str | None, list[str]]


@cache
def pure_functions() -> frozenset[str]:
    """Name the built-in scalar functions without side effects, in lower case.

    They are looked up in an instance of their own, where no one has registered or redefined
    anything. A built-in macro is pure when everything it calls is.
    """
    con = duckdb.connect(":memory:")
    try:
        overloads: dict[str, list[Overload]] = {}
        for name, kind, stability, tree, parameters in con.execute(_QUERY).fetchall():
            overloads.setdefault(name, []).append((kind, stability, tree, parameters))
    finally:
        con.close()
    known: dict[str, bool] = dict.fromkeys(_NOT_PURE, False)
    return frozenset(name for name in overloads if _is_pure(name, overloads, known))


def parts(tree: Any) -> Iterator[dict[str, Any]]:
    """Walk over every expression of a serialized expression tree."""
    if isinstance(tree, dict):
        if "class" in tree and "type" in tree:
            yield tree
        for child in tree.values():
            yield from parts(child)
    elif isinstance(tree, list):
        for child in tree:
            yield from parts(child)


def _is_pure(name: str, overloads: Mapping[str, list[Overload]], known: dict[str, bool]) -> bool:
    if name not in known:
        known[name] = False  # a macro that calls itself is not trusted
        found = overloads.get(name, [])
        known[name] = bool(found) and all(
            _is_pure_macro(tree, parameters, overloads, known)
            if kind == "macro"
            else kind == "scalar" and stability == "CONSISTENT"
            for kind, stability, tree, parameters in found
        )
    return known[name]


def _is_pure_macro(
    tree: str | None,
    parameters: list[str],
    overloads: Mapping[str, list[Overload]],
    known: dict[str, bool],
) -> bool:
    parsed = json.loads(tree or '{"error": true}')
    if parsed.get("error"):
        return False
    for part in parts(parsed["statements"][0]["node"]):
        if part["class"] in ("SUBQUERY", "WINDOW"):
            return False
        if part["class"] == "COLUMN_REF" and part["column_names"][0] not in parameters:
            return False  # current_timestamp and its kind look like columns
        if part["class"] == "FUNCTION" and not _is_pure(
            part["function_name"].lower(), overloads, known
        ):
            return False
    return True
