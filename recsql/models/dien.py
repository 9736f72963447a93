"""Interests that grow out of each other, with attention to the item that is asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recsql.errors import ParameterError
from recsql.models.history_network import HistoryNetwork


@dataclass
class DIEN(HistoryNetwork):
    """Score an item by how a customer's interest in the like of it evolved.

    Gated units follow the history; the state after each event must tell the next one from an item
    that was drawn, a loss of weight ``next_weight``. A second layer of gated units goes over these
    states with an update gate that attention to the item multiplies. Layers read its last state,
    the item, the mean of the history, its product with the item, and the fields.

    Source: Zhou et al., "Deep Interest Evolution Network for Click-Through Rate Prediction", AAAI
    2019.
    """

    name: ClassVar[str] = "dien"
    tasks: ClassVar[tuple[str, ...]] = ("next",)

    next_weight: float = 1.0

    def _check(self) -> None:
        super()._check()
        if not self.next_weight >= 0:
            raise ParameterError(f"next_weight must be at least 0, got {self.next_weight}.")

    def reads_history(self) -> bool:
        """Tell that histories are read."""
        return True
