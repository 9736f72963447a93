"""Commands that read what is stored: leaderboard, recommend, sql."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer

from recsql.cli.output import console, print_filled, print_json, print_table, records
from recsql.cli.shared import DatabaseArgument, JsonOption, open_database
from recsql.database import Session, quote
from recsql.errors import NotTrainedError, ParameterError, UnknownNameError, did_you_mean
from recsql.store.schema import stored_prefix

_METRICS = ("ndcg", "recall", "precision", "coverage")
# task -> function, and what it is asked about
_ASKED = {
    "bundle": ("recommend_bundle", "one"),
    "related": ("recommend_related", "one"),
    "cart": ("recommend_cart", "some"),
    "popular": ("popular", "none"),
    "trending": ("trending", "none"),
    "next": ("recommend_next", "customer"),
    "for_you": ("recommend_for_you", "customer"),
}


def leaderboard(
    database: DatabaseArgument,
    task: Annotated[str | None, typer.Option(help="Only this task.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the models of the latest training, best first within a task."""
    measured = ", ".join(
        f"max(l.value) FILTER (l.metric = '{metric}' AND l.part = 'test') AS {metric}"
        for metric in _METRICS
    )
    with open_database(database, read_only=True) as con:
        session = Session(con)
        known = [
            row[0] for row in session.rows("SELECT DISTINCT l.task FROM recsql.leaderboard AS l")
        ]
        if not known:
            raise NotTrainedError(f"A task must be trained first. recsql train {database}")
        if task is not None and task not in known:
            raise UnknownNameError(
                f"task must be one of {', '.join(sorted(known))}, got {task!r}."
                f"{did_you_mean(task, known)}"
            )
        columns, rows = _read(
            con,
            f"SELECT l.task, l.algorithm AS model, l.params AS setting, l.status, {measured}, "
            "l.train_seconds AS seconds, l.error FROM recsql.leaderboard AS l "
            "WHERE ? IS NULL OR l.task = ? GROUP BY l.task, l.model_id, l.algorithm, l.params, "
            "l.status, l.score_rank, l.train_seconds, l.error "
            "ORDER BY l.task, l.score_rank, l.model_id",
            [task, task],
        )
    if as_json:
        print_json(records(columns, rows))
        return
    setting = columns.index("setting")
    for row in rows:
        row[setting] = {name: value for name, value in row[setting].items() if value is not None}
    print_filled(columns, rows)


def recommend(
    database: DatabaseArgument,
    task: Annotated[
        str,
        typer.Argument(
            help="bundle, related, cart, popular, trending, next or for_you.", show_default=False
        ),
    ],
    items: Annotated[
        list[str] | None,
        typer.Argument(
            help="Ids: an item for bundle and related, the items of a cart, a customer for next.",
            show_default=False,
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", "--k", help="Recommendations wanted.")] = 10,
    days: Annotated[
        int | None, typer.Option(help="popular: of the last days.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Recommend items, with their titles where items are bound."""
    name, arguments = _question(task, items or [], {"k": k, "days": days})
    marks = ", ".join("?" if option is None else f"{option} := ?" for option, _ in arguments)
    with open_database(database, read_only=True) as con:
        function = quote(stored_prefix(Session(con)) + name)
        columns, rows = _read(
            con,
            "SELECT r.rank, r.item_id, (SELECT min(i.title) FROM recsql.items AS i "
            "WHERE i.item_id::VARCHAR = r.item_id::VARCHAR) AS title, "
            f"r.* EXCLUDE (rank, item_id) FROM {function}({marks}) AS r ORDER BY r.rank",
            [value for _, value in arguments],
        )
    if as_json:
        print_json(records(columns, rows))
    elif rows:
        print_filled(columns, rows)
    else:
        typer.echo(f"No rows: {task} has nothing stored for {', '.join(items or ['now'])}.")


def sql(
    database: DatabaseArgument,
    statements: Annotated[
        str | None,
        typer.Argument(
            metavar="SQL",
            help="One or more statements; - reads standard input.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="Read the statements from a file.", show_default=False),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Refuse to change the file.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=0, help="Rows of a table that are shown; 0: all.")
    ] = 100,
    as_json: JsonOption = False,
) -> None:
    """Run SQL with every recsql function at hand.

    With --json: the rows of one statement as a list, those of several as a list of lists.
    """
    text = _statements_text(statements, file)
    with open_database(database, read_only=read_only) as con:
        answers = _run_each(con, text, None if as_json else limit)
    if as_json:
        documents = [records(columns, rows) for columns, rows in answers]
        print_json(documents[0] if len(documents) == 1 else documents)


def _run_each(
    con: duckdb.DuckDBPyConnection, text: str, limit: int | None
) -> list[tuple[list[str], list[list[Any]]]]:
    """Run statements in order and give their answers, or print each when there is a limit."""
    parsed = con.extract_statements(text)
    answers = []
    for number, statement in enumerate(parsed, start=1):
        try:
            answer = _read(con, statement)
        except duckdb.Error:
            if len(parsed) > 1:
                typer.echo(f"Statement {number} of {len(parsed)}:", err=True)
            raise
        if limit is None:
            answers.append(answer)
        else:
            _show(*answer, limit)
    return answers


def _read(
    con: duckdb.DuckDBPyConnection,
    query: str | duckdb.Statement,
    parameters: list[Any] | None = None,
) -> tuple[list[str], list[list[Any]]]:
    """Run one statement; gives its columns and rows, values of type JSON parsed."""
    con.execute(query, parameters)
    described = con.description or []
    columns, types = [column[0] for column in described], [str(column[1]) for column in described]
    rows = _with_zones(con) if any("TIME ZONE" in kind for kind in types) else con.fetchall()
    parsed = [place for place, kind in enumerate(types) if kind == "JSON"]
    mutable = [list(row) for row in rows]
    for row in mutable:
        for place in parsed:
            row[place] = json.loads(row[place]) if row[place] is not None else None
    return columns, mutable


def _with_zones(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Fetch times with a zone, which ``fetchall`` refuses where pytz is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a second copy of the rows is made: so be it
        table: Any = con.to_arrow_table()
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _show(columns: list[str], rows: list[list[Any]], limit: int) -> None:
    if not rows and columns in (["Count"], ["Success"]):
        return
    shown = rows[:limit] if limit else rows
    print_table(columns, shown)
    if not rows:
        console().print("no rows")
    elif len(shown) < len(rows):
        console().print(f"… {len(rows) - len(shown):,} more rows (--limit 0 shows all)")


def _question(
    task: str, items: list[str], options: dict[str, int | None]
) -> tuple[str, list[tuple[str | None, Any]]]:
    """Give the function that answers and its arguments: (name, or None by position; value)."""
    if task not in _ASKED:
        raise UnknownNameError(
            f"task must be one of {', '.join(_ASKED)}, got {task!r}.{did_you_mean(task, _ASKED)}"
        )
    function, asked = _ASKED[task]
    if asked == "one" and len(items) != 1:
        raise ParameterError(
            f"{task} must be asked about one item, got {len(items)}. Use cart for several."
        )
    if asked == "customer" and len(items) != 1:
        raise ParameterError(f"{task} must be asked for one customer, got {len(items)} ids.")
    if asked == "some" and not items:
        raise ParameterError("cart must be asked about at least one item, got none. Add ids.")
    if asked == "none" and items:
        raise ParameterError(f"{task} must be asked without items, got {items[0]!r}. Leave it out.")
    if options["days"] is not None and task != "popular":
        raise ParameterError(f"--days must go with popular, got {task}. Leave it out.")
    values: list[Any] = [items] if asked == "some" else list(items)
    given = [(name, value) for name, value in options.items() if value is not None]
    return function, [*((None, value) for value in values), *given]


def _statements_text(statements: str | None, file: Path | None) -> str:
    if (statements is None) == (file is None):
        raise typer.BadParameter("Give the SQL as an argument, as - for standard input, or --file.")
    if file is not None:
        if not file.is_file():
            raise ParameterError(f"--file must be a file, got {file}. Check the name.")
        return file.read_text("utf-8")
    return sys.stdin.read() if statements == "-" else str(statements)
