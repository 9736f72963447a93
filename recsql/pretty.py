"""Rows as readable tables on a terminal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table


def cell(value: Any) -> str:
    """Give a value as a person would write it: short numbers, no microseconds, no NULL."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    if isinstance(value, dict):
        return ", ".join(f"{name}: {cell(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(cell(inner) for inner in value)
    return str(value)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None
) -> Table:
    """Lay rows out as a rich table; numbers stand to the right."""
    laid = Table(title=title, title_justify="left", header_style="bold", show_edge=False)
    materialised = [tuple(row) for row in rows]
    for position, name in enumerate(columns):
        numeric = any(isinstance(row[position], int | float) for row in materialised) and not any(
            isinstance(row[position], bool) for row in materialised
        )
        laid.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in materialised:
        laid.add_row(*(cell(value) for value in row))
    return laid
