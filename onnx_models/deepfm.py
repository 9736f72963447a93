"""DeepFM: a factorization machine and layers over the same vectors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from recsql.networks.pairs import PairParts

from ._fields import FieldVectors, FirstLayer, LastLayers, OwnItems, forget_unsold
from ._pairs import ITEM, REQUEST, PairModule, learn_pairs, log_odds

if TYPE_CHECKING:
    from recsql.models.deepfm import DeepFM
    from recsql.models.pair_network import PairNetwork, Taught


class FieldsModule(PairModule):
    """A module that reads fields alone: a weight and a vector for each."""

    def __init__(self, settings: PairNetwork, taught: Taught) -> None:
        super().__init__()
        fields, n_items = taught.fields, taught.events.n_items
        n_asked, n_items_slots = fields.asked_slots.tolist(), [1, *fields.item.n_slots.tolist()]
        width, n_codes = settings.n_factors, fields.n_codes + n_items + 1
        self.n_fields = len(n_asked), len(n_items_slots)
        self.own = OwnItems(fields.n_codes, settings.unknown_share)
        self.vectors = FieldVectors(n_codes, n_asked, n_items_slots, width=width, spread=0.05)
        self.weights = FieldVectors(n_codes, n_asked, n_items_slots, width=1, spread=0.0)
        with torch.no_grad():
            start = torch.from_numpy(log_odds(settings, taught.sold))
            self.weights.table.weight[fields.n_codes :, 0] = start
        of_request, of_item = (n * width for n in self.n_fields)
        self.first = FirstLayer(of_request, of_item, 0, settings.n_hidden)
        self.above = LastLayers(settings.n_hidden, settings.dropout)

    def item_rows(self) -> Mapping[str, int]:
        """Give the parameters with a row an item, and the row of the first one."""
        first = self.own.n_codes + 1
        return {"vectors.table.weight": first, "weights.table.weight": first}

    def request(
        self, slots: torch.Tensor, history: torch.Tensor | None
    ) -> tuple[torch.Tensor, ...]:
        """Give what the first layer says, the sum of the weights, and what is to be multiplied."""
        del history
        vectors, weights = self.vectors(slots, REQUEST), self.weights(slots, REQUEST).sum(1)
        return self.first.of_request(vectors.flatten(1)), weights, *self.alone(vectors, REQUEST)

    def item(self, code: torch.Tensor, slots: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give the same of items."""
        codes = self.own(code, slots)
        vectors, weights = self.vectors(codes, ITEM), self.weights(codes, ITEM).sum(1)
        return self.first.of_item(vectors.flatten(1)), weights, *self.alone(vectors, ITEM)

    def pair(self, request: Sequence[torch.Tensor], item: Sequence[torch.Tensor]) -> torch.Tensor:
        """Give the log odds of pairs: float32[rows, 1]."""
        found: torch.Tensor = self.above(request[0] + item[0])
        return found + request[1] + item[1] + self.products(request[2:], item[2:])

    @abstractmethod
    def alone(self, vectors: torch.Tensor, side: int) -> tuple[torch.Tensor, ...]:
        """Give what is read of the vectors of one side of pairs, float32[rows, fields, width]."""

    @abstractmethod
    def products(
        self, request: Sequence[torch.Tensor], item: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Give what the products of fields add: float32[rows, 1]."""

    def settle(self, sold: torch.Tensor) -> None:
        """Give items that nobody bought the vector of an unknown one."""
        forget_unsold(self.vectors.table, self.own.n_codes, sold)


class Machine(FieldsModule):
    """Products of any two fields.

    Those of one side are half of the square of the sum less the sum of the squares; those of a
    field of the request and one of the item are the product of the sums.
    """

    def alone(self, vectors: torch.Tensor, side: int) -> tuple[torch.Tensor, ...]:
        """Give the sum of the vectors, and that of the products of two of them."""
        del side
        total = vectors.sum(1)
        of_two = 0.5 * (total.square().sum(1) - vectors.square().sum((1, 2)))
        return total, of_two[:, None]

    def products(
        self, request: Sequence[torch.Tensor], item: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Give the sum of the products of the vectors of any two fields: float32[rows, 1]."""
        return (request[0] * item[0]).sum(1, keepdim=True) + request[1] + item[1]


def learn(settings: DeepFM, taught: Taught) -> PairParts:
    """Learn from what was bought."""
    return learn_pairs(settings, taught, lambda known: Machine(settings, known))
