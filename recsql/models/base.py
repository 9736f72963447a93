"""What every model shares: checked calls, declared abilities, arrays as the whole persistence."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from recsql.data.knowledge import ItemFacts
from recsql.errors import NotTrainedError, ParameterError
from recsql.kernels.topk import top_k
from recsql.models.purchases import Purchases
from recsql.models.requests import Recommended, Requests

Array = np.ndarray[Any, np.dtype[Any]]

NETWORK_EFFORT = 4


class Model(ABC):
    """A model: dataclass fields are its settings, ``fit`` learns, arrays are all that is kept.

    Class attributes
    ----------------
    name : identifier used in tables and arguments
    tasks : tasks it can serve
    baseline_for : tasks where it is only measured, as the trivial answer to beat
    needs_real_time : whether it needs dates or timestamps
    needs_events : whether it learns from, and answers by, the events of customers
    reads_knowledge : whether it learns from facts about items, where they are bound
    needs_attributes_for : tasks where it says no more than best sellers without attributes
    refreshes : whether its stored answers can be brought up to date by what changed alone
    effort : 0 one look at the counts, 1 counting, 2 linear algebra, 3 many rounds, 4 a network;
        less comes first
    """

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]] = ()
    baseline_for: ClassVar[tuple[str, ...]] = ()
    needs_real_time: ClassVar[bool] = False
    needs_events: ClassVar[bool] = False
    reads_knowledge: ClassVar[bool] = False
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
        self.n_items_ = purchases.n_offered if self.offers_unsold() else purchases.n_items
        return self

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give the settings that compete where nobody asks for others."""
        del real_time
        return [cls()]

    def reads_time(self) -> bool:
        """Tell whether answers depend on the moment of the request."""
        return False

    def exposure_microseconds(self) -> int | None:
        """Give the time before a request whose events change its answer; None: none does."""
        return None

    def reads_attributes(self, task: str) -> bool:
        """Tell whether answers for a task depend on attributes of the customer."""
        return task in ("first", "for_you")

    def learns_context(self) -> bool:
        """Tell whether it learns from the context of events, where one is bound."""
        return False

    def reads_context(self) -> bool:
        """Tell whether answers depend on the context of the request."""
        return False

    def offers_unsold(self) -> bool:
        """Tell whether it can recommend items that nobody bought.

        The items of such a model are numbered with those (``Unsold``), of any other without.
        """
        return False

    def unsold_items(self) -> Array:
        """Give the codes of the items in no purchase of training, ascending: int32[n]."""
        return np.empty(0, dtype=np.int32)

    def params(self) -> dict[str, Any]:
        """Give the settings by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    def arrays(self) -> dict[str, Array]:
        """Give what was learned, by name: the whole persistence of the model."""
        return {}

    def item_facts(self) -> ItemFacts | None:
        """Give the facts about items that answers follow, to explain them; most models have none.

        They are known to a model that has just learned, not to one that was restored.
        """
        return None

    def files(self, vocabulary: str) -> dict[str, bytes]:
        """Give what was learned and is no array, by name; most models have none.

        Parameters
        ----------
        vocabulary : hash of what the codes of items and attributes mean
        """
        del vocabulary
        return {}

    def restore(
        self,
        arrays: Mapping[str, Array],
        n_items: int,
        files: Mapping[str, bytes] | None = None,
        vocabulary: str = "",
    ) -> Self:
        """Take back what ``arrays`` and ``files`` gave."""
        self._restore(arrays)
        self._take_files(files or {}, vocabulary)
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

    def _take_files(self, files: Mapping[str, bytes], vocabulary: str) -> None:  # noqa: B027
        """Take files back; models without files need not care."""


PairScorer = Callable[[Array, Array], Array]


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

    def score_pairs(self, requests: Requests, row: Array, item: Array) -> Array:
        """Score any items for any of the requests, whatever was bought: see ``pair_scorer``."""
        return self.pair_scorer(requests)(row, item)

    def pair_scorer(self, requests: Requests) -> PairScorer:
        """Give a function that scores any items for any of the requests, as often as it is asked.

        It takes ``row``, int[n]: the place among the requests, and ``item``, int[n]: codes, -1 for
        an item that is not known. It gives float64[n], NaN where the model says nothing about the
        item for this request.

        Raises
        ------
        NotTrainedError
            The model was not fitted.
        ParameterError
            The model needs the purchases of customers and got none.
        """
        self._check_fitted()
        if self.needs_events and requests.events is None:
            raise ParameterError(f"{self.name} must be asked for customers, got none.")
        scorer = self._pair_scorer(requests)

        def score(row: Array, item: Array) -> Array:
            found = np.full(len(row), np.nan)
            known = np.flatnonzero(item >= 0)
            if len(known):
                found[known] = scorer(row[known], item[known])
            return found

        return score

    def _pair_scorer(self, requests: Requests) -> PairScorer:
        return partial(self._score_pairs, requests)

    def _score_pairs(self, requests: Requests, row: Array, item: Array) -> Array:
        """Score pairs; here from whole lists, some requests at a time."""
        found = np.full(len(row), np.nan)
        for asked, pairs in self._by_request(row):
            listed = self._recommend(requests.chosen(asked), self.n_items_, None)
            table = np.full((len(asked), self.n_items_ + 1), np.nan)
            np.put_along_axis(table, np.where(listed.item < 0, -1, listed.item), listed.score, 1)
            found[pairs] = table[np.searchsorted(asked, row[pairs]), item[pairs]]
        return found

    def _by_request(self, row: Array) -> Iterator[tuple[Array, Array]]:
        """Give some of the requests asked, ascending, and the pairs of these."""
        distinct, place = np.unique(row, return_inverse=True)
        order = np.argsort(place, kind="stable")
        most = max(1, MOST_SCORES // max(self.n_items_, 1))
        for first in range(0, len(distinct), most):
            edges = np.searchsorted(place[order], [first, first + most])
            yield distinct[first : first + most], order[edges[0] : edges[1]]

    @abstractmethod
    def _recommend(self, requests: Requests, k: int, candidates: Array | None) -> Recommended:
        """Recommend; arguments are checked."""


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

    def _score_pairs(self, requests: Requests, row: Array, item: Array) -> Array:
        found = np.empty(len(row))
        for asked, pairs in self._by_request(row):
            scores = self._scores(requests.chosen(asked))
            found[pairs] = scores[np.searchsorted(asked, row[pairs]), item[pairs]]
        found[np.isneginf(found)] = np.nan
        return found

    @abstractmethod
    def _scores(self, requests: Requests) -> Array:
        """Score every item for every request: float32[n_requests, n_items]; -inf for never."""
