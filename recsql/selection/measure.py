"""What a piece of work costs: seconds, the memory it added at its peak, the times of its calls."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import numpy as np

from recsql.errors import ParameterError
from recsql.metrics.cost import Latency, latency

_PERIOD_SECONDS = 0.002


class Measured:
    """Measure a ``with`` block.

    Memory is the resident memory of the whole process, other threads included. What was freed
    before but is still held by the allocator was there at the start: a block that only reuses it
    adds 0.

    Parameters
    ----------
    set_back : start a new record of the system's highest memory, where Linux permits it, so that
        no peak is missed. For benchmarks: the process has one record, and ``getrusage`` and
        ``time -v`` then give the highest since, too.

    Attributes
    ----------
    seconds : wall clock
    peak_bytes : memory at its highest above that at the start, >= 0. Looked at every 2 ms, and
        taken from the system's record of the highest where the block raised it. Outside of Linux
        only by how much the block raised the record; 0 where the system does not tell
    exact : whether it was the record, which misses nothing; else a peak between two looks can be
        missing
    """

    def __init__(self, *, set_back: bool = False) -> None:
        self._set_back = set_back

    def __enter__(self) -> Self:
        fresh = self._set_back and _set_back_record()
        self._record = _record_bytes()
        self._start_bytes = self._highest = _resident_bytes() or self._record
        self.exact = fresh
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._sample, daemon=True)
        self._watch.start()
        self._start = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds = time.perf_counter() - self._start
        self._stop.set()
        self._watch.join()
        self._highest = max(self._highest, _resident_bytes())
        record = _record_bytes()
        if record > self._record:
            self._highest, self.exact = max(self._highest, record), True
        self.peak_bytes = self._highest - self._start_bytes

    def _sample(self) -> None:
        while not self._stop.wait(_PERIOD_SECONDS):
            self._highest = max(self._highest, _resident_bytes())


def time_calls(ask: Callable[[int], object], n_calls: int) -> Latency:
    """Ask one query after the other and give how long a call takes; the first is asked before.

    Parameters
    ----------
    ask : called with 0 … n_calls - 1; once more with 0 before, which does not count
    n_calls : int    >= 1

    Raises
    ------
    ParameterError
        ``n_calls`` is below 1.
    """
    if n_calls < 1:
        raise ParameterError(f"n_calls must be at least 1, got {n_calls}.")
    ask(0)
    seconds = np.empty(n_calls)
    for place in range(n_calls):
        start = time.perf_counter()
        ask(place)
        seconds[place] = time.perf_counter() - start
    return latency(seconds)


def rows_per_second(ask_all: Callable[[], object], n_rows: int, repeats: int = 3) -> float:
    """Ask for all rows at once and give rows a second, the median of some repeats.

    A first time does not count.

    Parameters
    ----------
    ask_all : gives ``n_rows`` rows of answers
    n_rows, repeats : int    >= 1

    Raises
    ------
    ParameterError
        ``n_rows`` or ``repeats`` is below 1.
    """
    if n_rows < 1:
        raise ParameterError(f"n_rows must be at least 1, got {n_rows}.")
    if repeats < 1:
        raise ParameterError(f"repeats must be at least 1, got {repeats}.")
    took = time_calls(lambda _: ask_all(), repeats).p50
    return n_rows / max(took, time.get_clock_info("perf_counter").resolution)


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0  # not Linux


def _record_bytes() -> int:
    """Give the highest resident memory of the process; 0 where the system does not tell."""
    try:
        with open("/proc/self/status", "rb") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith(b"VmHWM:"))
    except (OSError, StopIteration):
        return _record_of_usage()


def _record_of_usage() -> int:
    try:
        import resource
    except ImportError:
        return 0  # Windows
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest << 10  # bytes there, KiB elsewhere


def _set_back_record() -> bool:
    try:
        with open("/proc/self/clear_refs", "wb") as file:
            file.write(b"5")  # the highest resident memory, and nothing else
    except OSError:
        return False
    return True
