"""How the commands print: tables for people, or one JSON document for programs."""

from __future__ import annotations

import base64
import json
import math
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console

from recsql.pretty import table

_NEVER_FOLD = 10_000


def print_json(document: Any) -> None:
    """Write one JSON document to standard output."""
    json.dump(plain(document), sys.stdout, ensure_ascii=False, allow_nan=False, indent=2)
    sys.stdout.write("\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as a table: as wide as the terminal, or without a limit into a file or pipe."""
    console().print(table(columns, rows))


def print_filled(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    wanted: Sequence[str] | None = None,
) -> None:
    """Write rows as a table, of some columns or of all, without those that hold nothing."""
    places = filled(columns, rows, wanted)
    print_table([columns[n] for n in places], [[row[n] for n in places] for row in rows])


def filled(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], wanted: Sequence[str] | None = None
) -> list[int]:
    """Give the places of the wanted columns that hold anything; all where there are no rows."""
    places = [columns.index(name) for name in (columns if wanted is None else wanted)]
    return [n for n in places if not rows or any(row[n] not in (None, "", {}) for row in rows)]


def console() -> Console:
    """Give a console on standard output that shows data as it is: no markup, no emoji codes."""
    made = Console(markup=False, emoji=False, highlight=False)
    if not made.is_terminal:
        made.width = _NEVER_FOLD
    return made


def records(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Give each row as a dictionary; a second column of a name gets a number, none is lost."""
    names: list[str] = []
    for column in columns:
        name, number = column, 0
        while name in names:
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return [dict(zip(names, row, strict=True)) for row in rows]


def plain(value: Any) -> Any:
    """Give a value of DuckDB in the types of JSON.

    NaN and infinities become null, decimals numbers, bytes base64; dates, times, UUIDs and
    intervals become text.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return plain(int(value) if value == value.to_integral_value() else float(value))
    if isinstance(value, dict):
        return {_key(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode("ascii")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _key(name: Any) -> str:
    return name if isinstance(name, str) else json.dumps(plain(name), ensure_ascii=False)
