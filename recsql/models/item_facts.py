"""The facts about items that a graph of knowledge holds, with their attention, as they are told."""

from __future__ import annotations

import numpy as np

from recsql.data.knowledge import ItemFacts
from recsql.models.base import Array
from recsql.models.knowledge_graph import KnowledgeGraph


def facts_of_items(graph: KnowledgeGraph, share: Array) -> ItemFacts:
    """Give the facts of items; ``share``, float32[n_facts], is the attention of each."""
    n_items, n_relations = graph.n_items, len(graph.names)
    head = graph.head
    inverse = np.where(
        graph.relation < n_relations, graph.relation + n_relations, graph.relation - n_relations
    )
    # the inverse of every fact is a fact: in the order of their inverses they are all of them
    of_inverse = np.empty(len(head), dtype=np.int64)
    of_inverse[np.lexsort((head, inverse, graph.tail))] = np.arange(len(head))
    place = np.flatnonzero((head < n_items) & (graph.tail < graph.n_firsts))
    words = [f"has {name}" if name else "is joined to" for name in graph.names]
    words += [f"is {name} of" if name else "is joined to" for name in graph.names]
    tail = graph.tail[place]
    entities = [("", ""), *graph.entities]
    named = [entities[code] for code in np.maximum(tail - n_items + 1, 0).tolist()]
    return ItemFacts(
        head[place],
        np.where(tail < n_items, tail, -1).astype(np.int32),
        [value for _, value in named],
        [attribute for attribute, _ in named],
        [words[relation] for relation in graph.relation[place].tolist()],
        share[place],
        share[of_inverse[place]],
    )
