"""xDeepFM: a compressed interaction network and layers over the same vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from recsql.networks.pairs import PairParts

from ._pairs import REQUEST, learn_pairs
from .deepfm import FieldsModule

if TYPE_CHECKING:
    from recsql.models.pair_network import Taught
    from recsql.models.xdeepfm import XDeepFM


MOST_ROWS = 32  # that are multiplied with each other


class Crossings(FieldsModule):
    """Products of the fields with what the layer before made of them, compressed by weights.

    More than MOST_ROWS fields are compressed to so many weighted sums before: the work grows with
    the square of the fields.
    """

    def __init__(self, settings: XDeepFM, taught: Taught) -> None:
        super().__init__(settings, taught)
        n_fields = sum(self.n_fields)
        rows = min(n_fields, MOST_ROWS)
        n_maps, maps = settings.n_maps, rows
        self.to_rows = nn.Linear(n_fields, rows, bias=False) if rows < n_fields else None
        self.compress = nn.ModuleList()
        for _ in range(settings.n_crossings):
            self.compress.append(nn.Linear(maps * rows, n_maps, bias=False))
            maps = n_maps
        self.of_maps = nn.Linear(settings.n_crossings * n_maps, 1, bias=False)

    def alone(self, vectors: torch.Tensor, side: int) -> tuple[torch.Tensor, ...]:
        """Give the fields of one side, compressed where there are many: [rows, width, fields]."""
        fields = vectors.transpose(1, 2)  # the weights stand at the right
        if self.to_rows is None:
            return (fields,)
        first = 0 if side == REQUEST else self.n_fields[REQUEST]
        weight = self.to_rows.weight[:, first : first + self.n_fields[side]]
        return (functional.linear(fields, weight),)

    def products(
        self, request: Sequence[torch.Tensor], item: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Give a weighted sum of the maps of all layers: float32[rows, 1]."""
        sides = request[0], item[0]
        fields = torch.cat(sides, 2) if self.to_rows is None else sides[0] + sides[1]
        maps, sums = fields, []
        for compress in self.compress:
            pairs = (maps[..., :, None] * fields[..., None, :]).flatten(2)
            maps = compress(pairs)
            sums.append(maps.sum(1))
        found: torch.Tensor = self.of_maps(torch.cat(sums, 1))
        return found


def learn(settings: XDeepFM, taught: Taught) -> PairParts:
    """Learn from what was bought."""
    return learn_pairs(settings, taught, lambda known: Crossings(settings, known))
