"""What followed the customer's newest purchases, in the same order, with any customer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsql.errors import ParameterError
from recsql.kernels.sequence_matches import Weighing, index_sequences, score_following
from recsql.kernels.wavelets import Wavelet
from recsql.models.base import Array, ScoringRecommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests


@dataclass
class SuBSeq(ScoringRecommender):
    """Look up the newest purchases in all sequences and count what came next.

    Nothing is left out of the sequences and no weight is trained: they are kept as a
    Burrows-Wheeler transform in a wavelet matrix, about 1.3 times the bits of their codes. Every
    place where 1 to ``max_length`` of the newest items stand in a row adds
    ``length_gain ** (items - 1) / d`` to the d-th of the ``ahead`` items after it. Then up to
    ``max_skip`` of the newest items are passed over one by one, and a place adds that times
    ``skip_decay`` for each. Of more than ``most_rows`` places that match, so many are looked at,
    evenly spread. What never followed is ranked by ``global_weight`` times its share of all sales.

    Source: Ktistakis, Fournier-Viger, Puglisi and Raman, "Succinct BWT-Based Sequence Prediction",
    DEXA 2019. Differences: the paper stops at a number of similar places, begins with the whole
    history, and lets any item of it, not only the newest, be another one; its weights are sums
    where these are products.
    """

    name: ClassVar[str] = "subseq"
    tasks: ClassVar[tuple[str, ...]] = ("next",)

    max_length: int = 3
    length_gain: float = 2.0
    ahead: int = 4
    max_skip: int = 1
    skip_decay: float = 0.05
    most_rows: int = 1000
    global_weight: float = 0.001

    def _check(self) -> None:
        for setting in ("max_length", "ahead", "most_rows"):
            if not getattr(self, setting) >= 1:
                raise ParameterError(f"{setting} must be at least 1, got {getattr(self, setting)}.")
        if not self.max_skip >= 0:
            raise ParameterError(f"max_skip must be at least 0, got {self.max_skip}.")
        for setting in ("length_gain", "skip_decay", "global_weight"):
            if not 0 <= getattr(self, setting) < np.inf:
                raise ParameterError(
                    f"{setting} must be at least 0 and finite, got {getattr(self, setting)}."
                )

    def _fit(self, purchases: Purchases) -> None:
        events = purchases.events
        assert events is not None  # fit() looked
        self.index_ = index_sequences(events.user_ptr, events.item, purchases.n_items)
        self.count_ = np.bincount(events.item, minlength=purchases.n_items).astype(np.int32)

    def _scores(self, requests: Requests) -> Array:
        assert requests.events is not None  # recommend() looked
        share = self.count_ / max(1, int(self.count_.sum()))
        everyone = np.where(share > 0, self.global_weight * share, -np.inf).astype(np.float32)
        scores = np.tile(everyone, (len(requests), 1))
        weighing = Weighing(
            int(self.max_length),
            float(self.length_gain),
            int(self.ahead),
            int(self.max_skip),
            float(self.skip_decay),
            int(self.most_rows),
        )
        events = requests.events
        score_following(self.index_, events.user_ptr, events.item, weighing, scores)
        return scores

    def arrays(self) -> dict[str, Array]:
        """Give the wavelet matrix of the sequences and the sales of each item."""
        return {
            "words": self.index_.words,
            "zeros": self.index_.zeros,
            "length": np.array([self.index_.length]),
            "count": self.count_,
        }

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.index_ = Wavelet(
            arrays["words"].astype(np.uint64, copy=False),
            arrays["zeros"].astype(np.int64, copy=False),
            int(arrays["length"][0]),
        )
        self.count_ = arrays["count"].astype(np.int32, copy=False)
