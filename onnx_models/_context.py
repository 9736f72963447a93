"""Vectors of what is known of a request."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from recsql.networks.fields import FieldLayout

from ._fields import FieldVectors

SPREAD = 0.1  # to begin with; what begins near 0 is found after patience has ended


class ContextVectors(nn.Module):
    """The sum of the vectors of the fields of a context, that of a field the mean of its values.

    While learning a share of the fields is read as unknown, which has a vector of its own.
    """

    empty: torch.Tensor
    field: torch.Tensor

    def __init__(self, layout: FieldLayout, width: int, unknown_share: float) -> None:
        super().__init__()
        self.share, self.n_fields = unknown_share, len(layout.n_slots)
        sizes = layout.n_slots.tolist()
        self.vectors = FieldVectors(layout.next_code, sizes, width=width, spread=SPREAD)
        self.register_buffer("empty", torch.from_numpy(layout.empty.astype(np.int64)))
        self.register_buffer("field", torch.from_numpy(layout.field_of_slot))

    def forward(self, slots: torch.Tensor) -> torch.Tensor:
        """Give float32[rows, steps, width] of int64[rows, steps, slots]."""
        if self.training and self.share:
            gone = torch.rand((*slots.shape[:-1], self.n_fields), device=slots.device) < self.share
            slots = torch.where(gone[..., self.field], self.empty, slots)
        told = self.vectors(slots.flatten(0, 1)).sum(1)
        found: torch.Tensor = told.reshape(*slots.shape[:-1], told.shape[-1])
        return found
