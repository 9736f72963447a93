"""Bring stored answers up to date with what changed: equal to a rebuild, at the cost of the change.

Fingerprints of every day, taken in one scan, tell which days changed; fingerprints of every buyer
within these tell whose purchases did. Only those are read again; the old baskets are taken out of
the counted pairs and the new ones put in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.history import BUYER, History, read_fingerprints, read_history
from recsql.data.knowledge import knowledge_fingerprint
from recsql.data.purchases import PurchaseReader, purchase_reader
from recsql.data.snapshot import (
    ItemDays,
    read_item_day_arrays,
    read_item_days,
    read_items,
)
from recsql.database import Session
from recsql.errors import NotTrainedError
from recsql.models.catalogue import model_named
from recsql.models.copurchase import CoPurchase, PairChange
from recsql.models.purchases import Purchases
from recsql.selection.answers import (
    ItemCounts,
    count_items,
    data_fingerprint,
    neighbours_of,
    state_definition,
    users_fingerprint,
    write_scores,
)
from recsql.selection.kept_pairs import are_kept, read_pairs, remember, write_change
from recsql.selection.rebuild import rebuild
from recsql.settings import setting_int
from recsql.store.forgotten import finish_removal, is_removal_pending
from recsql.store.models import StoredModel, incumbents, insert_run
from recsql.store.stored import buyer_table, read_buyers, replace_table_by_query, write_top_items
from recsql.tasks import LIVE_TASKS, NEIGHBOUR_TASKS

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]
USERS = "SELECT t.users_fingerprint FROM recsql.totals AS t"
CHANGED = ("user_id", "item_id", "basket_id", "time")  # columns of purchases
SAME_ROWS = "o.fingerprint = n.fingerprint AND o.transactions = n.transactions"
SAME_BUYER = (
    "c.user_id IS NOT DISTINCT FROM b.user_id AND c.basket_id IS NOT DISTINCT FROM b.basket_id"
)


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


def refresh(session: Session, finish: Callable[..., None]) -> Refreshed:
    """Refresh every stored answer.

    Parameters
    ----------
    finish : called inside the writing transaction, with ``users=False`` if no attribute changed

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
    reason = _why_incomparable(session) or _why_facts_differ(session, serving)
    if is_removal_pending(session):
        return _without_the_forgotten(session, finish)
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
    reason = _why_not_in_place(session, serving)
    if reason is not None:
        rebuild(session, reason, finish)
        return Refreshed("rebuilt", reason, 0, 0)
    changed = _change_models(session, serving, change)
    if changed is None:
        reason = "the day that ages are counted to has moved on"
        rebuild(session, reason, finish)
        return Refreshed("rebuilt", reason, 0, 0)
    models = {task: model for task, (model, _) in changed.items()}
    lists = neighbours_of(session, models, change.available)
    with session.transaction():
        users_before = session.value(USERS)
        _write_change(session, change)
        write_scores(session, change, change.counts)
        write_top_items(session, change.item_ids, lists)
        kept_pairs = [
            write_change(session, serving[task], model, pair_change)
            for task, (model, pair_change) in changed.items()
        ]
        _update_models(session, change)
        done = Refreshed("changed only", "", len(change.new_buyers), change.changed_days)
        insert_run(
            session,
            "refresh",
            "asked",
            time.perf_counter() - started,
            {"changed_buyers": done.changed_buyers, "changed_days": done.changed_days},
        )
        finish(session, users=session.value(USERS) != users_before)
    for one in kept_pairs:
        remember(one)
    return done


def _without_the_forgotten(session: Session, finish: Callable[..., None]) -> Refreshed:
    """Let everything learn again; the next refresh tries again where something could not."""
    reason = "customers were forgotten"
    not_learned = rebuild(session, reason, finish)
    if not_learned:
        told = "; ".join(f"{name} could not learn: {why}" for name, why in not_learned.items())
        return Refreshed("rebuilt", f"{reason}, and are still known: {told}", 0, 0)
    with session.transaction():
        finish_removal(session)
    return Refreshed("rebuilt", reason, 0, 0)


def _why_incomparable(session: Session) -> str | None:
    """Say why what changed cannot be told from what is stored; None when it can."""
    stored = session.value("SELECT t.definition FROM recsql.totals AS t")
    if stored != state_definition(session, purchase_reader(session)):
        return "the binding, the event weights, a setting or the version of DuckDB changed"
    return None


def _why_facts_differ(session: Session, serving: dict[str, StoredModel]) -> str | None:
    """Say which model learned from facts that are no longer those that are bound; None: none."""
    readers = [m.algorithm for m in serving.values() if model_named(m.algorithm).reads_knowledge]
    learned = session.value(
        "SELECT r.changes ->> 'facts' FROM recsql.runs AS r "
        "WHERE (r.changes ->> 'facts') IS NOT NULL ORDER BY r.run_id DESC LIMIT 1"
    )
    if not readers or learned == str(knowledge_fingerprint(session)):
        return None
    return f"the facts that {readers[0]} learns from changed"


def _why_not_in_place(session: Session, serving: dict[str, StoredModel]) -> str | None:
    """Say why the stored counts cannot be changed in place; None when they can."""
    for task, model in serving.items():
        if task not in NEIGHBOUR_TASKS:
            continue
        if not model_named(model.algorithm).refreshes:
            return f"{task} is answered by {model.algorithm}, which is learned from everything"
        if not are_kept(session, model):
            return f"the pairs of {task} were too many to keep (setting max_pair_megabytes)"
    return None


def _read_change(session: Session) -> _Change:
    reader = purchase_reader(session)
    days = _find_changed_days(session, reader)
    _find_changed_buyers(session, days)
    _read_changed_purchases(session, reader)
    _read_changed_item_days(session, days)
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
    changed = replace(
        reader, columns={name: name for name in CHANGED}, rows="FROM _recsql_changed_purchase"
    )
    new, new_buyers = read_history(
        session,
        changed,
        n_items,
        f"(SELECT {BUYER}, count(*) AS transactions "
        "FROM _recsql_changed_purchase AS p GROUP BY ALL)",
    )
    old = read_buyers(
        session,
        "SELECT b.user_id, b.baskets, b.basket_times FROM recsql.buyers AS b "
        f"SEMI JOIN _recsql_changed_buyer AS c ON {SAME_BUYER}",
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
        days.count,
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


@dataclass(frozen=True)
class _ChangedDays:
    """The days that changed, and how to read their purchases as ``p``."""

    count: int
    purchases: str
    condition: str


def _find_changed_days(session: Session, reader: PurchaseReader) -> _ChangedDays:
    """Fill TEMP _recsql_day_print and _recsql_changed_day."""
    read_fingerprints(session, "_recsql_day_print", reader.sql, "p.day")
    same = "o.day IS NOT DISTINCT FROM n.day AND " + SAME_ROWS
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
    return _ChangedDays(len(days), purchases, " OR ".join(conditions) or "false")


def _find_changed_buyers(session: Session, days: _ChangedDays) -> None:
    """Fill TEMP _recsql_buyer_day with the changed days, and _recsql_changed_buyer."""
    read_fingerprints(
        session, "_recsql_buyer_day", days.purchases, f"{BUYER}, p.day", days.condition
    )
    same = (
        "o.user_id IS NOT DISTINCT FROM n.user_id AND o.basket_id IS NOT DISTINCT FROM n.basket_id "
        f"AND o.day IS NOT DISTINCT FROM n.day AND {SAME_ROWS}"
    )
    session.execute(
        "CREATE OR REPLACE TEMP TABLE _recsql_changed_buyer AS "
        "WITH old AS (SELECT d.* FROM recsql.buyer_days AS d SEMI JOIN _recsql_changed_day AS c "
        "ON c.day IS NOT DISTINCT FROM d.day), changed AS ("
        "SELECT n.user_id, n.basket_id FROM _recsql_buyer_day AS n "
        f"ANTI JOIN old AS o ON {same} UNION SELECT o.user_id, o.basket_id FROM old AS o "
        f"ANTI JOIN _recsql_buyer_day AS n ON {same}) SELECT b.user_id, b.basket_id "
        "FROM changed AS b WHERE b.user_id IS NOT NULL OR b.basket_id IS NOT NULL"
    )


def _read_changed_purchases(session: Session, reader: PurchaseReader) -> None:
    """Fill TEMP _recsql_changed_purchase with every purchase of the changed buyers."""
    session.execute(
        "CREATE OR REPLACE TEMP TABLE _recsql_changed_purchase AS "
        f"SELECT p.* FROM ({reader.select(*CHANGED)}) AS p "
        "SEMI JOIN _recsql_changed_buyer AS b ON b.user_id IS NOT DISTINCT FROM p.user_id "
        "AND b.basket_id IS NOT DISTINCT FROM "
        "CASE WHEN p.user_id IS NULL THEN p.basket_id END"
    )


def _read_changed_item_days(session: Session, days: _ChangedDays) -> None:
    """Fill TEMP _recsql_item_day with every day, reading only those that changed."""
    read_item_days(session, days.purchases, days.condition)
    session.execute(
        "INSERT INTO _recsql_item_day SELECT d.day, d.item_id, d.transactions, d.strength "
        "FROM recsql.item_days AS d ANTI JOIN _recsql_changed_day AS c "
        "ON c.day IS NOT DISTINCT FROM d.day"
    )


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
) -> dict[str, tuple[CoPurchase, PairChange]] | None:
    """Change the counted pairs of every incumbent; None when one must be counted again."""
    cap = setting_int(session, "max_group_items", least=2)
    today = change.reader.today
    added = Purchases(change.new, change.item_days, today, cap)
    removed = Purchases(change.old, change.item_days, today, cap)
    changed = {}
    for task, stored in sorted(serving.items()):
        if not issubclass(model_named(stored.algorithm), CoPurchase):
            continue
        model = read_pairs(session, stored)
        if model.epoch(today) != model.epoch_:
            return None
        new_code = np.flatnonzero(change.codes < model.n_items_).astype(np.int32)
        pair_change = model.change_of(added, removed, new_code)
        model.change(pair_change, today)
        changed[task] = (model, pair_change)
    return changed


def _write_change(session: Session, change: _Change) -> None:
    replace_table_by_query(session, "item_codes", "SELECT * FROM _recsql_item_code ORDER BY code")
    session.execute(
        f"DELETE FROM recsql.buyers AS b USING _recsql_changed_buyer AS c WHERE {SAME_BUYER}"
    )
    with session.loaded(_recsql_rows=buyer_table(change.new, change.new_buyers, change.codes)):
        session.execute("INSERT INTO recsql.buyers BY NAME SELECT * FROM _recsql_rows")
    session.execute(
        "DELETE FROM recsql.buyer_days AS d USING _recsql_changed_day AS c "
        "WHERE c.day IS NOT DISTINCT FROM d.day"
    )
    session.execute(
        "INSERT INTO recsql.buyer_days BY NAME SELECT * FROM _recsql_buyer_day "
        "ORDER BY day, user_id, basket_id"
    )
    replace_table_by_query(session, "days", "SELECT * FROM _recsql_day_print ORDER BY day")
    replace_table_by_query(
        session, "item_days", "SELECT * FROM _recsql_item_day ORDER BY day, item_id"
    )


def _update_models(session: Session, change: _Change) -> None:
    """Note what the answers now rest on; models of customers still rest on what they learned."""
    session.execute(
        "UPDATE recsql.models AS m SET data_fingerprint = ?, n_interactions = ?, n_users = "
        "(SELECT count(*) FROM recsql.user_scores), n_items = (SELECT count(*) FROM "
        "recsql.item_scores) WHERE m.status = 'incumbent' AND NOT list_contains(?, m.task)",
        [data_fingerprint(session), int(change.item_days.transactions.sum()), LIVE_TASKS],
    )
