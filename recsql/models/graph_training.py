"""How first layers of a graph of purchases are learned: batches, draws, and when to stop."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from recsql.errors import TrainingError
from recsql.kernels.adam import Moments, adam_step, first_moments
from recsql.kernels.dense import one_blas_thread
from recsql.kernels.graph_propagation import (
    Graph,
    Layers,
    ends,
    propagate,
    pull_back,
    purchase_graph,
    purchased,
)
from recsql.kernels.groups import Groups
from recsql.kernels.ranking_losses import (
    CUSTOMERS_A_DRAW,
    Batch,
    Gradient,
    bpr_gradient,
    softmax_gradient,
)
from recsql.kernels.table_sums import sum_rows
from recsql.kernels.topk import top_k
from recsql.models.base import Array
from recsql.networks.limits import tell, time_is_up, time_left

MOST_JUDGED = 4000  # customers
LEAST_JUDGED = 20
SHARE_HELD_OUT = 0.1  # of all purchases at most, and of those of a customer who is judged
LEAST_ITEMS = 3  # of a customer who is judged
K = 20
EPOCHS_A_JUDGEMENT = 5
MOST_SCORES = 4_000_000  # in memory at a time: 16 MB


class Lessons(NamedTuple):
    """What is learned, and from how much at a time; see ``LightGCN``."""

    n_layers: int
    loss: str
    learning_rate: float
    penalty: float
    n_negatives: int
    frequency_exponent: float
    batch_size: int | None
    hide_targets: bool


class Chances(NamedTuple):
    """How likely items are to be drawn, those without customers never.

    Attributes
    ----------
    reached : float64[n_items]    sum of the chances up to an item, 0 to 1
    log : float32[n_items]        logarithm of its chance
    """

    reached: Array
    log: Array

    @classmethod
    def of_counts(cls, counts: Array, exponent: float) -> Chances:
        """Give chances in proportion to a power of the customers of an item."""
        share = np.where(counts > 0, np.maximum(counts, 1.0) ** exponent, 0.0)
        share /= share.sum()
        return cls(np.cumsum(share), np.log(np.maximum(share, 1e-30)).astype(np.float32))

    def items_at(self, place: Array) -> Array:
        """Give the items at places from 0 to 1: int32, of the same shape."""
        last = int(np.searchsorted(self.reached, self.reached[-1]))
        found = np.searchsorted(self.reached, place.ravel() * self.reached[-1], side="right")
        items: Array = np.minimum(found, last).astype(np.int32).reshape(place.shape)
        return items


class Training:
    """The first layers of items, and of customers where they have their own, as they are learned.

    Memory: 40 bytes a purchase, and 4 bytes for each factor of about eight tables with a row an
    item, two with a row a customer (six where they have first layers of their own); of a batch,
    about 40 bytes a purchase, and for the softmax, beside them, at most 32,768 customers at a
    time: 256 times ``n_negatives`` rows.
    """

    def __init__(
        self, groups: Groups, item: Array, user: Array | None, lessons: Lessons, seed: int
    ) -> None:
        self.item, self.user, self.lessons = item, user, lessons
        self._n_users, self._n_items = len(groups.group_ptr) - 1, len(item)
        self._bought = purchased(groups, self._n_items)
        self._graph = purchase_graph(self._bought, self._n_users, self._n_items)
        counts = np.diff(self._graph.of_items.ptr)
        self._chances = Chances.of_counts(counts, lessons.frequency_exponent)
        self._of_item = first_moments(item)
        self._of_user: Moments | None = None if user is None else first_moments(user)
        self._rng = np.random.default_rng([seed, 1])
        self._steps = 0

    def layers(self) -> Layers:
        """Give the means over the layers as they are now."""
        return self._spread(self._graph)

    @property
    def tables(self) -> tuple[Array, ...]:
        """Give what is learned: items, and customers where they have first layers."""
        return (self.item,) if self.user is None else (self.item, self.user)

    def learned(self) -> tuple[Array, ...]:
        """Give copies of what is learned by now."""
        return tuple(table.copy() for table in self.tables)

    def epoch(self) -> float:
        """Make a step for each batch, so that every purchase is in one; give the mean loss."""
        size, n = self.lessons.batch_size, len(self._bought.item)
        n_batches = 2 if size is None else max(1, round(n / size))
        number = self._rng.permutation(n) % n_batches
        return float(np.mean([self._step(number == batch) for batch in range(n_batches)]))

    def _step(self, chosen: Array) -> float:
        lessons, graph = self.lessons, self._graph
        batch = self._batch(chosen)
        if lessons.hide_targets and not chosen.all():
            graph = purchase_graph(self._bought, self._n_users, self._n_items, ~chosen)
        gradient = self._gradient(batch, self._spread(graph))
        pull = 2.0 * lessons.penalty / max(len(batch.item), 1)
        self._steps += 1
        step = partial(adam_step, number=self._steps, rate=lessons.learning_rate, pull=pull)
        self._move(graph, gradient, step)
        return gradient.loss

    def _spread(self, graph: Graph) -> Layers:
        return propagate(graph, self.user, self.item, self.lessons.n_layers)

    def _move(self, graph: Graph, gradient: Gradient, step: Callable[..., None]) -> None:
        """Take the gradient back to what is learned, and make a step of Adam there."""
        n_layers = self.lessons.n_layers
        if self.user is None or self._of_user is None:
            change = pull_back(graph, gradient.user, gradient.item, n_layers)
        else:
            back = propagate(graph, gradient.user, gradient.item, n_layers)
            step(self.user, back.user, self._of_user)
            change = back.item
        step(self.item, change, self._of_item)

    def _batch(self, chosen: Array) -> Batch:
        """Give some purchases with their customers in random order."""
        item = self._bought.item[chosen]
        counts = np.bincount(self._bought.user[chosen], minlength=self._n_users)
        user = self._rng.permutation(np.flatnonzero(counts)).astype(np.int32)
        start, ptr = ends(counts)[user], ends(counts[user])
        place = np.arange(len(item)) + np.repeat(start - ptr[:-1], counts[user])
        return Batch(user, ptr, item[place])

    def _gradient(self, batch: Batch, layers: Layers) -> Gradient:
        n, rng = self.lessons.n_negatives, self._rng
        if self.lessons.loss == "bpr":
            drawn = self._chances.items_at(rng.random((len(batch.item), n)))
            return bpr_gradient(batch, drawn, layers.user, layers.item)
        n_draws = -(-len(batch.user) // CUSTOMERS_A_DRAW)
        # one of each nth of the chances: no less fair, nearer to the whole
        drawn = self._chances.items_at((np.arange(n) + rng.random((n_draws, n))) / n)
        correction = -self._chances.log[drawn] - np.float32(np.log(n))
        return softmax_gradient(batch, drawn, correction, layers.user, layers.item)


class HeldOut(NamedTuple):
    """Purchases of some customers that are not learned from but looked for.

    Attributes
    ----------
    user : int64[n_judged]
    hidden : Groups     what was taken from each of them
    known : Groups      what is left to each of them
    """

    user: Array
    hidden: Groups
    known: Groups


def hold_out(groups: Groups, seed: int) -> tuple[Groups, HeldOut]:
    """Give the purchases without some of some customers, and those; everyone keeps two at least."""
    ptr, item = groups
    rng = np.random.default_rng([seed, 2])
    sizes = np.diff(ptr)
    users = rng.permutation(np.flatnonzero(sizes >= LEAST_ITEMS))[:MOST_JUDGED]
    wanted = np.maximum(1, (sizes[users] * SHARE_HELD_OUT).astype(np.int64))
    users = np.sort(users[np.cumsum(wanted) <= SHARE_HELD_OUT * len(item)])
    kept = np.ones(len(item), dtype=bool)
    for user in users:
        n_hidden = max(1, int(sizes[user] * SHARE_HELD_OUT))
        kept[ptr[user] + rng.choice(sizes[user], n_hidden, replace=False)] = False
    learned, hidden = _part(groups, kept), _part(groups, ~kept)
    judged = np.zeros(len(sizes), dtype=bool)
    judged[users] = True
    return learned, HeldOut(users, _rows(hidden, judged), _rows(learned, judged))


def _part(groups: Groups, kept: Array) -> Groups:
    before = ends(kept)
    return Groups(before[groups.group_ptr], groups.group_item[kept])


def _rows(groups: Groups, chosen: Array) -> Groups:
    sizes = np.diff(groups.group_ptr)
    return Groups(ends(sizes[chosen]), groups.group_item[np.repeat(chosen, sizes)])


def found_again(held: HeldOut, layers: Layers, eligible: Array) -> float:
    """Give the mean NDCG of what was held out among the first 20 that a customer has not bought."""
    rows = max(1, MOST_SCORES // len(layers.item))
    discount = 1.0 / np.log2(np.arange(K) + 2.0)
    gains = []
    ptr, item = held.known
    for first in range(0, len(held.user), rows):
        users = held.user[first : first + rows]
        bounds = ptr[first : first + len(users) + 1]
        left_out = bounds - bounds[0], item[bounds[0] : bounds[-1]]
        with one_blas_thread():
            scores = layers.user[users] @ layers.item.T
        found, _ = top_k(scores, K, eligible=eligible, left_out=left_out)
        for row, items in enumerate(found, first):
            hidden = held.hidden.group_item[slice(*held.hidden.group_ptr[row : row + 2])]
            hit = np.isin(items, hidden)
            gains.append(float(discount[hit].sum() / discount[: len(hidden)].sum()))
    return float(np.mean(gains))


def mean_message(ptr: Array, item: Array, message: Array) -> Array:
    """Give what the items of customers say of them, over the root of how many: float32[n, width].

    Parameters
    ----------
    ptr, item : as in ``Groups``
    message : float32[n_items, width]    of each item, over the root of its customers
    """
    root = np.sqrt(np.maximum(np.diff(ptr), 1), dtype=np.float32)[:, None]
    vectors: Array = sum_rows(ptr, item, message) / root
    return vectors


def learn(
    groups: Groups,
    n_items: int,
    begin: Callable[[Groups], Training],
    *,
    n_epochs: int,
    patience: int,
    seed: int,
) -> tuple[Array, ...]:
    """Give ``Training.learned`` of the epoch that finds what was held out best.

    It stops after ``patience`` epochs that were not better, or when the time that
    ``recsql.networks.limits`` sets is up. Where too few customers could be
    judged, everything is learned from in all of the epochs. A loss that is not finite ends
    learning too: what the best epoch learned is kept, with a warning.

    Parameters
    ----------
    begin : gives the training for the purchases that are learned from

    Raises
    ------
    TrainingError
        The loss was not finite before any epoch was judged.
    """
    learned, held = hold_out(groups, seed)
    judging = len(held.user) >= LEAST_JUDGED
    training = begin(learned if judging else groups)
    eligible = np.bincount(learned.group_item, minlength=n_items) > 0
    begun = time.perf_counter()
    best, best_epoch, kept = -1.0, 0, training.learned()
    for epoch in range(1, n_epochs + 1):
        loss = training.epoch()
        if not (np.isfinite(loss) and all(np.isfinite(table).all() for table in training.tables)):
            _end_early(epoch, best_epoch, training.lessons.learning_rate)
            break
        last = epoch == n_epochs or time_is_up()
        left = time_left(begun, epoch, n_epochs - epoch)
        if not judging:
            best_epoch, kept = epoch, training.learned()
            tell(f"round {epoch} of {n_epochs}, {left}")
        elif last or epoch % EPOCHS_A_JUDGEMENT == 0:
            quality = found_again(held, training.layers(), eligible)
            if quality > best:
                best, best_epoch, kept = quality, epoch, training.learned()
            elif epoch - best_epoch >= patience:
                break
            tell(
                f"round {epoch} of at most {n_epochs}, NDCG {quality:.4f}, "
                f"best in round {best_epoch}, {left}"
            )
        if last:
            break
    return kept


def _end_early(epoch: int, best_epoch: int, rate: float) -> None:
    """Warn that the loss was not finite; TrainingError where nothing better was learned before."""
    if best_epoch == 0:
        raise TrainingError(
            f"The loss must be finite, got one that is not in epoch {epoch}. "
            f"Take a learning_rate below {rate:g}."
        )
    warnings.warn(
        f"The loss was not finite in epoch {epoch}: learning ended with what epoch {best_epoch} "
        f"learned. A learning_rate below {rate:g} may learn longer.",
        RuntimeWarning,
        stacklevel=3,
    )
