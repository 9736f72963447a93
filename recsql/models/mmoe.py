"""One network for several kinds of events: a click, a cart and a purchase, each with its chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsql.data.events import Events, packed, unpacked
from recsql.errors import ParameterError, did_you_mean
from recsql.models.base import Array
from recsql.models.history_network import HistoryNetwork
from recsql.models.pair_network import Taught
from recsql.models.requests import Requests

BOTTOMS = ("mmoe", "shared")


@dataclass
class MMoE(HistoryNetwork):
    """Score an item by the chance of each kind of event, all learned together.

    What is read of the customer, the item and the fields goes through a ``bottom``: 'mmoe' has
    ``n_experts`` layers of units that each kind of event mixes in its own way, 'shared' one layer
    for all. Each kind has its layers above. An event is a positive of its kind and says nothing
    about the others; what is drawn is a negative of all. The score is the mean of the chances,
    weighed by ``event_weights``, by kind; None: as ``recsql.event_weights`` weighs events.

    Source: Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate
    Mixture-of-Experts", KDD 2018; Caruana, "Multitask Learning", Machine Learning 28, 1997.
    """

    name: ClassVar[str] = "mmoe"
    tasks: ClassVar[tuple[str, ...]] = ("next",)

    bottom: str = "mmoe"
    n_experts: int = 4
    event_weights: dict[str, float] | None = None

    def _check(self) -> None:
        super()._check()
        if self.bottom not in BOTTOMS:
            raise ParameterError(
                f"bottom must be one of {', '.join(BOTTOMS)}, got {self.bottom!r}."
                f"{did_you_mean(self.bottom, BOTTOMS)}"
            )
        if not self.n_experts >= 1:
            raise ParameterError(f"n_experts must be at least 1, got {self.n_experts}.")
        weights = (self.event_weights or {"": 1.0}).values()
        if not all(weight >= 0 for weight in weights) or not 0 < sum(weights) < np.inf:
            raise ParameterError(
                f"event_weights must be at least 0 and not all 0, got {self.event_weights}."
            )

    def reads_history(self) -> bool:
        """Tell that histories are read."""
        return True

    def _learn(self, taught: Taught) -> Mapping[str, Array]:
        self.kinds_, seen = kinds_of(taught.events)
        self.kind_weight_ = seen
        if self.event_weights is not None:
            for kind in self.event_weights:
                if kind not in self.kinds_:
                    raise ParameterError(
                        f"event_weights must be of {', '.join(self.kinds_)}, got {kind!r}."
                        f"{did_you_mean(kind, self.kinds_)}"
                    )
            named = [self.event_weights.get(kind, 0.0) for kind in self.kinds_]
            self.kind_weight_ = np.array(named, dtype=np.float32)
        return super()._learn(taught)

    def kind_scores(self, requests: Requests, row: Array, item: Array) -> Array:
        """Give the probability of each kind of event: float32[n, n_kinds], in order of ``kinds_``.

        Parameters
        ----------
        row : int[n]    place among the requests
        item : int[n]   item codes; -1 for an item that was not there at learning

        Raises
        ------
        NotTrainedError
            The model was not fitted.
        """
        self._check_fitted()
        return self._chances(requests, row, item)

    def _combined(self, chances: Array) -> Array:
        found: Array = chances @ (self.kind_weight_ / self.kind_weight_.sum())
        return found

    def arrays(self) -> dict[str, Array]:
        """Give what every ranker keeps, and the kinds of events with their weights."""
        return super().arrays() | {"kinds": packed(self.kinds_), "kind_weight": self.kind_weight_}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        super()._restore(arrays)
        self.kinds_ = unpacked(arrays["kinds"])
        self.kind_weight_ = arrays["kind_weight"].astype(np.float32)


def kinds_of(events: Events) -> tuple[tuple[str, ...], Array]:
    """Give the kinds of events and the mean weight of each, 0 for one that is not there."""
    if events.feedback is None or not events.feedback.kinds:
        return ("purchase",), np.ones(1, dtype=np.float32)
    known, n = events.feedback.kind >= 0, len(events.feedback.kinds)
    kind = events.feedback.kind[known]
    total = np.bincount(kind, weights=events.strength[known], minlength=n)
    weight = total / np.maximum(np.bincount(kind, minlength=n), 1)
    return events.feedback.kinds, (weight if weight.any() else weight + 1).astype(np.float32)
