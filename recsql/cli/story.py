"""Print the demonstration: a sentence, the SQL to paste, and what it gave."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.syntax import Syntax
from rich.text import Text

from recsql.cli.output import console, filled, print_json, records
from recsql.cli.shared import quiet
from recsql.connection import connect
from recsql.demo import STORY, Step, Told, tell
from recsql.errors import ParameterError
from recsql.pretty import table

WIDTH = 100


def print_story(database: Path | None, *, as_json: bool) -> None:
    """Tell the story in a new database file, or in memory.

    Raises
    ------
    ParameterError
        The file exists: the story needs an empty database.
    """
    if database is not None and database.exists():
        raise ParameterError(
            f"--database must be a new file, got {database}, which exists. Choose another name."
        )
    with closing(quiet(connect(":memory:" if database is None else str(database)))) as con:
        if as_json:
            print_json([_record(told) for told in tell(con)])
            return
        started = time.perf_counter()
        screen = console()
        screen.width = min(WIDTH, screen.width)
        for told in _waiting(tell(con)):
            _print_step(screen, told)
        seconds = time.perf_counter() - started
    screen.print(Rule(style="dim"))
    screen.print(f"{len(STORY)} statements in {seconds:.0f} s. {_next(database)}")


def _waiting(story: Iterator[Told]) -> Iterator[Told]:
    """Show on a terminal which step runs."""
    errors = Console(stderr=True)
    for step in STORY:
        chapter = step.chapter or chapter_of(step)
        note = " (the first run after installing compiles)" if chapter == "Train" else ""
        with errors.status(f"{chapter} …{note}"):
            told = next(story)
        yield told


def chapter_of(step: Step) -> str:
    """Give the chapter a step belongs to."""
    place = STORY.index(step)
    return next(before.chapter for before in reversed(STORY[: place + 1]) if before.chapter)


def _print_step(screen: Console, told: Told) -> None:
    if told.step.chapter:
        screen.print(Rule(Text(told.step.chapter, style="bold"), align="left"))
        screen.print()
    screen.print(told.text, style="bold")
    highlighted = Syntax("", "postgresql", theme="ansi_dark").highlight(told.sql)
    screen.print(highlighted, soft_wrap=True)  # ends with an empty line; stays whole when copied
    columns, rows = _shown(told)
    if columns and rows:
        laid = table(columns, _grouped(rows) if told.step.grouped else rows)
        screen.print(laid)
        screen.print()
    if told.step.listed:
        _print_listed(screen, told, told.step.listed)
    if told.seconds >= 1:
        screen.print(f"{told.seconds:.1f} s", style="dim")
        screen.print()


def _shown(told: Told) -> tuple[list[str], list[list[Any]]]:
    """Leave out columns that are not meant for the table, or empty."""
    if told.columns in (["Count"], ["Success"]):
        return [], []
    places = filled(told.columns, told.rows, told.step.shown)
    return [told.columns[n] for n in places], [[row[n] for n in places] for row in told.rows]


def _grouped(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Blank a value of the first column where it repeats the one above."""
    above = [None, *(row[0] for row in rows)]
    return [
        [None if row[0] == before else row[0], *row[1:]]
        for row, before in zip(rows, above, strict=False)
    ]


def _print_listed(screen: Console, told: Told, listed: tuple[str, str]) -> None:
    name, text = (told.columns.index(column) for column in listed)
    severity = told.columns.index("severity")
    for row in told.rows:
        if row[severity] != "info":
            screen.print(Text.assemble((str(row[name]), "bold"), ": ", str(row[text])))
            screen.print()


def _record(told: Told) -> dict[str, Any]:
    return {
        "chapter": chapter_of(told.step),
        "text": told.text,
        "sql": told.sql,
        "rows": records(told.columns, told.rows),
        "seconds": round(told.seconds, 3),
    }


def _next(database: Path | None) -> str:
    if database is None:
        return "Keep the database: recsql demo --database demo.duckdb"
    return f'Go on: recsql sql {database} "FROM popular(k := 5)"'
