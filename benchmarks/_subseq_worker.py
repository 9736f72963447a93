"""Run the package subseq on sequences from a file: needs only numpy and the package.

python _subseq_worker.py INPUT OUTPUT: INPUT is an .npz of ``ptr`` and ``item`` (sequences), of
``customers`` (who is asked) and ``settings`` (rows of threshold and length of a query); OUTPUT
receives the seconds of fits and predictions and, for each setting, the lists of ten.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from subseq.subseq import Subseq

ROUNDS = 5


def main() -> None:
    """Fit a few times, then ask for one customer after the other."""
    given = np.load(sys.argv[1])
    bounds = zip(given["ptr"][:-1], given["ptr"][1:], strict=True)
    sequences = [given["item"][first:last].tolist() for first, last in bounds]
    fits = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        Subseq(0).fit(sequences)
        fits.append(time.perf_counter() - started)
    lists, seconds = [], []
    for threshold, length in given["settings"].tolist():
        model = Subseq(threshold)
        model.fit(sequences)
        queries = [sequences[customer][-length:] for customer in given["customers"].tolist()]
        for query in queries:
            started = time.perf_counter()
            found = model.predict_k(query, 10)
            seconds.append(time.perf_counter() - started)
            lists.append((list(found) + [-1] * 10)[:10])
    shape = (len(given["settings"]), len(given["customers"]))
    np.savez(
        sys.argv[2],
        fit=np.array(fits[1:]),
        seconds=np.array(seconds).reshape(shape),
        item=np.array(lists).reshape(*shape, 10),
    )


if __name__ == "__main__":
    main()
