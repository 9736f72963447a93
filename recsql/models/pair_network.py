"""What networks that rank share: they score pairs of a customer and an item."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recsql.data.events import Events
from recsql.data.features import Features
from recsql.errors import ParameterError
from recsql.kernels.topk import top_k
from recsql.models.base import Array, PairScorer
from recsql.models.network import GRAPH, SIGNATURE, Network, graph_of, signed
from recsql.models.purchases import Purchases
from recsql.models.requests import Recommended, Requests
from recsql.networks.fields import PairFields
from recsql.networks.graph import Graph
from recsql.networks.pairs import PairGraphs, PairParts, Rows, Told, width_of
from recsql.networks.sequences import Steps
from recsql.networks.signature import content_hash

MOST_PAIRS = 32_768  # in memory at a time
MOST_READY = 50_000_000  # codes of all customers of a query, numbers read of those in memory
PARTS = (("request.onnx", "request.json"), ("item.onnx", "item.json"), (GRAPH, SIGNATURE))


class Taught(NamedTuple):
    """What a network that ranks learns from.

    Attributes
    ----------
    events : of customers; for first purchases those of first baskets
    fields : how attributes become codes
    users : a row a customer; one beyond the end has none
    item_slots : int32[n_items + 1, slots]    the codes of item c in row c + 1; row 0: unknown
    sold : int64[n_items]    events of each item
    """

    events: Events
    fields: PairFields
    users: Features | None
    item_slots: Array
    sold: Array


@dataclass
class PairNetwork(Network):
    """A network that gives a pair of a customer and an item a probability.

    Positives are what was bought; each is set against ``n_negatives`` items that are drawn, a
    ``uniform_share`` of them alike, the others in proportion to how often they were bought, to the
    power of ``proposal_exponent``. What makes an item likely to be drawn is taken off again while
    learning, so that the probability is that of a purchase against ``n_negatives`` items drawn
    alike, whatever draws. Each positive weighs as its kind of event does. While learning an
    ``unknown_share`` of the values counts as unknown, so that unseen ones have a vector.

    Vectors have ``n_factors`` numbers, the layers ``n_hidden`` and half as many units, ``dropout``
    leaves out that share of their values while learning. Where a context is bound its fields are
    read beside those of the customer. With ``moment_fields`` the hour and the day of the week of
    the request are read. Lists are made of the ``n_candidates`` items bought
    most among those that may be recommended; an item that nobody bought is never recommended.

    Source: Yang et al., "Mixed Negative Sampling for Learning Two-tower Neural Networks in
    Recommendations", WWW 2020, with the correction of Gutmann and Hyvärinen, "Noise-contrastive
    estimation", AISTATS 2010.
    """

    n_epochs: int = 20
    batch_size: int = 256
    n_threads: int = 1  # what a step of so many rows does is less than waiting for a second one
    n_factors: int = 16
    n_hidden: int = 128
    dropout: float = 0.1
    n_negatives: int = 4
    uniform_share: float = 0.5
    proposal_exponent: float = 0.75
    unknown_share: float = 0.05
    moment_fields: bool = False
    n_candidates: int = 2000
    max_length: int = 50

    def _check(self) -> None:
        super()._check()
        for name in ("n_factors", "n_negatives", "n_candidates", "max_length"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not self.n_hidden >= 2:
            raise ParameterError(f"n_hidden must be at least 2, got {self.n_hidden}.")
        for name in ("dropout", "unknown_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ParameterError(f"{name} must be 0 to 1, got {getattr(self, name)}.")
        if not 0 <= self.uniform_share <= 1:
            raise ParameterError(f"uniform_share must be 0 to 1, got {self.uniform_share}.")
        if not 0 <= self.proposal_exponent <= 2:
            raise ParameterError(f"proposal_exponent must be 0 to 2, got {self.proposal_exponent}.")

    @abstractmethod
    def reads_history(self) -> bool:
        """Tell whether it reads what a customer bought, and so learns what comes next."""

    def _news(self, events: Events, until: int) -> int:
        if self.reads_history() or len(events.time) == 0:
            return super()._news(events, until)
        first = events.time[np.minimum(events.user_ptr[:-1], len(events.time) - 1)]
        return int(((first > until) & (np.diff(events.user_ptr) > 0)).sum())

    def reads_time(self) -> bool:
        """Tell whether answers depend on the moment of the request."""
        return self.moment_fields

    def reads_attributes(self, task: str) -> bool:
        """Tell whether answers for a task depend on attributes of the customer."""
        del task
        return len(self.fields_.user.field) > 0

    def learns_context(self) -> bool:
        """Tell whether it learns from the context of events, where one is bound."""
        return True

    def reads_context(self) -> bool:
        """Tell whether answers depend on the context of the request."""
        return self.fields_.context is not None

    def _fit(self, purchases: Purchases) -> None:
        taught = self._taught(purchases)
        self.fields_, self.sold_ = taught.fields, taught.sold
        self.item_slots_ = taught.item_slots
        self._keep_weights(self._learn(taught), purchases)

    def _taught(self, purchases: Purchases) -> Taught:
        events = purchases.events
        assert events is not None  # fit() looked
        if self.moment_fields and purchases.today is None:
            raise ParameterError(
                "moment_fields must be off without dates or timestamps, got True. "
                "Bind ts to a DATE or TIMESTAMP."
            )
        if not self.reads_history():
            events = events.first_baskets()
        users = purchases.user_features
        if users is not None and users.n_rows * users.n_features == 0:
            users = None
        learned = None
        if users is not None:
            there = np.flatnonzero(np.diff(events.user_ptr))
            learned = users.of_rows(there[there < users.n_rows])
        sold = np.bincount(events.item, minlength=events.n_items)
        items = purchases.item_features
        known = None if items is None else items.of_rows(np.flatnonzero(sold))
        fields = PairFields.learn(learned, known, events.context, moments=self.moment_fields)
        slots = np.concatenate([fields.item.empty[None], fields.item.slots(items, events.n_items)])
        return Taught(events, fields, users, slots, sold)

    def _learn(self, taught: Taught) -> Mapping[str, Array]:
        """Learn a graph, and give the weights; a network with more than that to keep adds it."""
        parts: PairParts = self._module().learn(self, taught)
        self._take_graphs(parts.graphs)
        return parts.weights

    def _take_graphs(self, graphs: PairGraphs) -> None:
        self.graphs_ = graphs
        codes = np.arange(len(self.item_slots_))
        self._items = Rows(graphs.item, {"item": codes, "slots": self.item_slots_})

    def files(self, vocabulary: str) -> dict[str, bytes]:
        """Give the graphs, their signatures and the weights by name; see ``Model.files``."""
        found: dict[str, bytes] = {}
        for graph, names in zip(self.graphs_, PARTS, strict=True):
            found |= signed(graph, vocabulary, names)
            vocabulary = self._belongs(vocabulary, graph)
        return found | self._weight_file()

    def _take_files(self, files: Mapping[str, bytes], vocabulary: str) -> None:
        graphs = []
        for names in PARTS:
            graphs.append(graph_of(files, self.name, vocabulary, names))
            vocabulary = self._belongs(vocabulary, graphs[-1])
        self._take_graphs(PairGraphs(*graphs))
        self.weights_ = None

    @staticmethod
    def _belongs(vocabulary: str, graph: Graph) -> str:
        """Give the vocabulary of a graph that reads what another one gives."""
        return content_hash(vocabulary.encode(), graph.signature.graph.encode())

    def _pair_scorer(self, requests: Requests) -> PairScorer:
        size = len(requests) * int(self.fields_.asked_slots.sum())
        if self.reads_history() or size > MOST_READY:
            return super()._pair_scorer(requests)
        rows = Rows(self.graphs_.request, self._asked(requests))

        def score(row: Array, item: Array) -> Array:
            return self._combined(self._scored(rows.of(row), item))

        return score

    def _score_pairs(self, requests: Requests, row: Array, item: Array) -> Array:
        return self._combined(self._chances(requests, row, item))

    def _chances(self, requests: Requests, row: Array, item: Array) -> Array:
        """Give what the graph says of requests, by their place, and items: float32[n, outputs]."""
        distinct, place = np.unique(row, return_inverse=True)
        found = np.empty((len(row), len(self.graphs_.pair.signature.outputs)), dtype=np.float32)
        for part in self._by_length(requests.chosen(distinct), MOST_PAIRS):
            told = self._read(requests.chosen(distinct[part]))
            at = np.full(len(distinct), -1)
            at[part] = np.arange(len(part))
            there = np.flatnonzero(at[place] >= 0)
            found[there] = self._scored(Told(told, at[place[there]]), item[there])
        return found

    def _recommend(self, requests: Requests, k: int, candidates: Array | None) -> Recommended:
        pool = self._pool(candidates)
        item = np.full((len(requests), k), -1, dtype=np.int32)
        score = np.zeros((len(requests), k), dtype=np.float64)
        if len(pool) == 0:
            return Recommended(item, score, np.zeros_like(item))
        for rows in self._by_length(requests, max(1, MOST_PAIRS // len(pool))):
            part = requests.chosen(rows)
            row = np.repeat(np.arange(len(rows)), len(pool))
            told = Told(self._read(part), row)
            chances = self._scored(told, np.tile(pool, len(rows)))
            scores = self._combined(chances).reshape(len(rows), -1)
            _leave_out(scores, part, pool)
            place, best = top_k(scores, k)
            item[rows] = np.where(place < 0, -1, pool[place])
            score[rows] = best
        return Recommended(item, score, np.zeros_like(item))

    def _pool(self, candidates: Array | None) -> Array:
        """Give the items bought most that may be recommended: int64[n], ascending."""
        may = self.sold_ > 0 if candidates is None else (self.sold_ > 0) & candidates
        codes = np.flatnonzero(may)
        order = np.argsort(-self.sold_[codes], kind="stable")[: self.n_candidates]
        return np.sort(codes[order])

    def _by_length(self, requests: Requests, most: int) -> list[Array]:
        """Give places of requests, at most so many together, of about equal histories.

        What is read of those that are together is at most MOST_READY numbers.
        """
        most = min(most, max(1, MOST_READY // width_of(self.graphs_.request, self.max_length)))
        order = np.arange(len(requests))
        if self.reads_history() and requests.events is not None:
            length = np.minimum(np.diff(requests.events.user_ptr), self.max_length)
            order = np.argsort(length, kind="stable")
        return [order[first : first + most] for first in range(0, len(order), most)]

    def _asked(self, requests: Requests) -> dict[str, Array]:
        """Give the inputs of the graph of requests."""
        time = requests.time if self.moment_fields else None
        asked = self.fields_.asked(len(requests), requests.features, time, requests.context)
        found = {"slots": asked}
        if self.reads_history():
            events = requests.events
            assert events is not None  # recommend() looked
            known = events.select(self.sold_[events.item] > 0)
            steps = Steps.newest(known, self.max_length)
            found["history"] = steps.table(known.item[steps.place] + 1, np.int64)
        return found

    def _read(self, requests: Requests) -> list[Array]:
        """Give what the graph of requests makes of them: arrays with a row a request."""
        return self.graphs_.request.run(self._asked(requests))

    def _scored(self, told: Told, item: Array) -> Array:
        """Give what the graphs say of requests and items: float32[n, outputs]."""
        return np.stack(self.graphs_.score(told, self._items.of(item + 1)), axis=1)

    def _combined(self, chances: Array) -> Array:
        """Make one score of the outputs of the graph: float32[n]."""
        return chances[:, 0]

    def arrays(self) -> dict[str, Array]:
        """Give how attributes become codes, those of items, and how often each was bought."""
        return self.fields_.arrays() | {"item_slots": self.item_slots_, "sold": self.sold_}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.fields_ = PairFields.of_arrays(arrays)
        self.item_slots_ = arrays["item_slots"].astype(np.int32)
        self.sold_ = arrays["sold"].astype(np.int64)


def _leave_out(scores: Array, requests: Requests, pool: Array) -> None:
    """Write -inf for the item asked about and, where asked, for what was bought."""
    row, item = np.arange(len(requests)), requests.item.astype(np.int64)
    if requests.exclude_bought and requests.events is not None:
        ptr, bought = requests.events.distinct_items()
        row = np.concatenate([row, np.repeat(np.arange(len(requests)), np.diff(ptr))])
        item = np.concatenate([item, bought])
    place = np.minimum(np.searchsorted(pool, item), len(pool) - 1)
    there = pool[place] == item
    scores[row[there], place[there]] = -np.inf
