"""Baskets from time: a window opens with a customer's first event and lasts a fixed time."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsql.kernels._jit import kernel

Array = np.ndarray[Any, np.dtype[Any]]


def time_windows(buyer: Array, time: Array, length: int) -> tuple[Array, Array, Array]:
    """Number the baskets of customers by time.

    Parameters
    ----------
    buyer : int32[n_rows]    customer codes, ascending
    time : int64[n_rows]     microseconds, ascending within a customer
    length : int             microseconds; an event this long after the first opens a new basket

    Returns
    -------
    basket : int32[n_rows]             basket of each row, numbered from 0 in the order of the rows
    basket_buyer : int32[n_baskets]    its customer
    basket_time : int64[n_baskets]     time of its first row
    """
    if len(buyer) == 0:
        return np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64)
    basket = _windows(buyer, time, max(length, 1))  # what happens at once stays together
    first = np.flatnonzero(np.diff(basket, prepend=-1))
    return basket, buyer[first], time[first]


@kernel
def _windows(buyer: Any, time: Any, length: Any) -> Any:
    basket = np.empty(buyer.shape[0], dtype=np.int32)
    number = -1
    opened = np.int64(0)
    for row in range(buyer.shape[0]):
        new_buyer = row == 0 or buyer[row] != buyer[row - 1]
        if new_buyer or time[row] - opened >= length:
            number += 1
            opened = time[row]
        basket[row] = number
    return basket


def breaks(user: Array, time: Array, length: int) -> Array:
    """Number the sessions of all customers: a longer break than ``length`` begins a new one.

    Parameters
    ----------
    user : integers[n_rows]    ascending
    time : int64[n_rows]       ascending within a customer
    length : int               on the scale of time

    Returns
    -------
    int64[n_rows]    from 0, in the order of the rows
    """
    begins = np.zeros(len(user), dtype=bool)
    begins[1:] = (np.diff(user) != 0) | (np.diff(time) > length)
    return np.cumsum(begins)


def latest_times(ptr: Array, item: Array, row_group: Array, row_item: Array, time: Array) -> Array:
    """Give the latest time of each item in each group.

    Parameters
    ----------
    ptr, item : int64[n_groups + 1], int32[n_entries]    items ascending within a group
    row_group, row_item, time : integers[n_rows]         rows; items not in their group are skipped

    Returns
    -------
    int64[n_entries]    the least int64 for an entry without a row
    """
    return _latest_times(ptr, item, row_group, row_item, time)


@kernel
def _latest_times(ptr: Any, item: Any, row_group: Any, row_item: Any, time: Any) -> Any:
    latest = np.full(item.shape[0], np.iinfo(np.int64).min, dtype=np.int64)
    for row in range(row_group.shape[0]):
        low, high = ptr[row_group[row]], ptr[row_group[row] + 1]
        end = high
        while low < high:
            middle = (low + high) // 2
            if item[middle] < row_item[row]:
                low = middle + 1
            else:
                high = middle
        if low < end and item[low] == row_item[row] and time[row] > latest[low]:
            latest[low] = time[row]
    return latest
