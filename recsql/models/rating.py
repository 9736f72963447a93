"""What models of ratings share: checked calls, answers within the ratings that were seen."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from recsql.errors import ParameterError
from recsql.models.base import Array, PairScorer, ScoringRecommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests


class RatingModel(ScoringRecommender):
    """A model that foretells how a customer would rate an item.

    Its scores are ratings, from the least to the highest that it learned from. A list holds the
    items that would be rated highest.
    """

    tasks: ClassVar[tuple[str, ...]] = ("rating",)
    needs_events: ClassVar[bool] = True

    def fit(self, purchases: Purchases) -> Self:
        """Learn from purchases.

        Raises
        ------
        ParameterError
            A setting is out of its range, or no purchase of a known customer has a rating.
        """
        events = purchases.events
        if events is not None and events.n_users:
            if events.feedback is None or not events.rated.any():
                raise ParameterError(
                    f"{self.name} must have purchases with a rating, got none. Bind rating."
                )
            said = events.feedback.rating[events.rated].astype(np.float64)
            self.range_ = np.array([said.min(), said.max()])
        return super().fit(purchases)

    def rate(self, requests: Requests) -> Array:
        """Give the rating of the item of each request, by its customer: float64[n].

        Parameters
        ----------
        requests : Requests    with an item each, and with what the customers did until then

        Raises
        ------
        NotTrainedError
            The model was not fitted.
        """
        return self.score_pairs(requests, np.arange(len(requests)), requests.item)

    def _pair_scorer(self, requests: Requests) -> PairScorer:
        rate = self._pair_ratings(requests)
        low, high = self.range_

        def score(row: Array, item: Array) -> Array:
            return np.clip(rate(row, item), low, high)

        return score

    def _scores(self, requests: Requests) -> Array:
        low, high = self.range_.astype(np.float32)
        return np.clip(self._all_ratings(requests), low, high)

    @abstractmethod
    def _pair_ratings(self, requests: Requests) -> PairScorer:
        """Give a function of places among the requests and item codes: float64[n]."""

    @abstractmethod
    def _all_ratings(self, requests: Requests) -> Array:
        """Give the rating of every item for every request: float32[n_requests, n_items]."""

    def arrays(self) -> dict[str, Array]:
        """Give the least and the highest rating, float64[2], and what the model adds."""
        return super().arrays() | {"range": self.range_}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        super()._restore(arrays)
        self.range_ = arrays["range"].astype(np.float64)
