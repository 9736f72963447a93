"""How vectors of items and entities are learned from purchases, and from facts in turn."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from recsql.kernels.adam import adam_step, first_moments
from recsql.kernels.graph_propagation import Graph, Layers
from recsql.kernels.groups import Groups
from recsql.kernels.knowledge_propagation import gather_back, spread
from recsql.kernels.ranking_losses import Gradient
from recsql.kernels.relation_attention import Facts, Relations, fact_gradient
from recsql.models.base import Array
from recsql.models.graph_training import Lessons, Training
from recsql.models.knowledge_graph import Attention, KnowledgeGraph

FACTS_A_STEP = 16_384
STEPS_OF_FACTS = 2  # an epoch, at most


class KnowledgeLessons(NamedTuple):
    """What is learned of facts, beside ``Lessons``; see ``KGAT``."""

    knowledge_weight: float
    fact_rate: float


class KnowledgeTraining(Training):
    """The first layers of items and entities, and the relations, as they are learned.

    In an epoch purchases are learned from with the attention of its beginning, then facts, and the
    attention is computed anew.
    """

    def __init__(
        self,
        groups: Groups,
        graph: KnowledgeGraph,
        node: Array,
        relations: Relations,
        lessons: Lessons,
        more: KnowledgeLessons,
        seed: int,
    ) -> None:
        super().__init__(groups, node[: graph.n_items], None, lessons, seed)
        self._knowledge, self._more = graph, more
        self.node, self.relations = node, relations
        self._of_node, self._of_node_by_facts = first_moments(node), first_moments(node)
        width = node.shape[1]
        self._flat = Relations(relations.matrix.reshape(-1, width), relations.step)
        self._of_relations = tuple(first_moments(table) for table in self._flat)
        self._attention = Attention(graph)
        self._fact_rng = np.random.default_rng([seed, 3])
        self._fact_steps = 0
        self._attend()

    @property
    def tables(self) -> tuple[Array, ...]:
        """Give what is learned: items and entities, and the relations."""
        return self.node, *self.relations

    def epoch(self) -> float:
        """Learn from every purchase, then from facts; give the mean loss of the purchases."""
        loss = super().epoch()
        self._learn_facts()
        self._attend()
        return loss

    def _attend(self) -> None:
        share = self._attention.share(self.node, self.relations)
        self._there, self._back = self._attention.edges(share, self._more.knowledge_weight)

    def _spread(self, graph: Graph) -> Layers:
        found = spread(graph, self._there, self.node, self.lessons.n_layers)
        known = self._knowledge
        return Layers(found.node[known.n_firsts :], found.node[: known.n_items], found.message)

    def _move(self, graph: Graph, gradient: Gradient, step: Callable[..., None]) -> None:
        known = self._knowledge
        slope = np.zeros((len(known.ptr) - 1, self.node.shape[1]), dtype=np.float32)
        slope[: known.n_items] = gradient.item
        slope[known.n_firsts :] = gradient.user
        change = gather_back(graph, self._back, slope, known.n_firsts, self.lessons.n_layers)
        step(self.node, change, self._of_node)

    def _learn_facts(self) -> None:
        """Go once over the facts, or over some of them where they are many."""
        facts, rng = self._attention.facts, self._fact_rng
        if self._more.fact_rate == 0 or len(facts.head) == 0:
            return
        order = rng.permutation(len(facts.head))
        n_steps = min(STEPS_OF_FACTS, -(-len(order) // FACTS_A_STEP))
        for number in range(n_steps):
            batch = np.sort(order[number::n_steps][:FACTS_A_STEP])
            ptr = np.searchsorted(batch, facts.ptr)
            some = Facts(ptr, facts.head[batch], facts.tail[batch])
            # another tail of the same relation: told apart by more than what kind of node it is
            relation = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
            first, size = facts.ptr[relation], np.diff(facts.ptr)[relation]
            other = facts.tail[first + (rng.random(len(batch)) * size).astype(np.int64)]
            gradient = fact_gradient(some, other, self.node, self.relations)
            self._fact_steps += 1
            step = partial(adam_step, number=self._fact_steps, rate=self._more.fact_rate)
            step(self.node, gradient.node, self._of_node_by_facts)
            changed = gradient.relations
            step(
                self._flat.matrix,
                changed.matrix.reshape(self._flat.matrix.shape),
                self._of_relations[0],
            )
            step(self._flat.step, changed.step, self._of_relations[1])
