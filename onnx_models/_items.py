"""Vectors of items, one table for all that read them: with interests, half of each is theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ._fields import SPARSE_CODES, FieldVectors, FirstLayer, forgetful
from ._interests import Interests, interest_loss, scaled_gradient
from ._pairs import PairModule, log_odds

if TYPE_CHECKING:
    from recsql.models.history_network import HistoryNetwork
    from recsql.models.pair_network import PairNetwork, Taught


Array = np.ndarray[Any, np.dtype[Any]]

SPREAD = 0.05  # of vectors to begin with: a sum over larger ones drowns what is known of items


class ItemTable(nn.Module):
    """A vector for each item: its own, and the mean of those of its attributes added to it.

    While learning, a share of the items is read as unknown ones of the same attributes; that is how
    an item that nobody bought is read afterwards.
    """

    slots: torch.Tensor

    def __init__(self, settings: HistoryNetwork, taught: Taught) -> None:
        super().__init__()
        n_items, width = taught.events.n_items, settings.n_factors
        self.share = settings.unknown_share
        self.own = nn.Embedding(n_items + 1, width, sparse=n_items >= SPARSE_CODES)
        nn.init.normal_(self.own.weight, std=SPREAD)
        layout = taught.fields.item
        self.first_code = layout.first_code - 1  # code 0 is an empty slot here as well
        self.of_attributes: FieldVectors | None = None
        if len(layout.field):
            n_codes = layout.next_code - self.first_code
            self.of_attributes = FieldVectors(
                n_codes, layout.n_slots.tolist(), width=width, spread=SPREAD
            )
            slots = torch.from_numpy(taught.item_slots).long()
            self.register_buffer("slots", (slots - self.first_code) * (slots > 0))

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        """Give float32[…, width] of codes from 1."""
        own = forgetful(code, self.share) if self.training and self.share else code
        return self._read(own, code)

    def _read(self, own: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """Give the vectors of some items with the attributes of others."""
        found: torch.Tensor = self.own(own)
        if self.of_attributes is None:
            return found
        distinct, place = torch.unique(code, return_inverse=True)
        told: torch.Tensor = self.of_attributes(self.slots[distinct]).mean(1)
        return found + told[place]

    def frozen(self, sold: torch.Tensor) -> torch.Tensor:
        """Give the vectors of all items for answering: float32[n_items + 1, width]."""
        self.eval()
        with torch.no_grad():
            code = torch.arange(self.own.num_embeddings)
            return self._read(functional.pad(sold, (1, 0)) * code, code)


class ItemVectors(nn.Module):
    """What rankers read of items; ``interests`` doubles it, and the half it adds has a second task.

    The half that is the ranker's own learns from it alone. The other half gets a share delta of the
    ranker's gradient and 1 - delta of that of the second task.
    """

    popularity: torch.Tensor

    def __init__(self, settings: HistoryNetwork, taught: Taught) -> None:
        super().__init__()
        self.own = ItemTable(settings, taught)
        self.width = settings.n_factors * (2 if settings.interests else 1)
        self.share = settings.interest_share
        self.auxiliary: ItemTable | None = None
        self.interests: Interests | None = None
        if settings.interests:
            self.auxiliary, self.interests = ItemTable(settings, taught), Interests(settings)
            self.register_buffer("popularity", torch.from_numpy(log_odds(settings, taught.sold)))
        self.table: torch.Tensor | None = None

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        """Give float32[…, width] of codes from 1; 0 is an unknown item."""
        if self.table is not None:
            return functional.embedding(code, self.table)
        own: torch.Tensor = self.own(code)
        if self.auxiliary is None:
            return own
        return torch.cat([own, scaled_gradient(self.auxiliary(code), self.share)], -1)

    def settle(self, sold: torch.Tensor) -> None:
        """Fix the vectors for answering."""
        tables = [self.own] if self.auxiliary is None else [self.own, self.auxiliary]
        self.table = torch.cat([table.frozen(sold) for table in tables], 1)

    def interest_loss(
        self, batch: Mapping[str, torch.Tensor], profile: torch.Tensor
    ) -> torch.Tensor:
        """Give the loss of the second task: how well interests tell what was bought."""
        assert self.auxiliary is not None
        assert self.interests is not None
        item = batch["item"]
        codes = item.T.flatten()  # what was bought comes first
        shift = batch["among"].T.flatten() - self.popularity[codes]
        vectors = scaled_gradient(self.auxiliary(codes), 1 - self.share)
        history = scaled_gradient(self.auxiliary(batch["history"]), 1 - self.share)
        capsules, exists = self.interests.capsules(history, batch["history"] > 0, profile)
        wanted = self.interests.chosen(capsules, exists, vectors[: len(item)])
        return interest_loss(wanted, codes, vectors, shift, batch["weight"])


class HistoryModule(PairModule):
    """A module that ranks by the vectors of items and of fields."""

    def __init__(self, settings: HistoryNetwork, taught: Taught) -> None:
        super().__init__()
        fields, width = taught.fields, settings.n_factors
        self.items = ItemVectors(settings, taught)
        n_slots = fields.asked_slots.tolist(), fields.item.n_slots.tolist()
        self.vectors = FieldVectors(fields.n_codes, *n_slots, width=width, spread=0.05)
        self._n_read = [len(sizes) * width for sizes in n_slots]
        self.weight = settings.interest_weight
        self.profile: FieldVectors | None = None
        if settings.interests:
            self.profile = FieldVectors(fields.n_codes, n_slots[0], width=width, spread=0.05)

    def first_layer(self, request: int, pair: int, n_units: int) -> FirstLayer:
        """Give a layer over the fields of both sides and the vector of the item.

        Parameters
        ----------
        request, pair : width of what else is read of a request, and of a pair
        """
        of_request, of_item = self._n_read
        return FirstLayer(of_request + request, self.items.width + of_item, pair, n_units)

    def fields_of(self, slots: torch.Tensor, side: int) -> torch.Tensor:
        """Give the vectors of the fields of one side of pairs: float32[rows, fields * width]."""
        found: torch.Tensor = self.vectors(slots, side).flatten(1)
        return found

    def item_rows(self) -> Mapping[str, int]:
        """Give the parameters with a row an item, and the row of the first one."""
        tables = ("items.own.own", "items.auxiliary.own", "bias", "item_weight")
        names = {name for name, _ in self.named_parameters()}
        return {f"{table}.weight": 1 for table in tables if f"{table}.weight" in names}

    def extra_loss(
        self, batch: Mapping[str, torch.Tensor], request: Sequence[torch.Tensor]
    ) -> torch.Tensor | None:
        """Give the loss of interests; None without them."""
        del request
        if self.profile is None:
            return None
        profile = self.profile(batch["asked"]).mean(1)
        return self.weight * self.items.interest_loss(batch, profile)

    def settle(self, sold: torch.Tensor) -> None:
        """Fix the vectors of items."""
        self.items.settle(sold)


def item_bias(settings: PairNetwork, sold: Array, outputs: int = 1) -> nn.Embedding:
    """Give what each item begins with: the log odds of an item sold so often."""
    found = nn.Embedding(len(sold) + 1, outputs, sparse=len(sold) >= SPARSE_CODES)
    with torch.no_grad():
        start = torch.from_numpy(log_odds(settings, sold))
        found.weight[:] = start[:, None]
    return found


def mean_of_history(vectors: torch.Tensor, history: torch.Tensor) -> torch.Tensor:
    """Give the mean vector of each history, 0 for an empty one: float32[rows, width]."""
    there = (history > 0).to(vectors.dtype)
    total = (there[:, None, :] @ vectors)[:, 0]
    return total / there.sum(1, keepdim=True).clamp_min(1.0)
