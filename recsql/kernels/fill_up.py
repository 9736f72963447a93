"""Lists that ended early, filled up from one order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel

Codes = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@kernel
def fill_up(
    item: Codes,
    score: Doubles,
    wanted: Longs,
    order: Codes,
    order_score: Doubles,
    bought_ptr: Longs,
    bought: Codes,
    leaves_out: Flags,
    n_codes: int,
) -> None:
    """Append to each list that is shorter than wanted what comes first in an order; in place.

    Parameters
    ----------
    item : int32[n, k]            codes of each list, best first; -1 where it has ended
    score : float64[n, k]         0 where a list has ended
    wanted : int64[n]             entries of each list, <= k
    order : int32[m]              codes, best first, all different
    order_score : float64[m]      their scores
    bought_ptr : int64[n + 1]     where the bought codes of each list begin
    bought : int32[any]           codes; -1 is passed over
    leaves_out : bool[n]          whether what was bought is left out
    n_codes : int                 codes are 0 to n_codes - 1
    """
    taken_by = np.full(n_codes, -1, dtype=np.int64)
    for row in range(len(item)):
        size = 0
        while size < wanted[row] and item[row, size] >= 0:
            size += 1
        if size == wanted[row]:
            continue
        for place in range(size):
            taken_by[item[row, place]] = row
        if leaves_out[row]:
            for place in range(bought_ptr[row], bought_ptr[row + 1]):
                if bought[place] >= 0:
                    taken_by[bought[place]] = row
        for place in range(len(order)):
            if size == wanted[row]:
                break
            code = order[place]
            if taken_by[code] != row:
                item[row, size] = code
                score[row, size] = order_score[place]
                size += 1
