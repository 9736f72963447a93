"""DIN: what of a history matters for the item that is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from recsql.networks.fields import PairParts

from ._fields import Layers
from ._items import HistoryModule, item_bias
from ._pairs import learn_pairs

if TYPE_CHECKING:
    from recsql.models.din import DIN
    from recsql.models.pair_network import Taught


class Activation(nn.Module):
    """The weight of each event of a history for an item.

    A layer of units over the event, the item, their difference and their product, number by
    number. What it makes of the event alone is taken once a history, of the item once a pair.
    """

    def __init__(self, width: int, n_units: int) -> None:
        super().__init__()
        self.of_event = nn.Linear(width, n_units, bias=False)
        self.of_item = nn.Linear(width, n_units)
        self.of_product = nn.Linear(width, n_units, bias=False)
        self.bend = nn.PReLU(n_units)
        self.weight = nn.Linear(n_units, 1)
        nn.init.constant_(self.weight.bias, 0.25)  # begins near a sum that all events share alike

    def forward(self, told: torch.Tensor, events: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
        """Give float32[rows, steps].

        Parameters
        ----------
        told : float32[rows, steps, units]     what ``of_event`` makes of the events
        events : float32[rows, steps, width]
        item : float32[rows, width]
        """
        units = told + self.of_item(item)[:, None] + self.of_product(events * item[:, None])
        # The slope stands with the last axis: PReLU of torch wants it second.
        bent = torch.relu(units) - self.bend.weight * torch.relu(-units)
        found: torch.Tensor = self.weight(bent)[..., 0]
        return found


class Interest(HistoryModule):
    """Layers over the item, the fields and the events of a history, weighed for the item."""

    def __init__(self, settings: DIN, taught: Taught) -> None:
        super().__init__(settings, taught)
        width = self.items.width
        self.activation = Activation(width, settings.n_units)
        read = 3 * width + self.n_fields * settings.n_factors
        self.layers = Layers(read, settings.n_hidden, settings.dropout)
        self.bias = item_bias(settings, taught.sold)

    def encode(self, history: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        """Give the events, what the activation makes of them alone, and which there are."""
        assert history is not None
        events = self.items(history)
        return events, self.activation.of_event(events), (history > 0).to(events.dtype)

    def score(
        self, item: torch.Tensor, slots: torch.Tensor, encoded: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Give the log odds of pairs: float32[rows, 1]."""
        events, told, there = encoded
        asked = self.items(item)
        weight = self.activation(told, events, asked) * there
        read = (weight[:, None, :] @ events)[:, 0]
        fields = self.vectors(slots).flatten(1)
        found: torch.Tensor = self.layers(torch.cat([asked, read, asked * read, fields], 1))
        found += self.bias(item)
        return found


def learn(settings: DIN, taught: Taught) -> PairParts:
    """Learn from what was bought."""
    return learn_pairs(settings, taught, lambda known: Interest(settings, known))
