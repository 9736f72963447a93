"""How far the data have moved since models last competed, and what is to be done about it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from recsql.database import Session
from recsql.settings import setting_number
from recsql.store.stored import replace_table_by_query

KINDS = {"item": "item_days", "user": "buyer_days"}
KEPT, RELEARN, COMPETE = "kept", "relearn", "compete"
LEAST_SHARE = 1e-4  # of a bin, so that the logarithm of an empty one is finite
NEWEST = 0.2


@dataclass(frozen=True)
class Drift:
    """What changed since models last competed.

    Attributes
    ----------
    new_rows_share : transactions that came or went, divided by those of then
    psi_items, psi_users : population stability index of the transactions that came; None where
        none came
    hit_rate, hit_rate_before : of the model that serves ``next`` (else ``for_you``) on what came
        since it learned, and on the test part of its training; None where it was not looked at
    decision : 'kept', 'relearn' (the incumbents alone) or 'compete' (the whole catalogue)
    why : one sentence
    """

    new_rows_share: float
    psi_items: float | None
    psi_users: float | None
    hit_rate: float | None
    hit_rate_before: float | None
    decision: str
    why: str

    def numbers(self) -> dict[str, Any]:
        """Give it as a row of recsql.runs keeps it."""
        return asdict(self)


def write_baseline(session: Session) -> None:
    """Keep what drift will be measured from; in the caller's transaction, after the scores."""
    parts, bins = [], []
    for kind, table in KINDS.items():
        counts = _counts(kind, table)
        parts.append(_binned(kind, counts))
        cut = (
            f"(SELECT quantile_disc(d.day, {1 - NEWEST} ORDER BY d.day) FROM (SELECT b.day, "
            f"unnest(range(least(b.transactions, 1000))) FROM recsql.{table} AS b "
            "WHERE b.day IS NOT NULL) AS d)"
        )
        before = _binned(kind, _counts(kind, table, f"t.day < {cut}"))
        after = _counts(kind, table, f"t.day >= {cut}")
        bins.append(
            f"SELECT '{kind}' AS kind, coalesce(o.bin, 0)::INTEGER AS bin, "
            "sum(n.transactions) / sum(sum(n.transactions)) OVER () AS share "
            f"FROM ({after}) AS n LEFT JOIN ({before}) AS o ON o.key = n.key GROUP BY 2"
        )
    replace_table_by_query(session, "baseline", " UNION ALL ".join(parts) + " ORDER BY kind, key")
    replace_table_by_query(
        session, "baseline_bins", " UNION ALL ".join(bins) + " ORDER BY kind, bin"
    )


def new_rows_share(session: Session) -> float:
    """Give the transactions that came or went since models last competed, by those of then."""
    then = session.value(
        "SELECT sum(b.transactions)::BIGINT FROM recsql.baseline AS b WHERE b.kind = 'item'"
    )
    moved = session.value(
        "SELECT sum(abs(coalesce(n.transactions, 0) - coalesce(o.transactions, 0)))::BIGINT FROM "
        f"({_counts('item', KINDS['item'])}) AS n FULL JOIN "
        "(SELECT * FROM recsql.baseline AS b WHERE b.kind = 'item') AS o ON o.key = n.key"
    )
    return int(moved or 0) / max(int(then or 0), 1)


def stability_index(session: Session, kind: str) -> float | None:
    """Give the population stability index of what came: shares of bins now against those of then.

    None where nothing came, or there was no time by which to tell what is usual.

    Source: Siddiqi, "Credit Risk Scorecards", 2006 (below .1 no change, above .25 a large one).
    """
    rows = session.rows(
        "WITH came AS (SELECT coalesce(o.bin, 0) AS bin, sum(greatest(n.transactions - "
        "coalesce(o.transactions, 0), 0)) AS transactions FROM "
        f"({_counts(kind, KINDS[kind])}) AS n LEFT JOIN (SELECT * FROM recsql.baseline AS b "
        "WHERE b.kind = ?) AS o ON o.key = n.key GROUP BY 1) "
        "SELECT coalesce(b.share, 0), coalesce(c.transactions, 0)::BIGINT "
        "FROM (SELECT * FROM recsql.baseline_bins AS a WHERE a.kind = ?) AS b "
        "FULL JOIN came AS c ON c.bin = b.bin ORDER BY coalesce(b.bin, c.bin)",
        [kind, kind],
    )
    total = sum(count for _, count in rows)
    if total == 0 or not any(share > 0 for share, _ in rows):
        return None
    index = 0.0
    for share, count in rows:
        then, now = max(share, LEAST_SHARE), max(count / total, LEAST_SHARE)
        index += (now - then) * math.log(now / then)
    return index


def weigh(
    session: Session,
    share: float,
    psi: dict[str, float | None],
    hit_rate: tuple[float, float] | None,
) -> Drift:
    """Decide by the thresholds in recsql.settings, the strongest reason first."""
    most_share = setting_number(session, "drift_new_rows_share", least=0)
    most_psi = setting_number(session, "drift_psi", least=0)
    most_drop = setting_number(session, "drift_hit_rate_drop", least=0)
    relearn = setting_number(session, "drift_relearn_share", least=0)
    now, before = hit_rate or (None, None)
    reasons = []
    if share > most_share:
        reasons.append(f"{share:.1%} of the rows are new (drift_new_rows_share {most_share:.1%})")
    for kind, index in psi.items():
        if index is not None and index > most_psi and share > relearn:
            reasons.append(f"stability index of {kind}s {index:.2f} (drift_psi {most_psi:g})")
    if hit_rate is not None and hit_rate[0] < hit_rate[1] * (1 - most_drop):
        reasons.append(
            f"hit rate {hit_rate[0]:.3f}, was {hit_rate[1]:.3f} (drift_hit_rate_drop {most_drop:g})"
        )
    if reasons:
        decision, why = COMPETE, "; ".join(reasons)
    elif share > relearn:
        decision = RELEARN
        why = f"{share:.1%} of the rows are new (drift_relearn_share {relearn:.1%})"
    else:
        decision, why = KEPT, f"{share:.1%} of the rows are new"
    return Drift(share, psi["item"], psi["user"], now, before, decision, why)


def _counts(kind: str, table: str, condition: str = "true") -> str:
    """Give SQL of the transactions of each item or customer: key, transactions."""
    return (
        f"SELECT t.{kind}_id::VARCHAR AS key, sum(t.transactions)::BIGINT AS transactions "
        f"FROM recsql.{table} AS t WHERE t.{kind}_id IS NOT NULL AND {condition} GROUP BY 1"
    )


def _binned(kind: str, counts: str) -> str:
    return (
        f"SELECT '{kind}' AS kind, c.key, c.transactions, least(10, 1 + floor(10 * "
        "(sum(c.transactions) OVER (ORDER BY c.transactions DESC, c.key) - c.transactions) "
        f"/ sum(c.transactions) OVER ()))::INTEGER AS bin FROM ({counts}) AS c"
    )
