"""Purchases from rows, put together with no thought for speed, and with no database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.events import Events, Feedback, pointers
from recsql.data.features import Features
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.models.purchases import Purchases

HOUR = MICROSECONDS_PER_DAY // 24


class Row(NamedTuple):
    """One purchase; nobody's without a user, and of a session of nobody where one is given.

    NaN is no rating; where no row has one, none are bound.
    """

    user: int | None
    item: int
    time: int
    basket: int
    session: int | None = None
    rating: float = float("nan")


def bought(rows: Sequence[Row], n_items: int, *, timed: bool = True) -> Purchases:
    """Give the purchases of rows; ``timed`` is False for times that are mere zeros."""
    users = sorted({row.user for row in rows if row.user is not None})
    buyers: list[tuple[int | None, int | None]] = [(user, None) for user in users]
    buyers += [(None, basket) for basket in sorted({r.basket for r in rows if r.user is None})]
    baskets, counts = [], []
    for user, basket in buyers:
        own = [r for r in rows if r.user == user and (user is not None or r.basket == basket)]
        numbers = sorted({row.basket for row in own})
        counts.append(len(numbers))
        baskets += [[row for row in own if row.basket == number] for number in numbers]
    held = [sorted({row.item for row in basket}) for basket in baskets]
    history = History(
        n_items,
        np.array([user is not None for user, _ in buyers], dtype=bool),
        pointers(np.array(counts, dtype=np.int64)),
        pointers(np.array([len(items) for items in held], dtype=np.int64)),
        np.array([code for items in held for code in items], dtype=np.int32),
        np.array([min(row.time for row in basket) for basket in baskets], dtype=np.int64),
        np.array([max(row.time for row in basket) for basket in baskets], dtype=np.int64),
    )
    today = max(row.time for row in rows) // MICROSECONDS_PER_DAY if timed else None
    return Purchases(history, _days(rows if timed else []), today, 1000, _events(rows, n_items))


def _days(rows: Sequence[Row]) -> ItemDays:
    sold: dict[tuple[int, int], int] = {}
    for row in rows:
        key = row.item, row.time // MICROSECONDS_PER_DAY
        sold[key] = sold.get(key, 0) + 1
    found = np.array([(*key, n) for key, n in sorted(sold.items())], dtype=np.int64).reshape(-1, 3)
    return ItemDays(found[:, 0].astype(np.int32), found[:, 1], found[:, 2])


def _events(rows: Sequence[Row], n_items: int) -> Events:
    users = sorted({row.user for row in rows if row.user is not None})
    visits = sorted({r.session for r in rows if r.user is None and r.session is not None})
    actors = [[row for row in rows if row.user == user] for user in users]
    actors += [[row for row in rows if row.user is None and row.session == v] for v in visits]
    item, time, basket, rating = [], [], [], []
    for own in actors:
        own = sorted(own, key=lambda row: (row.time, row.basket, row.item))
        numbers = list(dict.fromkeys(row.basket for row in own))
        item += [row.item for row in own]
        time += [row.time for row in own]
        rating += [row.rating for row in own]
        basket += [numbers.index(row.basket) for row in own]
    number = np.array(basket, dtype=np.int32)
    kind = np.zeros(len(item), dtype=np.int16)
    said = Feedback(np.array(rating, dtype=np.float32), kind, ("purchase",))
    return Events(
        n_items,
        pointers(np.array([len(own) for own in actors], dtype=np.int64)),
        np.array(item, dtype=np.int32),
        np.array(time, dtype=np.int64),
        number,
        number,
        np.ones(len(item), dtype=np.float32),
        said if np.isfinite(said.rating).any() else None,
    )


def features(n_rows: int, width: int) -> Features:
    """Give every row one value of each of two attributes."""
    code = np.arange(n_rows)
    table = np.stack([code % width, width + code * 7 % 5], axis=1).astype(np.int32)
    names = tuple(("one", str(value)) for value in range(width))
    names += tuple(("two", str(value)) for value in range(5))
    return Features(pointers(np.full(n_rows, 2)), table.ravel(), names)


def random_rows(
    seed: int,
    *,
    baskets: int = 60,
    users: int = 15,
    items: int = 10,
    days: int = 120,
    nobody: float = 0.0,
) -> list[Row]:
    """Give random baskets; each lasts up to two hours, one purchase after the other.

    Two of three purchases are rated, from 1 to 5.

    Parameters
    ----------
    nobody : share of the baskets that are nobody's; half of these belong to a session
    """
    rng = np.random.default_rng(seed)
    rows = []
    for basket in range(baskets):
        anonymous = rng.random() < nobody
        user = None if anonymous else int(rng.integers(users))
        session = int(rng.integers(baskets)) if anonymous and rng.random() < 0.5 else None
        start = 19_000 * MICROSECONDS_PER_DAY + int(rng.integers(days * 24)) * HOUR
        for item in rng.choice(items, int(rng.integers(1, 5)), replace=False).tolist():
            rating = float(1 + (7 * item + basket) % 5) if (item + basket) % 3 else float("nan")
            rows.append(Row(user, item, start, basket, session, rating))
            start += int(rng.integers(HOUR // 2))
    return rows
