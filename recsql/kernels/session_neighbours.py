"""Past sessions that are like the asking one vote for what comes next."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.best import empty_into, offer
from recsql.kernels.session_index import SessionIndex

Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]
Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Weights(NamedTuple):
    """How much each part of a vote counts.

    Attributes
    ----------
    session : float64[n_sessions]       a session, >= 0
    item : float64[n_items]             an item that is voted for, >= 0
    offset : float64[2 * reach + 1]     an item so many places before (first half) or after the
                                        shared item, at [reach]; >= 0; those further away count as
                                        the ends do
    after_sharing : float64[n_depths]   a session whose latest shared item is the so-manyth of the
                                        asking session, counted back from its end; later ones count
                                        as the last does
    sharpness : float                   power of the similarity, > 0
    repeat : float                      an item of the asking session, >= 0
    """

    session: Doubles
    item: Doubles
    offset: Doubles
    after_sharing: Doubles
    sharpness: float
    repeat: float


class Asked(NamedTuple):
    """Asking sessions; the items of each are distinct, latest first.

    Attributes
    ----------
    ptr : int64[n_requests + 1]      where the items of a session begin
    item : int32[n_asked]            item codes
    weight : float64[n_asked]        what sharing the item adds to the similarity, >= 0
    out_ptr : int64[n_requests + 1]  items left out of a list
    out_item : int32[n_left_out]
    """

    ptr: Longs
    item: Counts
    weight: Doubles
    out_ptr: Longs
    out_item: Counts


class Scratch(NamedTuple):
    """What a thread needs; all zero or false between requests where order matters."""

    similarity: Doubles
    session: Counts
    score: Doubles
    votes: Counts
    voted_by: Longs
    found: Counts
    place: Counts
    hidden: Flags
    heap_score: Doubles
    heap_code: Longs


def vote(
    index: SessionIndex,
    weights: Weights,
    asked: Asked,
    neighbours: int,
    k: int,
    *,
    eligible: Flags | None = None,
    n_threads: int | None = None,
) -> tuple[Counts, Doubles, Counts]:
    """Give the k items with most votes of the sessions nearest to each asking session.

    The similarity of a session is the sum of the weights of the items that it shares, to the power
    of the sharpness, times the session's weight and that of its latest shared item. The nearest
    sessions, equals the newer first, add it to all their items, times the weight of the item and
    of its offset from the latest shared item (its last place, where it stands there more than
    once).

    Parameters
    ----------
    index : SessionIndex
    weights : Weights
    asked : Asked
    neighbours : int                     sessions that vote, >= 1
    k : int                              length of a list, >= 1
    eligible : bool[n_items], optional   items that may be in a list; None: all
    n_threads : int, optional            the result does not depend on it

    Returns
    -------
    item : int32[n_requests, k]       best first, ties to the smaller code; -1 where a list ended
    score : float64[n_requests, k]    above 0; 0 where a list has ended
    votes : int32[n_requests, k]      sessions that voted for the item
    """
    n_requests, n_items = len(asked.ptr) - 1, len(index.item_ptr) - 1
    item = np.full((n_requests, k), -1, dtype=np.int32)
    score = np.zeros((n_requests, k), dtype=np.float64)
    votes = np.zeros((n_requests, k), dtype=np.int32)
    may = np.ones(n_items, np.bool_) if eligible is None else np.ascontiguousarray(eligible)

    def task(first: int, last: int, scratch: Scratch) -> None:
        vote_rows(first, last, index, weights, asked, may, neighbours, scratch, item, score, votes)

    def make_scratch() -> Scratch:
        return _make_scratch(index.n_sessions, n_items, min(neighbours, index.n_sessions), k)

    size = np.diff(index.item_ptr)[asked.item]
    reached = np.concatenate([[0], np.cumsum(size)])
    cost = np.diff(reached[asked.ptr]).astype(np.int64)
    threads = available_threads(n_threads)
    run_blocks(task, equal_blocks(cost, 8 * threads), make_scratch, threads)
    return item, score, votes


def _make_scratch(n_sessions: int, n_items: int, neighbours: int, k: int) -> Scratch:
    room = max(neighbours, k) + 1
    return Scratch(
        np.zeros(n_sessions, np.float64),
        np.empty(n_sessions, np.int32),
        np.zeros(n_items, np.float64),
        np.zeros(n_items, np.int32),
        np.full(n_items, -1, np.int64),
        np.empty(n_items, np.int32),
        np.full(n_items, -1, np.int32),
        np.zeros(n_items, np.bool_),
        np.empty(room, np.float64),
        np.empty(room, np.int64),
    )


@lean_kernel
def vote_rows(
    first: int,
    last: int,
    index: SessionIndex,
    weights: Weights,
    asked: Asked,
    eligible: Flags,
    neighbours: int,
    scratch: Scratch,
    item: Counts,
    score: Doubles,
    votes: Counts,
) -> None:
    """Write the rows first <= row < last of item, score and votes."""
    for row in range(first, last):
        begin, end = asked.ptr[row], asked.ptr[row + 1]
        for place in range(begin, end):
            scratch.place[asked.item[place]] = place - begin
        for place in range(asked.out_ptr[row], asked.out_ptr[row + 1]):
            scratch.hidden[asked.out_item[place]] = True
        n_touched = touch_sessions(index, asked, begin, end, scratch)
        n_near = keep_nearest(index, weights, n_touched, neighbours, scratch)
        n_found = 0
        for near in range(n_near):
            n_found = cast_votes(index, weights, near, n_found, scratch)
        pick_best(row, n_found, weights, eligible, scratch, item, score, votes)
        for place in range(asked.out_ptr[row], asked.out_ptr[row + 1]):
            scratch.hidden[asked.out_item[place]] = False
        for place in range(begin, end):
            scratch.place[asked.item[place]] = -1


@kernel_part
def touch_sessions(
    index: SessionIndex, asked: Asked, begin: int, end: int, scratch: Scratch
) -> int:
    """Add up the weights that sessions share; gives how many sessions share any."""
    n_touched = 0
    for place in range(begin, end):
        item, weight = asked.item[place], asked.weight[place]
        if not weight > 0.0:
            continue
        for entry in range(index.item_ptr[item], index.item_ptr[item + 1]):
            session = index.item_session[entry]
            if scratch.similarity[session] == 0.0:
                scratch.session[n_touched] = session
                n_touched += 1
            scratch.similarity[session] += weight
    return n_touched


@kernel_part
def latest_shared(index: SessionIndex, session: int, place: Counts) -> int:
    """Give where in session_item the latest item of the asking session stands last."""
    depth, where = 2147483647, index.session_ptr[session]
    for entry in range(index.session_ptr[session], index.session_ptr[session + 1]):
        here = place[index.session_item[entry]]
        if 0 <= here <= depth:
            depth, where = here, entry
    return where


@kernel_part
def keep_nearest(
    index: SessionIndex, weights: Weights, n_touched: int, neighbours: int, scratch: Scratch
) -> int:
    """Put the nearest sessions into the heap, negated so that newer ones are smaller codes."""
    size = 0
    for touched in range(n_touched):
        session = scratch.session[touched]
        shared = latest_shared(index, session, scratch.place)
        depth = scratch.place[index.session_item[shared]]
        depth = min(depth, weights.after_sharing.shape[0] - 1)
        near = scratch.similarity[session] ** weights.sharpness
        near *= weights.session[session] * weights.after_sharing[depth]
        scratch.similarity[session] = 0.0
        if near > 0.0:
            size = offer(near, -session, size, neighbours, scratch.heap_score, scratch.heap_code)
    return size


@kernel_part
def cast_votes(
    index: SessionIndex, weights: Weights, near: int, n_found: int, scratch: Scratch
) -> int:
    """Add the votes of one entry of the heap; gives how many items have any."""
    session, weight = -scratch.heap_code[near], scratch.heap_score[near]
    shared = latest_shared(index, session, scratch.place)
    reach = weights.offset.shape[0] // 2
    for entry in range(index.session_ptr[session], index.session_ptr[session + 1]):
        item = index.session_item[entry]
        if scratch.votes[item] == 0:
            scratch.found[n_found] = item
            n_found += 1
        if scratch.voted_by[item] != session:
            scratch.voted_by[item] = session
            scratch.votes[item] += 1
        offset = min(max(entry - shared, -reach), reach)
        scratch.score[item] += weight * weights.offset[reach + offset]
    return n_found


@kernel_part
def pick_best(
    row: int,
    n_found: int,
    weights: Weights,
    eligible: Flags,
    scratch: Scratch,
    item: Counts,
    score: Doubles,
    votes: Counts,
) -> None:
    """Write the best of the items found to a row, and forget the votes."""
    size = 0
    for found in range(n_found):
        code = scratch.found[found]
        value = scratch.score[code] * weights.item[code]
        if scratch.place[code] >= 0:
            value *= weights.repeat
        scratch.score[code] = 0.0
        scratch.voted_by[code] = -1
        if value > 0.0 and eligible[code] and not scratch.hidden[code]:
            size = offer(value, code, size, item.shape[1], scratch.heap_score, scratch.heap_code)
    empty_into(row, size, scratch.heap_score, scratch.heap_code, item, score)
    for place in range(size):
        votes[row, place] = scratch.votes[item[row, place]]
    for found in range(n_found):
        scratch.votes[scratch.found[found]] = 0
