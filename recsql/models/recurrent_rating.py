"""Recurrent networks that foretell ratings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsql.data.events import Events
from recsql.errors import ParameterError
from recsql.models.base import Array, PairScorer
from recsql.models.network import HistoryEncoder
from recsql.models.purchases import Purchases
from recsql.models.rating import RatingModel
from recsql.models.rating_biases import check_pulls
from recsql.models.rating_parts import RatingParts
from recsql.models.recurrent import RecurrentEncoder
from recsql.models.requests import Requests
from recsql.networks.sequences import SequenceParts


@dataclass
class RecurrentRating(RatingModel, RecurrentEncoder):
    """A recurrent encoder that foretells what biases leave of a rating.

    What it adds to ``rating_biases``, whose pulls are ``item_pull`` and ``customer_pull``, is the
    product of its vector of a history and that of the item asked about, plus a number for any item.
    The vectors of items are the factors of ``rating_factors``, with its ``ridge``, scaled; they do
    not change while the network learns how histories are read. At each step it reads the item, and
    what the bias of that item leaves of its rating: the further that is from 0, the more the vector
    of the item counts. It learns by the mean squared error of all ratings of a customer, each
    foretold from what was done before its moment. A random ``held_out`` share of the customers is
    asked for all of theirs after each round.
    """

    least_length: ClassVar[int] = 0  # who has done nothing yet is a step of its own

    max_length: int = 200
    learning_rate: float = 3e-3
    n_epochs: int = 50
    rate_patience: int = 1
    n_factors: int = 16
    n_hidden: int = 32
    dropout: float = 0.1
    feedback: bool = True
    profile: bool = True
    ridge: float = 8.0
    item_pull: float = 5.0
    customer_pull: float = 5.0

    def goes_on(self, weights: bytes, items: Array) -> None:
        """Learn from chance all the same: factors learned anew have other directions."""
        del weights, items

    def _check(self) -> None:
        super()._check()
        if not 0 < self.ridge < np.inf:
            raise ParameterError(f"ridge must be above 0, got {self.ridge}.")
        check_pulls(self.item_pull, self.customer_pull)
        for name in ("request_features", "retrain_hours"):
            if getattr(self, name):
                raise ParameterError(
                    f"{name} must be left out of {self.name}, got {getattr(self, name)}: a network "
                    "of ratings reads no context and always begins anew."
                )

    def _keep_weights(self, values: Mapping[str, Array], purchases: Purchases) -> None:
        self.weights_ = None

    def _learned(self, purchases: Purchases) -> SequenceParts:
        assert purchases.events is not None  # fit() looked
        self.parts_ = RatingParts.learn(purchases.events, self.item_pull, self.customer_pull)
        return super()._learned(purchases)

    def _read(self, events: Events | None) -> Events:
        return self.parts_.rest(super()._read(events))

    def _known_items(self, purchases: Purchases) -> Array:
        return np.ones(purchases.n_items, dtype=bool)

    def _inputs(self, requests: Requests) -> dict[str, Array]:
        inputs = super()._inputs(requests)
        return {
            name: values if name == "user" else begun(values) for name, values in inputs.items()
        }

    def _pair_ratings(self, requests: Requests) -> PairScorer:
        customer, parts = self.parts_.known_of(requests), self.parts_
        rest = HistoryEncoder._pair_scorer(self, requests)
        return lambda row, item: customer[row] + parts.item[item] + rest(row, item)

    def _all_ratings(self, requests: Requests) -> Array:
        rest = HistoryEncoder._scores(self, requests)
        return (self.parts_.known_of(requests)[:, None] + self.parts_.item + rest).astype(
            np.float32
        )

    def arrays(self) -> dict[str, Array]:
        """Give what every recurrent encoder keeps, the mean, and what items add."""
        return super().arrays() | self.parts_.arrays()

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        super()._restore(arrays)
        self.parts_ = RatingParts.of_arrays(arrays)


def begun(values: Array) -> Array:
    """Put a step before all others in which nothing has been done, and count it as one.

    Parameters
    ----------
    values : [rows, steps], of which 0 is nothing; or the number of steps of each row: [rows]
    """
    if values.ndim == 1:
        return values + 1
    return np.pad(values, ((0, 0), (1, 0)))
