"""DeepFM: a factorization machine and layers over the same vectors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from recsql.networks.fields import PairParts

from ._fields import FieldVectors, Layers, OwnItems, forget_unsold
from ._pairs import PairModule, learn_pairs, log_odds

if TYPE_CHECKING:
    from recsql.models.deepfm import DeepFM
    from recsql.models.pair_network import PairNetwork, Taught


class FieldsModule(PairModule):
    """A module that reads fields alone: a weight and a vector for each."""

    def __init__(self, settings: PairNetwork, taught: Taught) -> None:
        super().__init__()
        fields, n_items = taught.fields, taught.events.n_items
        n_slots, width = [1, *fields.n_slots.tolist()], settings.n_factors
        n_codes = fields.n_codes + n_items + 1
        self.n_fields = len(n_slots)
        self.own = OwnItems(fields.n_codes, settings.unknown_share)
        self.vectors = FieldVectors(n_codes, n_slots, width, 0.05)
        self.weights = FieldVectors(n_codes, n_slots, 1, 0.0)
        with torch.no_grad():
            start = torch.from_numpy(log_odds(settings, taught.sold))
            self.weights.table.weight[fields.n_codes :, 0] = start
        self.layers = Layers(self.n_fields * width, settings.n_hidden, settings.dropout)

    def item_rows(self) -> Mapping[str, int]:
        """Give the parameters with a row an item, and the row of the first one."""
        first = self.own.n_codes + 1
        return {"vectors.table.weight": first, "weights.table.weight": first}

    def score(
        self, item: torch.Tensor, slots: torch.Tensor, encoded: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Give the log odds of pairs: float32[rows, 1]."""
        del encoded
        codes = self.own(item, slots)
        vectors = self.vectors(codes)
        found: torch.Tensor = self.layers(vectors.flatten(1)) + self.products(vectors)
        found += self.weights(codes).sum(1)
        return found

    @abstractmethod
    def products(self, vectors: torch.Tensor) -> torch.Tensor:
        """Give what the products of fields add: float32[rows, 1]."""

    def settle(self, sold: torch.Tensor) -> None:
        """Give items that nobody bought the vector of an unknown one."""
        forget_unsold(self.vectors.table, self.own.n_codes, sold)


class Machine(FieldsModule):
    """Products of any two fields: half of the square of the sum less the sum of the squares."""

    def products(self, vectors: torch.Tensor) -> torch.Tensor:
        """Give the sum of the products of the vectors of any two fields: float32[rows, 1]."""
        # A norm is one step of the graph, a sum of squares two that write everything down.
        of_sum = torch.linalg.vector_norm(vectors.sum(1), dim=1, keepdim=True)
        of_each = torch.linalg.vector_norm(vectors.flatten(1), dim=1, keepdim=True)
        found: torch.Tensor = 0.5 * (of_sum.square() - of_each.square())
        return found


def learn(settings: DeepFM, taught: Taught) -> PairParts:
    """Learn from what was bought."""
    return learn_pairs(settings, taught, lambda known: Machine(settings, known))
