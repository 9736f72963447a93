"""Wide & Deep: weights of crossed values beside layers over vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from recsql.networks.fields import PairParts

from ._fields import FieldVectors, Layers
from ._items import HistoryModule, item_bias, mean_of_history
from ._pairs import learn_pairs

if TYPE_CHECKING:
    from recsql.models.pair_network import Taught
    from recsql.models.wide_deep import WideDeep

ONE, OTHER = 1_000_003, 7_919  # primes: products of codes below 2^31 stay below 2^63


class WideAndDeep(HistoryModule):
    """A weight for each value and each crossed pair of values, and layers over their vectors."""

    def __init__(self, settings: WideDeep, taught: Taught) -> None:
        super().__init__(settings, taught)
        fields = taught.fields
        self.n_codes, self.n_slots = fields.n_codes, int(fields.asked_slots.sum())
        self.weights = FieldVectors(fields.n_codes, fields.n_slots.tolist(), 1, 0.0)
        self.item_weight = item_bias(settings, taught.sold)
        self.n_crosses = settings.n_crosses
        if self.n_crosses:
            self.crosses = nn.Embedding(self.n_crosses + 1, 1, padding_idx=0, sparse=True)
            nn.init.zeros_(self.crosses.weight)
        read = (
            self.items.width * (2 if settings.history else 1) + self.n_fields * settings.n_factors
        )
        self.layers = Layers(read, settings.n_hidden, settings.dropout)

    def crossed(self) -> frozenset[str]:
        """Give the parameters whose rows belong to codes of items and attributes together."""
        return frozenset({"crosses.weight"})

    def encode(self, history: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        """Give the mean vector of a history, and the codes to be crossed; nothing without one."""
        if history is None:
            return ()
        return mean_of_history(self.items(history), history), history

    def score(
        self, item: torch.Tensor, slots: torch.Tensor, encoded: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Give the log odds of pairs: float32[rows, 1]."""
        read = [self.items(item), self.vectors(slots).flatten(1), *encoded[:1]]
        found: torch.Tensor = self.layers(torch.cat(read, 1)) + self.item_weight(item)
        found = found + self.weights(slots).sum(1)
        return found + self._crossed(item, slots, encoded) if self.n_crosses else found

    def _crossed(
        self, item: torch.Tensor, slots: torch.Tensor, encoded: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Give the weights of a customer's values crossed with the item's, and of its history's."""
        one = slots[:, : self.n_slots]
        own = (item + self.n_codes) * (item > 0)  # an unknown item is crossed with nothing
        other = torch.cat([own[:, None], slots[:, self.n_slots :]], 1)
        places = [self._place(one[:, :, None], other[:, None, :]).flatten(1)]
        if encoded:
            places.append(self._place(encoded[1] + self.n_codes * (encoded[1] > 0), own[:, None]))
        found: torch.Tensor = self.crosses(torch.cat(places, 1)).sum(1)
        return found

    def _place(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Give the place of a crossed pair of codes; 0 where one of them is an empty slot."""
        hashed = (one * ONE + other * OTHER + (one * other)) % self.n_crosses + 1
        return hashed * ((one > 0) & (other > 0))


def learn(settings: WideDeep, taught: Taught) -> PairParts:
    """Learn from what was bought."""
    return learn_pairs(settings, taught, lambda known: WideAndDeep(settings, known))
