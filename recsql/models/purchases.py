"""What a model learns from."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.events import Events
from recsql.data.features import Features
from recsql.data.history import History
from recsql.data.knowledge import Knowledge
from recsql.data.offered import Unsold
from recsql.data.snapshot import ItemDays

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
    unsold : Unsold or None  bound items that nobody bought, for models that can recommend them
    knowledge : Knowledge or None       facts about items; None where none are bound
    """

    history: History
    item_days: ItemDays
    today: int | None
    group_cap: int
    events: Events | None = None
    user_features: Features | None = None
    item_features: Features | None = None
    unsold: Unsold | None = None
    knowledge: Knowledge | None = None

    @property
    def n_items(self) -> int:
        """Count the items that were bought."""
        return self.history.n_items

    @property
    def n_offered(self) -> int:
        """Count the items, with those that nobody bought."""
        return self.n_items if self.unsold is None else self.unsold.n_items

    @property
    def has_facts(self) -> bool:
        """Tell whether anything is known of items or customers beside what was bought."""
        features = (self.item_features, self.user_features)
        known = any(one is not None and len(one.feature) > 0 for one in features)
        return known or (self.knowledge is not None and len(self.knowledge.head) > 0)

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
        return replace(
            self,
            history=self.history.before(cut),
            item_days=days,
            today=None if day is None else day - 1,
            events=None if self.events is None else self.events.before(cut),
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
        return replace(
            self,
            history=history,
            item_days=days,
            today=None,
            events=events,
            user_features=self.user_features if users is None else self._features_of(users),
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
        return replace(self, history=history, item_days=days, events=events, user_features=features)
