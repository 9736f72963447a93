"""Which files the bound sources read: those stay open to queries when all others are closed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from recsql.database import Session
from recsql.errors import ParameterError
from recsql.server.tokens import Token, read_tokens

_READS_FILES = re.compile(r"read_\w+|\w+_scan|parquet_\w+")
_GLOB = re.compile(r"[*?\[{]")
_FROM = frozenset({"from", "join"})


@dataclass
class Allowed:
    """Paths that may be read, and folders in which every file may be."""

    paths: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)

    def add(self, path: str) -> None:
        """Add a file or a folder; of a pattern the folder above it, for files that come later."""
        remote = "://" in path
        pattern = _GLOB.search(path)
        if pattern:
            above = path[: pattern.start()].rpartition("/")[0]
            self.folders.add(above if remote else str(Path(above or ".").resolve()))
        elif remote:
            self.paths.add(path)
        elif Path(path).is_dir():
            self.folders.add(str(Path(path).resolve()))
        else:
            self.paths.add(str(Path(path).absolute()))
            self.paths.add(str(Path(path).resolve()))


def allowed_files(session: Session, extra: Iterable[str] = ()) -> Allowed:
    """Find the files that the bound sources read, through views and macros; and add ``extra``."""
    allowed = Allowed()
    for path in extra:
        allowed.add(path)
    texts = _texts(session)
    sources = [row[0] for row in session.rows("SELECT s.source FROM recsql.sources AS s")]
    waiting, seen = [f"recsql.{source}" for source in sources], set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in texts:
            continue
        seen.add(name)
        tokens = read_tokens(texts[name])
        for path in _paths(tokens):
            allowed.add(path)
        named = {token.name for token in tokens}
        waiting += [other for other in texts if other.partition(".")[2] in named]
    return allowed


def check_readable(session: Session) -> None:
    """Refuse to serve a source that queries could not read.

    Raises
    ------
    ParameterError
        A bound source reads a file that was not found in the text of its views.
    """
    for (source,) in session.rows("SELECT s.source FROM recsql.sources AS s"):
        try:
            session.rows(f"SELECT 1 FROM recsql.{source} LIMIT 1")
        except duckdb.PermissionException as error:
            raise ParameterError(
                f"The files of {source} must be known to be served, got one that was not found in "
                f"its views: {str(error).splitlines()[0]} Name it, or its folder, with --allow."
            ) from error


def _texts(session: Session) -> dict[str, str]:
    """Give the SQL of every view and macro of the database by schema.name, in lower case."""
    rows = session.rows(
        "SELECT v.schema_name, v.view_name, v.sql FROM duckdb_views() AS v "
        "WHERE NOT v.internal AND v.database_name = current_database() UNION ALL "
        "SELECT f.schema_name, f.function_name, f.macro_definition FROM duckdb_functions() AS f "
        "WHERE NOT f.internal AND f.database_name = current_database() "
        "AND f.macro_definition IS NOT NULL"
    )
    return {f"{schema}.{name}".lower(): text for schema, name, text in rows}


def _paths(tokens: Sequence[Token]) -> Iterable[str]:
    """Give the strings within functions that read files, and quoted names of files after FROM."""
    depth, opened = 0, None
    for before, token in zip([None, *tokens[:-1]], tokens, strict=True):
        if token == Token("sign", "("):
            depth += 1
            if opened is None and before is not None and _READS_FILES.fullmatch(before.name):
                opened = depth
        elif token == Token("sign", ")"):
            opened = None if opened == depth else opened
            depth -= 1
        elif token.kind == "string":
            if opened is not None:
                yield token.text
        elif token.quoted and before is not None and _follows(before) and _is_file(token.text):
            yield token.text


def _follows(before: Token) -> bool:
    """Tell whether a relation may stand after this token."""
    return before.name in _FROM or before.text == ","


def _is_file(name: str) -> bool:
    return bool(_GLOB.search(name)) or "://" in name or Path(name).exists()
