"""The reference definitions of the sql room, filled in for what a database has bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from recsql.columns import INTEGER_TYPES, REAL_TIME_TYPES
from recsql.data.bind import is_argument_bound
from recsql.database import Session, body, fill, sql_text

COPURCHASE: dict[str, Any] = {
    "weighting": "cosine",
    "k": 50,
    "min_support": 1,
    "max_group_items": 1000,
    "half_life_days": None,
    "epoch_day": None,
    "size_power": 0.0,
}


def reference_sql(session: Session, name: str) -> str:
    """Give the text of a definition; its named parameters remain to be given."""
    return fill(body(sql_text("reference", name)).rstrip(";"), _Parts(session))


def reference_rows(session: Session, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Run a definition; the options of co-purchases that are left out have their defaults."""
    if name.endswith("copurchase"):
        parameters = COPURCHASE | parameters
    return session.con.execute(reference_sql(session, name), parameters).fetchall()


class _Parts(Mapping[str, str]):
    """What stands between double braces: facts about the binding, and other definitions."""

    def __init__(self, session: Session) -> None:
        kind = dict(session.columns("SELECT * FROM recsql.interactions"))["ts"]
        bound = is_argument_bound(session, "interactions", "ts")
        basket = is_argument_bound(session, "interactions", "basket_id")
        self._session = session
        self._facts = {
            "time": "CAST(i.ts AS BIGINT)" if kind in INTEGER_TYPES else "epoch_us(i.ts)",
            "real_time": str(bound and kind in REAL_TIME_TYPES).lower(),
            "has_basket": str(basket).lower(),
        }

    def __getitem__(self, name: str) -> str:
        return self._facts[name] if name in self._facts else reference_sql(self._session, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)
