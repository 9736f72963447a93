"""Refresh again and again: what a plain cron line does, in a process that stays."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import duckdb

from recsql.errors import ParameterError, RecsqlError
from recsql.result import Result
from recsql.statements.refresh import refresh

LONGEST = threading.TIMEOUT_MAX


def watch(
    con: duckdb.DuckDBPyConnection,
    interval: str | float = "1 hour",
    *,
    times: int | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Refresh a database at once and then at every interval, until it is stopped.

    Parameters
    ----------
    con : a connection; recsql is registered on it if it is not yet
    interval : from the beginning of one refresh to that of the next: seconds, or text that DuckDB
        reads as an INTERVAL, such as '10 minutes'. One that takes longer is followed at once
    times : refreshes after which it ends; None: never
    stop : ends it when it is set; so does an interrupt from the keyboard

    A refresh that recsql refuses (nothing is trained yet) is told on standard error, and the next
    one is tried. Gives the number of refreshes that were done.

    Raises
    ------
    ParameterError
        ``interval`` is no time above 0, or ``times`` is below 1.
    """
    return repeat(lambda: refresh(con), interval_seconds(interval), times, stop)


def repeat(
    run: Callable[[], Result],
    seconds: float,
    times: int | None,
    stop: threading.Event | None = None,
    each: Callable[[Result], None] | None = None,
) -> int:
    """Run something at every interval; gives how often it was done."""
    if times is not None and times < 1:
        raise ParameterError(f"times must be at least 1, got {times}. Leave it out for no end.")
    stop = stop or threading.Event()
    tried, done = 0, 0
    try:
        while not stop.is_set():
            begun = time.monotonic()
            try:
                result = run()
                done += 1
                if each is not None:
                    each(result)
            except RecsqlError as error:
                print(error, file=sys.stderr)
            tried += 1
            if tried == times or stop.wait(
                min(max(0.0, begun + seconds - time.monotonic()), LONGEST)
            ):
                break
    except KeyboardInterrupt:
        pass  # asked to end
    return done


def interval_seconds(interval: str | float) -> float:
    """Read an interval: seconds, or text that DuckDB reads as one.

    Raises
    ------
    ParameterError
        It is none, or not above 0.
    """
    if isinstance(interval, str):
        sql = "SELECT epoch(TRY_CAST(? AS INTERVAL))"
        seconds = duckdb.connect().execute(sql, [interval]).fetchall()[0][0]
    else:
        seconds = interval
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise ParameterError(
            f"interval must be a time above 0, got {interval!r}. For example '10 minutes'."
        )
    return float(seconds)
