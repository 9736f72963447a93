"""KGAT with what is known of movies and customers, beside LightGCN, EASE and best sellers without.

python -m benchmarks.kgat

MovieLens 100k, cut as in ``benchmarks.lightgcn``: each customer's movies at random, 80/10/10.
Settings, and which facts are learned from, are chosen by NDCG on the second part, averaged over the
seeds; then the first two parts are learned from and the third is tested once. Facts are the
attributes of movies (genres, year) and customers (age, gender, occupation), and the triples of
Freebase that the data set links to the movies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks._data import FOLDER
from benchmarks._personal import (
    Array,
    Items,
    popular,
    purchases_of,
    recall_and_ndcg,
    requests_of,
    timed,
)
from benchmarks._report import report
from benchmarks.lightgcn import SEEDS, K, read, together
from recsql.data.features import Features, Values, learn_encoder
from recsql.data.knowledge import Knowledge
from recsql.models.ease import Ease
from recsql.models.fold_in import FoldInRecommender
from recsql.models.kgat import KGAT
from recsql.models.lightgcn import LightGCN
from recsql.models.purchases import Purchases

DATA = FOLDER / "movielens_100k"


@dataclass(frozen=True)
class Facts:
    """What is known beside purchases."""

    name: str
    items: Features | None = None
    users: Features | None = None
    knowledge: Knowledge | None = None

    def beside(self, purchases: Purchases) -> Purchases:
        """Give purchases with these facts."""
        return replace(
            purchases,
            item_features=self.items,
            user_features=self.users,
            knowledge=self.knowledge,
        )


def read_facts() -> tuple[Features, Features, Knowledge]:
    """Give the attributes of movies and of customers, and the triples."""
    movies, users = (_ids(name) for name in ("item_id", "user_id"))
    about = _rows("items", "item_id, genres, year")
    people = _rows("users", "user_id, age, gender, occupation")
    genres = [(row, genre) for row, movie in enumerate(movies) for genre in about[movie][0]]
    years = [(row, about[movie][1]) for row, movie in enumerate(movies)]
    age, gender, occupation = (
        [(row, people[user][place]) for row, user in enumerate(users)] for place in range(3)
    )
    of_users = {"age": ("number", age), "gender": ("text", gender)}
    return (
        _features({"genres": ("list", genres), "year": ("number", years)}, len(movies)),
        _features(of_users | {"occupation": ("text", occupation)}, len(users)),
        _triples(movies),
    )


def _rows(table: str, columns: str) -> dict[int, tuple[Any, ...]]:
    """Give the other columns of a table by the first."""
    import duckdb

    rows = duckdb.sql(f"SELECT {columns} FROM '{DATA}/{table}.parquet'").fetchall()
    return {int(row[0]): row[1:] for row in rows}


def _ids(name: str) -> list[int]:
    import duckdb

    rows = duckdb.sql(
        f"SELECT DISTINCT t.{name} FROM '{DATA}/interactions.parquet' AS t ORDER BY 1"
    ).fetchall()
    return [int(row[0]) for row in rows]


def _features(columns: dict[str, tuple[str, list[tuple[int, Any]]]], n_rows: int) -> Features:
    values = {}
    for name, (kind, pairs) in columns.items():
        pairs = [(row, value) for row, value in pairs if value is not None]
        array = np.empty(len(pairs), dtype=np.float64 if kind == "number" else object)
        array[:] = [value for _, value in pairs]
        values[name] = kind, Values(np.array([row for row, _ in pairs]), array)
    encoder = learn_encoder(values)
    return encoder.encode({name: value for name, (_, value) in values.items()}, n_rows)


def _triples(movies: Sequence[int]) -> Knowledge:
    import duckdb

    place = {movie: row for row, movie in enumerate(movies)}
    linked = duckdb.sql(f"FROM '{DATA}/item_entity.parquet' ORDER BY item_id").fetchall()
    node = {entity: place[int(movie)] for movie, entity in linked if int(movie) in place}
    triples = duckdb.sql(f"FROM '{DATA}/kg.parquet' ORDER BY ALL").fetchall()
    entities = sorted({end for head, _, tail in triples for end in (head, tail)} - set(node))
    node |= {entity: len(movies) + row for row, entity in enumerate(entities)}
    relations = sorted({relation for _, relation, _ in triples})
    number = {relation: row for row, relation in enumerate(relations)}
    codes = np.array([(node[h], number[r], node[t]) for h, r, t in triples], dtype=np.int32)
    head, relation, tail = codes.T.copy()
    return Knowledge(head, relation, tail, tuple(relations), tuple(entities))


def main() -> None:
    """Choose on the second part, averaged over the seeds; test once."""
    parts = [read(seed) for seed in SEEDS]
    items, users, knowledge = read_facts()
    nothing, of_items = Facts("none"), Facts("movies", items)
    attributes = Facts("movies, customers", items, users)
    everything = Facts("movies, customers, Freebase", items, users, knowledge)
    choices: tuple[tuple[tuple[FoldInRecommender, Facts], ...], ...] = (
        tuple((Ease(ridge=ridge), nothing) for ridge in (2.0, 4.0)),
        tuple((LightGCN(n_factors=width), nothing) for width in (64, 32)),
        tuple((KGAT(), facts) for facts in (of_items, attributes, everything)),
    )

    def answer(model: FoldInRecommender, facts: Facts, known: Items, n_items: int) -> Array:
        fitted = type(model)(**model.params()).fit(facts.beside(purchases_of(known, n_items)))
        asked = replace(requests_of(known, n_items), features=facts.users)
        return fitted.recommend(asked, K).item

    def measured(
        recommend: Callable[[Items, int], Array], *, test: bool
    ) -> tuple[float, float, float]:
        numbers = []
        for train, valid, hidden, n_items in parts:
            known, sought = (together(train, valid), hidden) if test else (train, valid)
            seconds, found = timed(partial(recommend, known, n_items))
            numbers.append((*recall_and_ndcg(found, sought), seconds))
        recall, ndcg, seconds = np.mean(numbers, axis=0)
        return float(recall), float(ndcg), float(seconds)

    recall, ndcg, seconds = measured(lambda known, n_items: popular(known, n_items, K), test=True)
    rows: list[dict[str, Any]] = [
        {"model": "popularity", f"R@{K}": recall, f"N@{K}": ndcg, "s": seconds}
        | {"validation": None, "facts": "", "settings": ""}
    ]
    for candidates in choices:
        judged = []
        for model, facts in candidates:
            recommend = partial(answer, model, facts)
            recall, ndcg, _ = measured(recommend, test=False)
            judged.append((ndcg, model, facts, recommend))
            print(f"  {model.name}, {facts.name}: validation {recall:.4f} {ndcg:.4f}", flush=True)
        validation, model, facts, recommend = max(judged, key=lambda one: one[0])
        recall, ndcg, seconds = measured(recommend, test=True)
        rows.append(
            {"model": model.name, f"R@{K}": recall, f"N@{K}": ndcg, "s": seconds}
            | {"validation": validation, "facts": facts.name, "settings": str(model.params())}
        )
    report("kgat_movielens", f"MovieLens 100k, 80/10/10, {len(SEEDS)} seeds", rows)


if __name__ == "__main__":
    main()
