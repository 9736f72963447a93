"""What a recurrent network reads at each step, the same while it learns and when it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from recsql.data.events import UNDATED, Events, packed, unpacked
from recsql.data.features import Features
from recsql.data.offered import Unsold
from recsql.networks.fields import FieldLayout
from recsql.networks.sequences import Steps

Array = np.ndarray[Any, np.dtype[Any]]

MICROSECONDS = 1e6


@dataclass(frozen=True)
class Scales:
    """How numbers become inputs, learned once.

    Attributes
    ----------
    gap_mean, gap_spread : of the logarithm of the seconds between two moments
    gap_least, gap_most : what lies beyond counts as much
    rating_mean, rating_spread : of ratings
    kinds : the kinds of events, in order of their code
    """

    gap_mean: float
    gap_spread: float
    gap_least: float
    gap_most: float
    rating_mean: float
    rating_spread: float
    kinds: tuple[str, ...]

    @classmethod
    def learn(cls, events: Events) -> Scales:
        """Learn from the events of customers."""
        same = (np.diff(events.user) == 0) & (events.time[:-1] != UNDATED)
        gap = log_gap(np.diff(events.time)[same])
        gap = gap[gap > 0] if (gap > 0).any() else np.zeros(1)
        said = np.zeros(0) if events.feedback is None else events.feedback.rating
        said = said[np.isfinite(said)]
        return cls(
            float(gap.mean()),
            _spread(gap),
            float(gap.min()),
            float(gap.max()),
            float(said.mean()) if len(said) else 0.0,
            _spread(said),
            () if events.feedback is None else events.feedback.kinds,
        )

    def arrays(self) -> dict[str, Array]:
        """Give the scales as arrays."""
        numbers = [
            self.gap_mean,
            self.gap_spread,
            self.gap_least,
            self.gap_most,
            self.rating_mean,
            self.rating_spread,
        ]
        return {"scales": np.array(numbers), "kinds": packed(self.kinds)}

    @classmethod
    def of_arrays(cls, arrays: Any) -> Scales:
        """Take back what ``arrays`` gave."""
        mean, spread, least, most, rating_mean, rating_spread = arrays["scales"].tolist()
        kinds = unpacked(arrays["kinds"])
        return cls(mean, spread, least, most, rating_mean, rating_spread, kinds)

    def gaps(self, time: Array, until: Array) -> Array:
        """Give the time that passed as inputs: float32[n]; 0 for none, and from no known time."""
        gap = np.where(time == UNDATED, 0.0, log_gap(until - time))
        within = np.clip(gap, self.gap_least, self.gap_most)
        found = np.where(gap > 0, (within - self.gap_mean) / self.gap_spread, 0.0)
        return found.astype(np.float32)

    def ratings(self, events: Events, place: Array) -> tuple[Array, Array]:
        """Give the ratings of some events as inputs, and whether there is one: float32[n]."""
        if events.feedback is None:
            none = np.zeros(len(place), dtype=np.float32)
            return none, none
        rating = events.feedback.rating[place]
        said = np.isfinite(rating)
        scaled = np.where(said, (rating - self.rating_mean) / self.rating_spread, 0.0)
        return scaled.astype(np.float32), said.astype(np.float32)

    def kind_codes(self, events: Events, place: Array) -> Array:
        """Give the kind of some events from 1, 0 for one that was not known: int64[n]."""
        if events.feedback is None:
            return np.zeros(len(place), dtype=np.int64)
        known = {kind: code for code, kind in enumerate(self.kinds, start=1)}
        code = np.array([known.get(kind, 0) for kind in events.feedback.kinds] + [0])
        found: Array = code[events.feedback.kind[place]].astype(np.int64)
        return found


class Beside(NamedTuple):
    """What is learned from beside events; None where a network reads none of it.

    Attributes
    ----------
    users, items : attributes, a row a customer and a row an item
    context : how the context of events becomes slots
    unsold : items that nobody bought, to be given vectors when all is learned
    """

    users: Features | None = None
    items: Features | None = None
    context: FieldLayout | None = None
    unsold: Unsold | None = None


class Reads(Protocol):
    """What a network reads at each step besides the item."""

    session_starts: bool
    time_gaps: bool
    feedback: bool

    @property
    def session_gap_microseconds(self) -> int:
        """Give the break that begins a session."""


def step_inputs(
    reads: Reads,
    scales: Scales,
    events: Events,
    steps: Steps,
    next_session: Array,
    next_time: Array,
) -> dict[str, Array]:
    """Give what is read at each step besides the item, laid out by row and step.

    Parameters
    ----------
    next_session, next_time : int64[n]    of what comes after each of these events; -1 for a
        session that is not known
    """
    place, found = steps.place, {}
    session, time = events.session[place], events.time[place]
    if reads.session_starts:
        gap = reads.session_gap_microseconds
        begins = starts(session, time, next_session, next_time, gap)
        found["start"] = steps.table(begins, np.float32)
    if reads.time_gaps:
        found["gap"] = steps.table(scales.gaps(time, next_time), np.float32)
    if reads.feedback:
        rating, rated = scales.ratings(events, place)
        found["rating"] = steps.table(rating, np.float32)
        found["rated"] = steps.table(rated, np.float32)
        found["kind"] = steps.table(scales.kind_codes(events, place), np.int64)
    return found


def _spread(values: Array) -> float:
    """Give the standard deviation; 1 where all values are the same but for rounding."""
    if len(values) == 0:
        return 1.0
    spread = float(values.std())
    return spread if spread > 1e-6 * (1.0 + abs(float(values.mean()))) else 1.0


def log_gap(microseconds: Array) -> Array:
    """Give the logarithm of 1 and the seconds that passed: float64[n], >= 0."""
    seconds = np.maximum(np.asarray(microseconds, dtype=np.float64), 0.0) / MICROSECONDS
    found: Array = np.log1p(seconds)
    return found


def starts(
    session: Array, time: Array, next_session: Array, next_time: Array, gap_microseconds: int
) -> Array:
    """Tell whether what comes next begins a session: float32[n].

    Parameters
    ----------
    session, next_session : numbers of sessions; -1 in ``next_session``: not known, and a break of
        more than ``gap_microseconds`` begins one
    """
    known = next_session >= 0
    broken = next_time - time > gap_microseconds
    found: Array = np.where(known, next_session != session, broken).astype(np.float32)
    return found
