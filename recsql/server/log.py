"""One line for each text that a client sends: when, how long, whose, what, and what went wrong."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import duckdb

from recsql.server.gate import Gate

_EVERY_SECONDS = 0.25
_KEPT_ROWS = 20_000  # in DuckDB's memory, before it is emptied
_DRAIN_SECONDS = 0.1
_TEXT_CHARACTERS = 200
_CLIENT_CHARACTERS = 8  # of 32; the whole of it would let a reader of the log act as that client
_SPACE = re.compile(r"\s+")
# Without their contexts, which are gone for good once the log was emptied.
_ENTRIES = "duckdb_logs(denormalized_table := false) AS e WHERE e.type = 'Quack'"
_COUNT = f"SELECT count(*) FROM {_ENTRIES}"
_READ = f"""
SELECT epoch_us(l.timestamp) / 1e6, l.m.duration_ms, l.m.quack_connection_id, l.m.message_type,
    l.m.query, l.m.error, l.m.server IS NULL
FROM (SELECT e.timestamp, parse_duckdb_log_message('Quack', e.message) AS m
      FROM {_ENTRIES} OFFSET ?) AS l
"""
_SILENT = frozenset({"CONNECTION_REQUEST", "DISCONNECT_MESSAGE", "FETCH_REQUEST"})


class QueryLog:
    """Writes what DuckDB's log of the protocol says, in a thread of its own.

    DuckDB keeps its log in memory. It is emptied from time to time, while the gate holds new
    queries back for a moment and all that were admitted are written, but those that run on.

    Parameters
    ----------
    con : used by the log alone
    write : takes a line without its end
    token : never written
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, gate: Gate, write: Callable[[str], None], token: str
    ) -> None:
        self._con, self._gate, self._write, self._token = con, gate, write, token
        self._seen, self._told = 0, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recsql-query-log", daemon=True)

    def start(self) -> None:
        """Begin to log."""
        self._con.execute("CALL enable_logging('Quack', storage := 'memory')")
        (self._seen,) = self._con.execute(_COUNT).fetchall()[0]
        self._thread.start()

    def stop(self) -> None:
        """Write what is left, and end."""
        self._stop.set()
        self._thread.join()
        self._con.close()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stop.wait(_EVERY_SECONDS)
            try:
                self._write_new()
                if self._seen >= _KEPT_ROWS:
                    self._empty()
            except (duckdb.Error, OSError, ValueError) as error:  # a full disk, a closed stream
                print(f"The query log lost lines, got: {error}", file=sys.stderr)

    def _write_new(self) -> None:
        lines = [
            (refused.at, 0, refused.connection, refused.text, f"refused: {refused.reason}")
            for refused in self._refused()
        ]
        rows = self._con.execute(_READ, [self._seen]).fetchall()
        self._seen += len(rows)
        self._told += sum(row[3] == "PREPARE_REQUEST" and row[-1] for row in rows)
        for at, ms, client, message, query, error, is_server in rows:
            if not is_server or (error is None and message in _SILENT):
                continue
            if error and error.endswith("Authorization failed"):
                continue  # told above, with the reason
            text = query if message == "PREPARE_REQUEST" else message
            lines.append((at, ms, client, text, f"failed: {error}" if error else ""))
        for line in sorted(lines):
            self._write(self._line(*line))

    def _refused(self) -> list:  # type: ignore[type-arg]
        refused = self._gate.refused
        return [refused.popleft() for _ in range(len(refused))]

    def _empty(self) -> None:
        with self._gate.held():
            end = time.monotonic() + _DRAIN_SECONDS
            self._write_new()
            while self._told < self._gate.asked and time.monotonic() < end:
                time.sleep(0.002)
                self._write_new()
            self._con.execute("CALL truncate_duckdb_logs()")
            self._seen = 0

    def _line(self, at: float, ms: int, client: str, text: str, outcome: str) -> str:
        moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
        parts = [moment, f"{ms} ms", client[:_CLIENT_CHARACTERS] or "-", self._short(text)]
        return "  ".join([*parts, self._short(outcome)] if outcome else parts)

    def _short(self, text: str) -> str:
        plain = _SPACE.sub(" ", text.replace(self._token, "***")).strip()
        return plain if len(plain) <= _TEXT_CHARACTERS else plain[: _TEXT_CHARACTERS - 1] + "…"


def running(con: duckdb.DuckDBPyConnection) -> int:
    """Give the number of clients whose query runs, or whose answer is not fully fetched."""
    rows = con.execute(
        "SELECT count(*) FROM quack_active_connections() AS c WHERE c.state = 'active'"
    ).fetchall()
    return int(rows[0][0])
