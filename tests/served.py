"""A real server process and real clients of DuckDB's command line, for tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from recsql.server.extension import packaged_file

BIN = Path(sys.executable).parent
CAN_SERVE = packaged_file("quack", duckdb.__version__) is not None
WHY_NOT = (
    f"DuckDB {duckdb.__version__} loads quack from its own repository, over the network; "
    "the packages for 1.5.5 are in its environment (make test)"
)
START_SECONDS = 120
ANSWER_SECONDS = 120


class RefusedError(Exception):
    """What the command line client printed when it failed."""


@dataclass
class Served:
    """A server process that is ready.

    Attributes
    ----------
    ready : the line of JSON that it printed
    token : the one that it printed or was given
    """

    process: subprocess.Popen[str]
    ready: dict[str, Any]
    token: str
    errors: Path

    def script(self, *queries: str, token: str | None = None) -> str:
        """Give what a client runs: each query is sent to the server as it is."""
        sent = [f"FROM shop.query({quoted(query)});" for query in queries]
        secret = quoted(self.token if token is None else token)
        attach = f"ATTACH '{self.ready['uri']}' AS shop (TOKEN {secret});"
        return "\n".join([*self.ready["load"], attach, *sent])

    def client(self, *queries: str, token: str | None = None) -> subprocess.Popen[str]:
        """Start a client that answers on its standard output."""
        return subprocess.Popen(
            [str(BIN / "duckdb"), "-bail", "-json", "-c", self.script(*queries, token=token)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, *queries: str, token: str | None = None) -> list[list[dict[str, Any]]]:
        """Give the rows of each query that gave any."""
        return answers(self.client(*queries, token=token))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask the server to stop; gives its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=START_SECONDS)


def answers(client: subprocess.Popen[str]) -> list[list[dict[str, Any]]]:
    """Wait for a client; raises what it printed when it failed."""
    out, errors = client.communicate(timeout=ANSWER_SECONDS)
    if client.returncode != 0:
        raise RefusedError(errors)
    return list(documents(out))


def documents(text: str) -> Iterator[Any]:
    """Read JSON documents that follow one another."""
    decoder, place = json.JSONDecoder(), 0
    while place < len(text):
        document, place = decoder.raw_decode(text, place)
        yield document
        while place < len(text) and text[place].isspace():
            place += 1


def quoted(text: str) -> str:
    """Give a text as a SQL string."""
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def served(
    file: Path, *options: str, token: str | None = None, address: str = "127.0.0.1:0"
) -> Iterator[Served]:
    """Run ``recsql serve`` on a file and wait until it is ready; it ends with the block."""
    errors = file.parent / f"errors-{time.monotonic_ns()}.log"
    environment = {name: value for name, value in os.environ.items() if name != "RECSQL_TOKEN"}
    if token is not None:
        environment["RECSQL_TOKEN"] = token
    with errors.open("w") as stream:
        process = subprocess.Popen(
            [str(BIN / "recsql"), "serve", str(file), "--address", address, "--json", *options],
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            env=environment,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, errors.read_text()
        ready = json.loads(line)
        yield Served(process, ready, token or ready["token"], errors)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=START_SECONDS)
        if process.stdout is not None:
            process.stdout.close()
