"""A recurrent network that knows when sessions begin and how much time has passed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recsql.models.recurrent import RecurrentNetwork


@dataclass
class HRNN(RecurrentNetwork):
    """Score items by a recurrent state that also reads time: its answer depends on ``at_time``.

    At each step it is told whether the event asked for begins a session, and how long ago the
    last one was. So one network does what a hierarchy of two does, at the cost of one.

    Source: Ma et al., "Temporal-Contextual Recommendation in Real-Time", KDD 2020, section 2.2.
    """

    name: ClassVar[str] = "hrnn"
    tasks: ClassVar[tuple[str, ...]] = ("next",)

    session_starts: bool = True
    time_gaps: bool = True
