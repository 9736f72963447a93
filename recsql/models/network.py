"""What networks share: how they learn with torch, and how they answer without it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from recsql.data.events import Events
from recsql.errors import MissingExtraError, ParameterError, StateError
from recsql.kernels.vector_products import score_vectors
from recsql.models.base import Array, PairScorer, Recommender, ScoringRecommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.networks.graph import Graph
from recsql.networks.sequences import SequenceParts, Steps, blocks_by_length
from recsql.networks.signature import content_hash, read_signature
from recsql.networks.start import Start, Weights

NO_TORCH = "a network must have the package torch, got none: pip install 'duckdb-recsql[train]'"
LEAST_HELD_OUT = 5  # customers, on average, for learning to go on
GRAPH, SIGNATURE, WEIGHTS = "graph.onnx", "signature.json", "weights.npz"


@dataclass
class Network(Recommender):
    """A model that torch learns, and that answers by a graph of ONNX.

    Learning goes over everything at most ``n_epochs`` times, in steps of ``batch_size`` rows, of
    fewer where there are few, of Adam with ``learning_rate``, ``weight_decay`` and gradients of a
    norm of at most ``clip`` (tables of which a step touches few rows know neither). After each
    round a random ``held_out`` share of the moments is asked for, at most the last moment of each
    customer (for first purchases everything of that share of the customers); the rate is halved
    after each ``rate_patience`` rounds without a gain (never, where that is ``patience`` or more),
    learning ends after ``patience`` rounds without one, and the best round counts. ``device`` is
    'cpu', 'cuda' or 'auto'. On the CPU the same ``seed`` and ``n_threads`` give the same network;
    with fewer rows a step than ``batch_size`` one thread learns.

    Where new rows alone let it learn again, it goes on from the weights it has; then only events
    since it learned are held out, and, with ``retrain_hours``, only those of so many last hours are
    learned.
    """

    needs_events: ClassVar[bool] = True
    effort: ClassVar[int] = 4

    n_epochs: int = 100
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    clip: float = 5.0
    held_out: float = 0.1
    patience: int = 4
    rate_patience: int = 3
    seed: int = 0
    device: str = "auto"
    n_threads: int = 2
    retrain_hours: float | None = None

    @property
    def start(self) -> Start | None:
        """Give what learning goes on from; None: from chance."""
        found: Start | None = getattr(self, "_start", None)
        return found

    def fit(self, purchases: Purchases) -> Self:
        """Learn from purchases: see ``Model.fit``."""
        self.meaning_ = meaning_of(purchases)
        if self.start is not None and purchases.events is not None:
            news = self._news(purchases.events, self.start.weights.until)
            # Without a held-out part nothing would tell when it has learned enough.
            if news * self.held_out < LEAST_HELD_OUT and self.held_out > 0:
                del self._start
        return super().fit(purchases)

    def goes_on(self, weights: bytes, items: Array) -> None:
        """Let ``fit`` go on from a network of the same settings; anew, where too little is new.

        Parameters
        ----------
        weights : as that kept them
        items : int64[n_items]    the code there of each item to learn; -1 for a new one

        Raises
        ------
        StateError
            The weights are no archive of weights.
        """
        self._start = Start(Weights.of_bytes(weights), items)

    def _news(self, events: Events, until: int) -> int:
        """Count the customers of whom something came after a time that could be held out."""
        last = events.time[np.maximum(events.user_ptr[1:] - 1, 0)] if len(events.time) else until
        return int(((last > until) & (np.diff(events.user_ptr) > 1)).sum())

    def learns_since(self, events: Events) -> int | None:
        """Give the time of the oldest event to learn from, in microseconds; None: all."""
        if self.start is None or self.retrain_hours is None:
            return None
        if self.start.weights.meaning != self.meaning_:
            return None  # what begins anew must learn from everything
        return int(events.time.max(initial=0)) - int(self.retrain_hours * 3_600_000_000)

    def _check(self) -> None:
        for name in ("n_epochs", "batch_size", "patience", "rate_patience", "n_threads"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < np.inf:
                raise ParameterError(f"{name} must be above 0, got {getattr(self, name)}.")
        for name in ("weight_decay", "seed"):
            if not getattr(self, name) >= 0:
                raise ParameterError(f"{name} must be at least 0, got {getattr(self, name)}.")
        if self.retrain_hours is not None and not self.retrain_hours > 0:
            raise ParameterError(f"retrain_hours must be above 0, got {self.retrain_hours}.")
        if not 0 <= self.held_out < 1:
            raise ParameterError(f"held_out must be 0 to 1, got {self.held_out}.")
        if self.device not in ("auto", "cpu", "cuda"):
            raise ParameterError(f"device must be auto, cpu or cuda, got {self.device!r}.")

    def reads_attributes(self, task: str) -> bool:
        """Tell whether answers for a task depend on attributes of the customer."""
        del task
        return False

    def _module(self) -> Any:
        """Give the file of this network in the room of networks.

        Raises
        ------
        MissingExtraError
            torch is not installed.
        """
        if not has_torch():
            raise MissingExtraError(NO_TORCH)
        if "torch" not in sys.modules:
            # Threads that wait for each other without sleeping are ten times as slow where
            # somebody else needs the processor. Read when torch is loaded.
            os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        file = self.name.partition("+")[0]  # 'din+iacn' is DIN with an auxiliary task
        return importlib.import_module(f"recsql.onnx_models.{file}")

    def files(self, vocabulary: str) -> dict[str, bytes]:
        """Give the graph, its signature and the weights by name; see ``Model.files``."""
        return signed(self.graph_, vocabulary) | self._weight_file()

    def _weight_file(self) -> dict[str, bytes]:
        return {} if self.weights_ is None else {WEIGHTS: self.weights_}

    def _take_files(self, files: Mapping[str, bytes], vocabulary: str) -> None:
        self._take_graph(graph_of(files, self.name, vocabulary))
        self.weights_: bytes | None = None  # read where learning goes on, not where it answers

    def _keep_weights(self, values: Mapping[str, Array], purchases: Purchases) -> None:
        """Keep what the next network may go on from."""
        assert purchases.events is not None  # fit() looked
        until = int(purchases.events.time.max(initial=0))
        self.weights_ = Weights(values, until, self.meaning_, purchases.n_items).to_bytes()

    def _take_graph(self, graph: Graph) -> None:
        self.graph_ = graph


@dataclass
class HistoryEncoder(Network, ScoringRecommender):
    """A network that makes a vector of a history; items score by their product with it.

    The newest ``max_length`` events of a customer count. Of ``dense_items`` items and more, a step
    of learning touches only those that it is about.
    """

    least_length: ClassVar[int] = 1  # of a history that the graph can read

    max_length: int = 50
    dense_items: int = 100_000

    def _check(self) -> None:
        super()._check()
        for name in ("max_length", "dense_items"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")

    def _fit(self, purchases: Purchases) -> None:
        events = purchases.events
        assert events is not None  # fit() looked
        parts = self._learned(purchases)
        self._take_graph(parts.graph)
        self._keep_weights(parts.weights, purchases)
        self.table_, self.bias_ = parts.table.copy(), parts.bias.copy()
        self.known_ = self._known_items(purchases)
        self._lay_out()

    def _known_items(self, purchases: Purchases) -> Array:
        """Tell which items can be recommended: bool[n_items]; here those that were bought."""
        assert purchases.events is not None  # fit() looked
        known: Array = np.bincount(purchases.events.item, minlength=purchases.n_items) > 0
        return known

    @abstractmethod
    def _learned(self, purchases: Purchases) -> SequenceParts:
        """Learn an encoder."""

    def _lay_out(self) -> None:
        self._to_items = np.ascontiguousarray(self.table_.T)
        self._bias_if_known = np.where(self.known_, self.bias_, np.float32(-np.inf))

    def _scores(self, requests: Requests) -> Array:
        vector = self.vectors(requests)
        none = np.zeros(len(vector), dtype=np.float32)
        scores: Array = score_vectors(vector, none, self._to_items, self._bias_if_known)
        shift = self._shift(requests)
        if shift is not None:
            scores += shift
        return scores

    def _pair_scorer(self, requests: Requests) -> PairScorer:
        vector = self.vectors(requests)
        shift = self._shift(requests)

        def score(row: Array, item: Array) -> Array:
            found: Array = np.einsum("nw,nw->n", vector[row], self.table_[item]).astype(np.float64)
            found += self._bias_if_known[item]
            if shift is not None:
                found += shift[item]
            found[np.isneginf(found)] = np.nan
            return found

        return score

    def _shift(self, requests: Requests) -> Array | None:
        """Give what is added to the scores of the items for all requests: float32[n_items]."""
        del requests
        return None

    def vectors(self, requests: Requests) -> Array:
        """Give the vector of each request: float32[n, width]; 0 for one that cannot be read."""
        events = requests.events
        assert events is not None  # recommend() looked
        vector = np.zeros((len(requests), self.table_.shape[1]), dtype=np.float32)
        length = np.minimum(np.diff(events.user_ptr), self.max_length)
        asked = np.flatnonzero(length >= self.least_length)
        for block in blocks_by_length(length[asked]):
            chosen = asked[block]
            inputs = self._inputs(requests.chosen(chosen))
            vector[chosen] = self.graph_.run(inputs)[0]
        return vector

    @abstractmethod
    def _inputs(self, requests: Requests) -> dict[str, Array]:
        """Give the inputs of the graph for requests that all have a history."""

    def arrays(self) -> dict[str, Array]:
        """Give the vectors and biases of items, and of which something is known."""
        return {"table": self.table_, "bias": self.bias_, "known": self.known_}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.table_ = np.ascontiguousarray(arrays["table"], dtype=np.float32)
        self.bias_ = arrays["bias"].astype(np.float32)
        self.known_ = arrays["known"].astype(bool)
        self._lay_out()


@dataclass
class SequenceNetwork(HistoryEncoder):
    """An encoder of histories that learns what comes next.

    That is what a customer did at the next ``horizon`` moments. Of fewer than ``dense_items`` items
    all are compared with what came next; of more, ``n_negatives`` that are drawn in proportion to
    how often they were bought, to the power of ``proposal_exponent``. Each target weighs as its
    kind of event does. An item that nobody bought is never recommended, but by
    its attributes.
    """

    patience: int = 10
    horizon: int = 1
    n_negatives: int = 1024
    proposal_exponent: float = 0.75

    def _check(self) -> None:
        super()._check()
        for name in ("horizon", "n_negatives"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not 0 <= self.proposal_exponent <= 2:
            raise ParameterError(f"proposal_exponent must be 0 to 2, got {self.proposal_exponent}.")


def item_steps(events: Events, most: int) -> tuple[Steps, dict[str, Array]]:
    """Give the newest events, and the inputs every encoder of histories has.

    Returns
    -------
    steps, and ``item`` int64[n, steps], codes from 1, 0 after the end; ``length`` int64[n]
    """
    steps = Steps.newest(events, most)
    item = steps.table(events.item[steps.place] + 1, np.int64)
    return steps, {"item": item, "length": steps.length}


def meaning_of(purchases: Purchases) -> str:
    """Give a hash of what the codes of attributes, contexts and kinds of events mean."""
    events, names = purchases.events, []
    context = None if events is None else events.context
    for features in (purchases.user_features, purchases.item_features, context):
        names.append(() if features is None else features.names)
    kinds = () if events is None or events.feedback is None else events.feedback.kinds
    return content_hash(*(repr(part).encode() for part in (*names, kinds)))


def has_torch() -> bool:
    """Tell whether networks can learn here."""
    return importlib.util.find_spec("torch") is not None


def signed(
    graph: Graph, vocabulary: str, names: tuple[str, str] = (GRAPH, SIGNATURE)
) -> dict[str, bytes]:
    """Give the files of a graph and of its signature, by these names."""
    signature = graph.signature.of_vocabulary(vocabulary)
    return dict(zip(names, (graph.content, signature.to_json().encode()), strict=True))


def graph_of(
    files: Mapping[str, bytes],
    name: str,
    vocabulary: str,
    names: tuple[str, str] = (GRAPH, SIGNATURE),
) -> Graph:
    """Give the graph of stored files, checked.

    Raises
    ------
    StateError
        A file is missing, of another network, damaged, or its codes mean something else.
    """
    missing = [file for file in names if file not in files]
    if missing:
        raise StateError(
            f"The network {name} must have the artifacts {names[0]} and {names[1]}, got no "
            f"{missing[0]}. CALL recsql.train() to make it again."
        )
    signature = read_signature(files[names[1]])
    if signature.network != name:
        raise StateError(
            f"The graph of {name} must be one of {name}, got one of {signature.network}. "
            "CALL recsql.train() to make it again."
        )
    if signature.vocabulary != vocabulary:
        raise StateError(
            f"The graph of {name} must be of the items and attributes stored beside it, got one "
            "whose codes mean others. CALL recsql.train() to make it again."
        )
    return Graph(files[names[0]], signature)
