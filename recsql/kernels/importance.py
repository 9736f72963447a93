"""The normaliser of the importance score, computed so that it neither overflows nor wavers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def log_sum_importance(counts: Array) -> float:
    """Give ln(sum(exp(Z))) over customers or items, the normaliser of the importance score.

    With n counts c_i, Z_i = TC_i / TC_avg = n * c_i / sum(c), and the importance score is
    IS_i = exp(Z_i - ln(sum(exp(Z)))): no exponential of a large number is ever taken, although
    Z of one customer among a million can be a million.

    Parameters
    ----------
    counts : int64[n]    transactions of each customer or item, >= 0

    Returns
    -------
    float    0.0 for no counts; the same for the same counts in any order

    Source
    ------
    A Unified Recommendation Framework for Zoho CRM, section 2.7, equations 2 to 4; in the
    stable form of the log of a sum of exponentials.
    """
    if len(counts) == 0:
        return 0.0
    total = int(counts.sum(dtype=np.int64))
    distinct, customers = np.unique(counts, return_counts=True)
    # Nobody bought anything: everybody is as important as everybody else.
    z = len(counts) * distinct.astype(np.float64) / total if total else np.zeros(len(distinct))
    largest = float(z[-1])
    return largest + math.log(math.fsum(customers * np.exp(z - largest)))
