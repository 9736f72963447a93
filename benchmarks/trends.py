"""What is popular changes: a network that is told of it, beside one that is not and the counts.

The newest 30% of the events are asked for, frame by frame: of ``yoochoose_100k`` hours, of
``uci_online_retail`` days. Each event is asked for with what its customer did before; what is
counted of all customers ends where the frame begins, for all models alike. Settings, of the counts
too, are chosen on the frames of the newest fifth of what is learned from.

Source: Ma et al., "Temporal-Contextual Recommendation in Real-Time", KDD 2020, section 4.5.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from benchmarks._data import FOLDER
from benchmarks._events import histories_of, only, timed_events
from benchmarks._report import report
from recsql.data.events import Events
from recsql.models.base import Array
from recsql.models.gru import GRU
from recsql.models.hrnn import HRNN
from recsql.models.recurrent import RecurrentNetwork
from recsql.models.requests import Requests
from recsql.networks.limits import told_to

HOUR = 3_600_000_000
SHARE_LEARNED = 0.7
SHARE_CHOSEN = 0.2  # of what is learned from, for the choice of settings
K = 20
ROWS = 512
SEEDS = (0, 1, 2)
SMOOTHINGS = (10.0, 1.0, 100.0)
FRAMES_AGAIN, RATE_AGAIN = (10, 40), 0.1


class Kind(NamedTuple):
    """A dataset: how it is read, how long its frames are, and the network that suits it."""

    query: str
    frame: int
    network: type[RecurrentNetwork]
    settings: dict[str, Any]
    hours: tuple[float, ...]  # of counts, to choose from


KINDS = {
    "yoochoose_100k": Kind(
        "SELECT r.session_id AS user_id, r.item_id, epoch_us(r.ts) AS time FROM ("
        "SELECT * FROM '{folder}/train.parquet' UNION ALL SELECT * FROM '{folder}/test.parquet') "
        "AS r ORDER BY 1, 3, 2",
        HOUR,
        GRU,
        {"max_length": 20, "dropout": 0.5, "n_threads": 1},
        (2.0, 6.0, 24.0, 72.0),
    ),
    "uci_online_retail": Kind(
        "SELECT DISTINCT r.user_id, r.item_id, epoch_us(r.ts) AS time "
        "FROM '{folder}/interactions.parquet' AS r "
        "WHERE r.event_type = 'purchase' AND r.quantity > 0 AND r.user_id IS NOT NULL "
        "ORDER BY 1, 3, 2",
        24 * HOUR,
        HRNN,
        {"max_length": 100, "dropout": 0.5, "n_threads": 1},
        (24.0, 72.0, 168.0, 720.0),
    ),
}


class Frames(NamedTuple):
    """Events that are asked for, with the numbers of their frames."""

    events: Events
    place: Array  # int64[n], of the events
    first: Array  # int64[n], where the history of each begins
    end: Array  # int64[n], and ends: at the moment of the event
    frame: Array  # int64[n]


def frames(events: Events, begin: int, end: int, kind: Kind) -> Frames:
    """Give the events begin <= time < end of customers who did something before."""
    before = events.moment
    start = events.user_ptr[:-1][events.user]
    asked = (events.time >= begin) & (events.time < end) & (before > start)
    place = np.flatnonzero(asked)
    first = np.maximum(start, before - kind.settings["max_length"])
    return Frames(events, place, first[place], before[place], events.time[place] // kind.frame)


Scorer = Callable[[Events, Array, int], Array]


def ranks(asked: Frames, kind: Kind, scores: Scorer) -> Array:
    """Give the rank of each event that is asked for; ties count half."""
    events = asked.events
    found = np.empty(len(asked.place))
    for frame in np.unique(asked.frame):
        rows = np.flatnonzero(asked.frame == frame)
        for first in range(0, len(rows), ROWS):
            at = rows[first : first + ROWS]
            known = histories_of(events, asked.first[at], asked.end[at])
            time_ = events.time[asked.place[at]]
            table = scores(known, time_, int(frame) * kind.frame)
            own = table[np.arange(len(at)), events.item[asked.place[at]]][:, None]
            better, same = (table > own).sum(axis=1), (table == own).sum(axis=1)
            found[at] = 1 + better + (same - 1) / 2
    return found


def counted(events: Events, until: int, hours: float) -> Array:
    """Count the events of each item in the hours before a time: float64[n_items]."""
    inside = (events.time < until) & (events.time >= until - int(hours * HOUR))
    return np.bincount(events.item[inside], minlength=events.n_items).astype(np.float64)


def popular(events: Events, hours: float) -> Scorer:
    """Score by counts of the last hours."""

    def scores(known: Events, _time: Array, begin: int) -> Array:
        count = counted(events, begin, hours)
        return np.broadcast_to(count, (known.n_users, len(count)))

    return scores


def by_network(events: Events, model: RecurrentNetwork) -> Scorer:
    """Score by a network, told of the counts before the frame where it reads them."""

    def scores(known: Events, time_: Array, begin: int) -> Array:
        lately = counted(events, begin, model.trend_hours) if model.trend else None
        requests = Requests.of_customers(np.full(known.n_users, -1), known, time=time_)
        found: Array = model._scores(dataclasses.replace(requests, lately=lately))
        return found

    return scores


def online(events: Events, model: RecurrentNetwork, kind: Kind, n_frames: int) -> Scorer:
    """Let a network go on from its weights at each frame, once over the events of the last ones."""
    latest, latest_begin = model, -1

    def scores(known: Events, time_: Array, begin: int) -> Array:
        nonlocal latest, latest_begin
        if latest_begin != begin:
            again = dataclasses.replace(
                latest,
                retrain_hours=n_frames * kind.frame / HOUR,
                learning_rate=RATE_AGAIN * model.learning_rate,
                n_epochs=1,
                held_out=0.0,
            )
            assert latest.weights_ is not None  # it has just learned
            again.goes_on(latest.weights_, np.arange(events.n_items))
            latest, latest_begin = again.fit(only(events.before(begin))), begin
        return by_network(events, latest)(known, time_, begin)

    return scores


def summary(rank: Array) -> dict[str, float]:
    """Give the means over all events."""
    gain = np.where(rank <= K, 1.0 / rank, 0.0)
    return {f"MRR@{K}": float(gain.mean()), f"Hit@{K}": float((rank <= K).mean())}


def by_frame(rank: Array, asked: Frames) -> Array:
    """Give the mean reciprocal rank of each frame: float64[n_frames]."""
    _, number = np.unique(asked.frame, return_inverse=True)
    gain = np.where(rank <= K, 1.0 / rank, 0.0)
    return np.bincount(number, weights=gain) / np.bincount(number)


def read(name: str) -> Events:
    """Read a dataset in order of customer and time."""
    import duckdb

    query = KINDS[name].query.format(folder=FOLDER / name)
    return timed_events(duckdb.sql(query).fetchnumpy())[0]


def compare(name: str) -> Iterator[dict[str, Any]]:
    """Choose settings on the newest of what is learned from, and measure the frames after it."""
    kind, events = KINDS[name], read(name)
    order = np.sort(events.time)
    cut, inner = (
        int(order[int(share * len(order))]) // kind.frame * kind.frame
        for share in (SHARE_LEARNED, SHARE_LEARNED * (1 - SHARE_CHOSEN))
    )
    chosen_on = frames(events, inner, cut, kind)
    asked = frames(events, cut, int(order[-1]) + 1, kind)

    def quality(scorer: Scorer) -> float:
        return summary(ranks(chosen_on, kind, scorer))[f"MRR@{K}"]

    lately = max(kind.hours, key=lambda one: quality(popular(events, one)))
    rank = ranks(asked, kind, popular(events, lately))
    recent = by_frame(rank, asked)
    start = {"dataset": name, "frames": len(recent), "events": len(rank)}
    yield start | {"model": f"popular in the last {lately:g} hours"} | summary(rank)

    @cache
    def learned(
        until: int, seed: int, hours: float | None = None, smoothing: float = 0.0
    ) -> RecurrentNetwork:
        trend = {"trend": True, "trend_hours": hours, "smoothing": smoothing}
        settings = kind.settings if hours is None else kind.settings | trend
        return kind.network(seed=seed, **settings).fit(only(events.before(until)))

    def quality_of(hours: float, smoothing: float) -> float:
        return quality(by_network(events, learned(inner, 0, hours, smoothing)))

    hours = max(kind.hours, key=lambda one: quality_of(one, SMOOTHINGS[0]))
    smoothing = max(SMOOTHINGS, key=lambda one: quality_of(hours, one))
    again = max(
        FRAMES_AGAIN,
        key=lambda n: quality(online(events, learned(inner, 0, hours, smoothing), kind, n)),
    )
    variants: tuple[tuple[str, tuple[float, ...], int], ...] = (
        ("offline", (), 0),
        ("offline, goes on each frame", (), again),
        ("with the trend", (hours, smoothing), 0),
        ("with the trend, goes on each frame", (hours, smoothing), again),
    )
    for label, trend, n_frames in variants:
        runs, wins = [], []
        for seed in SEEDS:
            model = learned(cut, seed, *trend)
            scorer = by_network(events, model)
            if n_frames:
                scorer = online(events, model, kind, n_frames)
            rank = ranks(asked, kind, scorer)
            runs.append(summary(rank))
            wins.append(float((by_frame(rank, asked) > recent).mean()))
        mean = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
        error = float(np.std([run[f"MRR@{K}"] for run in runs], ddof=1) / np.sqrt(len(runs)))
        yield (
            start
            | {"model": f"{kind.network.name}, {label}"}
            | mean
            | {"error of MRR": error}
            | {"frames above counts": float(np.mean(wins))}
            | {"hours, smoothing": trend or None, "learns again from": n_frames or None}
        )


def main() -> None:
    """Compare on both datasets: python -m benchmarks.trends [dataset …]."""
    with told_to(lambda line: print(line, file=sys.stderr, flush=True)):
        for name in sys.argv[1:] or list(KINDS):
            for row in compare(name):
                report(
                    "trends", "what is asked for frame by frame, as what is popular changes", [row]
                )


if __name__ == "__main__":
    main()
