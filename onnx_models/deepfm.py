"""DeepFM: a factorization machine and layers over the same vectors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from recsql.networks.pairs import PairParts

from ._fields import SPARSE_CODES, FieldVectors, FirstLayer, LastLayers, forgetful
from ._items import SPREAD, item_bias
from ._pairs import ITEM, REQUEST, PairModule, learn_pairs

if TYPE_CHECKING:
    from recsql.models.deepfm import DeepFM
    from recsql.models.pair_network import PairNetwork, Taught


class FieldsModule(PairModule):
    """A module that reads fields alone: a weight and a vector for each."""

    def __init__(self, settings: PairNetwork, taught: Taught) -> None:
        super().__init__()
        fields, n_items = taught.fields, taught.events.n_items
        n_slots = fields.asked_slots.tolist(), fields.item.n_slots.tolist()
        n_codes, width = fields.n_codes, settings.n_factors
        self.n_fields = len(n_slots[REQUEST]), 1 + len(n_slots[ITEM])  # the item itself is one
        self.share = settings.unknown_share
        self.own = nn.Embedding(n_items + 1, width, sparse=n_items >= SPARSE_CODES)
        nn.init.normal_(self.own.weight, std=SPREAD)
        self.own_weight = item_bias(settings, taught.sold)
        self.vectors = FieldVectors(n_codes, *n_slots, width=width, spread=SPREAD)
        self.weights = FieldVectors(n_codes, *n_slots, width=1, spread=0.0)
        of_request, of_item = (n * width for n in self.n_fields)
        self.first = FirstLayer(of_request, of_item, 0, settings.n_hidden)
        self.above = LastLayers(settings.n_hidden, settings.dropout)

    def item_rows(self) -> Mapping[str, int]:
        """Give the parameters with a row an item, and the row of the first one."""
        return {"own.weight": 1, "own_weight.weight": 1}

    def request(
        self, slots: torch.Tensor, history: torch.Tensor | None
    ) -> tuple[torch.Tensor, ...]:
        """Give what the first layer says, the sum of the weights, and what is to be multiplied."""
        del history
        vectors, weights = self.vectors(slots, REQUEST), self.weights(slots, REQUEST).sum(1)
        return self.first.of_request(vectors.flatten(1)), weights, *self.alone(vectors, REQUEST)

    def item(self, code: torch.Tensor, slots: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give the same of items."""
        code = forgetful(code, self.share) if self.training and self.share else code
        vectors = torch.cat([self.own(code)[:, None], self.vectors(slots, ITEM)], 1)
        weights = self.own_weight(code) + self.weights(slots, ITEM).sum(1)
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
        with torch.no_grad():
            unsold = 1 + torch.nonzero(~sold)[:, 0]
            self.own.weight[unsold] = self.own.weight[0].clone()


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
