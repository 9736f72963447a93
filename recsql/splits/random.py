"""The protocol ``random``: whole groups at random, for data without time."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def random_buyers(n_buyers: int, share_test: float, seed: int) -> Array:
    """Choose test buyers: bool[n_buyers], about ``share_test`` of them true."""
    chosen: Array = np.random.default_rng(seed).random(n_buyers) < share_test
    return chosen
