"""Commands around a database: demo, doctor, uninstall."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from recsql.cli.output import print_json, print_table
from recsql.cli.shared import DatabaseArgument, JsonOption, check_exists
from recsql.connection import open_plain
from recsql.connection import uninstall as remove_recsql
from recsql.database import Session
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
