"""Experts that several kinds of events share, each kind with its own mixture of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from recsql.networks.pairs import PairParts

from ._fields import FirstLayer
from ._items import HistoryModule, item_bias, mean_of_history
from ._pairs import ITEM, REQUEST, learn_pairs

if TYPE_CHECKING:
    from recsql.models.mmoe import MMoE
    from recsql.models.pair_network import Taught


class Bottom(nn.Module):
    """What each kind of event reads: its own mixture of experts, or one layer for all."""

    def __init__(self, settings: MMoE, n_kinds: int) -> None:
        super().__init__()
        self.n_kinds = n_kinds
        self.n_experts = settings.n_experts if settings.bottom == "mmoe" else 1
        self.n_units = self.n_experts * settings.n_hidden
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, told: torch.Tensor, gates: torch.Tensor) -> list[torch.Tensor]:
        """Give float32[rows, units] for each kind, of what the first layers say."""
        units = self.dropout(torch.relu(told))
        if self.n_experts == 1:
            return [units] * self.n_kinds
        experts = units.reshape(-1, self.n_experts, self.n_units // self.n_experts)
        share = gates.reshape(-1, self.n_kinds, self.n_experts).softmax(2)
        return list((share @ experts).unbind(1))


class Mixture(HistoryModule):
    """A bottom that all kinds of events share, and layers for each of them."""

    def __init__(self, settings: MMoE, taught: Taught) -> None:
        super().__init__(settings, taught)
        n_kinds = len(settings.kinds_)
        self.outputs = ("score",) if n_kinds == 1 else [f"score_{n}" for n in range(n_kinds)]
        width = self.items.width
        self.bottom = Bottom(settings, n_kinds)
        self.first = self.first_layer(width, width, self.bottom.n_units)
        self.gates: FirstLayer | None = None
        if self.bottom.n_experts > 1:
            n_gates = n_kinds * self.bottom.n_experts
            self.gates = self.first_layer(width, width, n_gates)
        half = settings.n_hidden // 2
        self.towers = nn.ModuleList(
            nn.Sequential(nn.Linear(settings.n_hidden, half), nn.ReLU(), nn.Linear(half, 1))
            for _ in range(n_kinds)
        )
        self.bias = item_bias(settings, taught.sold, n_kinds)

    def coded(self) -> frozenset[str]:
        """Give the parameters whose rows are codes of attributes, or belong to kinds of events."""
        names = (name for name, _ in self.named_parameters())
        of_kinds = ("towers.", "gates.", "bias.")
        return super().coded() | frozenset(name for name in names if name.startswith(of_kinds))

    def request(
        self, slots: torch.Tensor, history: torch.Tensor | None
    ) -> tuple[torch.Tensor, ...]:
        """Give the mean vector of a history, and what the first layers say."""
        assert history is not None
        mean = mean_of_history(self.items(history), history)
        read = torch.cat([self.fields_of(slots, REQUEST), mean], 1)
        return mean, *(layer.of_request(read) for layer in self._first_layers())

    def item(self, code: torch.Tensor, slots: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give vectors of items, their biases, and what the first layers make of them."""
        vector = self.items(code)
        read = torch.cat([vector, self.fields_of(slots, ITEM)], 1)
        return vector, self.bias(code), *(layer.of_item(read) for layer in self._first_layers())

    def pair(self, request: Sequence[torch.Tensor], item: Sequence[torch.Tensor]) -> torch.Tensor:
        """Give the log odds of each kind of event: float32[rows, kinds]."""
        both = request[0] * item[0]
        told = [
            one + other + layer.of_pair(both)
            for one, other, layer in zip(request[1:], item[2:], self._first_layers(), strict=True)
        ]
        mixed = self.bottom(told[0], told[-1])
        found = [tower(units) for tower, units in zip(self.towers, mixed, strict=True)]
        return torch.cat(found, 1) + item[1]

    def _first_layers(self) -> list[FirstLayer]:
        return [self.first] if self.gates is None else [self.first, self.gates]


def learn(settings: MMoE, taught: Taught) -> PairParts:
    """Learn from what was done."""
    return learn_pairs(
        settings, taught, lambda known: Mixture(settings, known), settings.kind_weight_
    )
