"""A recurrent network that foretells ratings from earlier ones, time and attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recsql.models.recurrent_rating import RecurrentRating


@dataclass
class HRNNMetaRating(RecurrentRating):
    """Foretell a rating by a recurrent state that reads earlier ratings, time and attributes.

    Beside what ``hrnn_rating`` reads, it reads the attributes of the customer and those of items.
    The vector of an item is its own, mixed with that of its attributes: while learning by a share
    drawn from ``least_mix`` to 1 in each step, then by ``warm_mix`` for items that were rated, and
    by 1 for those that nobody rated yet. What adds to the mean by itself is the bias of the item,
    mixed with that of its attributes in the same way.

    Source: Ma et al., "Temporal-Contextual Recommendation in Real-Time", KDD 2020, sections 2.2,
    2.3 and 4.3; there the network foretells the rating itself, here what biases leave of it.
    """

    name: ClassVar[str] = "hrnn_meta_rating"

    session_starts: bool = True
    time_gaps: bool = True
    user_features: bool = True
    item_features: bool = True
