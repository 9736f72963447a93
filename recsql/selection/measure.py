"""What a piece of work costs: seconds and the memory it added at its peak."""

from __future__ import annotations

import os
import threading
import time
from types import TracebackType
from typing import Self

_PERIOD_SECONDS = 0.002


class Measured:
    """Measure a ``with`` block.

    Attributes
    ----------
    seconds : wall clock
    peak_bytes : resident memory at its highest above that at the start, sampled every 2 ms;
        0 where the system does not tell
    """

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._start_bytes = self._highest = _resident_bytes()
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
        self.peak_bytes = self._highest - self._start_bytes

    def _sample(self) -> None:
        while not self._stop.wait(_PERIOD_SECONDS):
            self._highest = max(self._highest, _resident_bytes())


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0  # not Linux: memory is reported as not measured
