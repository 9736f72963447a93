"""Bring stored answers up to date with what changed: equal to a rebuild, at the cost of the change.

Fingerprints of every customer and every day, taken in one scan, tell which of them changed. Only
their purchases are read again; their old baskets are taken out of the counted pairs and their
new ones put in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.history import History, read_fingerprints, read_history
from recsql.data.purchases import PurchaseReader, purchase_reader
from recsql.data.snapshot import (
    ItemDays,
    read_item_day_arrays,
    read_item_days,
    read_items,
)
from recsql.database import Session
from recsql.errors import NotTrainedError
from recsql.models.base import Purchases
from recsql.models.catalogue import model_named
from recsql.models.copurchase import CoPurchase
from recsql.selection.answers import (
    ItemCounts,
    count_items,
    data_fingerprint,
    neighbours_of,
    state_definition,
    users_fingerprint,
    write_scores,
)
from recsql.selection.train import rebuild, write_pairs
from recsql.settings import setting_int
from recsql.store.artifacts import read_artifact
from recsql.store.models import StoredModel, incumbents, insert_run
from recsql.store.stored import buyer_table, read_buyers, replace_table_by_query, write_top_items

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did: how, and how many customers and days had changed."""

    how: str
    reason: str
    changed_buyers: int
    changed_days: int


@dataclass(frozen=True)
class _Change:
    """What changed since the stored answers, read from one transaction (a ``ScoreSource``).

    Item codes are positions in ascending order of id. ``codes`` gives the stored code of each.
    """

    reader: PurchaseReader
    item_ids: pa.Array
    available: Array
    codes: Array
    new: History
    new_buyers: pa.Table
    old: History
    item_days: ItemDays
    counts: ItemCounts
    changed_days: int


def refresh(session: Session, finish: Callable[[Session], None]) -> Refreshed:
    """Refresh every stored answer.

    Raises
    ------
    NotTrainedError
        No task is trained.
    """
    started = time.perf_counter()
    serving = {stored.task: stored for stored in incumbents(session)}
    if not serving:
        raise NotTrainedError(
            "A task must be trained before a refresh, got none. CALL recsql.train()."
        )
    reason = _why_rebuild(session, serving)
    if reason is not None:
        rebuild(session, reason, finish)
        return Refreshed("rebuilt", reason, 0, 0)
    with session.transaction():
        change = _read_change(session)
        unchanged = _nothing_changed(session, change)
    if unchanged:
        with session.transaction():
            insert_run(session, "refresh", "asked", time.perf_counter() - started, {})
        return Refreshed("nothing changed", "", 0, 0)
    fitted = _change_models(session, serving, change)
    if fitted is None:
        reason = "the day that ages are counted to has moved on"
        rebuild(session, reason, finish)
        return Refreshed("rebuilt", reason, 0, 0)
    lists = neighbours_of(session, fitted, change.available)
    with session.transaction():
        _write_change(session, change)
        write_scores(session, change, change.counts)
        write_top_items(session, change.item_ids, lists)
        write_pairs(session, serving, fitted)
        _update_models(session, change)
        done = Refreshed("changed only", "", len(change.new_buyers), change.changed_days)
        insert_run(
            session,
            "refresh",
            "asked",
            time.perf_counter() - started,
            {"changed_buyers": done.changed_buyers, "changed_days": done.changed_days},
        )
        finish(session)
    return done


def _why_rebuild(session: Session, serving: dict[str, StoredModel]) -> str | None:
    """Say why the stored counts cannot be changed in place; None when they can."""
    stored = session.value("SELECT t.definition FROM recsql.totals AS t")
    if stored != state_definition(session, purchase_reader(session)):
        return "the binding, the event weights, a setting or the version of DuckDB changed"
    for task, model in serving.items():
        if not issubclass(model_named(model.algorithm), CoPurchase):
            continue
        kept = session.value(
            "SELECT count(*) FROM recsql.artifacts AS a WHERE a.model_id = ? AND a.name = 'pairs'",
            [model.model_id],
        )
        if not kept:
            return f"the pairs of {task} were too many to keep (setting max_pair_megabytes)"
    return None


def _read_change(session: Session) -> _Change:
    reader = purchase_reader(session)
    read_fingerprints(session, reader)
    _find_changed(session)
    _read_changed_purchases(session, reader)
    changed_days = _read_changed_days(session, reader)
    session.execute(
        "CREATE OR REPLACE TEMP TABLE _recsql_item_code AS SELECT c.code, c.item_id "
        "FROM recsql.item_codes AS c UNION ALL SELECT (row_number() OVER (ORDER BY d.item_id) - 1 "
        "+ (SELECT count(*) FROM recsql.item_codes))::INTEGER, d.item_id FROM "
        "(SELECT p.item_id FROM _recsql_changed_purchase AS p UNION "
        "SELECT i.item_id FROM _recsql_item_day AS i) AS d "
        "ANTI JOIN recsql.item_codes AS k ON k.item_id = d.item_id"
    )
    item_ids, available = read_items(session)
    n_items = len(item_ids)
    codes = (
        session.arrow("SELECT c.code FROM _recsql_item_code AS c ORDER BY c.item_id")
        .column(0)
        .to_numpy()
    )
    place = np.empty(n_items, dtype=np.int32)
    place[codes] = np.arange(n_items, dtype=np.int32)
    changed = replace(reader, sql="SELECT * FROM _recsql_changed_purchase")
    new, new_buyers = read_history(session, changed, n_items, changed_only=True)
    old = read_buyers(
        session,
        "SELECT b.user_id, b.baskets, b.basket_times FROM recsql.buyers AS b "
        "SEMI JOIN _recsql_gone_buyer AS g ON g.user_id IS NOT DISTINCT FROM b.user_id "
        "AND g.basket_id IS NOT DISTINCT FROM b.basket_id",
        n_items,
    )
    new, old = new.recoded(place), old.recoded(place)
    return _Change(
        reader,
        item_ids,
        available,
        codes,
        new,
        new_buyers,
        old,
        read_item_day_arrays(session, "_recsql_item_day"),
        _changed_counts(session, n_items, new, old),
        changed_days,
    )


def _nothing_changed(session: Session, change: _Change) -> bool:
    """Tell whether purchases, the day, availability and attributes are what they were."""
    stored = session.rows("SELECT t.data_now, t.users_fingerprint FROM recsql.totals AS t")[0]
    available = session.arrow(
        "SELECT coalesce(s.available, true) AS available FROM _recsql_item_code AS c "
        "LEFT JOIN recsql.item_scores AS s ON s.item_id = c.item_id ORDER BY c.item_id"
    )
    return (
        len(change.new_buyers) == 0
        and change.old.n_buyers == 0
        and change.changed_days == 0
        and stored == (change.reader.now, users_fingerprint(session))
        and np.array_equal(np.asarray(available.column(0).to_numpy()), change.available)
    )


def _find_changed(session: Session) -> None:
    """Fill TEMP _recsql_changed_buyer and _recsql_gone_buyer(user_id, basket_id)."""
    same = (
        "o.user_id IS NOT DISTINCT FROM n.user_id AND o.basket_id IS NOT DISTINCT FROM n.basket_id "
        "AND o.fingerprint = n.fingerprint AND o.transactions = n.transactions"
    )
    session.execute(
        "CREATE OR REPLACE TEMP TABLE _recsql_changed_buyer AS SELECT n.* FROM _recsql_buyer AS n "
        f"ANTI JOIN recsql.buyers AS o ON {same} "
        "WHERE n.user_id IS NOT NULL OR n.basket_id IS NOT NULL"
    )
    session.execute(
        "CREATE OR REPLACE TEMP TABLE _recsql_gone_buyer AS SELECT o.user_id, o.basket_id "
        f"FROM recsql.buyers AS o ANTI JOIN _recsql_buyer AS n ON {same}"
    )


def _read_changed_purchases(session: Session, reader: PurchaseReader) -> None:
    """Fill TEMP _recsql_changed_purchase with every purchase of the changed buyers."""
    session.execute(
        "CREATE OR REPLACE TEMP TABLE _recsql_changed_purchase AS "
        f"SELECT p.user_id, p.item_id, p.basket_id, p.time FROM ({reader.sql}) AS p "
        "SEMI JOIN _recsql_changed_buyer AS b ON b.user_id IS NOT DISTINCT FROM p.user_id "
        "AND b.basket_id IS NOT DISTINCT FROM "
        "CASE WHEN p.user_id IS NULL THEN p.basket_id END"
    )


def _read_changed_days(session: Session, reader: PurchaseReader) -> int:
    """Fill TEMP _recsql_item_day with every day, reading only those that changed; count them."""
    same = (
        "o.day IS NOT DISTINCT FROM n.day AND o.fingerprint = n.fingerprint "
        "AND o.transactions = n.transactions"
    )
    session.execute(
        "CREATE OR REPLACE TEMP TABLE _recsql_changed_day AS "
        f"SELECT n.day FROM _recsql_day_print AS n ANTI JOIN recsql.days AS o ON {same} UNION "
        f"SELECT o.day FROM recsql.days AS o ANTI JOIN _recsql_day_print AS n ON {same}"
    )
    days = [row[0] for row in session.rows("SELECT c.day FROM _recsql_changed_day AS c ORDER BY 1")]
    numbers = ", ".join(str(day) for day in days if day is not None)
    conditions = [f"p.day IN ({numbers})"] if numbers else []
    if None in days:
        conditions.append("p.day IS NULL")
    dated = bool(days) and None not in days
    purchases = reader.of_days(days[0], days[-1]) if dated else reader.sql
    read_item_days(session, purchases, " OR ".join(conditions) or "false")
    session.execute(
        "INSERT INTO _recsql_item_day SELECT d.day, d.item_id, d.transactions, d.strength "
        "FROM recsql.item_days AS d ANTI JOIN _recsql_changed_day AS c "
        "ON c.day IS NOT DISTINCT FROM d.day"
    )
    return len(days)


def _changed_counts(session: Session, n_items: int, new: History, old: History) -> ItemCounts:
    table = session.arrow(
        "SELECT coalesce(s.users, 0) AS users, coalesce(s.baskets, 0) AS baskets "
        "FROM _recsql_item_code AS c LEFT JOIN recsql.item_scores AS s ON s.item_id = c.item_id "
        "ORDER BY c.item_id"
    )
    users, baskets = (table.column(name).to_numpy() for name in ("users", "baskets"))
    added, removed = count_items(new, n_items), count_items(old, n_items)
    return ItemCounts(
        users + added.users - removed.users, baskets + added.baskets - removed.baskets
    )


def _change_models(
    session: Session, serving: dict[str, StoredModel], change: _Change
) -> dict[str, CoPurchase] | None:
    """Change the counted pairs of every incumbent; None when one must be counted again."""
    cap = setting_int(session, "max_group_items", least=2)
    today = change.reader.today
    added = Purchases(change.new, change.item_days, today, cap)
    removed = Purchases(change.old, change.item_days, today, cap)
    fitted = {}
    for task, stored in sorted(serving.items()):
        model = model_named(stored.algorithm)(**stored.params)
        if not isinstance(model, CoPurchase):
            continue
        arrays = read_artifact(session, stored.model_id, "pairs")
        assert arrays is not None  # _why_rebuild looked
        n_old = len(arrays["ptr"]) - 1
        model.restore(arrays, n_old)
        if model.epoch(today) != model.epoch_:
            return None
        new_code = np.flatnonzero(change.codes < n_old).astype(np.int32)
        model.change(added, removed, new_code)
        fitted[task] = model
    return fitted


def _write_change(session: Session, change: _Change) -> None:
    replace_table_by_query(session, "item_codes", "SELECT * FROM _recsql_item_code ORDER BY code")
    session.execute(
        "DELETE FROM recsql.buyers AS b USING _recsql_gone_buyer AS g "
        "WHERE g.user_id IS NOT DISTINCT FROM b.user_id "
        "AND g.basket_id IS NOT DISTINCT FROM b.basket_id"
    )
    with session.loaded(_recsql_rows=buyer_table(change.new, change.new_buyers, change.codes)):
        session.execute("INSERT INTO recsql.buyers BY NAME SELECT * FROM _recsql_rows")
    replace_table_by_query(session, "days", "SELECT * FROM _recsql_day_print ORDER BY day")
    replace_table_by_query(
        session, "item_days", "SELECT * FROM _recsql_item_day ORDER BY day, item_id"
    )


def _update_models(session: Session, change: _Change) -> None:
    session.execute(
        "UPDATE recsql.models AS m SET data_fingerprint = ?, n_interactions = ?, n_users = "
        "(SELECT count(*) FROM recsql.user_scores), n_items = (SELECT count(*) FROM "
        "recsql.item_scores) WHERE m.status = 'incumbent'",
        [data_fingerprint(session), int(change.item_days.transactions.sum())],
    )
