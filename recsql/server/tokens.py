"""Read SQL as tokens, as DuckDB reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb

_WORD = re.compile(rb'"(?:[^"]|"")*"|[^\s"\'(),;.:=<>+*/%\[\]{}-]+')
_STRING = re.compile(rb"'((?:[^']|'')*)'")


@dataclass(frozen=True)
class Token:
    """A part of a SQL text.

    Attributes
    ----------
    kind : 'word' (a keyword or a name), 'string' or 'sign' (anything else: one character)
    text : as it is written, names and strings without their quotes
    quoted : it is a name in quotes
    """

    kind: str
    text: str
    quoted: bool = False

    @property
    def name(self) -> str:
        """A word as DuckDB compares it: in lower case; '' for anything else."""
        return self.text.lower() if self.kind == "word" else ""


def read_tokens(sql: str) -> list[Token]:
    """Split a SQL text, without its comments."""
    data = sql.encode("utf-8")
    found: list[Token] = []
    for offset, kind in duckdb.tokenize(sql):
        name = kind.name
        if name == "comment":
            continue
        if name in ("keyword", "identifier"):
            found.append(_word(data, offset))
        elif name == "string_const":
            string = _STRING.match(data, offset)
            text = string[1].decode("utf-8").replace("''", "'") if string else ""
            found.append(Token("string", text))
        else:
            found.append(Token("sign", data[offset : offset + 1].decode("utf-8", "replace")))
    return found


def _word(data: bytes, offset: int) -> Token:
    match = _WORD.match(data, offset)
    if match is None:
        return Token("sign", data[offset : offset + 1].decode("utf-8", "replace"))
    text = match[0].decode("utf-8")
    if text.startswith('"'):
        return Token("word", text[1:-1].replace('""', '"'), quoted=True)
    return Token("word", text)
