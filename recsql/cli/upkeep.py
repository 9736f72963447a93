"""Commands around a database: demo, doctor, uninstall."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from recsql.cli.output import print_filled, print_json, print_table, records
from recsql.cli.shared import DatabaseArgument, JsonOption, check_exists
from recsql.cli.statements import run_statement
from recsql.connection import open_plain
from recsql.connection import uninstall as remove_recsql
from recsql.database import Session
from recsql.result import Result
from recsql.store.schema import schema_exists


def demo(
    database: Annotated[
        Path | None,
        typer.Option(
            help="Keep the database in this new file; default: in memory.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the whole story on the bundled sample and print the SQL of every step."""
    from recsql.cli.story import print_story

    print_story(database, as_json=as_json)


def doctor(
    database: Annotated[
        Path | None, typer.Argument(help="Look into this DuckDB file too.", show_default=False)
    ] = None,
    warm: Annotated[
        bool, typer.Option("--warm", help="Compile the kernels now, by a tiny training.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what is installed and healthy, and what to do where it is not."""
    from recsql.doctor import examine

    if database is not None:
        check_exists(database)
    findings = examine(database, warm=warm)
    healthy = all(finding.status != "problem" for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "findings": [vars(finding) for finding in findings]})
    else:
        columns = ("part", "status", "detail", "remedy")
        print_table(columns, [[vars(finding)[name] for name in columns] for finding in findings])
    if not healthy:
        raise typer.Exit(1)


def watch(
    database: DatabaseArgument,
    every: Annotated[str, typer.Option(help="Time between two refreshes.")] = "1 hour",
    times: Annotated[
        int | None, typer.Option(help="Refreshes after which it ends.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Refresh again and again until it is stopped; the file is free in between."""
    from recsql.watching import interval_seconds, repeat

    def show(result: Result) -> None:
        if as_json:
            print_json(records(result.columns, result.rows))
        else:
            print_filled(result.columns, [list(row) for row in result.rows])

    check_exists(database)
    seconds = interval_seconds(every)
    if not repeat(lambda: run_statement("refresh", database, {}), seconds, times, each=show):
        raise typer.Exit(1)


def uninstall(
    database: DatabaseArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove every trace of recsql from the database; your own tables stay."""
    check_exists(database)
    if not yes:
        if as_json or not sys.stdin.isatty():
            raise typer.BadParameter("Pass --yes: there is no terminal to ask on.")
        typer.confirm(f"Remove all models and stored answers from {database}?", abort=True)
    with open_plain(database) as con:
        there = schema_exists(Session(con.cursor()))
        remove_recsql(con)
    if as_json:
        print_json({"database": str(database), "removed": there})
    else:
        typer.echo(f"Removed recsql from {database}." if there else f"{database} holds no recsql.")
