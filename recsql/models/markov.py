"""A Markov chain with skips: what came a few steps after the customer's last items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsql.errors import ParameterError, did_you_mean
from recsql.kernels.transitions import Transitions, count_transitions, score_transitions
from recsql.models.base import Array, ScoringRecommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests

WITHIN = ("customer", "session")


@dataclass
class Markov(ScoringRecommender):
    """Count which items come 1 to ``max_skip`` places after an item, and add up the last items'.

    An item ``d`` places later counts ``skip_decay ** (d - 1)``, within the purchases of a
    ``customer`` or of a ``session``. The counts of an item are divided by their sum to the power
    of ``damping``: 0 leaves them, 1 makes them probabilities. The ``n``-th newest of the
    ``last_items`` of a history weighs ``history_decay ** (n - 1)``. What never followed is ranked
    by ``global_weight`` times its share of all sales.
    """

    name: ClassVar[str] = "markov"
    tasks: ClassVar[tuple[str, ...]] = ("next",)

    max_skip: int = 4
    skip_decay: float = 0.8
    within: str = "customer"
    last_items: int = 4
    history_decay: float = 0.3
    damping: float = 0.5
    global_weight: float = 0.0001

    def _check(self) -> None:
        for setting in ("max_skip", "last_items"):
            if not getattr(self, setting) >= 1:
                raise ParameterError(f"{setting} must be at least 1, got {getattr(self, setting)}.")
        for setting in ("skip_decay", "history_decay"):
            if not 0 < getattr(self, setting) <= 1:
                raise ParameterError(
                    f"{setting} must be above 0 and at most 1, got {getattr(self, setting)}."
                )
        for setting in ("damping", "global_weight"):
            if not 0 <= getattr(self, setting) < np.inf:
                raise ParameterError(
                    f"{setting} must be at least 0 and finite, got {getattr(self, setting)}."
                )
        if self.within not in WITHIN:
            raise ParameterError(
                f"within must be one of {', '.join(WITHIN)}, got {self.within!r}."
                f"{did_you_mean(self.within, WITHIN)}"
            )

    def _fit(self, purchases: Purchases) -> None:
        events = purchases.events
        assert events is not None  # fit() looked
        group = events.user.astype(np.int64)
        if self.within == "session":
            most = int(events.session.max(initial=0)) + 1
            group = group * most + events.session
        self._take(
            count_transitions(
                group, events.item, purchases.n_items, int(self.max_skip), float(self.skip_decay)
            )
        )
        self.count_ = np.bincount(events.item, minlength=purchases.n_items).astype(np.int32)

    def _scores(self, requests: Requests) -> Array:
        assert requests.events is not None  # recommend() looked
        share = self.count_ / max(1, int(self.count_.sum()))
        everyone = np.where(share > 0, self.global_weight * share, -np.inf).astype(np.float32)
        scores = np.tile(everyone, (len(requests), 1))
        score_transitions(
            self.transitions_,
            self.factor_,
            requests.events.user_ptr,
            requests.events.item,
            int(self.last_items),
            float(self.history_decay),
            scores,
        )
        return scores

    def _take(self, transitions: Transitions) -> None:
        """Keep transitions, and what the counts of each item are multiplied by."""
        self.transitions_ = transitions
        rows = np.repeat(np.arange(len(transitions.ptr) - 1), np.diff(transitions.ptr))
        total = np.bincount(rows, weights=transitions.weight, minlength=len(transitions.ptr) - 1)
        factor: Array = np.where(total > 0, total, 1.0) ** -float(self.damping)
        self.factor_ = factor.astype(np.float32)

    def arrays(self) -> dict[str, Array]:
        """Give the counts, as rows of a sparse matrix, and the sales of each item."""
        ptr, item, weight = self.transitions_
        return {"ptr": ptr, "item": item, "weight": weight, "count": self.count_}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self._take(
            Transitions(
                arrays["ptr"].astype(np.int64, copy=False),
                arrays["item"].astype(np.int32, copy=False),
                arrays["weight"].astype(np.float32, copy=False),
            )
        )
        self.count_ = arrays["count"].astype(np.int32, copy=False)
