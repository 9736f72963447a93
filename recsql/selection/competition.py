"""The competition for one task: who took part, how each fared, who serves, and its rows."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from recsql.data.snapshot import Snapshot
from recsql.database import Session
from recsql.models.base import NETWORK_EFFORT, Model
from recsql.models.imported import Imported
from recsql.models.network import NO_TORCH, Network, has_torch
from recsql.models.purchases import Purchases
from recsql.selection.answers import data_fingerprint, pair_bytes
from recsql.selection.candidates import LEARNED_ELSEWHERE, Candidate, candidates_for
from recsql.selection.compete import Arena, Clock, compete, promotable
from recsql.selection.decide import Decision, decide
from recsql.selection.enough import why_skipped
from recsql.selection.evaluated import TEST
from recsql.selection.imports import imports_for
from recsql.selection.ranking import read_ranking
from recsql.settings import setting_choice
from recsql.splits.split import Split
from recsql.store.models import StoredModel, insert_model

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]
NOT_ASKED = "networks compete where budget_s is given, or where they are named in models"
NO_FACTS = (
    "there are no facts: CALL recsql.bind_knowledge, or bind_items or bind_users with attributes"
)
NO_ATTRIBUTES = "there are no attributes of customers: CALL recsql.bind_users with attributes"


@dataclass
class Competition:
    """How the models of one task fared.

    Attributes
    ----------
    splits : what was shown and hidden in the test part
    decision : in which order candidates are to be promoted
    learned : the winner, fitted on everything; None when no model could be trained
    ids : model_id of each candidate
    """

    task: str
    candidates: list[Candidate]
    splits: list[Split]
    decision: Decision
    learned: Model | None = None
    ids: list[str] = field(default_factory=list)

    @property
    def winner(self) -> StoredModel | None:
        """Give the winner as it is stored; None when no model could be trained."""
        for model_id, candidate in zip(self.ids, self.candidates, strict=True):
            if candidate.status == "incumbent":
                model = candidate.model
                return StoredModel(model_id, self.task, model.name, model.params())
        return None


def hold(
    session: Session,
    task: str,
    models: Sequence[str] | None,
    purchases: Purchases,
    available: Array,
    *,
    seed: int,
    clock: Clock,
    incumbent: StoredModel | None,
    protocol: str | None,
) -> Competition:
    """Measure the models that compete for a task, and decide between them."""
    competing = candidates_for(
        task,
        models,
        incumbent,
        real_time=purchases.today is not None,
        pair_bytes=pair_bytes(session),
        imports=imports_for(session, task, incumbent),
    )
    reason = why_skipped(task, purchases)
    if reason is not None:
        for candidate in competing:
            candidate.status, candidate.error = "skipped", reason
        return Competition(task, competing, [], Decision([], False, None, reason))
    if models is None and purchases.user_features is None:
        for candidate in competing:
            if task in candidate.model.needs_attributes_for:
                candidate.status, candidate.error = "skipped", NO_ATTRIBUTES
    if models is None and not purchases.has_facts:
        for candidate in competing:
            if candidate.model.reads_knowledge:
                candidate.status, candidate.error = "skipped", NO_FACTS
    _leave_out_networks(session, competing, incumbent, named=models is not None, clock=clock)
    ranking = read_ranking(session, task)
    arena = Arena.of(task, purchases, available, ranking, seed, protocol)
    keep = next((c for c in competing if c.is_setting(incumbent)), None)
    compete(competing, arena, keep, clock)
    decision = decide(promotable(competing), incumbent, seed)
    return Competition(task, competing, arena.test, decision)


def would_compete(
    session: Session,
    task: str,
    models: Sequence[str] | None,
    incumbent: StoredModel | None,
    clock: Clock,
) -> list[Model]:
    """Give the models that would compete: what they need is to be read."""
    competing = candidates_for(
        task,
        models,
        incumbent,
        real_time=True,
        pair_bytes=0,
        imports=imports_for(session, task, incumbent),
    )
    _leave_out_networks(session, competing, incumbent, named=models is not None, clock=clock)
    return [c.model for c in competing if c.status == "candidate"]


def _leave_out_networks(
    session: Session,
    competing: Sequence[Candidate],
    incumbent: StoredModel | None,
    *,
    named: bool,
    clock: Clock,
) -> None:
    """Skip networks where nobody wants them to compete, or where they cannot learn."""
    wanted = setting_choice(session, "networks", ("auto", "always", "never"))
    compete_unnamed = wanted == "always" or (wanted == "auto" and clock.deadline is not None)
    for candidate in competing:
        if candidate.model.effort < NETWORK_EFFORT:
            continue
        if not (named or compete_unnamed or candidate.is_setting(incumbent)):
            candidate.status, candidate.error = "skipped", NOT_ASKED
        elif isinstance(candidate.model, Network) and not has_torch():
            candidate.status, candidate.error = "skipped", NO_TORCH


def write_competition(
    session: Session, competition: Competition, snapshot: Snapshot, customers: Array, seed: int
) -> None:
    """Write the rows of models, metrics, selections and splits; in the caller's transaction.

    Parameters
    ----------
    customers : int64[n]    place in the snapshot of each customer whose purchases were split
    """
    previous = session.value(
        "SELECT s.model_id FROM recsql.selections AS s WHERE s.task = ? "
        "ORDER BY s.selected_at DESC, s.model_id DESC LIMIT 1",
        [competition.task],
    )
    data = _data_columns(session, snapshot)
    for model_id, candidate in zip(competition.ids, competition.candidates, strict=True):
        insert_model(session, _model_row(model_id, candidate, seed) | data)
    with session.loaded(_recsql_rows=_metric_table(competition)):
        session.execute("INSERT INTO recsql.metrics BY NAME SELECT * FROM _recsql_rows")
    _write_selection(session, competition, previous)
    for protocol in {part.protocol for part in competition.splits}:
        session.execute(
            "DELETE FROM recsql.splits AS s WHERE s.task = ? AND s.protocol = ?",
            [competition.task, protocol],
        )
    for place, part in enumerate(competition.splits):
        rows = _split_table(competition.task, place, part, snapshot, customers, seed)
        with session.loaded(_recsql_rows=rows):
            session.execute("INSERT INTO recsql.splits BY NAME SELECT * FROM _recsql_rows")


def _metric_table(competition: Competition) -> pa.Table:
    import pyarrow as pa

    rows = [
        (model_id, m.name, m.part, m.k, m.value, m.low, m.high, m.n_queries, m.place)
        for model_id, candidate in zip(competition.ids, competition.candidates, strict=True)
        for m in candidate.metrics
    ]
    types = {
        "model_id": pa.string(),
        "metric": pa.string(),
        "part": pa.string(),
        "k": pa.int32(),
        "value": pa.float64(),
        "ci_low": pa.float64(),
        "ci_high": pa.float64(),
        "n_queries": pa.int64(),
        "place": pa.float64(),
    }
    columns = zip(*rows, strict=True) if rows else ((),) * len(types)
    return pa.table(
        {
            name: pa.array(list(column), kind)
            for (name, kind), column in zip(types.items(), columns, strict=True)
        }
    )


def _split_table(
    task: str, place: int, part: Split, snapshot: Snapshot, customers: Array, seed: int
) -> pa.Table:
    """Give the rows of recsql.splits of one part: what is asked about, and what is hidden."""
    import pyarrow as pa

    query, item, asked, owner = part.queries.rows()
    known = (owner >= 0) & (owner < len(customers))
    user = np.where(known, customers[np.where(known, owner, 0)] if len(customers) else 0, 0)
    users = snapshot.buyers.column("user_id").cast(pa.string()).combine_chunks()
    cut = part.cut
    if cut is not None and snapshot.reader.real_time:
        cut_at: str | None = str(np.datetime64(cut, "us")).replace("T", " ")
    else:
        cut_at = None if cut is None else str(cut)
    n = len(query)
    return pa.table(
        {
            "task": pa.repeat(task, n),
            "protocol": pa.repeat(part.protocol, n),
            "part": pa.repeat(TEST, n),
            "split": pa.repeat(pa.scalar(place, pa.int32()), n),
            "query": pa.array(query, pa.int64()),
            "user_id": users.take(pa.array(user, mask=~known)),
            "item_id": snapshot.item_ids.cast(pa.string()).take(pa.array(item)),
            "role": pa.array(np.where(asked, "asked", "hidden")),
            "cut_at": pa.repeat(pa.scalar(cut_at, pa.string()), n),
            "seed": pa.repeat(pa.scalar(seed, pa.int64()), n),
        }
    )


def _write_selection(session: Session, competition: Competition, previous: str | None) -> None:
    winner, decision = competition.winner, competition.decision
    if winner is None:
        return
    if winner.algorithm == Imported.name:
        decision = replace(decision, why=f"{decision.why}; {LEARNED_ELSEWHERE}")
    serving = competition.candidates[competition.ids.index(winner.model_id)]
    chosen, value = decision.order[0], serving.score
    if chosen is not serving:
        failed = f"{chosen.model.name} could not learn from everything ({chosen.error})"
        decision = Decision(decision.order, False, None, f"{failed}; before: {decision.why}")
    session.execute(
        "INSERT INTO recsql.selections VALUES (?, ?, ?, ?, ?, ?, ?, now()::TIMESTAMP)",
        [
            competition.task,
            winner.model_id,
            previous,
            value if math.isfinite(value) else None,
            decision.margin,
            decision.decided,
            decision.why,
        ],
    )


def _model_row(model_id: str, candidate: Candidate, seed: int) -> dict[str, Any]:
    return {
        "model_id": model_id,
        "task": candidate.task,
        "algorithm": candidate.model.name,
        "params": json.dumps(candidate.model.params()),
        "seed": seed,
        "status": candidate.status,
        "error": candidate.error,
        "train_seconds": candidate.cost("train_seconds"),
        "predict_microseconds": candidate.cost("predict_microseconds"),
        "peak_memory_bytes": _whole(candidate.cost("peak_memory_bytes")),
        "size_bytes": _whole(candidate.cost("size_bytes")),
    }


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _data_columns(session: Session, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "data_fingerprint": data_fingerprint(session),
        "n_interactions": int(snapshot.item_days.transactions.sum()),
        "n_users": int(snapshot.history.is_user.sum()),
        "n_items": snapshot.n_items,
    }
