"""SASRec: attention over what a customer did, each event seeing those before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from recsql.data.events import Events
from recsql.networks.sequences import SequenceParts

from ._export import export
from ._modules import weights_of
from ._sequences import SequenceLesson, SequenceModule, held_out_moments
from ._softmax import log_shares
from ._training import learned

if TYPE_CHECKING:
    from recsql.models.sasrec import SASRec

Array = np.ndarray[Any, np.dtype[Any]]


class Attention(nn.Module):
    """A layer of attention and one of units, each added to what it reads.

    Written out, not ``nn.TransformerEncoderLayer``, which makes the length a constant of the graph.
    """

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.before = nn.LayerNorm(width)
        self.to_all = nn.Linear(width, 3 * width)
        self.joined = nn.Linear(width, width)
        self.between = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        """Give float32[rows, steps, width] of the same."""
        rows, steps, width = state.shape
        parts = self.to_all(self.before(state)).reshape(rows, steps, 3, self.n_heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        seen = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            dropout_p=self.dropout.p if self.training else 0.0,
            is_causal=True,
        )
        seen = self.joined(seen.transpose(1, 2).reshape(rows, steps, width))
        state = state + self.dropout(seen)
        units = self.narrow(self.dropout(functional.gelu(self.wide(self.between(state)))))
        found: torch.Tensor = state + self.dropout(units)
        return found


class Encoder(SequenceModule):
    """From the items of a history to the vector that the next item should have."""

    def __init__(self, settings: SASRec, count: Array) -> None:
        super().__init__()
        n_items, width = len(count), settings.n_factors
        sparse = n_items >= settings.dense_items
        self.item = nn.Embedding(n_items + 1, width, sparse=sparse)
        self.place = nn.Embedding(settings.max_length, width)
        self.entrance = nn.LayerNorm(width)
        self.dropout = nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(
            Attention(width, settings.n_heads, settings.dropout) for _ in range(settings.n_layers)
        )
        self.after = nn.LayerNorm(width)
        self.bias = nn.Embedding(n_items, 1, sparse=sparse)
        nn.init.normal_(self.item.weight, std=0.02)
        nn.init.normal_(self.place.weight, std=0.02)
        nn.init.zeros_(self.bias.weight)
        if sparse:
            with torch.no_grad():
                self.bias.weight.copy_(log_shares(count))

    def item_rows(self) -> Mapping[str, int]:
        """Give the parameters with a row an item, and the row of the first one."""
        return {"item.weight": 1, "bias.weight": 0}

    def states(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Give the vector after each event: float32[rows, steps, width]."""
        item = batch["item"]
        read = self.item(item) + self.place.weight[: item.shape[1]]
        state = self.dropout(self.entrance(read))
        for layer in self.layers:
            state = layer(state)
        found: torch.Tensor = self.after(state)
        return found

    def items(self, code: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Give vectors and biases of items, of all where none are named."""
        if code is None:
            return self.item.weight[1:], self.bias.weight[:, 0]
        return self.item(code + 1), self.bias(code)[:, 0]

    def forward(self, item: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Give the vector after the last event: float32[rows, width].

        Parameters
        ----------
        item : int64[rows, steps]    codes from 1, the oldest first; 0 after the end
        length : int64[rows]         events of each row, >= 1
        """
        state = self.states({"item": item})
        found: torch.Tensor = state[torch.arange(item.shape[0], device=item.device), length - 1]
        return found


def learn(settings: SASRec, events: Events) -> SequenceParts:
    """Learn from the events of customers."""
    hidden = held_out_moments(events, settings)
    lesson = SequenceLesson(events, settings, hidden)
    count = np.bincount(events.item[~hidden], minlength=events.n_items)
    module = learned(
        settings,
        lambda: Encoder(settings, count),
        lesson,
        (events.user_ptr, events.item, events.time, events.strength),
    )
    table, bias = module.items()
    graph = export(
        settings.name,
        module,
        lambda rng, rows, steps: {
            "item": rng.integers(1, events.n_items + 1, (rows, steps)),
            "length": rng.integers(1, steps + 1, rows),
        },
        ("vector",),
        {"item": {0: "rows", 1: "steps"}, "length": {0: "rows"}, "vector": {0: "rows"}},
        lengths=sorted({1, min(7, settings.max_length), settings.max_length}),
    )
    return SequenceParts(
        graph,
        table.detach().numpy(),
        bias.detach().numpy(),
        weights_of(module),
    )
