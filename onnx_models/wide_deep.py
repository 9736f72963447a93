"""Wide & Deep: weights of crossed values beside layers over vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from recsql.networks.pairs import PairParts

from ._fields import FieldVectors, LastLayers
from ._items import HistoryModule, item_bias, mean_of_history
from ._pairs import ITEM, REQUEST, learn_pairs

if TYPE_CHECKING:
    from recsql.models.pair_network import Taught
    from recsql.models.wide_deep import WideDeep

ONE, OTHER = 1_000_003, 7_919  # primes: products of codes below 2^31 stay below 2^63


class WideAndDeep(HistoryModule):
    """A weight for each value and each crossed pair of values, and layers over their vectors."""

    def __init__(self, settings: WideDeep, taught: Taught) -> None:
        super().__init__(settings, taught)
        fields = taught.fields
        self.n_codes, self.n_crosses = fields.n_codes, settings.n_crosses
        n_slots = fields.asked_slots.tolist(), fields.item.n_slots.tolist()
        self.weights = FieldVectors(fields.n_codes, *n_slots, width=1, spread=0.0)
        self.item_weight = item_bias(settings, taught.sold)
        if self.n_crosses:
            self.crosses = nn.Embedding(self.n_crosses + 1, 1, padding_idx=0, sparse=True)
            nn.init.zeros_(self.crosses.weight)
        mean = self.items.width if settings.history else 0
        self.first = self.first_layer(mean, 0, settings.n_hidden)
        self.above = LastLayers(settings.n_hidden, settings.dropout)

    def crossed(self) -> frozenset[str]:
        """Give the parameters whose rows belong to codes of items and attributes together."""
        return frozenset({"crosses.weight"})

    def request(
        self, slots: torch.Tensor, history: torch.Tensor | None
    ) -> tuple[torch.Tensor, ...]:
        """Give what the first layer says, the sum of the weights, and the codes to be crossed."""
        read = [self.fields_of(slots, REQUEST)]
        if history is not None:
            read.append(mean_of_history(self.items(history), history))
        told = self.first.of_request(torch.cat(read, 1)), self.weights(slots, REQUEST).sum(1)
        if not self.n_crosses:
            return told
        return (*told, slots) if history is None else (*told, slots, history)

    def item(self, code: torch.Tensor, slots: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give the same of items, the code of the item before the others."""
        read = torch.cat([self.items(code), self.fields_of(slots, ITEM)], 1)
        weight = self.weights(slots, ITEM).sum(1) + self.item_weight(code)
        told = self.first.of_item(read), weight
        if not self.n_crosses:
            return told
        own = (code + self.n_codes) * (code > 0)  # an unknown item is crossed with nothing
        return (*told, torch.cat([own[:, None], slots], 1))

    def pair(self, request: Sequence[torch.Tensor], item: Sequence[torch.Tensor]) -> torch.Tensor:
        """Give the log odds of pairs: float32[rows, 1]."""
        found: torch.Tensor = self.above(request[0] + item[0]) + request[1] + item[1]
        return found + self._crossed(request[2:], item[2]) if self.n_crosses else found

    def _crossed(self, request: Sequence[torch.Tensor], item: torch.Tensor) -> torch.Tensor:
        """Give the weights of a customer's values crossed with the item's, and of its history's."""
        places = [self._place(request[0][:, :, None], item[:, None, :]).flatten(1)]
        for history in request[1:]:
            places.append(self._place(history + self.n_codes * (history > 0), item[:, :1]))
        found: torch.Tensor = self.crosses(torch.cat(places, 1)).sum(1)
        return found

    def _place(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Give the place of a crossed pair of codes; 0 where one of them is an empty slot."""
        hashed = (one * ONE + other * OTHER + (one * other)) % self.n_crosses + 1
        return hashed * ((one > 0) & (other > 0))


def learn(settings: WideDeep, taught: Taught) -> PairParts:
    """Learn from what was bought."""
    return learn_pairs(settings, taught, lambda known: WideAndDeep(settings, known))
