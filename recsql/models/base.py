"""What every model shares: checked calls, declared abilities, arrays as the whole persistence."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.events import Events
from recsql.data.features import Features
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.errors import NotTrainedError, ParameterError
from recsql.kernels.topk import top_k

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Purchases:
    """What a model learns from.

    Attributes
    ----------
    history : baskets of every buyer; item codes ascend with the id
    item_days : transactions an item and day
    today : int or None      days since 1970; None without real time
    group_cap : int          items of one customer or basket that form pairs
    events : Events or None  purchases of customers in order of time; None where no model asks
    user_features : Features or None    a row a customer of the events; None where none are bound
    item_features : Features or None    a row an item; None where none are bound
    """

    history: History
    item_days: ItemDays
    today: int | None
    group_cap: int
    events: Events | None = None
    user_features: Features | None = None
    item_features: Features | None = None

    @property
    def n_items(self) -> int:
        """Count the items."""
        return self.history.n_items

    @cached_property
    def shared(self) -> dict[Hashable, Any]:
        """What models that learn from the same purchases may count once and share."""
        return {}

    @cached_property
    def user_groups(self) -> tuple[Array, Array]:
        """Give (ptr, item) of the distinct items of each customer, at most the newest cap."""
        return self.history.user_groups(self.group_cap)

    @cached_property
    def basket_groups(self) -> tuple[Array, Array]:
        """Give (ptr, item) of the distinct items of each basket, at most cap."""
        return self.history.basket_groups(self.group_cap)

    def before(self, cut: int, day: int | None) -> Purchases:
        """Give what was known just before a time, on the scale of baskets and of days."""
        days = self.item_days
        if day is not None:
            kept = days.day < day
            days = ItemDays(days.item[kept], days.day[kept], days.transactions[kept])
        return Purchases(
            self.history.before(cut),
            days,
            None if day is None else day - 1,
            self.group_cap,
            None if self.events is None else self.events.before(cut),
            self.user_features,
            self.item_features,
        )

    @property
    def size(self) -> int:
        """Count the entries of baskets, or the events where these are more."""
        events = 0 if self.events is None else len(self.events.item)
        return max(len(self.history.basket_item), events)

    def random_part(self, share: float, rng: np.random.Generator) -> tuple[Purchases, Array]:
        """Give the purchases of a random share of the buyers, and who is who.

        Returns
        -------
        purchases, and the place there of each customer of these events, int64[n_users]: -1 for
        one who is not among them; empty without events
        """
        chosen = rng.random(self.history.n_buyers) < share
        if self.events is None:
            return self.of_buyers(chosen), np.empty(0, dtype=np.int64)
        n_known = min(int(self.history.is_user.sum()), self.events.n_users)
        users = np.concatenate(
            [
                chosen[self.history.is_user][:n_known],
                rng.random(self.events.n_users - n_known) < share,
            ]
        )
        place = np.where(users, np.cumsum(users) - 1, -1)
        return self._of_users(chosen, np.flatnonzero(users)), place

    def only_events(self, events: Events, users: Array | None = None) -> Purchases:
        """Give purchases of which nothing but some events is known.

        Parameters
        ----------
        users : int[n_users]    which customers of these purchases they are of; None: all of them
        """
        none = np.empty(0, dtype=np.int64)
        history = self.history.select(np.zeros(self.history.n_buyers, dtype=bool))
        days = ItemDays(none.astype(np.int32), none, none)
        return Purchases(
            history,
            days,
            None,
            self.group_cap,
            events,
            self.user_features if users is None else self._features_of(users),
            self.item_features,
        )

    def of_buyers(self, chosen: Array) -> Purchases:
        """Give the purchases of some buyers, bool[n_buyers], without those of nobody."""
        return self._of_users(chosen, np.flatnonzero(chosen[self.history.is_user]))

    def of_baskets(self, chosen: Array) -> Purchases:
        """Give some baskets, bool[n_baskets], of which no events are known."""
        return self._counted_again(self.history.of_baskets(chosen), None, self.user_features)

    def _of_users(self, buyers: Array, users: Array) -> Purchases:
        events = None if self.events is None else self.events.of_users(users)
        return self._counted_again(self.history.select(buyers), events, self._features_of(users))

    def _features_of(self, users: Array) -> Features | None:
        if self.user_features is None:
            return None
        return self.user_features.of_rows(users[users < self.user_features.n_rows])

    def _counted_again(
        self, history: History, events: Events | None, features: Features | None
    ) -> Purchases:
        """Give part of the purchases; an item is counted once a basket for the day of it."""
        days = self.item_days
        if self.today is not None:
            day = np.repeat(
                history.basket_time // MICROSECONDS_PER_DAY, np.diff(history.basket_ptr)
            )
            least = int(day.min(initial=0))
            width = int(day.max(initial=0)) - least + 1
            key, sold = np.unique(
                history.basket_item * np.int64(width) + (day - least), return_counts=True
            )
            days = ItemDays((key // width).astype(np.int32), key % width + least, sold)
        return Purchases(
            history, days, self.today, self.group_cap, events, features, self.item_features
        )


@dataclass(frozen=True)
class Requests:
    """What is asked, one entry a request; a model reads what it needs and ignores the rest.

    Attributes
    ----------
    item : int32[n]             the item asked about; -1 for none
    user : int32[n]             the customer's place in ``events`` of training; -1 for a new one
    events : Events or None     one customer a request: what they bought, as known at the request
    time : int64[n] or None     the moment of the request, on the scale of the events
    exclude_bought : bool       leave out what the customer has bought
    features : Features or None one row a request: the customer's attributes, as encoded for
                                training; None where none are known
    """

    item: Array
    user: Array
    events: Events | None = None
    time: Array | None = None
    exclude_bought: bool = False
    features: Features | None = None

    def __len__(self) -> int:
        """Count the requests."""
        return len(self.item)

    @classmethod
    def of_items(cls, item: Array) -> Requests:
        """Ask about items, -1 for none: int[n]."""
        item = np.asarray(item, dtype=np.int32)
        return cls(item, np.full(len(item), -1, dtype=np.int32))

    @classmethod
    def of_customers(
        cls,
        user: Array,
        events: Events,
        *,
        time: Array | None = None,
        exclude_bought: bool = False,
        features: Features | None = None,
    ) -> Requests:
        """Ask for customers with what they bought, and with their attributes."""
        user = np.asarray(user, dtype=np.int32)
        item = np.full(len(user), -1, dtype=np.int32)
        return cls(item, user, events, time, exclude_bought, features)

    def part(self, first: int, last: int) -> Requests:
        """Give the requests first <= n < last."""
        return self.chosen(np.arange(first, min(last, len(self))))

    def chosen(self, places: Array) -> Requests:
        """Give the requests at some places."""
        return Requests(
            self.item[places],
            self.user[places],
            None if self.events is None else self.events.of_users(places),
            None if self.time is None else self.time[places],
            self.exclude_bought,
            None if self.features is None else self.features.of_rows(places),
        )


@dataclass(frozen=True)
class Recommended:
    """Lists of recommendations, one row a request.

    Attributes
    ----------
    item : int32[n_requests, k]       item codes, best first; -1 where a list has ended
    score : float64[n_requests, k]    0 where a list has ended
    support : int32[n_requests, k]    groups behind the score; 0 where a model has none
    """

    item: Array
    score: Array
    support: Array


class Model(ABC):
    """A model: dataclass fields are its settings, ``fit`` learns, arrays are all that is kept.

    Class attributes
    ----------------
    name : identifier used in tables and arguments
    tasks : tasks it can serve
    baseline_for : tasks where it is only measured, as the trivial answer to beat
    needs_real_time : whether it needs dates or timestamps
    needs_events : whether it learns from, and answers by, the events of customers
    needs_attributes_for : tasks where it says no more than best sellers without attributes
    refreshes : whether its stored answers can be brought up to date by what changed alone
    effort : 0 one look at the counts, 1 counting, 2 linear algebra, 3 many rounds; less comes first
    """

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]] = ()
    baseline_for: ClassVar[tuple[str, ...]] = ()
    needs_real_time: ClassVar[bool] = False
    needs_events: ClassVar[bool] = False
    needs_attributes_for: ClassVar[tuple[str, ...]] = ()
    refreshes: ClassVar[bool] = False
    effort: ClassVar[int] = 1

    def fit(self, purchases: Purchases) -> Self:
        """Learn from purchases.

        Raises
        ------
        ParameterError
            A setting is out of its range, or the purchases lack what the model needs.
        """
        self._check()
        if self.needs_real_time and purchases.today is None:
            raise ParameterError(
                f"{self.name} must have dates or timestamps, got none. "
                "Bind ts to a DATE or TIMESTAMP."
            )
        if self.needs_events and (purchases.events is None or purchases.events.n_users == 0):
            raise ParameterError(
                f"{self.name} must have purchases of known customers, got none. Bind user_id."
            )
        self._fit(purchases)
        self.n_items_ = purchases.n_items
        return self

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give the settings that compete where nobody asks for others."""
        del real_time
        return [cls()]

    def params(self) -> dict[str, Any]:
        """Give the settings by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    def arrays(self) -> dict[str, Array]:
        """Give what was learned, by name: the whole persistence of the model."""
        return {}

    def restore(self, arrays: Mapping[str, Array], n_items: int) -> Self:
        """Take back what ``arrays`` gave."""
        self._restore(arrays)
        self.n_items_ = n_items
        return self

    def _check_fitted(self) -> None:
        if not hasattr(self, "n_items_"):
            raise NotTrainedError(f"{self.name} must be fitted first. Call fit(purchases).")

    def _check(self) -> None:  # noqa: B027 - a model without ranges need not write it
        """Raise ParameterError for a setting out of its range."""

    @abstractmethod
    def _fit(self, purchases: Purchases) -> None:
        """Learn; settings and purchases are checked."""

    def _restore(self, arrays: Mapping[str, Array]) -> None:  # noqa: B027
        """Take arrays back; models without arrays need not care."""


class Recommender(Model):
    """A model that answers with lists of items."""

    def recommend(self, requests: Requests, k: int, candidates: Array | None = None) -> Recommended:
        """Recommend ``k`` items for each request.

        Parameters
        ----------
        requests : Requests
        k : int                                 length of a list, >= 1
        candidates : bool[n_items] or None      items that may be recommended; None: all

        Ties go to the smaller item code; the item asked about is never in its own list.

        Raises
        ------
        NotTrainedError
            The model was not fitted.
        ParameterError
            k is below 1, or the model needs the purchases of customers and got none.
        """
        self._check_fitted()
        if k < 1:
            raise ParameterError(f"k must be at least 1, got {k}.")
        if self.needs_events and requests.events is None:
            raise ParameterError(f"{self.name} must be asked for customers, got none.")
        return self._recommend(requests, k, candidates)

    @abstractmethod
    def _recommend(self, requests: Requests, k: int, candidates: Array | None) -> Recommended:
        """Recommend; arguments are checked."""


def first_of_order(
    order: Array, requests: Requests, k: int, candidates: Array | None = None
) -> Array:
    """Give each request the first ``k`` items of one order that it may get: int32[n_requests, k].

    Parameters
    ----------
    order : int32[n]    item codes, best first
    """
    if candidates is not None:
        order = order[candidates[order]]
    item = np.full((len(requests), k), -1, dtype=np.int32)
    ptr, bought = np.zeros(len(requests) + 1, dtype=np.int64), order[:0]
    if requests.exclude_bought and requests.events is not None:
        ptr, bought = requests.events.distinct_items()
    for row, asked in enumerate(requests.item):
        left_out = bought[ptr[row] : ptr[row + 1]]
        best = order[: k + 1 + len(left_out)]
        best = best[(best != asked) & ~np.isin(best, left_out)][:k]
        item[row, : len(best)] = best
    return item


MOST_SCORES = 4_000_000  # scores in memory at a time: 16 MB


class ScoringRecommender(Recommender):
    """A model that scores every item for a customer; the best are picked from the scores."""

    needs_events: ClassVar[bool] = True

    def _recommend(self, requests: Requests, k: int, candidates: Array | None) -> Recommended:
        item = np.full((len(requests), k), -1, dtype=np.int32)
        score = np.zeros((len(requests), k), dtype=np.float64)
        rows = max(1, MOST_SCORES // max(self.n_items_, 1))
        for first in range(0, len(requests), rows):
            part = requests.part(first, min(first + rows, len(requests)))
            assert part.events is not None  # recommend() looked
            item[first : first + rows], score[first : first + rows] = top_k(
                self._scores(part),
                k,
                eligible=candidates,
                left_out=part.events.distinct_items() if part.exclude_bought else None,
            )
        return Recommended(item, score, np.zeros_like(item))

    @abstractmethod
    def _scores(self, requests: Requests) -> Array:
        """Score every item for every request: float32[n_requests, n_items]; -inf for never."""
