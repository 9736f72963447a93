"""What models of repeat purchases share: checked calls, dates as answers, arrays as persistence."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.events import UNDATED, Events
from recsql.errors import ParameterError
from recsql.kernels.repeat_states import States, walk
from recsql.models.base import Array, Model
from recsql.models.purchases import Purchases

LAST_DAY = np.iinfo(np.int64).max
VISIT_FADE = 0.5 ** (1.0 / 3.0)  # an interval between visits counts half three visits later


@dataclass(frozen=True)
class Repeats:
    """When customers are expected to buy again what they bought: one row a customer and item.

    Times are days since 1970 (1.0 is the start of 1970-01-02); a purchase counts as at the start
    of its day. Without a moment of asking, every row is as of its own last purchase.

    Attributes
    ----------
    ptr : int64[n_users + 1]        rows of each customer
    item : int32[n_rows]            item codes, ascending within a customer
    due : float64[n_rows]           median of the time of the next purchase, given that it comes,
                                    and comes after the day of asking
    low, high : float64[n_rows]     ends of the central share of that distribution (80% by default)
    probability : float64[n_rows]   chance that the item is bought within the model's horizon after
                                    the day of asking, 0 to 1; it counts that some never come back
    last_bought : int64[n_rows]     days since 1970
    times_bought : int32[n_rows]    different days, >= 1
    quantity : float64[n_rows]      mean quantity of the days on which it was bought
    """

    ptr: Array
    item: Array
    due: Array
    low: Array
    high: Array
    probability: Array
    last_bought: Array
    times_bought: Array
    quantity: Array

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.item)

    @property
    def user(self) -> Array:
        """Give the customer of each row: int32[n_rows]."""
        return np.repeat(np.arange(len(self.ptr) - 1, dtype=np.int32), np.diff(self.ptr))

    @property
    def interval(self) -> Array:
        """Give the days from the last purchase to the one expected: float64[n_rows]."""
        return self.due - self.last_bought

    def best(self, k: int) -> Array:
        """Give the rows of the ``k`` items each customer most probably buys: int64[n_users, k].

        The likeliest first; ties go to the one due sooner, then to the smaller item code. -1 where
        a customer has no more.
        """
        user = self.user
        order = np.lexsort((self.item, self.due, -self.probability, user))
        rank = np.arange(len(order)) - self.ptr[:-1][user]
        rows = np.full((len(self.ptr) - 1, k), -1, dtype=np.int64)
        first = rank < k
        rows[user[first], rank[first]] = order[first]
        return rows

    def due_between(self, from_day: float, to_day: float) -> Array:
        """Give the rows with from_day <= due < to_day: int64[n], the soonest first.

        Ties go to the likelier one, then to the smaller customer and item.
        """
        rows = np.flatnonzero((self.due >= from_day) & (self.due < to_day))
        order = np.lexsort((rows, -self.probability[rows], self.due[rows]))
        return rows[order]


class RepeatModel(Model):
    """A model that answers with dates: ``fit`` learns until today, ``predict`` answers."""

    tasks: ClassVar[tuple[str, ...]] = ("repeat",)
    needs_real_time: ClassVar[bool] = True
    needs_events: ClassVar[bool] = True

    def predict(
        self, events: Events, on_time: Array | int | None = None, quantity: Array | None = None
    ) -> Repeats:
        """Foretell the next purchase of every item that a customer has bought.

        Parameters
        ----------
        events : Events
            What the customers bought; they need not be those of training.
        on_time : int or int64[n_users], optional
            The moment of asking, in microseconds since 1970. What was bought later is left out,
            and no purchase has come until the end of that day. Without it, nothing is known to
            have passed since the last purchase of each row.
        quantity : float64[n_events], optional
            Pieces of each event; one by default.

        Customers without purchases have no rows. No rows at all come from a model that saw nobody
        buy an item twice.

        Raises
        ------
        NotTrainedError
            The model was not fitted.
        ParameterError
            The events know more items than training did.
        """
        self._check_fitted()
        if events.n_items > self.n_items_:
            raise ParameterError(
                f"events must have the {self.n_items_} items of training, got {events.n_items}. "
                "Give items the codes of training."
            )
        if not self._knows_intervals():
            return _no_repeats(events.n_users)
        asked = None
        if on_time is not None:
            day = np.asarray(on_time, dtype=np.int64) // MICROSECONDS_PER_DAY
            asked = np.ascontiguousarray(np.broadcast_to(day, events.n_users))
        states = states_of(events, asked, quantity=quantity)
        waited = np.zeros(len(states.item))
        if asked is not None:
            waited = (np.repeat(asked, np.diff(states.ptr)) - states.last_day).astype(np.float64)
        due, low, high, probability = self._predict(states, waited)
        return Repeats(
            states.ptr,
            states.item,
            states.last_day + due,
            states.last_day + low,
            states.last_day + high,
            probability,
            states.last_day,
            states.times,
            states.quantity / states.times,
        )

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give the settings that compete where nobody asks for others."""
        return [cls()] if real_time else []

    def _fit(self, purchases: Purchases) -> None:
        assert purchases.events is not None  # fit() looked
        assert purchases.today is not None
        self._learn(purchases.events, purchases.today)

    @abstractmethod
    def _learn(self, events: Events, today: int) -> None:
        """Learn from events until the end of a day since 1970."""

    @abstractmethod
    def _knows_intervals(self) -> bool:
        """Tell whether anybody bought an item twice in training."""

    @abstractmethod
    def _predict(self, states: States, waited: Array) -> tuple[Array, Array, Array, Array]:
        """Give (due, low, high, probability); times are days since the last purchase."""


def states_of(
    events: Events,
    until: Array | None = None,
    *,
    quantity: Array | None = None,
    with_before: bool = False,
    n_threads: int | None = None,
) -> States:
    """Walk through events until the end of a day, int64[n_users] since 1970; None: all of them.

    Those without a time are left out.
    """
    if until is None:
        until = np.full(events.n_users, LAST_DAY, dtype=np.int64)
    if quantity is None:
        quantity = np.ones(len(events.item))
    quantity, events = quantity[events.time != UNDATED], events.dated()
    return walk(
        events.user_ptr,
        events.item,
        events.time // MICROSECONDS_PER_DAY,
        np.ascontiguousarray(quantity, dtype=np.float64),
        until,
        events.n_items,
        VISIT_FADE,
        with_before=with_before,
        n_threads=n_threads,
    )


def _no_repeats(n_users: int) -> Repeats:
    whole, real = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64)
    few = np.empty(0, dtype=np.int32)
    return Repeats(
        np.zeros(n_users + 1, dtype=np.int64), few, real, real, real, real, whole, few, real
    )
