"""What clients of the server may not run, beyond what DuckDB itself refuses once it is locked.

Without external access and with a locked configuration a client can still load extensions from the
disk, write log files, attach a database whose name hides the schema ``recsql``, and start a server
of its own that is open to the network (tried on DuckDB 1.5.5). Statements are told apart by their
first word, functions by their name, in the tokens of DuckDB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import duckdb

from recsql.server.tokens import Token, read_tokens


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


_STATEMENTS = _words("""
    abort alter analyze begin call checkpoint comment commit create deallocate delete desc describe
    drop end execute explain from insert merge pivot pragma prepare reset rollback select set show
    start summarize table truncate unpivot update use vacuum values with
""")
_PRAGMAS = _words("""
    collations database_list database_size functions platform show_databases show_tables
    show_tables_expanded storage_info table_info user_agent version
""")
_NAMES = _words("""
    _recsql_call_import_model _recsql_call_publish disable_logging duckdb_logs duckdb_logs_parsed
    duckdb_log_contexts enable_logging truncate_duckdb_logs
""")
_PREFIXES = ("quack_", "scan_data_from_quack")
# Two run SQL that is a value, which no reading of the text can know; two read or write a file.
_CALLED = frozenset({"query", "json_execute_serialized_sql", "publish", "import_model"})
_BEFORE_SECRET = frozenset({"or", "replace", "temp", "temporary", "persistent"})
_ESCAPED_NAME = re.compile(r"[uU]&[\"']")


def refusal(sql: str) -> str | None:
    """Say why clients may not run a SQL text; None when they may."""
    if _ESCAPED_NAME.search(sql):
        return "names and strings must be written without U& escapes"
    try:
        tokens = read_tokens(sql)
    except duckdb.Error as error:
        return f"it must be SQL, got {str(error).splitlines()[0]}"
    for statement in _statements(tokens):
        reason = _reason(statement)
        if reason is not None:
            return reason
    return None


def _statements(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    statement: list[Token] = []
    for token in tokens:
        if token == Token("sign", ";"):
            yield statement
            statement = []
        else:
            statement.append(token)
    yield statement


def _reason(statement: Sequence[Token]) -> str | None:
    words = [token.name for token in statement if token.kind == "word"]
    opening = next((token for token in statement if token != Token("sign", "(")), None)
    if opening is None:
        return None
    if opening.quoted or opening.name not in _STATEMENTS:
        return f"the statement must not be {opening.text.upper()}"
    first = opening.name
    if first == "pragma" and (len(words) < 2 or words[1] not in _PRAGMAS):
        return "the pragma must be one that describes"
    if first in ("explain", "prepare") and "copy" in words:
        return "the statement must not be COPY"
    if first == "create" and _created(words) == "secret":
        return "the statement must not be CREATE SECRET"
    return _forbidden_function(statement)


def _created(words: Sequence[str]) -> str:
    return next((word for word in words[1:] if word not in _BEFORE_SECRET), "")


def _forbidden_function(statement: Sequence[Token]) -> str | None:
    for token, after in zip(statement, [*statement[1:], None], strict=True):
        is_named = token.name in _NAMES or token.name.startswith(_PREFIXES)
        is_called = token.name in _CALLED and after == Token("sign", "(")
        if is_named or is_called:
            return f"the function must not be {token.name}"
    return None
