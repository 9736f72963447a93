"""The command that serves a database."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsql.cli.shared import DatabaseArgument, JsonOption, check_exists

if TYPE_CHECKING:
    from recsql.server.running import Server


def serve(
    database: DatabaseArgument,
    address: Annotated[
        str, typer.Option(help="Host or host:port to listen at; port 0 takes a free one.")
    ] = "127.0.0.1:9494",
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token; default: RECSQL_TOKEN, or a random one.", show_default=False
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Nobody can change the file.")
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            help="A file or folder that queries may read beside those of the bound sources "
            "(repeat for more).",
            show_default=False,
        ),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(
            help="File for a line per query; default: standard error.", show_default=False
        ),
    ] = None,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds that queries have to end when it is stopped.")
    ] = 10.0,
    as_json: JsonOption = False,
) -> None:
    """Serve the database to DuckDB clients of any language until it is stopped.

    Clients speak DuckDB's Quack protocol and need its extensions quack and httpfs. With --json one
    line is printed when the server is ready.
    """
    from recsql.server.address import TOKEN_VARIABLE, read_token_file
    from recsql.server.running import serve as start

    check_exists(database)
    if token_file is not None:
        given: str | None = read_token_file(token_file)
    else:
        given = os.environ.get(TOKEN_VARIABLE)
    stop, urgent = threading.Event(), threading.Event()
    with _signals(stop, urgent):
        server = start(
            str(database),
            address,
            token=given,
            read_only=read_only,
            allow=allow or (),
            log=log or sys.stderr,
        )
        _tell(server, database, as_json=as_json, random=given is None, read_only=read_only)
        server.wait(stop)
        left = server.stop(grace, urgent)
    if left:
        noun = "query that was" if left == 1 else "queries that were"
        typer.echo(f"Stopped; {left} {noun} still running cut off.", err=True)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # the thread of such a query may be inside Python: nothing waits for it


@contextmanager
def _signals(stop: threading.Event, urgent: threading.Event) -> Iterator[None]:
    """Set ``stop`` at the first signal to end and ``urgent`` at the next one, within the block."""

    def asked(number: int, frame: object) -> None:
        del number, frame
        (urgent if stop.is_set() else stop).set()

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(server: Server, database: Path, *, as_json: bool, random: bool, read_only: bool) -> None:
    """Print what clients need; the token only where nobody else has it."""
    if as_json:
        document = {
            "uri": server.uri,
            "token": server.token if random else None,
            "database": str(database),
            "read_only": read_only,
            "process": os.getpid(),
            "load": server.loads,
        }
        print(json.dumps(document), flush=True)
        return
    token = server.token if random else "…"
    lines = [
        f"Serving {database}{', read-only,' if read_only else ''} at {server.uri}. "
        "Stop with Ctrl+C. In a DuckDB client:",
        "",
        *server.loads,
        f"ATTACH '{server.uri}' AS shop (TOKEN '{token}');",
        "FROM shop.query('FROM popular(k := 5)');",
        "",
    ]
    if random:
        lines.append("The token is a new one at each start; RECSQL_TOKEN or --token-file sets one.")
    print("\n".join(lines), flush=True)
