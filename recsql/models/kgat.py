"""Vectors that spread over purchases and over what is known of items and customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from recsql.data.knowledge import ItemFacts
from recsql.errors import ParameterError
from recsql.kernels.graph_propagation import Edges, purchase_graph, purchased
from recsql.kernels.groups import Groups
from recsql.kernels.knowledge_propagation import spread
from recsql.kernels.relation_attention import Relations
from recsql.kernels.table_sums import add_factors, sum_rows
from recsql.models.base import Array
from recsql.models.fact_vectors import (
    DEFAULT_SHARE,
    Pair,
    best_shares,
    fact_vectors,
    of_customers,
    unit_of,
    weighed,
)
from recsql.models.fold_in import FactorRecommender
from recsql.models.graph_training import (
    LEAST_JUDGED,
    Lessons,
    found_again,
    hold_out,
    learn,
    mean_message,
)
from recsql.models.item_facts import facts_of_items
from recsql.models.knowledge_graph import Attention, knowledge_graph
from recsql.models.knowledge_training import KnowledgeLessons, KnowledgeTraining
from recsql.models.lightgcn import smooth_start
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests


@dataclass
class KGAT(FactorRecommender):
    """Spread vectors over purchases and facts, by attention; rank by the layers and by the facts.

    Nodes are customers, items and entities: the values of their attributes, and the things that
    bound knowledge names. Each of ``n_layers`` gives a node what its neighbours by purchases had,
    as in ``lightgcn``, and ``knowledge_weight`` times what its neighbours by facts had, each by its
    share of the attention. The attention of a fact is how far its tail lies in the direction in
    which head and relation lead, in a space that the relation has; those of a head are shared by a
    softmax. An inverse of a relation is a relation of its own.

    In turn purchases are learned from, as in ``lightgcn`` with the softmax loss (``n_factors``,
    ``n_epochs``, ``learning_rate``, ``penalty``, ``n_negatives``, ``frequency_exponent``,
    ``batch_size``, ``patience``, ``seed`` mean the same), and facts, in steps of ``fact_rate`` (0:
    never), by the distance of a tail to where head and relation lead, against that of another tail.
    The attention is computed anew after each epoch.

    Beside the layers an item has vectors of its attributes and of the knowledge about it, of at
    most ``n_factors`` each, weighed by attention and rarity. How much their scores count, as a
    share of the spread of the learned ones, is found on the purchases that were held out, for each
    of both, unless ``fact_share`` says it. Facts that say nothing of what is bought thus do no
    harm.

    Customers have no vectors of their own: everyone is answered by what they have bought by then
    and by their attributes, new customers like old ones.

    Source: Wang et al., "KGAT: Knowledge Graph Attention Network for Recommendation", KDD 2019.
    There customers have vectors of their own, attention is shared among purchases and facts
    together, layers are transformed ("bi-interaction") and put side by side, and the loss is BPR.
    """

    name: ClassVar[str] = "kgat"
    tasks: ClassVar[tuple[str, ...]] = ("for_you",)
    effort: ClassVar[int] = 4
    reads_knowledge: ClassVar[bool] = True

    n_factors: int = 64
    n_layers: int = 3
    n_epochs: int = 400
    learning_rate: float = 0.05
    fact_rate: float = 0.001
    knowledge_weight: float = 0.1
    fact_share: float | None = None
    penalty: float = 0.03
    n_negatives: int = 256
    frequency_exponent: float = 0.5
    batch_size: int | None = None
    patience: int = 30
    seed: int = 0

    def _check(self) -> None:
        for name in ("n_factors", "n_layers", "n_epochs", "n_negatives", "patience"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.batch_size is not None and not self.batch_size >= 1:
            raise ParameterError(f"batch_size must be at least 1, got {self.batch_size}.")
        if not 0 < self.learning_rate < np.inf:
            raise ParameterError(f"learning_rate must be above 0, got {self.learning_rate}.")
        least_0 = ("fact_rate", "knowledge_weight", "penalty", "frequency_exponent", "seed")
        for name in (*least_0, *(["fact_share"] if self.fact_share is not None else [])):
            if not 0 <= getattr(self, name) < np.inf:
                raise ParameterError(f"{name} must be at least 0, got {getattr(self, name)}.")

    def _fit(self, purchases: Purchases) -> None:
        if not purchases.has_facts:
            raise ParameterError(
                "kgat must have facts about items or customers, got none. "
                "CALL recsql.bind_knowledge, or bind_items or bind_users with attributes."
            )
        assert purchases.events is not None  # fit() looked
        self._graph = knowledge_graph(purchases, purchases.events.n_users)
        super()._fit(purchases)

    def _learn(self, groups: Groups, n_items: int) -> None:
        graph, n_users = self._graph, len(groups.group_ptr) - 1
        node, relations = self._first(groups, n_users)
        if len(groups.group_item):
            node, *learned = learn(
                groups,
                n_items,
                partial(self._training, node=node, relations=relations),
                n_epochs=self.n_epochs,
                patience=self.patience,
                seed=self.seed,
            )
            relations = Relations(*learned)
        attention = Attention(graph)
        share = attention.share(node, relations)
        there, _ = attention.edges(share, self.knowledge_weight)
        kinds = fact_vectors(graph, share, self.buyers_, self.n_factors, self.seed)
        weights = self._weights(groups, node, there, kinds)
        bought = purchase_graph(purchased(groups, n_items), n_users, n_items)
        layers = spread(bought, there, node, self.n_layers)
        root = np.sqrt(np.maximum(self.buyers_, 1), dtype=np.float32)[:, None]
        said = Pair(layers.message[:n_items] / root, layers.node[:n_items])
        pairs = [Pair(vectors, vectors) for vectors in kinds]
        self.messages_, self.factors_ = weighed(said, pairs, weights)
        trait = graph.trait
        self.traits_: Array = layers.message[trait] * np.float32(self.knowledge_weight)
        self.traits_[trait < 0] = 0
        self.trait_known_: Array = trait >= 0
        self._facts = facts_of_items(graph, share)
        self._lay_out()

    def _first(self, groups: Groups, n_users: int) -> tuple[Array, Relations]:
        """Give the first guess: smooth vectors of items; entities and relations say nothing yet."""
        graph = self._graph
        width = max(1, min(self.n_factors, graph.n_items))
        node = np.zeros((graph.n_firsts, width), dtype=np.float32)
        bound = np.sqrt(6.0 / (n_users + graph.n_items + width))
        guess = np.random.default_rng(self.seed).uniform(-bound, bound, (graph.n_items, width))
        node[: graph.n_items] = guess
        if len(groups.group_item):
            smooth = smooth_start(groups, graph.n_items, width, self.n_layers, self.seed)
            node[: graph.n_items, : smooth.shape[1]] = smooth
        n_relations = 2 * len(graph.names)
        matrix = np.tile(np.eye(width, dtype=np.float32), (n_relations, 1, 1))
        return node, Relations(matrix, np.zeros((n_relations, width), dtype=np.float32))

    def _training(self, groups: Groups, node: Array, relations: Relations) -> KnowledgeTraining:
        lessons = Lessons(
            self.n_layers,
            "softmax",
            self.learning_rate,
            self.penalty,
            self.n_negatives,
            self.frequency_exponent,
            self.batch_size,
            hide_targets=True,
        )
        more = KnowledgeLessons(self.knowledge_weight, self.fact_rate)
        return KnowledgeTraining(groups, self._graph, node, relations, lessons, more, self.seed)

    def _weights(
        self, groups: Groups, node: Array, there: Edges, kinds: Sequence[Array]
    ) -> list[float]:
        """Give the weight of the scores of each kind of facts, by what was held out."""
        graph = self._graph
        known, held = hold_out(groups, self.seed)
        eligible = np.bincount(known.group_item, minlength=graph.n_items) > 0
        if not kinds or not eligible.any():
            return [0.0] * len(kinds)
        n_users = len(groups.group_ptr) - 1
        bought = purchase_graph(purchased(known, graph.n_items), n_users, graph.n_items)
        layers = spread(bought, there, node, self.n_layers).node
        learned = Pair(layers[graph.n_firsts :], layers[: graph.n_items])
        facts = [Pair(of_customers(known, vectors), vectors) for vectors in kinds]
        units = [unit_of(learned, pair, eligible) for pair in facts]
        if self.fact_share is not None or len(held.user) < LEAST_JUDGED:
            share = DEFAULT_SHARE if self.fact_share is None else self.fact_share
            return [share * unit for unit in units]
        judge = partial(found_again, held, eligible=eligible)
        shares = best_shares(learned, facts, units, judge)
        return [share * unit for share, unit in zip(shares, units, strict=True)]

    def fold_in(self, ptr: Array, item: Array) -> Array:
        """Give the vectors of customers by their items, as in ``Groups``: float32[n, width]."""
        return mean_message(ptr, item, self.messages_)

    def _scores(self, requests: Requests) -> Array:
        scores = super()._scores(requests)
        assert requests.events is not None  # recommend() looked
        features = requests.features
        if features is None or len(self.traits_) == 0:
            return scores
        ptr, _ = self._known(*requests.events.distinct_items())
        kept = self.trait_known_[features.feature]
        counts = np.bincount(features.row[kept], minlength=len(scores))
        of_traits = np.zeros((len(scores), self.factors_.shape[1]), dtype=np.float32)
        width = self.traits_.shape[1]
        sums = sum_rows(features.ptr, features.feature, self.traits_)
        of_traits[:, :width] = sums / np.maximum(counts, 1).astype(np.float32)[:, None]
        of_traits[np.diff(ptr) == 0] = 0  # best sellers stay what they are
        add_factors(scores, of_traits, self._to_items)
        return scores

    def item_facts(self) -> ItemFacts | None:
        """Give the facts of items with their attention; None unless it has just learned."""
        return getattr(self, "_facts", None)

    def arrays(self) -> dict[str, Array]:
        """Give the customers of items, vectors, and what items and attributes say of a customer."""
        return {
            "buyers": self.buyers_,
            "factors": self.factors_,
            "messages": self.messages_,
            "traits": self.traits_,
            "trait_known": self.trait_known_,
        }

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.buyers_ = arrays["buyers"].astype(np.int32)
        self.factors_, self.messages_, self.traits_ = (
            np.ascontiguousarray(arrays[name], dtype=np.float32)
            for name in ("factors", "messages", "traits")
        )
        self.trait_known_ = arrays["trait_known"].astype(bool)
        self._lay_out()
