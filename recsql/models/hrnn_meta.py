"""A recurrent network that knows time, feedback, attributes and context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recsql.models.recurrent import RecurrentNetwork


@dataclass
class HRNNMeta(RecurrentNetwork):
    """Score items by a recurrent state that reads time, feedback, attributes and context.

    Beside time it reads the rating and the kind of the event before, the context of what is asked
    for, the attributes of the customer, and those of items. The vector of an item is its own, mixed
    with that of its attributes: while learning by a share drawn from ``least_mix`` to 1 in each
    step, then by ``warm_mix`` for items that were bought, and by 1 for those that nobody bought
    yet. It can recommend these where they are bound and share an attribute with an item that was
    bought.

    Source: Ma et al., "Temporal-Contextual Recommendation in Real-Time", KDD 2020, sections 2.2
    and 2.3.
    """

    name: ClassVar[str] = "hrnn_meta"
    tasks: ClassVar[tuple[str, ...]] = ("next",)

    session_starts: bool = True
    time_gaps: bool = True
    feedback: bool = True
    request_features: bool = True
    user_features: bool = True
    item_features: bool = True
