"""Pairs of a customer and an item as batches: what was bought, and items drawn against it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from recsql.networks.pairs import PairParts
from recsql.networks.sequences import Steps

from ._fields import FieldVectors
from ._modules import NetworkModule, weights_of
from ._pair_graphs import exported
from ._sequences import MOST_HELD_OUT, held_out_moments
from ._softmax import Proposal
from ._training import Batch, learned, on_device

if TYPE_CHECKING:
    from recsql.data.events import Events
    from recsql.models.network import Network
    from recsql.models.pair_network import PairNetwork, Taught

Array = np.ndarray[Any, np.dtype[Any]]

HELD_OUT_PAIRS = 10_000  # positives
HELD_OUT_ROWS = 512


REQUEST, ITEM = 0, 1  # the sides of a pair


class PairModule(NetworkModule, ABC):
    """A module that scores pairs by what it reads of a request and of an item, each for itself."""

    outputs: Sequence[str] = ("score",)

    @abstractmethod
    def request(
        self, slots: torch.Tensor, history: torch.Tensor | None
    ) -> tuple[torch.Tensor, ...]:
        """Give what is read of requests: tensors with a row a request.

        Parameters
        ----------
        slots : int64[rows, slots]      codes of the values of the fields of a request
        history : int64[rows, steps]    codes from 1, the oldest first; 0 after the end
        """

    @abstractmethod
    def item(self, code: torch.Tensor, slots: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give what is read of items: tensors with a row an item.

        Parameters
        ----------
        code : int64[rows]           from 1; 0: not known
        slots : int64[rows, slots]   codes of the values of the fields of an item
        """

    @abstractmethod
    def pair(self, request: Sequence[torch.Tensor], item: Sequence[torch.Tensor]) -> torch.Tensor:
        """Give the log odds of pairs: float32[rows, outputs].

        Parameters
        ----------
        request, item : what ``request`` and ``item`` gave, with a row a pair
        """

    def extra_loss(
        self, batch: Mapping[str, torch.Tensor], request: Sequence[torch.Tensor]
    ) -> torch.Tensor | None:
        """Give the weighted loss of further tasks; None where there are none."""
        del batch, request
        return None

    def coded(self) -> frozenset[str]:
        """Give the parameters whose rows are codes of attributes."""
        parts = self.named_modules()
        found = {f"{name}.table.weight" for name, part in parts if isinstance(part, FieldVectors)}
        return frozenset(found - self.item_rows().keys())

    def settle(self, sold: torch.Tensor) -> None:
        """Fix what answering needs; bool[n_items]: an item never bought is read as unknown."""


class PairLesson:
    """Learn to tell what was bought from what is drawn.

    Without histories each event is a positive; with them each event that has an earlier one, with
    the newest ``max_length`` earlier events. Events of the same time are not each other's history.
    """

    least_steps = 25  # a row is one item and those that are drawn against it

    def __init__(self, settings: PairNetwork, taught: Taught) -> None:
        events = taught.events
        self._settings, self._taught, self._events = settings, taught, events
        self._user = events.user
        self._first = self._last = np.zeros(len(events.item), dtype=np.int64)
        place = np.arange(len(events.item))
        if settings.reads_history():
            hidden = held_out_moments(events, settings)
            self._first, self._last = histories(events, settings.max_length)
            place = place[self._last > self._first]
        else:
            hidden = held_out_customers(events, settings)
        self._positive, self._held_out = place[~hidden[place]], place[hidden[place]]
        since = settings.learns_since(events)
        if since is not None:
            self._positive = self._positive[events.time[self._positive] >= since]
        self.n_rows = len(self._positive)
        if len(self._held_out) > HELD_OUT_PAIRS:
            rng = np.random.default_rng(settings.seed)
            self._held_out = np.sort(rng.choice(self._held_out, HELD_OUT_PAIRS, replace=False))
        # What is held out must not be foretold by its own sale.
        self.known = taught._replace(
            sold=np.bincount(events.item[~hidden], minlength=events.n_items)
        )
        count = self.known.sold
        self._draw = MixedProposal(count, settings.proposal_exponent, settings.uniform_share)
        self._among = self._draw.among(count, settings.n_negatives)
        fields = taught.fields
        n_asked = len(fields.asked_slots)
        self._parts = tuple(
            (empty, np.repeat(np.arange(len(sizes)), sizes))
            for empty, sizes in (
                (fields.empty[: fields.asked_slots.sum()], fields.asked_slots),
                (fields.empty[fields.asked_slots.sum() :], fields.n_slots[n_asked:]),
            )
        )

    def batches(self, rng: np.random.Generator, size: int) -> Iterator[Batch]:
        """Give positives with histories of about equal length together, in an order of chance."""
        order = self._in_order(rng.permutation(self._positive), rng)
        for start in rng.permutation(np.arange(0, len(order), size)):
            yield self.batch(order[start : start + size], rng, self._settings.unknown_share)

    def loss(self, module: PairModule, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Give the mean loss of a batch, that of further tasks added."""
        request = module.request(batch["asked"], batch.get("history"))
        loss = pair_loss(module, batch, request)
        more = module.extra_loss(batch, request)
        return loss if more is None else loss + more

    def held_out_loss(self, module: PairModule, device: torch.device) -> float | None:
        """Give the chance that an item drawn is above a held-out positive; equals count half.

        The items are the same each time. A ranker is there to rank: its probabilities become worse
        long before its ranks no longer gain.
        """
        if len(self._held_out) == 0:
            return None
        rng = np.random.default_rng(self._settings.seed)
        order, above, weight = self._in_order(self._held_out, None), 0.0, 0.0
        for start in range(0, len(order), HELD_OUT_ROWS):
            batch = on_device(self.batch(order[start : start + HELD_OUT_ROWS], rng, 0.0), device)
            request = module.request(batch["asked"], batch.get("history"))
            chance = chance_above(log_odds_of(module, batch, request), batch["kind"])
            above += float((chance * batch["weight"]).sum())
            weight += float(batch["weight"].sum())
        return above / max(weight, 1e-12)

    def _in_order(self, place: Array, rng: np.random.Generator | None) -> Array:
        """Put positives with about equal histories together, so that few steps are empty."""
        if not self._settings.reads_history():
            return place
        length = (self._last - self._first)[place].astype(np.float64)
        if rng is not None:
            length += 2.0 * rng.random(len(place))
        found: Array = place[np.argsort(length, kind="stable")]
        return found

    def batch(self, place: Array, rng: np.random.Generator, unknown_share: float) -> dict[str, Any]:
        """Give positives, the items drawn against them, and what is read of both.

        Returns
        -------
        item : int64[n, 1 + n_negatives]    codes from 1, the positive first
        asked : int64[n, slots]             of the request
        item_slots : int64[n, 1 + n_negatives, slots]
        shift : float32[n, 1 + n_negatives] log of how much likelier than alike an item is drawn
        among : float32[n, 1 + n_negatives] the same of an item of the batch, bought or drawn
        weight, kind : float32[n], int64[n] of the positive; kind -1 is not known
        history : int64[n, steps]           where histories are read
        """
        events = self._events
        item = np.empty((len(place), 1 + self._settings.n_negatives), dtype=np.int64)
        item[:, 0] = events.item[place]
        item[:, 1:] = self._draw.draw(item[:, 1:].size, rng).reshape(len(place), -1)
        slots = [self._asked(place), self._taught.item_slots[item + 1]]
        asked, item_slots = (
            with_unknown(part, *how, unknown_share, rng).astype(np.int64)
            for part, how in zip(slots, self._parts, strict=True)
        )
        kind = None if events.feedback is None else events.feedback.kind[place]
        found = {
            "item": item + 1,
            "asked": asked,
            "item_slots": item_slots,
            "shift": self._draw.shift[item],
            "among": self._among[item],
            "weight": events.strength[place],
            "kind": np.zeros(len(place), np.int64) if kind is None else kind.astype(np.int64),
        }
        if self._settings.reads_history():
            steps = Steps.between(self._first[place], self._last[place])
            found["history"] = steps.table(events.item[steps.place] + 1, np.int64)
        return found

    def _asked(self, place: Array) -> Array:
        users, fields, time = self._taught.users, self._taught.fields, self._events.time[place]
        context = None
        if fields.context is not None and self._events.context is not None:
            context = self._events.context.of_rows(place)
        if users is None:
            return fields.asked(len(place), None, time, context)
        user = self._user[place]
        known = users.of_rows(np.minimum(user, users.n_rows - 1))
        found = fields.asked(len(place), known, time, context)
        n_slots = int(fields.user.n_slots.sum())
        found[user >= users.n_rows, :n_slots] = fields.user.empty
        return found


class MixedProposal:
    """Draws items, a share of them alike and the others by how often they were bought.

    Attributes
    ----------
    shift : float32[n_items]    log of the probability of an item, times the number of items that
        were bought: 0 where all are drawn alike
    """

    def __init__(self, count: Array, exponent: float, uniform_share: float) -> None:
        count = count if count.any() else np.ones_like(count)
        self._often, self._alike = Proposal(count, exponent), Proposal(count, 0.0)
        self._share = uniform_share
        alike, often = (np.exp(p.log_q.astype(np.float64)) for p in (self._alike, self._often))
        self._q = uniform_share * alike + (1 - uniform_share) * often
        self.shift = _log_times(self._q, np.count_nonzero(count))

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Give ``n`` items, with repetition: int64[n]."""
        alike = rng.random(n) < self._share
        return np.where(alike, self._alike.draw(n, rng), self._often.draw(n, rng))

    def among(self, count: Array, n_negatives: int) -> Array:
        """Give ``shift`` for items of which one was bought and the others were drawn."""
        bought = count / max(count.sum(), 1)
        q = (bought + n_negatives * self._q) / (1 + n_negatives)
        return _log_times(q, np.count_nonzero(count))


def _log_times(q: Array, n: int | np.integer[Any]) -> Array:
    """Give the log of a probability times n, 0 for what is never drawn: float32[n_items]."""
    least = 1e-20  # below: never drawn
    return np.where(q > least, np.log(np.maximum(q, least) * max(n, 1)), 0.0).astype(np.float32)


def with_unknown(
    slots: Array, empty: Array, field: Array, share: float, rng: np.random.Generator
) -> Array:
    """Let a share of the fields of each row be unknown.

    Parameters
    ----------
    slots : int32[…, slots]
    empty : int32[slots]    the row of which nothing is known
    field : int[slots]      the field of each slot, ascending from 0
    """
    if share == 0:
        return slots
    forgotten = rng.random((*slots.shape[:-1], int(field[-1]) + 1)) < share
    return np.where(forgotten[..., field], empty, slots)


def log_odds_of(
    module: PairModule, batch: Mapping[str, torch.Tensor], request: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Give the log odds that an item was bought, not drawn: float32[n, items, outputs]."""
    n, several = batch["item"].shape
    rows = [part.repeat_interleave(several, 0) for part in request]
    item = module.item(batch["item"].flatten(), batch["item_slots"].flatten(0, 1))
    found: torch.Tensor = module.pair(rows, item).reshape(n, several, -1)
    return found - batch["shift"][..., None]


def chance_above(logit: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
    """Give the mean logistic of how far the other items are above the first one: float32[n].

    It is near the share of those that are above it, and differs where few items are compared.

    Parameters
    ----------
    logit : float32[n, items, outputs]    what is no number is above everything
    kind : int64[n]                       the output that counts; -1: the first one
    """
    rows = torch.arange(len(logit), device=logit.device)
    chosen = logit[rows, :, kind.clamp(0, logit.shape[2] - 1)]
    found: torch.Tensor = torch.sigmoid(chosen[:, 1:] - chosen[:, :1]).nan_to_num(1.0).mean(1)
    return found


def pair_loss(
    module: PairModule, batch: Mapping[str, torch.Tensor], request: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Give the weighted mean of the binary cross-entropy of positives and what was drawn.

    Of several outputs a positive counts for that of its kind, for none where its kind is not known,
    and what was drawn for all.
    """
    logit = log_odds_of(module, batch, request)
    truth = torch.zeros_like(logit)
    truth[:, 0] = 1.0
    weight = batch["weight"][:, None, None].expand_as(logit).clone()
    if logit.shape[2] > 1:
        kinds = torch.arange(logit.shape[2], device=logit.device)
        weight[:, 0] *= batch["kind"][:, None] == kinds
    loss = functional.binary_cross_entropy_with_logits(logit, truth, weight, reduction="sum")
    return loss / weight.sum().clamp_min(1e-12)


def log_odds(settings: PairNetwork, sold: Array) -> Array:
    """Give the log odds of a purchase against what is drawn alike, by how often items were bought.

    Every item counts once more than it was bought.

    Returns
    -------
    float32[n_items + 1]    that of an unknown item first
    """
    count = np.concatenate([[0], sold]) + 1.0
    found = np.log(count / count[1:].mean() / settings.n_negatives)
    odds: Array = found.astype(np.float32)
    return odds


def histories(events: Events, max_length: int) -> tuple[Array, Array]:
    """Give where the newest events before the moment of each event begin and end: int64[n]."""
    start = events.user_ptr[:-1][events.user]
    last = events.moment
    return np.maximum(start, last - max_length), last


def held_out_customers(events: Events, settings: Network) -> Array:
    """Hide all events of a random share of the customers: bool[n_events].

    Where learning goes on, only of customers that were not learned from before.
    """
    rng = np.random.default_rng(settings.seed)
    there = np.diff(events.user_ptr) > 0
    could = there
    if settings.start is not None:
        begin = np.minimum(events.user_ptr[:-1], max(len(events.time) - 1, 0))
        could = there & (events.time[begin] > settings.start.weights.until)
    chosen = np.flatnonzero(could & (rng.random(events.n_users) < settings.held_out))
    if len(chosen) > MOST_HELD_OUT:
        chosen = rng.choice(chosen, MOST_HELD_OUT, replace=False)
    if len(chosen) == np.count_nonzero(there):
        chosen = chosen[:0]
    found: Array = np.isin(events.user, chosen)
    return found


def learn_pairs(
    settings: PairNetwork, taught: Taught, make: Callable[[Taught], PairModule], *more: Array
) -> PairParts:
    """Learn a module, made of what is not held out."""
    lesson = PairLesson(settings, taught)
    data = [taught.events.user_ptr, taught.events.item, taught.events.time, taught.events.strength]
    data += [taught.item_slots, *more]
    if taught.users is not None:
        data += [taught.users.ptr, taught.users.feature]
    if taught.events.feedback is not None:
        data.append(taught.events.feedback.kind)
    if taught.events.context is not None:
        data += [taught.events.context.ptr, taught.events.context.feature]
    module = learned(settings, lambda: make(lesson.known), lesson, data)
    weights = weights_of(module)
    module.settle(torch.from_numpy(lesson.known.sold > 0))
    graphs = exported(settings, module, taught.fields, taught.events.n_items)
    return PairParts(graphs, weights)
