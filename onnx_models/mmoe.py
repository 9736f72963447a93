"""Experts that several kinds of events share, each kind with its own mixture of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from recsql.networks.fields import PairParts

from ._items import HistoryModule, item_bias, mean_of_history
from ._pairs import learn_pairs

if TYPE_CHECKING:
    from recsql.models.mmoe import MMoE
    from recsql.models.pair_network import Taught


class Bottom(nn.Module):
    """What each kind of event reads: its own mixture of experts, or one layer for all."""

    def __init__(self, settings: MMoE, width: int, n_kinds: int) -> None:
        super().__init__()
        self.n_experts = settings.n_experts if settings.bottom == "mmoe" else 1
        self.units = nn.Linear(width, self.n_experts * settings.n_hidden)
        self.gates = nn.Linear(width, n_kinds * self.n_experts) if self.n_experts > 1 else None
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, read: torch.Tensor, n_kinds: int) -> list[torch.Tensor]:
        """Give float32[rows, units] for each kind."""
        units = self.dropout(torch.relu(self.units(read)))
        if self.gates is None:
            return [units] * n_kinds
        experts = units.unflatten(1, (self.n_experts, -1))
        share = self.gates(read).unflatten(1, (n_kinds, -1)).softmax(2)
        return list((share @ experts).unbind(1))


class Mixture(HistoryModule):
    """A bottom that all kinds of events share, and layers for each of them."""

    def __init__(self, settings: MMoE, taught: Taught) -> None:
        super().__init__(settings, taught)
        n_kinds = len(settings.kinds_)
        self.outputs = ("score",) if n_kinds == 1 else [f"score_{n}" for n in range(n_kinds)]
        width = 3 * self.items.width + self.n_fields * settings.n_factors
        self.bottom = Bottom(settings, width, n_kinds)
        half = settings.n_hidden // 2
        self.towers = nn.ModuleList(
            nn.Sequential(nn.Linear(settings.n_hidden, half), nn.ReLU(), nn.Linear(half, 1))
            for _ in range(n_kinds)
        )
        self.bias = item_bias(settings, taught.sold, n_kinds)

    def coded(self) -> frozenset[str]:
        """Give the parameters whose rows are codes of attributes, or belong to kinds of events."""
        names = (name for name, _ in self.named_parameters())
        of_kinds = ("towers.", "bottom.gates", "bias.")
        return super().coded() | frozenset(name for name in names if name.startswith(of_kinds))

    def encode(self, history: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        """Give the mean vector of a history."""
        assert history is not None
        return (mean_of_history(self.items(history), history),)

    def score(
        self, item: torch.Tensor, slots: torch.Tensor, encoded: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Give the log odds of each kind of event: float32[rows, kinds]."""
        asked, told = self.items(item), encoded[0]
        read = torch.cat([asked, told, asked * told, self.vectors(slots).flatten(1)], 1)
        mixed = self.bottom(read, len(self.towers))
        found = [tower(units) for tower, units in zip(self.towers, mixed, strict=True)]
        bias: torch.Tensor = self.bias(item)
        return torch.cat(found, 1) + bias


def learn(settings: MMoE, taught: Taught) -> PairParts:
    """Learn from what was done."""
    return learn_pairs(
        settings, taught, lambda known: Mixture(settings, known), settings.kind_weight_
    )
