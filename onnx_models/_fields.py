"""Vectors of fields, and the layers that networks which rank put over them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import nn
from torch.nn import functional

SPARSE_CODES = 100_000  # of more a step touches too few rows to look at all


class FieldVectors(nn.Module):
    """A vector for each field: the mean of those of its values.

    Parameters
    ----------
    n_codes : codes of all fields; 0 is an empty slot, whose vector is 0
    n_slots : slots of each field, in order of the columns, for each kind of rows that is read
    """

    def __init__(self, n_codes: int, *n_slots: Sequence[int], width: int, spread: float) -> None:
        super().__init__()
        sparse = n_codes >= SPARSE_CODES
        self.table = nn.Embedding(n_codes, width, padding_idx=0, sparse=sparse)
        nn.init.normal_(self.table.weight, std=spread)
        with torch.no_grad():
            self.table.weight[0] = 0.0
        self._runs = [_runs(sizes) for sizes in n_slots]

    def forward(self, slots: torch.Tensor, kind: int = 0) -> torch.Tensor:
        """Give float32[rows, fields, width] of int64[rows, slots]."""
        vectors: torch.Tensor = self.table(slots)
        runs = self._runs[kind]
        if len(runs) == 1 and runs[0] < 0:
            return vectors
        parts, first = [], 0
        for run in runs:
            last = first + abs(run)
            part = vectors[:, first:last]
            if run > 0:
                held = (slots[:, first:last] > 0).sum(1).clamp_min(1).to(part.dtype)
                part = part.sum(1, keepdim=True) / held[:, None, None]
            parts.append(part)
            first = last
        return torch.cat(parts, 1)


def _runs(n_slots: Sequence[int]) -> list[int]:
    """Give the slots of each field; of neighbours of one value how many they are, below 0.

    Those are taken as they are, all at once.
    """
    runs = ((one, list(group)) for one, group in groupby(map(int, n_slots), lambda size: size == 1))
    return [size for one, group in runs for size in ([-len(group)] if one else group)]


class FirstLayer(nn.Module):
    """A linear layer over what is said of a request, of an item, and of both together.

    What it makes of a request or an item alone is computed once, whatever the number of its pairs;
    the three add up.

    Parameters
    ----------
    request, item, pair : width of what is read of each
    """

    def __init__(self, request: int, item: int, pair: int, n_units: int) -> None:
        super().__init__()
        self.all = nn.Linear(request + item + pair, n_units)
        self._request, self._pair = request, request + item

    def of_request(self, read: torch.Tensor) -> torch.Tensor:
        """Give float32[rows, units], the constant among it, of float32[rows, request]."""
        return functional.linear(read, self.all.weight[:, : self._request], self.all.bias)

    def of_item(self, read: torch.Tensor) -> torch.Tensor:
        """Give float32[rows, units] of float32[rows, item]."""
        return functional.linear(read, self.all.weight[:, self._request : self._pair])

    def of_pair(self, read: torch.Tensor) -> torch.Tensor:
        """Give float32[rows, units] of float32[rows, pair]."""
        return functional.linear(read, self.all.weight[:, self._pair :])


class LastLayers(nn.Module):
    """What stands above the first layer: its units, half as many, and one output."""

    def __init__(self, n_hidden: int, dropout: float) -> None:
        super().__init__()
        self.second = nn.Linear(n_hidden, n_hidden // 2)
        self.last = nn.Linear(n_hidden // 2, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, told: torch.Tensor) -> torch.Tensor:
        """Give float32[rows, 1] of what the first layer says, float32[rows, n_hidden]."""
        units = self.dropout(torch.relu(told))
        found: torch.Tensor = self.last(self.dropout(torch.relu(self.second(units))))
        return found


def forgetful(item: torch.Tensor, share: float) -> torch.Tensor:
    """Let a share of the items be unknown ones, of code 0."""
    kept = torch.rand(item.shape, device=item.device) >= share
    return item * kept
