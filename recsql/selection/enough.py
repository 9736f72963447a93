"""Whether there is enough data for a task at all."""

from __future__ import annotations

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.models.base import Purchases
from recsql.tasks import LIVE_TASKS

REAL_TIME_TASKS = ("trending", "repeat")


def why_skipped(task: str, purchases: Purchases) -> str | None:
    """Say why nothing can be learned for a task; None when something can."""
    events = purchases.events
    if task in LIVE_TASKS and (events is None or events.n_users == 0):
        return "there are no purchases of known customers: bind user_id"
    if task in REAL_TIME_TASKS and purchases.today is None:
        return "there are no dates: bind ts to a DATE or TIMESTAMP"
    if task == "repeat" and not _anyone_repeats(purchases):
        return "no customer bought an item on two days"
    return None


def _anyone_repeats(purchases: Purchases) -> bool:
    events = purchases.events
    assert events is not None  # looked at before
    pair = events.user.astype(np.int64) * max(events.n_items, 1) + events.item
    day = events.time // MICROSECONDS_PER_DAY
    days = day - day.min(initial=0)
    width = int(days.max(initial=0)) + 1
    return len(np.unique(pair)) < len(np.unique(pair * width + days))
