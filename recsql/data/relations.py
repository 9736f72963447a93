"""Find the table or view that a user names."""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb

from recsql.database import Session, quote
from recsql.errors import BindError, did_you_mean

_NAME_PART = re.compile(r'\s*("(?:[^"]|"")*"|[^".]+)\s*(\.|$)')


@dataclass(frozen=True)
class Relation:
    """A committed table or view: its quoted name, and its columns with their types."""

    sql: str
    columns: dict[str, str]


def find_relation(
    session: Session, name: str, *, schema: str | None = None, temporary: tuple[str, ...] = ()
) -> Relation:
    """Find the table or view called ``name``, looking in ``schema`` before the main schema.

    Raises
    ------
    BindError
        No committed relation of that name; TEMP tables (``temporary`` names the caller's) and
        registered DataFrames live in the caller's session alone.
    """
    catalog = session.value("SELECT current_database()")
    known = session.rows(
        "SELECT t.database_name, t.schema_name, t.table_name FROM duckdb_tables() AS t "
        "WHERE NOT t.temporary UNION ALL "
        "SELECT v.database_name, v.schema_name, v.view_name FROM duckdb_views() AS v "
        "WHERE NOT v.temporary ORDER BY ALL"
    )
    schemas = [schema] if schema else []
    schemas += [other for other in ("main",) if other not in schemas]
    is_temporary = any(name.strip('"').lower() == other.lower() for other in temporary)
    for parts in _readings(name):
        for wanted in _candidates(parts, catalog, schemas):
            for found in known:
                if [part.lower() for part in found] == [part.lower() for part in wanted]:
                    if is_temporary:
                        raise _hidden(name)
                    return _describe(session, found, catalog)
    if is_temporary:
        raise BindError(
            f"The source must be a committed table or view, got the TEMP table or registered "
            f"DataFrame {name!r}, which only its own session can see. "
            f"CREATE TABLE … AS FROM {name}, and bind that."
        )
    names = [
        _short_name(found, catalog, schemas)
        for found in known
        if found[0] not in ("system", "temp") and found[1] != "recsql"
    ]
    raise BindError(
        f"The source must be a committed table or view, got {name!r}, which does not exist "
        f"(TEMP tables and DataFrames are not visible here: CREATE TABLE … AS FROM them; "
        f"nor is what is not committed: COMMIT first).{did_you_mean(name, names)}"
    )


def _short_name(found: tuple[str, str, str], catalog: str, schemas: list[str]) -> str:
    database, home, table = found
    if database != catalog:
        return f"{database}.{table}" if home == "main" else ".".join(found)
    return table if home in schemas else f"{home}.{table}"


def _hidden(name: str) -> BindError:
    return BindError(
        f"The source must be a committed table or view, got {name!r}, which a TEMP table or "
        "registered DataFrame of the same name hides. Give that another name, and bind again."
    )


def _readings(name: str) -> list[list[str]]:
    """Read ``name`` as one plain name, and as a dotted name with optional quotes."""
    parts = []
    position = 0
    while position < len(name):
        match = _NAME_PART.match(name, position)
        if match is None:
            return [[name]]
        part = match[1].strip()
        parts.append(part[1:-1].replace('""', '"') if part.startswith('"') else part)
        position = match.end()
    return [[name], parts] if parts and parts != [name] else [[name]]


def _candidates(parts: list[str], catalog: str, schemas: list[str]) -> list[list[str]]:
    if len(parts) == 1:
        return [[catalog, schema, parts[0]] for schema in schemas]
    if len(parts) == 2:
        return [[catalog, *parts], [parts[0], "main", parts[1]]]
    return [parts]


def _describe(session: Session, found: tuple[str, str, str], catalog: str) -> Relation:
    if found[:2] == (catalog, "recsql"):
        raise BindError(
            f"The source must be a table or view of yours, got recsql.{found[2]}, which recsql "
            "writes. Bind what stands behind it."
        )
    path = found[1:] if found[0] == catalog else found
    sql = ".".join(quote(part) for part in path)
    try:
        return Relation(sql, dict(session.columns(f"SELECT * FROM {sql}")))
    except duckdb.Error as error:
        raise BindError(
            f"The source must be a relation that can be read, got {'.'.join(path)}: "
            f"{str(error).splitlines()[0]} Repair it, and bind again."
        ) from error
