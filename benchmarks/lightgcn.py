"""LightGCN in our kernels: as good as torch-geometric's, how fast, and its best on Gowalla.

python -m benchmarks.lightgcn [peer] [movielens] [gowalla]

``peer``: MovieLens 100k, both sides with the settings of the paper (vectors of their own for
customers, BPR against one item, batches of 2,048 in the graph, Adam, the same sum of squares), on
one thread of one core each, an epoch of one after an epoch of the other. torch-geometric is run as
documented, with pairs of nodes, for a few steps, and with a normalised matrix made once and kept in
compressed rows, its fastest way, for the whole comparison. The time of drawing is not counted for
the peer. Before, both make 30 steps with the same first guess, batches and draws, and the largest
difference of what they learned is printed: it is the same algorithm.

``movielens``: models of the catalogue on the same parts. Each customer's movies are cut at random,
80/10/10; settings are chosen by NDCG on the second part, averaged over the seeds; then the first
two are learned from and the third is tested once.

``gowalla``: the official split; the settings were chosen on a fifth of the training part.
"""

from __future__ import annotations

import os
import resource
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks import gowalla
from benchmarks._data import FOLDER
from benchmarks._personal import (
    Array,
    Items,
    best_of,
    items_of,
    popular,
    purchases_of,
    recall_and_ndcg,
    requests_of,
    timed,
)
from benchmarks._report import report
from recsql.data.events import pointers
from recsql.kernels.adam import adam_step, first_moments
from recsql.kernels.graph_propagation import propagate, purchase_graph, purchased
from recsql.kernels.groups import Groups
from recsql.kernels.ranking_losses import Batch, bpr_gradient
from recsql.kernels.topk import top_k
from recsql.models.ease import Ease
from recsql.models.fold_in import FoldInRecommender
from recsql.models.graph_filter import GraphFilter
from recsql.models.graph_training import Lessons, Training
from recsql.models.ials import IALS
from recsql.models.lightgcn import LightGCN
from recsql.models.requests import Requests

K = 20
SEEDS = (0, 1, 2)
N_FACTORS = 64
N_EPOCHS = 20
PAPER = Lessons(
    n_layers=3,
    loss="bpr",
    learning_rate=0.01,
    penalty=1e-4,
    n_negatives=1,
    frequency_exponent=0.0,
    batch_size=2048,
    hide_targets=False,
)
CATALOGUE: tuple[tuple[FoldInRecommender, ...], ...] = (
    (Ease(), Ease(ridge=4.0), Ease(popularity_power=-0.1)),
    tuple(
        GraphFilter(popularity_power=popularity, n_factors=n_factors)
        for popularity, n_factors in ((0.2, 256), (-0.2, 64), (0.0, 64))
    ),
    (IALS(n_factors=32), IALS(n_factors=64), IALS(n_factors=32, unobserved=5.0)),
    (LightGCN(), LightGCN(n_factors=32), LightGCN(n_layers=4)),
    (LightGCN(own_vectors=True, first="random"),),
)
GOWALLA = LightGCN(n_factors=128, n_layers=2, learning_rate=0.02, penalty=1e-4, patience=60)
OTHERS_ON_GOWALLA = (gowalla.GRAPH_FILTER[5], gowalla.IALS_SETTINGS[1])


def read(seed: int) -> tuple[Items, Items, Items, int]:
    """Give 80, 10 and 10 of a hundred movies of each customer, and the number of movies."""
    import duckdb

    rows = duckdb.sql(
        "SELECT DISTINCT t.user_id, t.item_id "
        f"FROM '{FOLDER}/movielens_100k/interactions.parquet' AS t"
    ).fetchnumpy()
    users, user = np.unique(rows["user_id"], return_inverse=True)
    movies, movie = np.unique(rows["item_id"], return_inverse=True)
    everything = items_of(user, movie, len(users))
    sizes, at = np.diff(everything.ptr), np.random.default_rng(seed).random(len(movie))
    order = np.lexsort((at, everything.user))
    place = np.empty(len(order))
    place[order] = np.arange(len(order)) - np.repeat(everything.ptr[:-1], sizes)
    share = (place + 0.5) / np.repeat(sizes, sizes)
    parts = (share < 0.8, (share >= 0.8) & (share < 0.9), share >= 0.9)
    train, valid, test = (everything.select(part) for part in parts)
    return train, valid, test, len(movies)


def together(one: Items, other: Items) -> Items:
    """Give the items of both parts."""
    user = np.concatenate([one.user, other.user])
    return items_of(user, np.concatenate([one.item, other.item]), len(one.ptr) - 1)


def best_unseen(user: Array, item: Array, train: Items) -> Array:
    """Give the best items of each customer by vectors, bought ones left out."""
    count = np.bincount(train.item, minlength=len(item)) > 0
    scores = (user @ item.T).astype(np.float32)
    return top_k(scores, K, eligible=count, left_out=(train.ptr, train.item))[0]


class Peer:
    """torch-geometric's LightGCN, learning like ours."""

    def __init__(self, train: Items, n_items: int, seed: int, compressed: bool = True) -> None:
        import torch
        from torch_geometric.nn.conv.gcn_conv import gcn_norm
        from torch_geometric.nn.models import LightGCN as Theirs

        torch.set_num_threads(1)
        torch.manual_seed(seed)
        self._torch, self._rng = torch, np.random.default_rng(seed)
        self._n_users, n_nodes = len(train.ptr) - 1, len(train.ptr) - 1 + n_items
        self._items = np.unique(train.item)
        self.user = torch.tensor(train.user)
        self.item = torch.tensor(train.item.astype(np.int64)) + self._n_users
        edges = torch.stack([torch.cat([self.user, self.item]), torch.cat([self.item, self.user])])
        if compressed:
            pairs, weight = gcn_norm(edges, None, n_nodes, add_self_loops=False)
            table = torch.sparse_coo_tensor(pairs, weight, (n_nodes, n_nodes))
            edges = table.coalesce().to_sparse_csr()
        self._edges = edges
        self._model = Theirs(n_nodes, N_FACTORS, PAPER.n_layers, normalize=not compressed)
        self._adam = torch.optim.Adam(self._model.parameters(), lr=PAPER.learning_rate)

    def epoch(self, most_steps: int | None = None) -> float:
        """Pass over all purchases; give the seconds of a whole epoch without drawing."""
        n = len(self.user)
        n_batches = max(1, round(n / (PAPER.batch_size or n)))
        batches = np.array_split(self._rng.permutation(n), n_batches)[:most_steps]
        seconds = 0.0
        for batch in batches:
            drawn = self._rng.choice(self._items, len(batch)) + self._n_users
            started = time.perf_counter()
            self.step(batch, drawn)
            seconds += time.perf_counter() - started
        return seconds * n_batches / len(batches)

    def first_layers(self) -> Array:
        """Give what is learned: float32[n_users + n_items, N_FACTORS]."""
        table: Array = self._model.embedding.weight.detach().numpy()
        return table

    def step(self, places: Array, nodes: Array) -> None:
        """Make a step for the purchases at some places against a drawn node each."""
        batch, drawn = self._torch.tensor(places), self._torch.tensor(nodes.astype(np.int64))
        user = self.user[batch]
        asked = self._torch.stack(
            [self._torch.cat([user, user]), self._torch.cat([self.item[batch], drawn])]
        )
        self._adam.zero_grad()
        bought, other = self._model(self._edges, asked).chunk(2)
        self._model.recommendation_loss(bought, other, lambda_reg=PAPER.penalty).backward()
        self._adam.step()

    def recommend(self, train: Items) -> Array:
        """Give the best unseen items of each customer."""
        with self._torch.no_grad():
            vectors = self._model.get_embedding(self._edges).numpy()
        return best_unseen(vectors[: self._n_users], vectors[self._n_users :], train)


def ours(train: Items, n_items: int, seed: int) -> Training:
    """Give our training with the settings of the peer."""
    rng, n_users = np.random.default_rng(seed), len(train.ptr) - 1
    bound = np.sqrt(6.0 / (n_users + n_items + N_FACTORS))  # as torch-geometric begins
    item, user = (
        rng.uniform(-bound, bound, (n, N_FACTORS)).astype(np.float32) for n in (n_items, n_users)
    )
    return Training(Groups(train.ptr, train.item), item, user, PAPER, seed)


def largest_difference(n_steps: int = 30) -> float:
    """Give how far apart the same steps lead."""
    train, _, _, n_items = read(0)
    n_users, groups = len(train.ptr) - 1, Groups(train.ptr, train.item)
    peer, rng = Peer(train, n_items, 0), np.random.default_rng(0)
    user, item = np.split(peer.first_layers().copy(), [n_users])
    of_user, of_item = first_moments(user), first_moments(item)
    graph = purchase_graph(purchased(groups, n_items), n_users, n_items)
    size = PAPER.batch_size or 1
    for number in range(1, n_steps + 1):
        chosen = np.sort(rng.choice(len(train.item), size, replace=False))
        drawn = rng.integers(0, n_items, (size, 1)).astype(np.int32)
        peer.step(chosen, drawn[:, 0] + n_users)
        customers, counts = np.unique(train.user[chosen], return_counts=True)
        batch = Batch(customers.astype(np.int32), pointers(counts), train.item[chosen])
        layers = propagate(graph, user, item, PAPER.n_layers)
        slope = bpr_gradient(batch, drawn, layers.user, layers.item)
        back = propagate(graph, slope.user, slope.item, PAPER.n_layers)
        rate, pull = PAPER.learning_rate, 2 * PAPER.penalty / size
        adam_step(user, back.user, of_user, number=number, rate=rate, pull=pull)
        adam_step(item, back.item, of_item, number=number, rate=rate, pull=pull)
    return float(np.abs(peer.first_layers() - np.concatenate([user, item])).max())


def compare_with_peer() -> None:
    """Let both learn side by side, and print quality and seconds an epoch."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    warnings.simplefilter("ignore")  # torch about its compressed rows
    print(f"  largest difference after the same steps {largest_difference():.1e}", flush=True)
    qualities, seconds = [], []
    for seed in SEEDS:
        train, valid, test, n_items = read(seed)
        train = together(train, valid)
        theirs, mine = Peer(train, n_items, seed), ours(train, n_items, seed)
        for _ in range(N_EPOCHS):
            seconds.append((timed(mine.epoch)[0], theirs.epoch()))
        layers = mine.layers()
        found = best_unseen(layers.user, layers.item, train), theirs.recommend(train)
        qualities.append([recall_and_ndcg(items, test) for items in found])
        print(f"  seed {seed}: ours, theirs {np.round(qualities[-1], 4).tolist()}", flush=True)
    documented = Peer(train, n_items, 0, compressed=False).epoch(most_steps=4)
    times = np.median(seconds[1:], axis=0)  # the first epoch compiles
    ratio = float(np.median([peer / own for own, peer in seconds[1:]]))
    names = ("recsql, settings of the paper", "torch-geometric, compressed rows")
    quality = np.mean(qualities, axis=0)
    rows = [
        {"model": name, f"R@{K}": recall, f"N@{K}": ndcg, "epoch s": second, "times": times_slower}
        for name, (recall, ndcg), second, times_slower in zip(
            names, quality, times, (1.0, ratio), strict=True
        )
    ]
    rows.append(
        {
            "model": "torch-geometric, as documented",
            f"R@{K}": None,
            f"N@{K}": None,
            "epoch s": documented,
            "times": documented / times[0],
        }
    )
    report("lightgcn_peer", f"MovieLens 100k, {len(SEEDS)} seeds, one thread each", rows)


def known_customers(items: Items, n_items: int) -> Requests:
    """Ask for customers who are known from training."""
    asked = requests_of(items, n_items)
    return replace(asked, user=np.arange(len(asked), dtype=np.int32))


def movielens() -> None:
    """Choose on the second part, averaged over the seeds; test once."""
    parts = [read(seed) for seed in SEEDS]

    def judge(model: FoldInRecommender) -> tuple[float, float]:
        numbers = []
        for train, valid, _, n_items in parts:
            fitted = type(model)(**model.params()).fit(purchases_of(train, n_items))
            found = fitted.recommend(requests_of(train, n_items), K).item
            numbers.append(recall_and_ndcg(found, valid))
        recall, ndcg = np.mean(numbers, axis=0)
        return float(recall), float(ndcg)

    def test(name: str, recommend: Callable[[Items, int], Array], **more: Any) -> dict[str, Any]:
        numbers, seconds = [], []
        for train, valid, hidden, n_items in parts:
            known = together(train, valid)
            second, found = timed(partial(recommend, known, n_items))
            numbers.append(recall_and_ndcg(found, hidden))
            seconds.append(second)
        recall, ndcg = np.mean(numbers, axis=0)
        more = {"validation": None, "settings": ""} | more
        return {"model": name, f"R@{K}": recall, f"N@{K}": ndcg, "s": np.median(seconds), **more}

    rows = [test("popularity", lambda known, n_items: popular(known, n_items, K))]
    for models in CATALOGUE:
        best, validation = best_of(models, judge)

        def answer(known: Items, n_items: int, best: FoldInRecommender = best) -> Array:
            fitted = type(best)(**best.params()).fit(purchases_of(known, n_items))
            return fitted.recommend(requests_of(known, n_items), K).item

        more = {"validation": validation, "settings": str(best.params())}
        rows.append(test(best.name, answer, **more))
        if isinstance(best, LightGCN) and best.own_vectors:

            def known(items: Items, n_items: int, best: FoldInRecommender = best) -> Array:
                fitted = type(best)(**best.params()).fit(purchases_of(items, n_items))
                return fitted.recommend(known_customers(items, n_items), K).item

            rows.append(test("lightgcn, asked as known", known, **more))
    report("lightgcn_movielens", f"MovieLens 100k, 80/10/10, {len(SEEDS)} seeds", rows)


def on_gowalla() -> None:
    """Learn once from all of training, and test."""
    train, test, n_items = gowalla.read()
    everything, asked = purchases_of(train, n_items), requests_of(train, n_items)
    rows = [gowalla.row("popularity", popular(train, n_items, K), test)]
    for model in (GOWALLA, *OTHERS_ON_GOWALLA):
        fit_s, fitted = timed(lambda model=model: model.fit(everything))
        answer_s, found = timed(lambda fitted=fitted: fitted.recommend(asked, K).item)
        times = {"fit s": fit_s, "answer s": answer_s}
        rows.append(gowalla.row(model.name, found, test, **times, settings=str(model.params())))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"  {rows[-1]}, peak memory so far {peak:.2f} GB", flush=True)
    report("lightgcn_gowalla", f"Gowalla, {len(train.item):,} training rows", rows)


def main() -> None:
    """Run the parts that are named, or all."""
    named = sys.argv[1:] or ["movielens", "gowalla", "peer"]  # the last one keeps to one core
    parts = {"peer": compare_with_peer, "movielens": movielens, "gowalla": on_gowalla}
    for name in named:
        parts[name]()
    if hasattr(os, "getloadavg"):
        print(f"load of the last minute {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
