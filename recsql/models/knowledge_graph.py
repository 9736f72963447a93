"""The graph of what is known: items, customers, and the entities that facts join them to."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from recsql.data.features import Features
from recsql.kernels.graph_propagation import Edges, ends, group_places
from recsql.kernels.relation_attention import Facts, Relations, attention, share_out
from recsql.models.base import Array
from recsql.models.purchases import Purchases

MOST_RELATIONS = 256  # rarer ones are learned as one
LEAST_LINKS = 2  # an entity with one link joins nothing
MOST_ROUNDS = 16


class KnowledgeGraph(NamedTuple):
    """Facts in both directions, in order of head, relation and tail; see ``knowledge_graph``.

    Nodes are items, then entities, then customers. The inverse of a relation is a relation of its
    own, ``len(names)`` behind it.

    Attributes
    ----------
    n_items, n_entities : int
    ptr : int64[n_nodes + 1]            where the facts of a head begin
    relation, tail : int32[n_facts]
    names : of the relations, in one direction; '' stands for all rare ones
    entities : (attribute, value) of each entity; of bound knowledge the attribute is ''
    trait : int32[n_features]           node of each value of customers' attributes; -1 for none
    """

    n_items: int
    n_entities: int
    ptr: Array
    relation: Array
    tail: Array
    names: tuple[str, ...]
    entities: tuple[tuple[str, str], ...]
    trait: Array

    @property
    def n_firsts(self) -> int:
        """Count the nodes with vectors of their own: items and entities."""
        return self.n_items + self.n_entities

    @property
    def head(self) -> Array:
        """Give the head of each fact: int32[n_facts]."""
        return np.repeat(np.arange(len(self.ptr) - 1, dtype=np.int32), np.diff(self.ptr))


class _Named(NamedTuple):
    """Facts of one kind; entities stand behind the items, customers are -1 minus their place.

    Attributes
    ----------
    head, relation, tail : int64[n]
    relations : names of the relations
    entities : (attribute, value) of the entities
    """

    head: Array
    relation: Array
    tail: Array
    relations: tuple[str, ...]
    entities: tuple[tuple[str, str], ...]


def knowledge_graph(purchases: Purchases, n_users: int) -> KnowledgeGraph:
    """Give the graph of attributes of items and customers, and of the knowledge that is bound.

    An entity that only one fact names joins nothing and is left out. A value of an attribute of
    items and that of an attribute of customers with the same name are one entity.

    Parameters
    ----------
    n_users : customers of the events
    """
    n_items, knowledge = purchases.n_items, purchases.knowledge
    kinds = [
        _attributes_of(features, n_items, customers)
        for features, customers in (
            (purchases.item_features, False),
            (purchases.user_features, True),
        )
        if features is not None
    ]
    if knowledge is not None:
        entities = tuple(("", name) for name in knowledge.entities)
        columns = (knowledge.head, knowledge.relation, knowledge.tail)
        kinds.append(_Named(*columns, knowledge.relations, entities))
    number: dict[tuple[str, str], int] = {}
    names: dict[str, int] = {}
    none = np.empty(0, dtype=np.int64)
    heads, relations, tails = [none], [none], [none]
    for kind in kinds:
        place = _numbered(number, kind.entities)
        for nodes, found in ((kind.head, heads), (kind.tail, tails)):
            moved = nodes.astype(np.int64)
            entity = moved >= n_items
            moved[entity] = n_items + place[moved[entity] - n_items]
            found.append(moved)
        relations.append(_numbered(names, kind.relations)[kind.relation])
    head, relation, tail = (np.concatenate(part) for part in (heads, relations, tails))
    n_entities = len(number)
    for nodes in (head, tail):
        nodes[nodes < 0] = n_items + n_entities - 1 - nodes[nodes < 0]
    common, facts = _with_rare_as_one(_Triples(head, relation, tail), tuple(names))
    kept, facts = _joining(_without_repetition(facts), n_items, n_entities)
    known = list(number)
    entities = tuple(known[place] for place in kept)
    node = {entity: n_items + place for place, entity in enumerate(entities)}
    values = () if purchases.user_features is None else _entities_of(purchases.user_features)
    trait = np.array([node.get(value, -1) for value in values], dtype=np.int32)
    return _both_ways(facts, n_items, n_users, common, entities, trait)


def _attributes_of(features: Features, n_items: int, customers: bool) -> _Named:
    """Give the facts that attributes of items, or of customers, are."""
    names = list(dict.fromkeys(name for name, _ in features.names))
    row, code = features.row, features.feature.astype(np.int64)
    return _Named(
        -1 - row if customers else row,
        features.attribute.astype(np.int64)[code],
        n_items + code,
        tuple(f"customer {name}" if customers else name for name in names),
        _entities_of(features),
    )


def _entities_of(features: Features) -> tuple[tuple[str, str], ...]:
    """Give the entity of each value of an attribute."""
    return tuple((name.lower(), value) for name, value in features.names)


def _numbered(number: dict[Any, int], names: tuple[Any, ...]) -> Array:
    """Give the number of each name; new ones get the numbers that follow."""
    found = [number.setdefault(name, len(number)) for name in names]
    return np.array(found, dtype=np.int64)


class _Triples(NamedTuple):
    head: Array
    relation: Array
    tail: Array

    def chosen(self, kept: Array) -> _Triples:
        return _Triples(self.head[kept], self.relation[kept], self.tail[kept])


def _without_repetition(facts: _Triples) -> _Triples:
    """Give the different facts in order of head, relation and tail; none from a node to itself."""
    facts = facts.chosen(np.lexsort((facts.tail, facts.relation, facts.head)))
    new = np.ones(len(facts.head), dtype=bool)
    new[1:] = np.any([part[1:] != part[:-1] for part in facts], axis=0)
    return facts.chosen(new & (facts.head != facts.tail))


def _joining(facts: _Triples, n_items: int, n_entities: int) -> tuple[Array, _Triples]:
    """Give the entities that join others, ascending, and the facts among these, numbered anew."""
    kept = np.ones(n_entities, dtype=bool)
    for _ in range(MOST_ROUNDS):
        nodes = np.concatenate([facts.head, facts.tail])
        places = nodes[(nodes >= n_items) & (nodes < n_items + n_entities)] - n_items
        links = np.bincount(places, minlength=n_entities)
        if not (kept & (links < LEAST_LINKS)).any():
            break
        kept &= links >= LEAST_LINKS
        lost = np.concatenate([np.zeros(n_items, dtype=bool), ~kept])
        gone = [
            np.where(part < len(lost), lost[np.minimum(part, len(lost) - 1)], False)
            for part in (facts.head, facts.tail)
        ]
        facts = facts.chosen(~(gone[0] | gone[1]))
    n_kept = int(kept.sum())
    place = np.cumsum(kept) - 1

    def moved(nodes: Array) -> Array:
        nodes = nodes.copy()
        customers = nodes >= n_items + n_entities
        entities = (nodes >= n_items) & ~customers
        nodes[entities] = n_items + place[nodes[entities] - n_items]
        nodes[customers] += n_kept - n_entities
        return nodes

    numbered = _Triples(moved(facts.head), facts.relation, moved(facts.tail))
    return np.flatnonzero(kept), numbered


def _with_rare_as_one(facts: _Triples, names: tuple[str, ...]) -> tuple[tuple[str, ...], _Triples]:
    """Give the most frequent relations; all others are one, called ''."""
    if len(names) <= MOST_RELATIONS:
        return names, facts
    counts = np.bincount(facts.relation, minlength=len(names))
    common = np.sort(np.argsort(-counts, kind="stable")[: MOST_RELATIONS - 1])
    place = np.full(len(names), len(common))
    place[common] = np.arange(len(common))
    kept = (*(names[relation] for relation in common), "")
    return kept, facts._replace(relation=place[facts.relation])


def _both_ways(
    facts: _Triples,
    n_items: int,
    n_users: int,
    names: tuple[str, ...],
    entities: tuple[tuple[str, str], ...],
    trait: Array,
) -> KnowledgeGraph:
    n_nodes = n_items + len(entities) + n_users
    head = np.concatenate([facts.head, facts.tail])
    relation = np.concatenate([facts.relation, facts.relation + len(names)])
    tail = np.concatenate([facts.tail, facts.head])
    order = np.lexsort((tail, relation, head))
    ptr = ends(np.bincount(head, minlength=n_nodes))
    of_relation, of_tail = (part[order].astype(np.int32) for part in (relation, tail))
    return KnowledgeGraph(n_items, len(entities), ptr, of_relation, of_tail, names, entities, trait)


class Attention:
    """The weights of the facts of a graph, for the vectors that nodes and relations have."""

    def __init__(self, graph: KnowledgeGraph) -> None:
        self._graph = graph
        head = graph.head
        owned = (head < graph.n_firsts) & (graph.tail < graph.n_firsts)
        place = np.flatnonzero(owned)
        order = place[np.argsort(graph.relation[place], kind="stable")]
        counts = np.bincount(graph.relation[order], minlength=2 * len(graph.names))
        self._place = order
        self.facts = Facts(ends(counts), head[order], graph.tail[order])
        self._back_ptr, self._back_place = group_places(graph.tail, len(graph.ptr) - 1)
        self._back_head = head[self._back_place]

    def share(self, node: Array, relations: Relations) -> Array:
        """Give the share of each fact among those of its head: float32[n_facts].

        Customers have no vectors of their own: of an entity that they are joined to, each counts
        as if its attention were 0 before it is shared.
        """
        score = np.zeros(len(self._graph.tail), dtype=np.float32)
        score[self._place] = attention(self.facts, node, relations)
        share = np.empty_like(score)
        share_out(self._graph.ptr, score, share)
        return share

    def edges(self, share: Array, weight: float) -> tuple[Edges, Edges]:
        """Give the edges to the tails of each node, and those back to the heads."""
        weighed = share * np.float32(weight)
        there = Edges(self._graph.ptr, self._graph.tail, weighed)
        back = Edges(self._back_ptr, self._back_head, weighed[self._back_place])
        return there, back
