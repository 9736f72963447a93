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

    None when every basket has the same time: then nothing comes before a cut.
    """
    if len(times) == 0:
        return None
    ordered = np.sort(times)
    cut = int(ordered[min(len(ordered) - 1, int(len(ordered) * (1 - share_after)))])
    return cut if cut > int(ordered[0]) else None
