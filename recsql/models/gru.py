"""A recurrent network over the order of events alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recsql.models.recurrent import RecurrentNetwork


@dataclass
class GRU(RecurrentNetwork):
    """Score items by the state of a gated recurrent network after the newest events.

    It reads the order of events and nothing else.

    Source: Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR
    2016, with the cross-entropy of Ma et al., "Temporal-Contextual Recommendation in Real-Time",
    KDD 2020, equation 1.
    """

    name: ClassVar[str] = "gru"
    tasks: ClassVar[tuple[str, ...]] = ("next",)
