"""A global cut in time: models see what came before, queries come after."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
SHARE_AFTER = 0.2


def cut_time(times: Array, share_after: float) -> int | None:
    """Give the time that leaves about ``share_after`` of the baskets at or after it.

    Parameters
    ----------
    times : int64[n_baskets]
    share_after : float    0 < share_after < 1

    The earliest time is never the cut, however many baskets have it. None when every basket has
    the same time: then nothing comes before a cut.
    """
    if len(times) == 0:
        return None
    ordered = np.sort(times)
    later = int(np.searchsorted(ordered, ordered[0], side="right"))
    if later == len(ordered):
        return None
    return int(ordered[max(later, min(len(ordered) - 1, int(len(ordered) * (1 - share_after))))])
