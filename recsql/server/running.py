"""Serve a database over DuckDB's Quack protocol, from the process that holds the functions."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import duckdb

from recsql.connection import connect, register
from recsql.database import Session
from recsql.errors import ParameterError, StateError
from recsql.functions import known_key
from recsql.server.address import Address, check_token, free_port, read_address
from recsql.server.extension import load_extensions
from recsql.server.files import allowed_files, check_readable
from recsql.server.gate import Gate, put_gate
from recsql.server.log import QueryLog, running

GRACE_SECONDS = 10.0
_PORT_ATTEMPTS = 20
_POLL_SECONDS = 0.02


def serve(
    database: str | os.PathLike[str] | duckdb.DuckDBPyConnection,
    address: str = "127.0.0.1:9494",
    *,
    token: str | None = None,
    read_only: bool = False,
    allow: Iterable[str] = (),
    log: str | os.PathLike[str] | TextIO | None = None,
) -> Server:
    """Serve a database to DuckDB clients of any language; gives the running server.

    Use it in a ``with`` block, which stops it, or call its ``stop``.

    Parameters
    ----------
    database : file, or an open connection, whose configuration stays locked afterwards
    address : host or host:port to listen at; port 0 takes one that is free
    token : what clients must know; None makes a random one, on loopback addresses only
    read_only : open the file so that nobody can change it
    allow : files and folders that queries may read beside those of the bound sources
    log : file or stream for one line per query; None: no log

    Raises
    ------
    ParameterError
        The address or token is not as it must be, or the address is open to the network and no
        token is given; ``read_only`` goes with a connection; or a bound source reads files that
        are not found.
    MissingExtraError
        DuckDB's extensions quack and httpfs are not there.
    StateError
        The address is in use, or the database cannot be opened.
    """
    where = read_address(address)
    secret = check_token(where, token)
    is_open = isinstance(database, duckdb.DuckDBPyConnection)
    if is_open and read_only:
        raise ParameterError(
            "read_only must be left out for an open connection, got True. "
            "Open the file with recsql.connect(path, read_only=True)."
        )
    if isinstance(database, duckdb.DuckDBPyConnection):
        con = register(database)
    else:
        con = connect(database, read_only=read_only)
    try:
        return Server(con, where, secret, owns=not is_open, allow=allow, log=log)
    except BaseException:
        if not is_open:
            con.close()
        raise


class Server:
    """A running server.

    Attributes
    ----------
    uri : what clients attach, for example ``quack:127.0.0.1:9494``
    token : what clients must know
    loads : the LOAD statements that a client needs first
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        address: Address,
        token: str,
        *,
        owns: bool,
        allow: Iterable[str],
        log: str | os.PathLike[str] | TextIO | None,
    ) -> None:
        self._con, self._owns, self._running = con, owns, True
        self.token = token
        self._cursor = con.cursor()
        self._gate = Gate()
        self._stream, self._opened = _stream(log)
        try:
            self.loads = load_extensions(self._cursor)
            self._log = self._make_log()
            self._lock_down(allow)
            self.address = _listen(self._cursor, address, token)
        except BaseException:
            self._close_log()
            raise

    @property
    def uri(self) -> str:
        """What clients attach."""
        return self.address.uri

    def wait(self, stop: threading.Event) -> None:
        """Serve until ``stop`` is set; signals are handled meanwhile."""
        while not stop.wait(0.2):
            pass

    def stop(
        self, grace_seconds: float = GRACE_SECONDS, urgent: threading.Event | None = None
    ) -> int:
        """Stop: nothing new is admitted, queries that run may end, the file is checkpointed.

        Parameters
        ----------
        grace_seconds : how long queries have to end
        urgent : ends that time when it is set

        Gives the number of queries that still ran when the time was over: they are cut off, and
        what they had not committed is not there.
        """
        if not self._running:
            return 0
        self._running = False
        self._gate.close()
        end = time.monotonic() + grace_seconds
        urgent = urgent or threading.Event()
        while (left := running(self._cursor)) and time.monotonic() < end:
            if urgent.wait(_POLL_SECONDS):
                break
        self._cursor.execute("CALL quack_stop(?)", [self.uri]).fetchall()
        self._cursor.close()
        self._close_log()
        if self._owns:
            if not left:
                _checkpoint(self._con)
            self._con.close()
        return left

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _setting(self, name: str) -> object:
        return self._cursor.execute(f"SELECT current_setting('{name}')").fetchall()[0][0]

    def _make_log(self) -> QueryLog | None:
        if self._stream is None:
            return None
        log = QueryLog(self._con.cursor(), self._gate, _writer(self._stream), self.token)
        log.start()
        return log

    def _close_log(self) -> None:
        log = getattr(self, "_log", None)
        if log is not None:
            log.stop()
        if self._opened and self._stream is not None:
            self._stream.close()

    def _lock_down(self, allow: Iterable[str]) -> None:
        """Close the instance behind the connection to files and settings; before it listens."""
        key = known_key(self._con)
        if key is None:
            raise StateError(
                "The connection must be open and registered to be served, got one that is not. "
                "Call recsql.register(con)."
            )
        admit = put_gate(self._con, key, self._gate)
        # Full names: a macro of that name, which a client could make, is not found by them.
        asked = {
            "quack_authorization_function": admit,
            "quack_authentication_function": "system.main.quack_check_token",
        }
        if self._setting("lock_configuration"):
            if any(self._setting(name) != value for name, value in asked.items()):
                raise StateError(
                    "The configuration must be open to be served, got lock_configuration. "
                    "Serve a connection whose configuration is not locked."
                )
        else:
            files = allowed_files(Session(self._con.cursor()), allow)
            locked = {
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allowed_paths": sorted(files.paths),
                "allowed_directories": sorted(files.folders),
                "enable_external_access": False,
                "lock_configuration": True,
            }
            for name, value in (asked | locked).items():
                self._cursor.execute(f"SET GLOBAL {name} = ?", [value])
        check_readable(Session(self._con.cursor()))


def _listen(con: duckdb.DuckDBPyConnection, address: Address, token: str) -> Address:
    """Start the protocol's server; gives the address with the port that it has."""
    for attempt in range(_PORT_ATTEMPTS):
        port = address.port or free_port(address.host)
        there = Address(address.host, port)
        try:
            con.execute(
                "CALL quack_serve(?, token := ?, allow_other_hostname := ?)",
                [there.uri, token, not address.is_loopback],
            ).fetchall()
        except duckdb.Error as error:
            if address.port == 0 and attempt < _PORT_ATTEMPTS - 1:
                continue  # somebody took the port meanwhile
            raise StateError(
                f"The address must be free, got {there.host}:{port}, which cannot be listened at: "
                f"{str(error).splitlines()[0]} Choose another port, or 0 for any."
            ) from error
        return there
    raise AssertionError("unreachable")  # pragma: no cover


def _stream(log: str | os.PathLike[str] | TextIO | None) -> tuple[TextIO | None, bool]:
    """Give the stream of the log, and whether it was opened here."""
    if not isinstance(log, str | os.PathLike):
        return log, False
    try:
        return Path(log).open("a", encoding="utf-8", buffering=1), True
    except OSError as error:
        raise ParameterError(
            f"log must be a file that can be written, got {log}: {error.strerror}. "
            "Check the folder."
        ) from error


def _writer(stream: TextIO) -> Callable[[str], None]:
    def write(line: str) -> None:
        stream.write(line + "\n")
        stream.flush()

    return write


def _checkpoint(con: duckdb.DuckDBPyConnection) -> None:
    """Bring what is committed from the write-ahead log into the file."""
    with suppress(duckdb.TransactionException):  # others work in the file: it stays in the log
        con.execute("CHECKPOINT")
