"""The door-keeper: a function that DuckDB asks before it runs what a client sends."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import duckdb

from recsql.server.policy import refusal
from recsql.serving.instances import keep

FUNCTION = "_recsql_admit"
_LONGEST_CACHED = 10_000
_LONGEST_PAUSE_SECONDS = 10.0
_KEPT_REFUSALS = 1_000


@dataclass(frozen=True)
class Refused:
    """A text that a client sent and that was not run: when (seconds since 1970), whose, and why."""

    at: float
    connection: str
    text: str
    reason: str


class Gate:
    """Decides on each text that a client sends; can be closed for good, or held for a moment.

    Attributes
    ----------
    asked : how many texts were decided on
    refused : the newest that were not admitted
    """

    def __init__(self) -> None:
        self.asked = 0
        self.refused: deque[Refused] = deque(maxlen=_KEPT_REFUSALS)
        self._closed = False
        self._counting = threading.Lock()
        self._going = threading.Event()
        self._going.set()

    def admits(self, connection: str, text: str) -> bool:
        """Tell whether the text may run; waits while the gate is held."""
        self._enter()
        reason = "the server is stopping" if self._closed else _refusal(text)
        if reason is None:
            return True
        self.refused.append(Refused(time.time(), connection, text, reason))
        return False

    def _enter(self) -> None:
        end = time.monotonic() + _LONGEST_PAUSE_SECONDS
        while True:
            self._going.wait(_LONGEST_PAUSE_SECONDS)
            with self._counting:  # so that nothing is counted once the gate is held
                if self._going.is_set() or time.monotonic() > end:
                    self.asked += 1
                    return

    def close(self) -> None:
        """Admit nothing any more."""
        self._closed = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let what arrives wait within the block."""
        with self._counting:
            self._going.clear()
        try:
            yield
        finally:
            self._going.set()


_GATES: dict[str, Gate] = {}


def put_gate(con: duckdb.DuckDBPyConnection, key: str, gate: Gate) -> str:
    """Make ``gate`` that of the instance behind ``con``; gives the name of its SQL function.

    The name is a full one: a macro of the same name that a client makes is not found by it.
    """
    _GATES[key] = gate
    function = _admit_of(key)
    keep(function)
    create: Any = con.cursor().create_function  # takes names of types, which its stub does not
    try:
        create(
            FUNCTION,
            function,
            ["VARCHAR", "VARCHAR"],
            con.type("BOOLEAN"),
            type="native",
            side_effects=True,
            null_handling="special",
        )
    except duckdb.Error as error:
        if "already" not in str(error):
            raise
    return f"system.main.{FUNCTION}"


def _admit_of(key: str) -> Callable[[str, str], bool]:
    def admit(connection: str, text: str) -> bool:
        gate = _GATES.get(key)
        return gate is not None and gate.admits(connection, text)

    return admit


def _refusal(text: str) -> str | None:
    return _remembered(text) if len(text) <= _LONGEST_CACHED else refusal(text)


_remembered = lru_cache(maxsize=1_024)(refusal)
