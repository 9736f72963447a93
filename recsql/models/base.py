"""What every model shares: checked calls, declared abilities, arrays as the whole persistence."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.errors import NotTrainedError, ParameterError

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
    """

    history: History
    item_days: ItemDays
    today: int | None
    group_cap: int

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
            self.history.before(cut), days, None if day is None else day - 1, self.group_cap
        )

    def sample(self, most_entries: int, seed: int) -> Purchases:
        """Give all purchases, or those of so many random buyers that they are about as many."""
        entries = len(self.history.basket_item)
        if entries <= most_entries:
            return self
        share = most_entries / entries
        return self.of_buyers(np.random.default_rng(seed).random(self.history.n_buyers) < share)

    def of_buyers(self, chosen: Array) -> Purchases:
        """Give the purchases of some buyers; days are left as they are."""
        return Purchases(self.history.select(chosen), self.item_days, self.today, self.group_cap)


@dataclass(frozen=True)
class Recommended:
    """Lists of recommendations, one row a query.

    Attributes
    ----------
    item : int32[n_queries, k]       item codes, best first; -1 where a list has ended
    score : float64[n_queries, k]    0 where a list has ended
    support : int32[n_queries, k]    groups behind the score; 0 where a model has none
    """

    item: Array
    score: Array
    support: Array


class Recommender(ABC):
    """A model: dataclass fields are its settings, ``fit`` learns, ``recommend`` answers.

    Class attributes
    ----------------
    name : identifier used in tables and arguments
    tasks : tasks it can serve
    baseline_for : tasks where it is only measured, as the trivial answer to beat
    needs_real_time : whether it needs dates or timestamps
    """

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]
    baseline_for: ClassVar[tuple[str, ...]] = ()
    needs_real_time: ClassVar[bool] = False

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
        self._fit(purchases)
        self.n_items_ = purchases.n_items
        return self

    def recommend(self, queries: Array, k: int, candidates: Array | None = None) -> Recommended:
        """Recommend ``k`` items for each query item.

        Parameters
        ----------
        queries : int32[n_queries]              item codes
        k : int                                 length of a list, >= 1
        candidates : bool[n_items] or None      items that may be recommended; None: all

        Ties go to the smaller item code; the query is never in its own list.
        """
        if not hasattr(self, "n_items_"):
            raise NotTrainedError(f"{self.name} must be fitted first. Call fit(purchases).")
        if k < 1:
            raise ParameterError(f"k must be at least 1, got {k}.")
        return self._recommend(np.asarray(queries, dtype=np.int32), k, candidates)

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

    def _check(self) -> None:  # noqa: B027 - a model without ranges need not write it
        """Raise ParameterError for a setting out of its range."""

    @abstractmethod
    def _fit(self, purchases: Purchases) -> None:
        """Learn; settings and purchases are checked."""

    @abstractmethod
    def _recommend(self, queries: Array, k: int, candidates: Array | None) -> Recommended:
        """Recommend; arguments are checked."""

    def _restore(self, arrays: Mapping[str, Array]) -> None:  # noqa: B027
        """Take arrays back; models without arrays need not care."""
