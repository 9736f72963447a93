"""The competition for one task: who took part, how each fared, who serves, and its rows."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from recsql.data.snapshot import Snapshot
from recsql.database import Session
from recsql.models.base import Purchases, Recommender
from recsql.selection.answers import data_fingerprint
from recsql.selection.candidates import Candidate, candidates_for, compete, promotable
from recsql.selection.decide import Decision, decide
from recsql.selection.evaluate import Split
from recsql.store.models import StoredModel, insert_model


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
    learned: Recommender | None = None
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
    task: str,
    models: Sequence[str] | None,
    purchases: Purchases,
    snapshot: Snapshot,
    seed: int,
    deadline: float | None,
    most_pair_bytes: int,
    incumbent: StoredModel | None,
) -> Competition:
    """Measure the models that compete for a task, and decide between them."""
    competing = candidates_for(
        task, models, real_time=purchases.today is not None, pair_bytes=most_pair_bytes
    )
    splits = compete(competing, purchases, snapshot.available, seed, deadline)
    decision = decide(promotable(competing), incumbent, seed)
    return Competition(task, competing, splits, decision)


def write_competition(
    session: Session, competition: Competition, snapshot: Snapshot, seed: int
) -> None:
    """Write the rows of models, metrics, selections and splits; in the caller's transaction."""
    previous = session.value(
        "SELECT s.model_id FROM recsql.selections AS s WHERE s.task = ? "
        "ORDER BY s.selected_at DESC, s.model_id DESC LIMIT 1",
        [competition.task],
    )
    data = _data_columns(session, snapshot)
    for model_id, candidate in zip(competition.ids, competition.candidates, strict=True):
        insert_model(session, _model_row(model_id, candidate, seed) | data)
        for metric in candidate.metrics:
            session.execute(
                "INSERT INTO recsql.metrics VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    model_id,
                    metric.name,
                    metric.k,
                    metric.value,
                    metric.low,
                    metric.high,
                    metric.n_queries,
                ],
            )
    _write_selection(session, competition, previous)
    session.execute("DELETE FROM recsql.splits AS s WHERE s.task = ?", [competition.task])
    for part in competition.splits:
        session.execute(
            "INSERT INTO recsql.splits VALUES (?, ?, 'test', ?, ?, ?, ?)",
            [
                competition.task,
                part.protocol,
                part.cut,
                part.train.history.n_baskets,
                len(part.queries.requests),
                seed,
            ],
        )


def _write_selection(session: Session, competition: Competition, previous: str | None) -> None:
    winner, decision = competition.winner, competition.decision
    if winner is None:
        return
    value = competition.candidates[competition.ids.index(winner.model_id)].decides
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
        "train_seconds": candidate.train_seconds,
        "predict_microseconds": candidate.predict_microseconds,
        "peak_memory_bytes": candidate.peak_bytes,
    }


def _data_columns(session: Session, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "data_fingerprint": data_fingerprint(session),
        "n_interactions": int(snapshot.item_days.transactions.sum()),
        "n_users": int(snapshot.history.is_user.sum()),
        "n_items": snapshot.n_items,
    }
