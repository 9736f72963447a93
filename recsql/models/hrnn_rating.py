"""A recurrent network that foretells ratings from earlier ones, and from time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recsql.models.recurrent_rating import RecurrentRating


@dataclass
class HRNNRating(RecurrentRating):
    """Foretell a rating by a recurrent state that reads earlier ratings, and time.

    At each step it is told what the event before was rated, whether the one asked about begins a
    session, and how long ago the last one was.

    Source: Ma et al., "Temporal-Contextual Recommendation in Real-Time", KDD 2020, section 4.3
    (HRNN with feedback encoding); there the network foretells the rating itself, here what biases
    leave of it.
    """

    name: ClassVar[str] = "hrnn_rating"

    session_starts: bool = True
    time_gaps: bool = True
