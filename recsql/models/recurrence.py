"""Which items customers repeat, and when next, as a distribution: the Recurrence Finder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.events import Events
from recsql.errors import ParameterError
from recsql.kernels.repeat_levels import (
    N_SIGNS,
    Levels,
    chances,
    clues_of,
    located,
    signs_of,
)
from recsql.kernels.repeat_states import (
    NEWEST,
    OTHERS,
    OTHERS_N,
    OWN,
    VISITS,
    VISITS_WEIGHT,
    States,
)
from recsql.kernels.repeat_times import N_KNOTS, foretell, quantile_knots, tail_scale
from recsql.models.base import Array
from recsql.models.interval_weights import (
    LEAST_ROWS,
    logistic_weights,
    median_weights,
    strength,
)
from recsql.models.repeat import RepeatModel, states_of

LANDMARKS = 3
MOST_SIGNS = 100_000  # purchases whose customers the probability is learned from


@dataclass
class Recurrence(RepeatModel):
    """Expect the next purchase by a renewal model of the intervals between purchases.

    The log interval is a weighted sum of levels: the pair's own mean and newest interval, those of
    the item, of the customer's other items and of the days on which the customer buys at all; each
    is drawn to the level above it by a strength learned from the data, and none may weigh less
    than nothing. What is left over has an empirical distribution with an exponential tail. Weights
    and distribution are learned apart for pairs of 0, 1, … ``most_kinds - 1`` and more intervals.
    After some waiting, the part of the distribution beyond it counts.

    ``probability`` is logistic in the chance by that distribution, and in how often and how lately
    the pair, the item and the customer bought; it is learned from what was bought in the
    ``horizon_days`` after three past days.

    An interval that has not ended has no say in the distribution, which therefore holds for those
    who come back; the probability counts the others too. No level knows the date or for how long
    a customer has been known: where the data end, late purchases seem to be followed by short
    intervals only because longer ones have not ended yet.

    Source: Bhagat et al., "Buy It Again: Modeling Repeat Purchase Recommendations", KDD 2018
    (its modified Poisson-gamma model draws the rates of customers to the item's; here intervals are
    drawn, by levels and on the log scale, and the distribution is that of the data).
    """

    name: ClassVar[str] = "recurrence"

    horizon_days: int = 30
    inside: float = 0.8
    most_kinds: int = 9

    def _check(self) -> None:
        if not self.horizon_days >= 1:
            raise ParameterError(f"horizon_days must be at least 1, got {self.horizon_days}.")
        if not 0 < self.inside < 1:
            raise ParameterError(f"inside must be above 0 and below 1, got {self.inside}.")
        if not self.most_kinds >= 1:
            raise ParameterError(f"most_kinds must be at least 1, got {self.most_kinds}.")

    def _learn(self, events: Events, today: int) -> None:
        until = np.full(events.n_users, today, dtype=np.int64)
        states = states_of(events, until, with_before=True)
        repeated = np.flatnonzero(states.times > 1)
        self.item_level_ = np.zeros(events.n_items)
        self.item_repeats_ = _item_repeats(states, events.n_items)
        self.weights_ = np.zeros((0, 7))
        self.knots_ = np.zeros((0, N_KNOTS))
        self.tail_ = np.zeros(0)
        self.levels_ = _levels(states, repeated)
        self.chance_ = np.zeros(N_SIGNS)
        if len(repeated):
            self._fit_intervals(states, repeated)
            self._fit_chance(events, today)

    def _fit_intervals(self, states: States, repeated: Array) -> None:
        """Learn the levels of items, their weights, and what is left over."""
        known = states.times[repeated] - 1
        own, wanted = states.now[repeated, OWN], states.now[repeated, NEWEST]
        item, usual = states.item[repeated], self._usual(states, repeated)
        size = len(self.item_level_)
        rest = np.bincount(item, weights=own - known * usual, minlength=size)
        count = np.bincount(item, weights=known, minlength=size)
        newest = wanted - usual  # to be foretold: its item has to be known without it
        others, n_others = rest[item] - newest, count[item] - 1.0
        drawn = strength(newest, others / np.maximum(n_others, 1.0), n_others)
        self.item_level_ = rest / (count + drawn)
        past = clues_of(states.before[repeated], known - 1, self.levels_)
        past[:, 0] = others / (n_others + drawn)
        present = clues_of(states.now[repeated], known, self.levels_)
        present[:, 0] = self.item_level_[item]
        self._fit_kinds((past, known - 1, wanted), (present, known, own / known))

    def _fit_kinds(
        self, past: tuple[Array, Array, Array], present: tuple[Array, Array, Array]
    ) -> None:
        """Learn weights and distribution for each number of intervals.

        Pairs with few intervals are those that buy rarely. A pair with n intervals whose next one
        is asked for now is not like those that already have n + 1: so the constant is moved until
        the mean is that of the intervals which pairs with n now have.
        """
        clues, known, wanted = past
        now, now_known, seen = present
        kind, now_kind = (np.minimum(n, self.most_kinds - 1) for n in (known, now_known))
        weights, knots = [], []
        for one in range(int(kind.max()) + 1):
            reach = 0  # kinds with few pairs learn from those next to them as well
            while (
                rows := np.abs(kind - one) <= reach
            ).sum() < LEAST_ROWS and reach < self.most_kinds:
                reach += 1
            here = np.abs(now_kind - one) <= reach
            found = median_weights(clues[rows], wanted[rows])
            left = wanted[rows] - found[0] - (clues[rows] * found[1:]).sum(axis=1)
            if one > 0 and here.any():
                moved = now[here].mean(axis=0) - clues[rows].mean(axis=0)
                found[0] += seen[here].mean() - wanted[rows].mean() - (moved * found[1:]).sum()
            weights.append(found)
            knots.append(quantile_knots(left))
        self.weights_, self.knots_ = np.array(weights), np.array(knots)
        self.tail_ = np.array([tail_scale(row) for row in knots])

    def _usual(self, states: States, repeated: Array) -> Array:
        """Give the log interval to expect of pairs whose item is not known: float64[n].

        It is that of the customer, drawn to the shop's, and of pairs bought as often.
        """
        n = (states.times[repeated] - 1).astype(np.float64)
        user = np.repeat(np.arange(len(states.ptr) - 1), np.diff(states.ptr))[repeated]
        rest = states.now[repeated, OWN] - n * self.levels_.interval
        drawn = np.bincount(user, weights=n) + self.levels_.customer
        customer = np.bincount(user, weights=rest) / drawn
        rest = rest - n * customer[user]
        kind = np.minimum(n.astype(np.int64), self.most_kinds)
        alike = np.bincount(kind, weights=rest) / np.maximum(np.bincount(kind, weights=n), 1.0)
        return np.asarray(self.levels_.interval + customer[user] + alike[kind])

    def _fit_chance(self, events: Events, today: int) -> None:
        """Learn the probability from what was bought after some past days.

        Of many customers, evenly thinned ones are looked at; items are known from all of them.
        """
        step = -(-len(events.item) // MOST_SIGNS)
        some = events.of_users(np.arange(0, events.n_users, step))
        first = int(events.time.min() // MICROSECONDS_PER_DAY)
        signs, bought = [], []
        for landmark in range(1, LANDMARKS + 1):
            day = today - landmark * self.horizon_days
            if day < first:
                break
            until = np.full(events.n_users, day, dtype=np.int64)
            repeats = _item_repeats(states_of(events, until), events.n_items)
            rows, happened = self._after(some, day, repeats)
            signs.append(rows)
            bought.append(happened)
        if signs:
            self.chance_ = logistic_weights(np.concatenate(signs), np.concatenate(bought))

    def _after(self, events: Events, day: int, item_repeats: Array) -> tuple[Array, Array]:
        """Give the signs as of a day, and whether the item was bought within the horizon."""
        then, later = (
            states_of(events, np.full(events.n_users, until, dtype=np.int64))
            for until in (day, day + self.horizon_days)
        )
        old, new = (
            np.repeat(np.arange(events.n_users) * events.n_items, np.diff(states.ptr)) + states.item
            for states in (then, later)
        )
        happened = later.times[np.searchsorted(new, old)] > then.times
        waited = (day - then.last_day).astype(np.float64)
        soon = self._times(then, waited)[3]
        return signs_of(then, waited, soon, item_repeats), happened

    def _times(self, states: States, waited: Array) -> tuple[Array, Array, Array, Array]:
        clues = clues_of(states.now, states.times - 1, self.levels_)
        location, kind = located(
            clues, states.item, states.times - 1, self.item_level_, self.weights_
        )
        return foretell(
            location, kind, waited, self.knots_, self.tail_, float(self.horizon_days), self.inside
        )

    def _predict(self, states: States, waited: Array) -> tuple[Array, Array, Array, Array]:
        due, low, high, soon = self._times(states, waited)
        signs = signs_of(states, waited, soon, self.item_repeats_)
        return due, low, high, chances(signs, self.chance_)

    def _knows_intervals(self) -> bool:
        return len(self.weights_) > 0

    def arrays(self) -> dict[str, Array]:
        """Give the levels, their weights, the distributions and the weights of the probability."""
        return {
            "levels": np.array(self.levels_),
            "item_level": self.item_level_,
            "item_repeats": self.item_repeats_,
            "weights": self.weights_,
            "knots": self.knots_,
            "tail": self.tail_,
            "chance": self.chance_,
        }

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.levels_ = Levels(*arrays["levels"].tolist())
        self.item_level_ = arrays["item_level"]
        self.item_repeats_ = arrays["item_repeats"]
        self.weights_ = arrays["weights"]
        self.knots_ = arrays["knots"]
        self.tail_ = arrays["tail"]
        self.chance_ = arrays["chance"]


def _levels(states: States, repeated: Array) -> Levels:
    """Give the shop's levels, and how strongly pairs and customers are drawn to them."""
    if len(repeated) == 0:
        return Levels(0.0, 0.0, 1.0, 1.0, 1.0)
    n = states.times[repeated] - 1
    interval = float(states.now[repeated, OWN].sum() / n.sum())
    newest = states.now[repeated, NEWEST] - interval
    own = (states.now[repeated, OWN] - states.now[repeated, NEWEST]) / np.maximum(n - 1, 1)
    others_n = states.before[repeated, OTHERS_N]
    others = states.before[repeated, OTHERS] / np.maximum(others_n, 1.0)
    weight = states.before[repeated, VISITS_WEIGHT]
    visits = float(states.before[repeated, VISITS].sum() / max(float(weight.sum()), 1.0))
    return Levels(
        interval,
        visits,
        strength(newest, own - interval, (n - 1).astype(np.float64)),
        strength(newest, others - interval, others_n),
        1.0,
    )


def _item_repeats(states: States, n_items: int) -> Array:
    """Give the log of the repeats of each item a buyer, drawn to the shop's: float64[n_items]."""
    repeats = np.bincount(states.item, weights=states.times - 1.0, minlength=n_items)
    buyers = np.bincount(states.item, minlength=n_items)
    shop = (repeats.sum() + 0.5) / (buyers.sum() + 1.0)
    return np.asarray(np.log((repeats + 2.0 * shop) / (buyers + 2.0)))
