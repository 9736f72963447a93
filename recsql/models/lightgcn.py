"""Vectors of items that spread over the purchase graph, learned so that purchases rank first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recsql.errors import ParameterError, did_you_mean
from recsql.kernels.graph_propagation import propagate, purchase_graph, purchased
from recsql.kernels.groups import Groups
from recsql.kernels.spectrum import leading_factors
from recsql.kernels.table_sums import add_factors
from recsql.models.base import Array
from recsql.models.fold_in import FactorRecommender
from recsql.models.graph_training import Lessons, Training, learn, mean_message
from recsql.models.requests import Requests

LOSSES = ("bpr", "softmax")
FIRST = ("spectrum", "random")
FIRST_SCORE = 2.0  # mean score of a purchase before the first step
ITEMS_PER_DIRECTION = 4


def smooth_start(groups: Groups, n_items: int, width: int, n_layers: int, seed: int) -> Array:
    """Give the smoothest directions of a graph as first layers: float32[n_items, at most width].

    Their length is such that the mean score of a purchase is ``FIRST_SCORE``.

    Parameters
    ----------
    groups : distinct items of each customer; at least one
    """
    n_users = len(groups.group_ptr) - 1
    n_directions = max(1, min(width, n_items // ITEMS_PER_DIRECTION))
    _, directions = leading_factors(groups, n_items, n_directions, seed=seed)
    graph = purchase_graph(purchased(groups, n_items), n_users, n_items)
    layers = propagate(graph, None, directions, n_layers)
    buyer = np.repeat(np.arange(n_users), np.diff(groups.group_ptr))
    sold = layers.item[groups.group_item]
    mean = float(np.einsum("ij,ij->", layers.user[buyer], sold)) / len(sold)
    start: Array = directions * np.float32(np.sqrt(FIRST_SCORE / max(mean, 1e-9)))
    return start


@dataclass
class LightGCN(FactorRecommender):
    """Spread vectors over the graph of customers and items, and rank by the mean of the layers.

    Each of ``n_layers`` gives customers what their items had, and items what their customers had,
    divided by the root of the numbers of both. First layers, of ``n_factors``, are learned with
    steps of Adam of length ``learning_rate``. In each epoch every purchase is in one batch, of
    about ``batch_size`` (None: half of all), and the whole graph is passed through once a batch,
    and once back. Nothing of the size of customers times items is ever kept.

    The ``loss`` "softmax" is that of a purchase among ``n_negatives`` items, drawn for 128
    customers at a time in proportion to the ``frequency_exponent`` power of their customers, with
    the logarithm of that chance taken off their scores; "bpr" that of a purchase against each of
    ``n_negatives`` items that are drawn for it. ``penalty`` times the sum of squares of the first
    layers, divided by the purchases of a batch, is added. With ``hide_targets`` the purchases of a
    batch are taken out of the graph while it is learned from: nobody is found by what is sought.

    Customers have no first layer of their own, unless ``own_vectors``: everyone is answered by
    what they have bought by then, new customers like old ones, and nothing of a customer is kept.
    With ``own_vectors`` those that customers had in training are kept, and are added where requests
    name the customer's place in training, as those of SQL never do. ``first`` says where learning
    starts: at the smoothest directions of the graph ("spectrum") or anywhere ("random").

    A tenth of the purchases of some customers is held out, chosen by ``seed``. Learning ends after
    ``n_epochs``, or after ``patience`` epochs that did not find it better; the best epoch counts.

    Source: He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for
    Recommendation", SIGIR 2020. There customers have vectors of their own, the loss is BPR, and
    batches are of 2,048 purchases that stay in the graph.
    """

    name: ClassVar[str] = "lightgcn"
    tasks: ClassVar[tuple[str, ...]] = ("for_you",)
    effort: ClassVar[int] = 4

    n_factors: int = 64
    n_layers: int = 3
    n_epochs: int = 400
    learning_rate: float = 0.05
    penalty: float = 0.03
    loss: str = "softmax"
    n_negatives: int = 256
    frequency_exponent: float = 0.5
    batch_size: int | None = None
    hide_targets: bool = True
    own_vectors: bool = False
    first: str = "spectrum"
    patience: int = 30
    seed: int = 0

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give settings for some thousands of items, and for many more."""
        del real_time
        return [cls(), cls(n_factors=128, n_layers=2, learning_rate=0.02, penalty=1e-4)]

    def _check(self) -> None:
        for name in ("n_factors", "n_layers", "n_epochs", "n_negatives", "patience"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.batch_size is not None and not self.batch_size >= 1:
            raise ParameterError(f"batch_size must be at least 1, got {self.batch_size}.")
        if not 0 < self.learning_rate < np.inf:
            raise ParameterError(f"learning_rate must be above 0, got {self.learning_rate}.")
        for name in ("penalty", "frequency_exponent"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ParameterError(f"{name} must be at least 0, got {getattr(self, name)}.")
        for name, known in (("loss", LOSSES), ("first", FIRST)):
            value = getattr(self, name)
            if value not in known:
                raise ParameterError(
                    f"{name} must be among {', '.join(known)}, got {value!r}."
                    f"{did_you_mean(value, known)}"
                )
        if not self.seed >= 0:
            raise ParameterError(f"seed must be at least 0, got {self.seed}.")

    def _learn(self, groups: Groups, n_items: int) -> None:
        lessons = Lessons(
            self.n_layers,
            self.loss,
            self.learning_rate,
            self.penalty,
            self.n_negatives,
            self.frequency_exponent,
            self.batch_size,
            self.hide_targets,
        )
        n_users = len(groups.group_ptr) - 1
        item, user = self._first(groups, n_users, n_items)
        if len(groups.group_item):
            learned = learn(
                groups,
                n_items,
                lambda some: Training(some, item, user, lessons, self.seed),
                n_epochs=self.n_epochs,
                patience=self.patience,
                seed=self.seed,
            )
            item, user = learned if len(learned) == 2 else (learned[0], None)
        graph = purchase_graph(purchased(groups, n_items), n_users, n_items)
        layers = propagate(graph, user, item, self.n_layers)
        root = np.sqrt(np.maximum(self.buyers_, 1), dtype=np.float32)[:, None]
        self.factors_: Array = layers.item
        self.messages_: Array = layers.message / root
        share = np.float32(1.0 / (self.n_layers + 1))
        width = self.factors_.shape[1]
        self.own_: Array = np.zeros((0, width), np.float32) if user is None else user * share
        self._lay_out()

    def _first(self, groups: Groups, n_users: int, n_items: int) -> tuple[Array, Array | None]:
        """Give the first guess of first layers."""
        width = max(1, min(self.n_factors, n_items))
        rng = np.random.default_rng(self.seed)
        bound = np.sqrt(6.0 / (n_users + n_items + width))
        user = None
        if self.own_vectors:
            user = rng.uniform(-bound, bound, (n_users, width)).astype(np.float32)
        item = rng.uniform(-bound, bound, (n_items, width)).astype(np.float32)
        if self.first == "spectrum" and len(groups.group_item):
            smooth = smooth_start(groups, n_items, width, self.n_layers, self.seed)
            item[:, : smooth.shape[1]] = smooth
        return item, user

    def fold_in(self, ptr: Array, item: Array) -> Array:
        """Give the vectors of customers by their items, as in ``Groups``: float32[n, width]."""
        return mean_message(ptr, item, self.messages_)

    def _scores(self, requests: Requests) -> Array:
        scores = super()._scores(requests)
        assert requests.events is not None  # recommend() looked
        ptr, _ = self._known(*requests.events.distinct_items())
        known = (requests.user >= 0) & (requests.user < len(self.own_)) & (np.diff(ptr) > 0)
        if known.any():
            own = np.zeros((len(scores), self.own_.shape[1]), dtype=np.float32)
            own[known] = self.own_[requests.user[known]]
            add_factors(scores, own, self._to_items)
        return scores

    def arrays(self) -> dict[str, Array]:
        """Give the customers of items, vectors, what items say of a customer, own vectors."""
        return {
            "buyers": self.buyers_,
            "factors": self.factors_,
            "messages": self.messages_,
            "own": self.own_,
        }

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.buyers_ = arrays["buyers"].astype(np.int32)
        self.factors_, self.messages_, self.own_ = (
            np.ascontiguousarray(arrays[name], dtype=np.float32)
            for name in ("factors", "messages", "own")
        )
        self._lay_out()
