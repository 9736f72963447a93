"""DIN: what of a history matters for the item that is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from recsql.networks.pairs import PairParts

from ._fields import LastLayers
from ._items import HistoryModule, item_bias
from ._pairs import ITEM, REQUEST, learn_pairs

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

    def forward(
        self, told: torch.Tensor, events: torch.Tensor, asked: torch.Tensor, item: torch.Tensor
    ) -> torch.Tensor:
        """Give float32[rows, steps].

        Parameters
        ----------
        told : float32[rows, steps, units]     what ``of_event`` makes of the events
        events : float32[rows, steps, width]
        asked : float32[rows, units]           what ``of_item`` makes of the item
        item : float32[rows, width]
        """
        units = told + asked[:, None] + self.of_product(events * item[:, None])
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
        self.first = self.first_layer(0, 2 * width, settings.n_hidden)
        self.above = LastLayers(settings.n_hidden, settings.dropout)
        self.bias = item_bias(settings, taught.sold)

    def request(
        self, slots: torch.Tensor, history: torch.Tensor | None
    ) -> tuple[torch.Tensor, ...]:
        """Give the events, what the activation makes of them alone, and which there are.

        After them comes what the first layer makes of the fields.
        """
        assert history is not None
        events, there = self.items(history), history > 0
        fields = self.first.of_request(self.fields_of(slots, REQUEST))
        return events, self.activation.of_event(events), there.to(events.dtype), fields

    def item(self, code: torch.Tensor, slots: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give vectors of items, what the activation and the first layer make of them, and bias."""
        vector = self.items(code)
        read = self.first.of_item(torch.cat([vector, self.fields_of(slots, ITEM)], 1))
        return vector, self.activation.of_item(vector), read, self.bias(code)

    def pair(self, request: Sequence[torch.Tensor], item: Sequence[torch.Tensor]) -> torch.Tensor:
        """Give the log odds of pairs: float32[rows, 1]."""
        events, told, there, of_request = request
        vector, asked, of_item, bias = item
        weight = self.activation(told, events, asked, vector) * there
        read = (weight[:, None, :] @ events)[:, 0]
        of_pair = self.first.of_pair(torch.cat([read, vector * read], 1))
        found: torch.Tensor = self.above(of_request + of_item + of_pair)
        return found + bias


def learn(settings: DIN, taught: Taught) -> PairParts:
    """Learn from what was bought."""
    return learn_pairs(settings, taught, lambda known: Interest(settings, known))
