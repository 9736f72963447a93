"""Sessions and the items in them, laid out both ways: what each held, and the newest with an item.

Source: Kersbergen, Sprangers and Schelter, "Serenade - Low-Latency Session-Based Recommendation
in e-Commerce at Scale", SIGMOD 2022 (the index that keeps the most recent sessions of an item).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import lean_kernel

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]


class SessionIndex(NamedTuple):
    """Sessions from the oldest to the newest.

    Attributes
    ----------
    session_ptr : int64[n_sessions + 1]    where the items of a session begin
    session_item : int32[n_events]         item codes in order of time; they may repeat
    item_ptr : int64[n_items + 1]          where the sessions of an item begin
    item_session : int32[n_kept]           sessions that hold the item, each once, newest first
    item_count : int32[n_items]            sessions that hold the item, also those not kept
    """

    session_ptr: Longs
    session_item: Counts
    item_ptr: Longs
    item_session: Counts
    item_count: Counts

    @property
    def n_sessions(self) -> int:
        """Count the sessions."""
        return len(self.session_ptr) - 1


def index_sessions(
    session_ptr: Longs, session_item: Counts, n_items: int, most_recent: int
) -> SessionIndex:
    """List the newest sessions of every item.

    Parameters
    ----------
    session_ptr : int64[n_sessions + 1]    sessions from the oldest to the newest; none is empty
    session_item : int32[n_events]         0 <= code < n_items
    n_items : int                          below 2**31
    most_recent : int                      sessions kept of an item, >= 1

    Returns
    -------
    SessionIndex    an item without sessions has none
    """
    session_ptr = np.ascontiguousarray(session_ptr, dtype=np.int64)
    session_item = np.ascontiguousarray(session_item, dtype=np.int32)
    item_count = np.zeros(n_items, dtype=np.int32)
    seen_in = np.full(n_items, -1, dtype=np.int32)
    count_sessions(session_ptr, session_item, seen_in, item_count)
    item_ptr = np.zeros(n_items + 1, dtype=np.int64)
    np.cumsum(np.minimum(item_count, most_recent), out=item_ptr[1:])
    item_session = np.empty(int(item_ptr[-1]), dtype=np.int32)
    seen_in[:] = -1
    list_sessions(session_ptr, session_item, seen_in, item_ptr, item_ptr[:-1].copy(), item_session)
    return SessionIndex(session_ptr, session_item, item_ptr, item_session, item_count)


@lean_kernel
def count_sessions(
    session_ptr: Longs, session_item: Counts, seen_in: Counts, item_count: Counts
) -> None:
    """Add the sessions that hold each item to item_count; seen_in is all -1 before."""
    for session in range(session_ptr.shape[0] - 1):
        for place in range(session_ptr[session], session_ptr[session + 1]):
            item = session_item[place]
            if seen_in[item] != session:
                seen_in[item] = session
                item_count[item] += 1


@lean_kernel
def list_sessions(
    session_ptr: Longs,
    session_item: Counts,
    seen_in: Counts,
    item_ptr: Longs,
    next_place: Longs,
    item_session: Counts,
) -> None:
    """Write the newest sessions of each item; seen_in is all -1 and next_place item_ptr before."""
    for session in range(session_ptr.shape[0] - 2, -1, -1):
        for place in range(session_ptr[session], session_ptr[session + 1]):
            item = session_item[place]
            if seen_in[item] == session or next_place[item] == item_ptr[item + 1]:
                continue
            seen_in[item] = session
            item_session[next_place[item]] = session
            next_place[item] += 1
