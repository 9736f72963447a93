"""What rankers that read histories share: the vectors of items, and interests as a second task."""

from __future__ import annotations

from dataclasses import dataclass

from recsql.errors import ParameterError
from recsql.models.pair_network import PairNetwork


@dataclass
class HistoryNetwork(PairNetwork):
    """A network that ranks by the vectors of items, those of a history among them.

    ``interests`` adds the task of an interest-aware capsule network. The vector of an item is then
    twice as wide: one half learns from the ranking alone, the other half from ``interest_share`` of
    what the ranking asks of it and from the rest of what the added task does: to tell the item that
    was bought from others by the interests that are found in the history, K = max(1, ceil(log2 n))
    of n events. ``interest_weight`` is the weight of its loss. Interests are found in
    ``interest_rounds`` rounds of routing, and weighed for an item by the power
    ``interest_exponent`` of their product with it, whose sign remains.

    Source: Jaiswal and Xiong, "A Model-Agnostic Framework for Recommendation via Interest-aware
    Item Embeddings", RecSys 2023. It leaves the rounds and the exponent open; 3 and 2 are ours. So
    is how the added task compares items: with those of the same step, at a softmax 10 times as
    sharp as their products, less what popularity alone would score.
    """

    interests: bool = False
    interest_share: float = 0.3
    interest_weight: float = 1.0
    interest_rounds: int = 3
    interest_exponent: float = 2.0

    def _check(self) -> None:
        super()._check()
        if self.interests and not self.reads_history():
            raise ParameterError("interests must be off without a history, got True.")
        if not 0 <= self.interest_share <= 1:
            raise ParameterError(f"interest_share must be 0 to 1, got {self.interest_share}.")
        if not self.interest_weight >= 0:
            raise ParameterError(f"interest_weight must be at least 0, got {self.interest_weight}.")
        if not self.interest_rounds >= 1:
            raise ParameterError(f"interest_rounds must be at least 1, got {self.interest_rounds}.")
        if not self.interest_exponent >= 1:
            raise ParameterError(
                f"interest_exponent must be at least 1, got {self.interest_exponent}."
            )
