"""What comes next in a session, by the past sessions that are most like it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Self

import numpy as np

from recsql.data.events import Events, pointers
from recsql.errors import ParameterError
from recsql.kernels.session_index import SessionIndex, index_sessions
from recsql.kernels.session_neighbours import Asked, Weights, vote
from recsql.models.base import Array, Recommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Recommended, Requests

REACH = 200  # places beyond which an item counts as at this distance


@dataclass
class SessionKNN(Recommender):
    """Let the sessions that share items with the current one vote for their items.

    A session is what a customer did under one session number. Asked is the last session of the
    customer; an item ``n`` places before its end weighs ``exp(-n / asked_decay)``, times its
    inverse document frequency, ``ln(1 + sessions / sessions with the item)``, to the power
    ``idf_power``. Items of the sessions before weigh ``earlier_weight`` times as much for each
    session back. Of every item the ``most_recent`` newest sessions are looked at, and the nearest
    ``neighbours`` of all these vote. A session's vote is the sum of the weights of what it shares,
    to the power ``sharpness``; divided by its length to the power ``length_power``; times
    ``exp(-n / match_decay)``, where the latest shared item stands ``n`` places before the end;
    halved for each ``half_life`` of its age, where age 1 is that of the oldest session. An item
    gets it times ``exp(-(n - 1) / offset_decay)``, where it stands ``n`` places after the latest
    shared item, times ``before_weight`` before it, and ``same_weight`` at it. At last what votes
    an item has is divided by the sessions with it to the power ``popularity_power``, and times
    ``repeat_weight`` if it is among the items asked about.

    Age is counted in sessions, so that it needs no clock: with an exponential weight the moment of
    the request does not change the order. An event's strength is not looked at. Without purchases,
    or where no session shares an item, the list is empty.

    ``None`` for a decay or the half-life: all count alike.

    Source: Garg et al., "Sequence and Time Aware Neighborhood for Session-based Recommendations:
    STAN", SIGIR 2019; Ludewig et al., "Empirical Analysis of Session-Based Recommendation
    Algorithms", UMUAI 31, 2021 (SKNN, V-SKNN, VSTAN). Different here: the ages above; the powers,
    of which STAN has length 1/2 and no others; V-SKNN's linear weights are exponential.
    """

    name: ClassVar[str] = "session_knn"
    tasks: ClassVar[tuple[str, ...]] = ("next",)
    needs_events: ClassVar[bool] = True

    neighbours: int = 1000
    most_recent: int = 200
    asked_decay: float | None = 2.0
    match_decay: float | None = None
    half_life: float | None = 0.5
    offset_decay: float | None = 5.0
    before_weight: float = 0.8
    same_weight: float = 0.5
    repeat_weight: float = 2.0
    idf_power: float = 3.0
    sharpness: float = 1.3
    length_power: float = 0.25
    popularity_power: float = 0.2
    earlier_weight: float = 0.0

    @classmethod
    def sknn(cls) -> Self:
        """Give plain session neighbours."""
        return cls(500, 1000, None, None, None, None, 1.0, 1.0, 1.0, 0.0, 1.0, 0.5, 0.0)

    @classmethod
    def vsknn(cls) -> Self:
        """Give session neighbours that weigh places in the asking session and rare items."""
        return cls(500, 1000, 3.0, 3.0, None, None, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0)

    @classmethod
    def stan(cls) -> Self:
        """Give sequence and time aware neighbours."""
        return cls(500, 1000, 2.0, None, 0.5, 3.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.5, 0.0)

    @classmethod
    def vstan(cls) -> Self:
        """Give sequence and time aware neighbours that weigh rare items."""
        return cls(500, 1000, 2.0, 3.0, 0.5, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.0)

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give those with all powers, with earlier sessions too, and published settings."""
        del real_time
        return [
            cls(),
            cls(asked_decay=5.0, offset_decay=3.0, sharpness=2.0, repeat_weight=3.0),
            cls(earlier_weight=0.5),
            cls.sknn(),
            cls.stan(),
            cls.vstan(),
        ]

    def _check(self) -> None:
        for name in ("neighbours", "most_recent"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("asked_decay", "match_decay", "half_life", "offset_decay"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ParameterError(
                    f"{name} must be > 0, got {getattr(self, name)}. None counts all alike."
                )
        if not 0 <= self.earlier_weight <= 1:
            raise ParameterError(f"earlier_weight must be 0 to 1, got {self.earlier_weight}.")
        if not self.sharpness > 0:
            raise ParameterError(f"sharpness must be > 0, got {self.sharpness}.")
        for name in (field.name for field in fields(self) if "_" in field.name):
            if name.endswith(("_power", "_weight")) and not getattr(self, name) >= 0:
                raise ParameterError(f"{name} must be at least 0, got {getattr(self, name)}.")

    def _fit(self, purchases: Purchases) -> None:
        assert purchases.events is not None  # fit() looked
        ptr, item = sessions_by_time(purchases.events)
        self._prepare(index_sessions(ptr, item, purchases.n_items, self.most_recent))

    def _recommend(self, requests: Requests, k: int, candidates: Array | None) -> Recommended:
        assert requests.events is not None  # recommend() looked
        asked = self._asked(requests.events, exclude_bought=requests.exclude_bought)
        found = vote(self.index_, self._weights, asked, self.neighbours, k, eligible=candidates)
        return Recommended(*found)

    def arrays(self) -> dict[str, Array]:
        """Give the sessions and the newest ones of each item."""
        return dict(self.index_._asdict())

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        kinds = (np.int64, np.int32, np.int64, np.int32, np.int32)
        self._prepare(
            SessionIndex(
                *(
                    np.ascontiguousarray(arrays[name], dtype=kind)
                    for name, kind in zip(SessionIndex._fields, kinds, strict=True)
                )
            )
        )

    def _prepare(self, index: SessionIndex) -> None:
        """Work out the weights that do not depend on who asks."""
        self.index_ = index
        n_sessions = index.n_sessions
        age = np.arange(n_sessions - 1, -1, -1) / max(n_sessions, 1)
        lengths = np.diff(index.session_ptr).astype(np.float64)
        fresh = np.ones(n_sessions) if self.half_life is None else 0.5 ** (age / self.half_life)
        count = np.maximum(index.item_count, 1).astype(np.float64)
        after = faded(REACH, self.offset_decay)
        offset = np.concatenate([after[::-1] * self.before_weight, [self.same_weight], after])
        self._idf = np.log1p(n_sessions / count) ** self.idf_power
        self._weights = Weights(
            fresh / lengths**self.length_power,
            count**-self.popularity_power,
            offset,
            faded(REACH, self.match_decay),
            float(self.sharpness),
            float(self.repeat_weight),
        )

    def _asked(self, events: Events, *, exclude_bought: bool) -> Asked:
        """Weigh the distinct items of each customer's last session, latest first."""
        user, item, back, depth = latest_first(events, every=self.earlier_weight > 0)
        weight = self.earlier_weight**back * self._idf[item]
        if self.asked_decay is not None:
            weight = weight * np.exp(-depth / self.asked_decay)
        ptr = pointers(np.bincount(user, minlength=events.n_users))
        out_ptr, out = np.zeros_like(events.user_ptr), item[:0]
        if exclude_bought:
            out_ptr, out = events.distinct_items()
        return Asked(ptr, item, weight.astype(np.float64), out_ptr, out)


def faded(n_steps: int, decay: float | None) -> Array:
    """Give what is left after 0 … n_steps - 1 steps: float64[n_steps], 1 at first."""
    if decay is None:
        return np.ones(n_steps)
    left: Array = np.exp(-np.arange(n_steps) / decay)
    return left


def sessions_by_time(events: Events) -> tuple[Array, Array]:
    """Give (ptr, item) of all sessions, by the time of their last event, then by customer.

    Returns
    -------
    ptr : int64[n_sessions + 1]
    item : int32[n_events]    each session's in order of time
    """
    order = np.lexsort((events.session, events.user))  # stable: in order of time in a session
    user, session, time = events.user[order], events.session[order], events.time[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (np.diff(user) != 0) | (np.diff(session) != 0)
    number = np.cumsum(begins) - 1
    ends = np.append(np.flatnonzero(begins)[1:], len(order))[: begins.sum()] - 1
    by_time = np.argsort(time[ends], kind="stable")
    rank = np.empty(len(by_time), dtype=np.int64)
    rank[by_time] = np.arange(len(by_time))
    moved = np.argsort(rank[number], kind="stable")
    return pointers(np.bincount(rank[number])), events.item[order][moved]


def latest_first(events: Events, *, every: bool) -> tuple[Array, Array, Array, Array]:
    """Give the distinct items of each customer's last session, or of every session.

    Returns
    -------
    user : int64[n]     the customer, ascending
    item : int32[n]     latest session first, and in a session from its end
    back : int64[n]     sessions back from the last one
    depth : int64[n]    events of the session that came later
    """
    place = np.arange(len(events.item))
    last = np.zeros(events.n_users, dtype=np.int64)
    np.maximum.at(last, events.user, events.session)
    order = np.lexsort((-place, last[events.user] - events.session, events.user))
    user, back = events.user[order].astype(np.int64), (last[events.user] - events.session)[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (np.diff(user) != 0) | (np.diff(back) != 0)
    start = np.flatnonzero(begins)
    depth = place - start[np.cumsum(begins) - 1] if len(place) else place
    item = events.item[order]
    _, first = np.unique(user * max(events.n_items, 1) + item, return_index=True)
    kept = np.zeros(len(order), dtype=bool)
    kept[first] = True
    if not every:
        kept &= back == 0
    return user[kept], item[kept], back[kept], depth[kept]
