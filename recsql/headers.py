"""Read the header that opens every SQL file: signature, sentence, arguments, results."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from recsql.database import sql_text

_SIGNATURE = re.compile(r"^-- (?:recsql\.)?(\w+)\((.*)\) -> (\w+)$")
_SECTION = re.compile(r"^-- (Needs|Args|Returns|Empty|Published|Source)\s+(.*)$")
_FIELD = re.compile(r"^(\w+)\s+(\S+(?: WITH TIME ZONE)?|\w+\(.*?\)(?:\[\])*)\s{2,}(.*)$")


@dataclass(frozen=True)
class Field:
    """An argument or a column of a result."""

    name: str
    type: str
    meaning: str


@dataclass
class Header:
    """What the comment block of a SQL function says."""

    name: str
    signature: str
    kind: str
    summary: str = ""
    needs: tuple[str, ...] = ()
    arguments: list[Field] = field(default_factory=list)
    returns: list[Field] = field(default_factory=list)
    empty: str = ""
    published: str = ""
    source: str = ""

    @property
    def required(self) -> frozenset[str]:
        """Name the arguments that have no default."""
        parts = (part.strip() for part in self.signature.split(","))
        return frozenset(part for part in parts if part and ":=" not in part)

    @property
    def in_a_file(self) -> str:
        """Give how a published file answers: 'identical', 'materialized' or 'absent'."""
        return self.published.partition(":")[0]

    @property
    def file_note(self) -> str:
        """Give what is to be known about the answer of a published file, a sentence or ''."""
        return self.published.partition(":")[2].strip()


def read_header(folder: str, name: str) -> Header:
    """Parse the header of one SQL file; ValueError says which line is not as it must be."""
    lines = [line for line in sql_text(folder, name).splitlines() if line.startswith("--")]
    match = _SIGNATURE.match(lines[0])
    if match is None:
        raise ValueError(f"sql/{folder}/{name}.sql must open with '-- name(args) -> TYPE'.")
    header = Header(match[1], match[2], match[3])
    section = ""
    for line in lines[1:]:
        opened = _SECTION.match(line)
        if opened:
            section, text = opened[1], opened[2].strip()
        else:
            text = line[2:].strip()
        if text:
            _add(header, section, text)
    return header


def _add(header: Header, section: str, text: str) -> None:
    if section == "":
        header.summary = f"{header.summary} {text}".strip()
    elif section == "Needs":
        header.needs += tuple(part.strip() for part in text.split(","))
    elif section in ("Args", "Returns"):
        fields = header.arguments if section == "Args" else header.returns
        parsed = _FIELD.match(text)
        if parsed:
            fields.append(Field(parsed[1], parsed[2], parsed[3].strip()))
        elif fields:
            last = fields[-1]
            fields[-1] = Field(last.name, last.type, f"{last.meaning} {text}")
        else:
            raise ValueError(f"{header.name}: cannot read {section} line {text!r}.")
    elif section == "Empty":
        header.empty = f"{header.empty} {text}".strip()
    elif section == "Published":
        header.published = f"{header.published} {text}".strip()
    else:
        header.source = f"{header.source} {text}".strip()
