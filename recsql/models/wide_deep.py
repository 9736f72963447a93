"""Weights of crossed attributes beside layers over their vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recsql.errors import ParameterError
from recsql.models.history_network import HistoryNetwork


@dataclass
class WideDeep(HistoryNetwork):
    """Score a customer and an item by crossed attributes, and by layers over their vectors.

    The wide part has a weight for each value and, hashed to ``n_crosses`` places, for each pair of
    a customer's value and the item or one of its values. With ``history`` what the customer bought
    is read too: its mean vector by the layers, each of its items crossed with the item.

    Source: Cheng et al., "Wide & Deep Learning for Recommender Systems", DLRS 2016; both parts
    learn by Adam.
    """

    name: ClassVar[str] = "wide_deep"
    tasks: ClassVar[tuple[str, ...]] = ("first",)
    needs_attributes_for: ClassVar[tuple[str, ...]] = ("first",)

    history: bool = False
    n_crosses: int = 65_536

    def _check(self) -> None:
        super()._check()
        if not self.n_crosses >= 0:
            raise ParameterError(f"n_crosses must be at least 0, got {self.n_crosses}.")

    def reads_history(self) -> bool:
        """Tell whether histories are read."""
        return self.history
