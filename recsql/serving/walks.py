"""What goes with an item for one customer: a walk that those like them draw to what they bought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recsql.data.live import read_live
from recsql.data.offered import gone_items
from recsql.data.purchases import purchase_reader
from recsql.database import Session
from recsql.errors import ParameterError
from recsql.models.base import Recommender
from recsql.models.requests import Requests
from recsql.serving.residents import resident_walk

Row = dict[str, Any]


@dataclass(frozen=True)
class AskedWalk:
    """One request: about an item, for a customer; ``exclude_bought`` None lets the data decide."""

    user: str | None
    item: str | None
    k: int | None
    exclude_bought: bool | None = None


def answer_walks(session: Session, task: str, asked: Sequence[AskedWalk]) -> list[list[Row]]:
    """Give the items that go with each item, as customers like the one who is asked for buy.

    An unknown item has no rows; for a customer without purchases the walk is that of everyone.

    Raises
    ------
    NotTrainedError
        The task has no incumbent.
    ParameterError
        k is NULL or below 1.
    """
    for one in asked:
        if one.k is None or one.k < 1:
            raise ParameterError(f"k must be at least 1, got {'NULL' if one.k is None else one.k}.")
    if not asked:
        return []
    with session.transaction():
        resident = resident_walk(session, task)
        history = read_live(
            session,
            purchase_reader(session, live=True),
            [one.user for one in asked],
            [None] * len(asked),
            resident.code_of,
            len(resident.ids),
        )
        gone = gone_items(session)
    model = resident.model
    assert isinstance(model, Recommender)  # a walk is one
    offered = np.ones(len(resident.ids), dtype=bool)
    offered[[resident.code_of[item] for item in gone if item in resident.code_of]] = False
    item = np.array([resident.code_of.get(one.item or "", -1) for one in asked], dtype=np.int32)
    leaves_out = np.array(
        [
            resident.exclude_bought if one.exclude_bought is None else one.exclude_bought
            for one in asked
        ]
    )
    rows: list[list[Row]] = [[] for _ in asked]
    for flag in (False, True):
        chosen = np.flatnonzero((leaves_out == flag) & (item >= 0))
        if len(chosen) == 0:
            continue
        requests = Requests.of_customers(
            np.full(len(chosen), -1), history.events.of_users(chosen), exclude_bought=flag
        )
        most = max(asked[place].k or 1 for place in chosen.tolist())
        found = model.recommend(
            replace(requests, item=item[chosen]), min(most, len(resident.ids)), offered
        )
        for row, place in enumerate(chosen.tolist()):
            wanted = found.item[row][: asked[place].k]
            rows[place] = [
                {
                    "rank": rank,
                    "item_id": resident.ids[code],
                    "score": float(found.score[row, rank - 1]),
                    "support": int(found.support[row, rank - 1]),
                    "model": model.name,
                }
                for rank, code in enumerate(wanted.tolist(), start=1)
                if code >= 0
            ]
    return rows
