"""Publish: one file with tables and macros, whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recsql.database import Session
from recsql.publishing.file import check_target, new_file
from recsql.publishing.macros import IDENTICAL, MATERIALIZED, Macro, macros_of_file
from recsql.publishing.tables import (
    Publication,
    check_include,
    check_readable,
    known_tables,
    publication_of,
    write_tables,
)
from recsql.serving.everyone import Each
from recsql.store.schema import stored_prefix
from recsql.version import __version__

OLDEST_STORAGE = "v1.5.0"


def publish(
    session: Session,
    path: str,
    *,
    k: int,
    include: Sequence[str],
    functions: Sequence[str] | None,
    storage_version: str,
    each: Each,
) -> list[tuple[Any, ...]]:
    """Write the file; gives a row a function: name, how the file answers it, and a note.

    All is read in one transaction, so that the file is of one moment.

    Parameters
    ----------
    k : recommendations of a customer, and of those like one
    include : attributes that the file may hold
    functions : names; None: all that can be
    storage_version : oldest DuckDB that reads the file, for example 'v1.5.0'
    each : wraps the numbers of blocks of customers, for a progress bar

    Raises
    ------
    UnknownNameError
        A function or an attribute is unknown.
    ParameterError, StateError
        The file must not be written.
    """
    target = Path(path).resolve()
    check_target(session, target)
    check_readable(session)
    with new_file(target, storage_version) as file, session.transaction():
        check_include(session, include)
        macros = macros_of_file(session, k, functions)
        prefix = stored_prefix(session)
        answered = [one.name for one in macros if one.answers in (IDENTICAL, MATERIALIZED)]
        publication = publication_of(
            session, file, k=k, include=include, answered=answered, each=each
        )
        file.execute("CREATE SCHEMA recsql")
        write_tables(publication, _tables_read(macros))
        for macro in macros:
            file.execute(macro.text)
        rows = [(prefix + one.name, one.answers, one.note) for one in macros]
        _describe(publication, rows)
    return rows


def _tables_read(macros: Sequence[Macro]) -> list[str]:
    """Name the tables that the macros read, in alphabetical order."""
    named = {name for one in macros for name in re.findall(r"\brecsql\.(\w+)", one.text)}
    return sorted((named & known_tables()) - {"users", "items", "leaderboard"})


def _describe(publication: Publication, rows: Sequence[tuple[Any, ...]]) -> None:
    file, live = publication.file, publication.live
    publication.create("published_tables", "published")
    for row in rows:
        file.execute("INSERT INTO recsql.published VALUES (?, ?, ?)", row)
    publication.create("published_tables", "publication")
    stored = live.value(
        "SELECT max(r.started_at) FROM recsql.runs AS r WHERE r.statement IN ('train', 'refresh')"
    )
    file.execute(
        "INSERT INTO recsql.publication VALUES (now()::TIMESTAMP, ?, ?, ?, ?, version())",
        [stored, publication.k, list(publication.include), __version__],
    )
