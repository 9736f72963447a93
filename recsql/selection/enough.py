"""Whether there is enough data for a task at all."""

from __future__ import annotations

from recsql.data.events import Events
from recsql.models.purchases import Purchases
from recsql.splits.ratings import ratings_differ
from recsql.splits.repeats import anyone_repeats
from recsql.tasks import LIVE_TASKS

REAL_TIME_TASKS = ("trending", "repeat")


def why_skipped(task: str, purchases: Purchases) -> str | None:
    """Say why nothing can be learned for a task; None when something can."""
    events = purchases.events
    if task in LIVE_TASKS and (events is None or events.n_users == 0):
        return "there are no purchases of known customers: bind user_id"
    if task in REAL_TIME_TASKS and purchases.today is None:
        return "there are no dates: bind ts to a DATE or TIMESTAMP"
    if task == "repeat" and events is not None and not anyone_repeats(events):
        return "no customer bought an item on two days"
    if task == "rating":
        return None if events is None else _why_unrated(events)
    return None


def _why_unrated(events: Events) -> str | None:
    if not events.rated.any():
        return "no purchase of a known customer has a rating: bind rating"
    return None if ratings_differ(events) else "all ratings are the same"
