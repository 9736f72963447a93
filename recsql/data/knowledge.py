"""What is known of items beside purchases: facts that join items with other things."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from recsql.database import Session

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Knowledge:
    """Facts, each a head, a relation and a tail.

    Attributes
    ----------
    head, tail : int32[n_facts]    codes of items, then ``n_items`` plus the places of entities
    relation : int32[n_facts]      places among ``relations``
    relations : names, ascending
    entities : names of what is no item, ascending
    """

    head: Array
    relation: Array
    tail: Array
    relations: tuple[str, ...]
    entities: tuple[str, ...]


class ItemFacts(NamedTuple):
    """Facts of items, in order of item; one row joins an item to a thing.

    Attributes
    ----------
    item : int32[n]             item codes
    other : int32[n]            the item that the thing is; -1 for an entity
    thing : names of entities; '' for an item
    attribute : the attribute that an entity is a value of, lowercase; '' for bound knowledge
    fact : how both are joined, in words: 'has director'
    attention : float32[n]      share of the item's attention that goes to the thing, 0 to 1
    back : float32[n]           share of the thing's attention that goes to the item, 0 to 1
    """

    item: Array
    other: Array
    thing: list[str]
    attribute: list[str]
    fact: list[str]
    attention: Array
    back: Array

    @classmethod
    def none(cls) -> ItemFacts:
        """Give no facts."""
        code, share = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32)
        return cls(code, code, [], [], [], share, share)


def read_knowledge(session: Session) -> Knowledge:
    """Read the bound facts; the TEMP table _recsql_item_code holds the items.

    Facts without a head or a tail say nothing. Of the others those count whose head or tail is an
    item, and those about an entity that such a fact names.
    """
    items = (
        "SELECT c.item_id::VARCHAR AS name, row_number() OVER (ORDER BY c.item_id) - 1 AS code "
        "FROM _recsql_item_code AS c"
    )
    session.execute(
        "CREATE OR REPLACE TEMP TABLE _recsql_fact AS "
        f"WITH item AS ({items}), fact AS (SELECT DISTINCT k.head, coalesce(k.relation, '') AS "
        "relation, k.tail FROM recsql.knowledge AS k "
        "WHERE trim(k.head) <> '' AND trim(k.tail) <> '' AND k.head <> k.tail), "
        "near AS (SELECT f.tail AS name FROM fact AS f SEMI JOIN item AS i ON i.name = f.head "
        "UNION SELECT f.head FROM fact AS f SEMI JOIN item AS i ON i.name = f.tail "
        "UNION SELECT i.name FROM item AS i) "
        "SELECT f.head, f.relation, f.tail FROM fact AS f "
        "WHERE EXISTS (SELECT 1 FROM near AS n WHERE n.name = f.head) "
        "OR EXISTS (SELECT 1 FROM near AS n WHERE n.name = f.tail)"
    )
    names = {
        "_recsql_relation": "SELECT f.relation AS name FROM _recsql_fact AS f",
        "_recsql_entity": "SELECT f.head AS name FROM _recsql_fact AS f UNION ALL "
        "SELECT f.tail FROM _recsql_fact AS f",
    }
    known = {"_recsql_relation": "", "_recsql_entity": f"ANTI JOIN ({items}) AS i USING (name)"}
    for table, every in names.items():
        session.execute(
            f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT n.name, "
            "row_number() OVER (ORDER BY n.name) - 1 AS code FROM (SELECT DISTINCT e.name "
            f"FROM ({every}) AS e {known[table]}) AS n"
        )
    nodes = (
        f"(SELECT i.name, i.code FROM ({items}) AS i UNION ALL "
        "SELECT e.name, e.code + (SELECT count(*) FROM _recsql_item_code) FROM _recsql_entity AS e)"
    )
    table = session.arrow(
        "SELECT h.code::INTEGER AS head, r.code::INTEGER AS relation, t.code::INTEGER AS tail "
        f"FROM _recsql_fact AS f JOIN {nodes} AS h ON h.name = f.head "
        f"JOIN {nodes} AS t ON t.name = f.tail "
        "JOIN _recsql_relation AS r ON r.name = f.relation ORDER BY ALL"
    )
    relations, entities = (
        tuple(n for (n,) in session.rows(f"SELECT n.name FROM {name} AS n ORDER BY n.code"))
        for name in names
    )
    head, relation, tail = (table.column(name).to_numpy() for name in table.column_names)
    for name in ("_recsql_fact", *names):
        session.execute(f"DROP TABLE {name}")
    return Knowledge(head, relation, tail, relations, entities)


def knowledge_fingerprint(session: Session) -> int:
    """Give a number that changes when any fact does."""
    return int(
        session.value(
            "SELECT coalesce((sum(hash(k)) % 18446744073709551616)::UBIGINT, 0) "
            "FROM recsql.knowledge AS k"
        )
    )
