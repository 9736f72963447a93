"""Vectors of fields, and the layers that networks which rank put over them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import nn

SPARSE_CODES = 100_000  # of more a step touches too few rows to look at all


class FieldVectors(nn.Module):
    """A vector for each field: the mean of those of its values.

    Parameters
    ----------
    n_codes : codes of all fields; 0 is an empty slot, whose vector is 0
    n_slots : slots of each field, in order of the columns
    """

    def __init__(self, n_codes: int, n_slots: Sequence[int], width: int, spread: float) -> None:
        super().__init__()
        sparse = n_codes >= SPARSE_CODES
        self.table = nn.Embedding(n_codes, width, padding_idx=0, sparse=sparse)
        nn.init.normal_(self.table.weight, std=spread)
        with torch.no_grad():
            self.table.weight[0] = 0.0
        sizes = [int(size) for size in n_slots]
        # Neighbouring fields of one value are taken as they are, all at once.
        runs = ((one, list(group)) for one, group in groupby(sizes, lambda size: size == 1))
        self._runs = [size for one, group in runs for size in ([-len(group)] if one else group)]

    def forward(self, slots: torch.Tensor) -> torch.Tensor:
        """Give float32[rows, fields, width] of int64[rows, slots]."""
        vectors: torch.Tensor = self.table(slots)
        if len(self._runs) == 1 and self._runs[0] < 0:
            return vectors
        parts, first = [], 0
        for run in self._runs:
            last = first + abs(run)
            part = vectors[:, first:last]
            if run > 0:
                held = (slots[:, first:last] > 0).sum(1).clamp_min(1).to(part.dtype)
                part = part.sum(1, keepdim=True) / held[:, None, None]
            parts.append(part)
            first = last
        return torch.cat(parts, 1)


class Layers(nn.Module):
    """Two layers of units and one of outputs."""

    def __init__(self, width: int, n_hidden: int, dropout: float, outputs: int = 1) -> None:
        super().__init__()
        self.first = nn.Linear(width, n_hidden)
        self.second = nn.Linear(n_hidden, n_hidden // 2)
        self.last = nn.Linear(n_hidden // 2, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, read: torch.Tensor) -> torch.Tensor:
        """Give float32[rows, outputs] of float32[rows, width]."""
        units = self.dropout(torch.relu(self.first(read)))
        found: torch.Tensor = self.last(self.dropout(torch.relu(self.second(units))))
        return found


class OwnItems(nn.Module):
    """The item itself as one more field, in the same table as the attributes."""

    def __init__(self, n_codes: int, unknown_share: float) -> None:
        super().__init__()
        self.n_codes, self.unknown_share = n_codes, unknown_share

    def forward(self, item: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """Put the code of the item before those of the slots; some are forgotten while learning."""
        if self.training and self.unknown_share:
            item = forgetful(item, self.unknown_share)
        return torch.cat([item[:, None] + self.n_codes, slots], 1)


def forgetful(item: torch.Tensor, share: float) -> torch.Tensor:
    """Let a share of the items be unknown ones, of code 0."""
    kept = torch.rand(item.shape, device=item.device) >= share
    return item * kept


def forget_unsold(table: nn.Embedding, first: int, sold: torch.Tensor) -> None:
    """Give the items that nobody bought the vector of an unknown one, which stands at ``first``."""
    with torch.no_grad():
        unsold = first + 1 + torch.nonzero(~sold)[:, 0]
        table.weight[unsold] = table.weight[first].clone()
