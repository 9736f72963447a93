"""A history, weighed event by event for the item that is asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recsql.errors import ParameterError
from recsql.models.history_network import HistoryNetwork


@dataclass
class DIN(HistoryNetwork):
    """Score an item by the sum of what a customer bought, each weighed for the item.

    The weight is what ``n_units`` units make of the event, the item, their difference and their
    product; weights do not add up to one, so that much of the same counts more. Layers read the
    sum, the item, their product and the fields.

    Source: Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", KDD 2018, with
    PReLU in place of Dice.
    """

    name: ClassVar[str] = "din"
    tasks: ClassVar[tuple[str, ...]] = ("next",)

    n_units: int = 36

    def _check(self) -> None:
        super()._check()
        if not self.n_units >= 1:
            raise ParameterError(f"n_units must be at least 1, got {self.n_units}.")

    def reads_history(self) -> bool:
        """Tell that histories are read."""
        return True
