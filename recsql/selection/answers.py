"""Stored answers from a snapshot: computed first, then written in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from recsql.data.history import History
from recsql.data.purchases import PurchaseReader
from recsql.data.snapshot import NO_DAY, ItemDays, Snapshot
from recsql.database import Session
from recsql.kernels.importance import log_sum_importance
from recsql.kernels.pair_support import pair_support
from recsql.kernels.ranking import Neighbours
from recsql.kernels.trend import softmax, trend
from recsql.models.base import Model, Recommender
from recsql.models.copurchase import CoPurchase
from recsql.models.network import Network
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.networks.limits import telling_of
from recsql.selection.customer_models import let_go_on
from recsql.selection.imports import make_model
from recsql.settings import setting_int, setting_number, setting_text
from recsql.splits.protocols import purchases_for
from recsql.store.models import StoredModel
from recsql.store.stored import (
    StoredNeighbours,
    replace_table,
    replace_table_by_query,
)

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class ItemCounts:
    """Counts of every item, in order of item code.

    Attributes
    ----------
    users, baskets : int64[n_items]    customers and baskets that hold the item
    """

    users: Array
    baskets: Array


class ScoreSource(Protocol):
    """What the scores are computed from; items in order of id."""

    @property
    def item_ids(self) -> pa.Array:
        """Ids in ascending order."""
        ...

    @property
    def available(self) -> Array:
        """Tell which may be recommended: bool[n_items]."""
        ...

    @property
    def item_days(self) -> ItemDays:
        """Transactions an item and day."""
        ...

    @property
    def reader(self) -> PurchaseReader:
        """How purchases were read."""
        ...


def make_purchases(session: Session, snapshot: Snapshot) -> Purchases:
    """Give a snapshot the form that models learn from."""
    days = snapshot.item_days
    dated = days.day != NO_DAY
    if not dated.all():
        days = ItemDays(days.item[dated], days.day[dated], days.transactions[dated])
    cap = setting_int(session, "max_group_items", least=2)
    return Purchases(
        snapshot.history,
        days,
        snapshot.reader.today,
        cap,
        snapshot.events,
        snapshot.user_features,
        snapshot.item_features,
        snapshot.unsold,
        snapshot.knowledge,
    )


def fit_incumbent(
    session: Session,
    stored: StoredModel,
    purchases: Purchases,
    item_ids: pa.Array | None = None,
) -> Model:
    """Fit an incumbent on all purchases; one that counts pairs keeps them.

    With the id of each item code a network goes on from what it learned.
    """
    model = make_model(session, stored)
    if item_ids is not None and isinstance(model, Network):
        let_go_on(session, stored, model, item_ids)
    if isinstance(model, CoPurchase):
        model.keep_pair_bytes = pair_bytes(session)
    with telling_of(f"{stored.task}, {model.name}, everything"):
        return model.fit(purchases_for(stored.task, purchases))


def pair_bytes(session: Session) -> int:
    """Give the most bytes that kept pairs may take."""
    return int(setting_number(session, "max_pair_megabytes", least=0) * 1e6)


def neighbours_of(
    session: Session,
    models: Mapping[str, Recommender],
    available: Array,
    purchases: Purchases | None = None,
) -> list[StoredNeighbours]:
    """Rank the neighbours of every item for each item-to-item task.

    ``purchases`` are needed for models that do not count pairs.
    """
    depth = setting_int(session, "stored_depth")
    return [
        StoredNeighbours(
            task,
            model.rank(depth, available)
            if isinstance(model, CoPurchase)
            else _asked_for_all(task, model, depth, available, purchases),
        )
        for task, model in models.items()
    ]


def _asked_for_all(
    task: str, model: Recommender, depth: int, available: Array, purchases: Purchases | None
) -> Neighbours:
    """Ask a model about every item; the support is what was bought together, whoever ranks."""
    assert purchases is not None
    n_items = len(available)
    found = model.recommend(Requests.of_items(np.arange(n_items)), depth, available)
    groups = purchases.basket_groups if task == "bundle" else purchases.user_groups
    support = pair_support(*groups, n_items, found.item)
    n_found = (found.item >= 0).sum(axis=1).astype(np.int32)
    return Neighbours(found.item, found.score, support, n_found)


def count_items(history: History, n_items: int) -> ItemCounts:
    """Count the customers and baskets of every item; nothing is capped here."""
    return ItemCounts(
        np.bincount(history.user_items[1], minlength=n_items),
        np.bincount(history.basket_item, minlength=n_items),
    )


def write_scores(session: Session, source: ScoreSource, counts: ItemCounts) -> None:
    """Write item_scores, user_scores and totals from counts and days."""
    import pyarrow as pa

    n_items = len(source.item_ids)
    days = source.item_days
    transactions = np.bincount(days.item, weights=days.transactions, minlength=n_items).astype(
        np.int64
    )
    bought = transactions > 0
    columns: dict[str, Any] = {
        "item_id": source.item_ids.filter(pa.array(bought)),
        "transactions": transactions[bought],
        "users": counts.users[bought],
        "baskets": counts.baskets[bought],
        "available": source.available[bought],
    }
    columns |= _trend_columns(session, source, bought)
    replace_table(session, "item_scores", pa.table(columns))
    replace_table_by_query(
        session,
        "user_scores",
        "SELECT b.user_id, b.transactions FROM recsql.buyers AS b "
        "WHERE b.user_id IS NOT NULL ORDER BY b.user_id",
    )
    _write_totals(session, source, transactions[bought])


def _trend_columns(session: Session, source: ScoreSource, bought: Array) -> dict[str, Any]:
    import pyarrow as pa

    n_bought = int(bought.sum())
    if source.reader.today is None:
        empty = pa.nulls(n_bought, pa.float64())
        return {
            "trend_z": empty,
            "trend_score": empty,
            "trend_acceleration": empty,
            "trend_rank": pa.nulls(n_bought, pa.int64()),
        }
    days = source.item_days
    dated = days.day != NO_DAY
    z, acceleration = trend(
        days.item[dated],
        days.day[dated],
        days.transactions[dated],
        len(bought),
        source.reader.today,
        setting_number(session, "trend_half_life_days", least=0.01),
        setting_int(session, "trend_window_days", least=15),
    )
    recent = dated & (days.day > source.reader.today - setting_int(session, "trend_window_days"))
    sold = np.bincount(days.item[recent], weights=days.transactions[recent], minlength=len(bought))[
        bought
    ]
    z, acceleration, available = z[bought], acceleration[bought], source.available[bought]
    available = available & (sold >= setting_int(session, "trend_least_transactions"))
    share = np.zeros(n_bought)
    share[available] = softmax(z[available])
    order = np.lexsort((np.arange(n_bought), -z, ~available))
    rank = np.empty(n_bought, dtype=np.int64)
    rank[order] = np.arange(1, n_bought + 1)
    return {
        "trend_z": z,
        "trend_score": pa.array(share, mask=~available),
        "trend_acceleration": acceleration,
        "trend_rank": pa.array(rank, mask=~available),
    }


def _write_totals(session: Session, source: ScoreSource, item_transactions: Array) -> None:
    import pyarrow as pa

    user_transactions = np.asarray(
        session.arrow("SELECT s.transactions FROM recsql.user_scores AS s").column(0).to_numpy()
    )
    known_users = session.value(
        "SELECT count(*) FROM (SELECT u.user_id::VARCHAR AS id FROM recsql.users AS u "
        "WHERE u.user_id IS NOT NULL UNION SELECT s.user_id::VARCHAR FROM recsql.user_scores AS s)"
    )
    baskets = session.value("SELECT sum(len(b.baskets))::BIGINT FROM recsql.buyers AS b") or 0
    row = {
        "data_now": source.reader.now,
        "today": source.reader.today,
        "transactions": int(item_transactions.sum()),
        "user_transactions": int(user_transactions.sum()),
        "buyers": len(user_transactions),
        "users": known_users,
        "items": len(item_transactions),
        "baskets": baskets,
        "user_log_sum": log_sum_importance(user_transactions),
        "item_log_sum": log_sum_importance(item_transactions),
        "stored_depth": setting_int(session, "stored_depth"),
        "definition": state_definition(session, source.reader),
        "users_fingerprint": np.uint64(users_fingerprint(session)),
    }
    replace_table(session, "totals", pa.Table.from_pylist([row]))


def state_definition(session: Session, reader: PurchaseReader) -> str:
    """Give a text that changes when stored counts can no longer be changed in place."""
    names = (
        "max_group_items",
        "max_pair_megabytes",
        "quantile_bins",
        "stored_depth",
        "trend_half_life_days",
        "trend_least_transactions",
        "trend_window_days",
    )
    settings = [setting_text(session, name) for name in names]
    return hashlib.sha256(repr((reader.definition, settings)).encode()).hexdigest()


def users_fingerprint(session: Session) -> int:
    """Give a number that changes when the attributes of any customer do."""
    return int(
        session.value(
            "SELECT coalesce((sum(hash(u)) % 18446744073709551616)::UBIGINT, 0) "
            "FROM recsql.users AS u"
        )
    )


def data_fingerprint(session: Session) -> str:
    """Give one text that changes when the purchases behind the stored answers do."""
    return str(
        session.value(
            "SELECT printf('%016x', (sum(d.fingerprint) % 18446744073709551616)::UBIGINT) "
            "FROM recsql.days AS d"
        )
    )
