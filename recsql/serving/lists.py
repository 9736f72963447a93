"""Lists of recommendations as arrays, from the model to SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]
FALLBACK = "popularity"


@dataclass(frozen=True)
class Lists:
    """Answers to some requests.

    Attributes
    ----------
    ids : item ids as text, by code
    item : int32[n, k]        codes, best first; -1 where a list has ended
    score : float64[n, k]
    by_model : int64[n]       entries that the model gave; best sellers follow
    model : its name
    """

    ids: pa.Array
    item: Array
    score: Array
    by_model: Array
    model: str

    @property
    def sizes(self) -> Array:
        """Count the entries of each list: int64[n]."""
        counts: Array = np.count_nonzero(self.item >= 0, axis=1)
        return counts

    def columns(self) -> dict[str, pa.Array]:
        """Give rank, item_id, score and model of all entries, list after list."""
        there = self.item >= 0
        rank = np.broadcast_to(np.arange(1, self.item.shape[1] + 1), self.item.shape)
        is_filled = (rank > self.by_model[:, None])[there]
        names = pa.array([self.model, FALLBACK], pa.string())
        return {
            "rank": pa.array(rank[there]),
            "item_id": self.ids.take(pa.array(self.item[there])),
            "score": pa.array(self.score[there]),
            "model": names.take(pa.array(is_filled.astype(np.int8))),
        }
