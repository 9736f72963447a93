"""Write what a model says of facts, for the functions that explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsql.data.knowledge import ItemFacts
from recsql.database import Session
from recsql.store.stored import replace_table_by_query

if TYPE_CHECKING:
    import pyarrow as pa


def write_item_facts(session: Session, facts: ItemFacts | None, item_ids: pa.Array) -> None:
    """Write the facts of items with their attention; None: the table becomes empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if facts is None:
        facts = ItemFacts.none()
    other = pa.array(facts.other, mask=facts.other < 0)
    name = item_ids.cast(pa.string()).take(other)
    rows = pa.table(
        {
            "item_id": item_ids.take(pa.array(facts.item)),
            "thing": pc.coalesce(name, pa.array(facts.thing, pa.string())),
            "is_item": facts.other >= 0,
            "fact": pa.array(facts.fact, pa.string()),
            "attribute": pa.array(facts.attribute, pa.string()),
            "attention": facts.attention.astype("float64"),
            "attention_back": facts.back.astype("float64"),
        }
    )
    with session.loaded(_recsql_fact=rows):
        replace_table_by_query(
            session,
            "item_facts",
            "SELECT * FROM _recsql_fact AS f ORDER BY f.item_id, f.attribute, f.thing, f.fact",
        )
