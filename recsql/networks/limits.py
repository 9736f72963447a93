"""When learning must end, and who is told how far it is: set around the work, read within it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_DEADLINE: ContextVar[float | None] = ContextVar("deadline", default=None)
_LISTENER: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)
_SUBJECT: ContextVar[str] = ContextVar("subject", default="")
_LOG = logging.getLogger("recsql")


@contextmanager
def learning_until(deadline: float | None) -> Iterator[None]:
    """Let what learns within the block stop at a time of ``time.perf_counter``; None: never."""
    token = _DEADLINE.set(deadline)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


@contextmanager
def told_to(listener: Callable[[str], None]) -> Iterator[None]:
    """Tell ``listener`` in one line how far the learning within the block is."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


@contextmanager
def telling_of(subject: str) -> Iterator[None]:
    """Put what learns within the block, and a colon, before each line that it tells."""
    token = _SUBJECT.set(f"{subject}: ")
    try:
        yield
    finally:
        _SUBJECT.reset(token)


def time_is_up() -> bool:
    """Tell whether learning must end now."""
    return seconds_left() <= 0


def seconds_left() -> float:
    """Give the time until learning must end; infinity where it need not."""
    deadline = _DEADLINE.get()
    return math.inf if deadline is None else deadline - time.perf_counter()


def time_left(begun: float, done: int, most: int) -> str:
    """Say how long learning takes at most, from the rounds that are done and the time that is left.

    Parameters
    ----------
    begun : when the first of the rounds that are done began, of ``time.perf_counter``
    done : rounds since then, at least 1
    most : rounds that may follow
    """
    seconds = (time.perf_counter() - begun) / done * most
    return f"at most {max(0.0, min(seconds, seconds_left())):.0f} s left"


def tell(line: str) -> None:
    """Say how far learning is, to whoever listens, and to the logger ``recsql``."""
    line = _SUBJECT.get() + line
    _LOG.info(line)
    listener = _LISTENER.get()
    if listener is not None:
        listener(line)
