"""First purchases of customers with attributes, how they are cut, and how answers are judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks._data import FOLDER
from benchmarks._events import only
from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.attributes import read_features
from recsql.data.events import Events, pointers
from recsql.data.features import Features
from recsql.data.snapshot import ItemDays
from recsql.models.base import Recommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests

Array = np.ndarray[Any, np.dtype[Any]]
K = 10
SHARE_TEST = 0.3


@dataclass(frozen=True)
class Shop:
    """Tables of first purchases.

    Attributes
    ----------
    name : of the data, and what an item is there
    first : SQL for (user_id, item_id, ts), the lines of each customer's first basket
    users : SQL for user_id and attributes
    items : SQL for item_id and attributes; '' for none
    timed : whether first purchases have times
    """

    name: str
    first: str
    users: str
    items: str = ""
    timed: bool = True


_JOURNEY = f"{FOLDER}/complete_journey_sample"
_JOURNEY_FIRST = (
    "SELECT x.user_id, {item} AS item_id, x.ts FROM (SELECT i.*, rank() OVER (PARTITION BY "
    f"i.user_id ORDER BY i.ts::DATE) AS place FROM '{_JOURNEY}/interactions.parquet' AS i "
    f"SEMI JOIN '{_JOURNEY}/users.parquet' AS u ON u.user_id = i.user_id) AS x "
    f"JOIN '{_JOURNEY}/items.parquet' AS t ON t.item_id = x.item_id "
    "WHERE x.place = 1 AND {item} IS NOT NULL"
)
_SMALL_MOVIES = f"{FOLDER}/movielens_100k"
_MOVIES = f"{FOLDER}/movielens_1m"
_COUPONS = f"{FOLDER}/vehicle_coupon_ctr/samples.parquet"
_PERSON = (  # nobody has an id there: who answers alike in everything is one person
    "s.gender, s.age, s.marital_status, s.has_children, s.education, s.occupation, s.income, "
    "s.car, s.bar_visits, s.coffee_house_visits, s.carry_away_visits, "
    "s.restaurant_under_20_visits, s.restaurant_20_50_visits"
)
_RETAIL = f"{FOLDER}/uci_online_retail"

SHOPS = (
    Shop(
        "complete journey, items",
        _JOURNEY_FIRST.format(item="x.item_id"),
        f"FROM '{_JOURNEY}/users.parquet'",
        f"SELECT * EXCLUDE (manufacturer_id, package_size) FROM '{_JOURNEY}/items.parquet'",
    ),
    Shop(
        "complete journey, categories",
        _JOURNEY_FIRST.format(item="t.product_category"),
        f"FROM '{_JOURNEY}/users.parquet'",
        "SELECT t.product_category AS item_id, mode(t.department) AS department, "
        f"FROM '{_JOURNEY}/items.parquet' AS t WHERE t.product_category IS NOT NULL GROUP BY ALL",
    ),
    Shop(
        "movielens_100k, first day",
        "SELECT x.user_id, x.item_id, x.ts FROM (SELECT i.*, min(i.ts) OVER (PARTITION BY "
        f"i.user_id) AS start FROM '{_SMALL_MOVIES}/interactions.parquet' AS i) AS x "
        "WHERE x.ts < x.start + INTERVAL 1 DAY",
        f"FROM '{_SMALL_MOVIES}/users.parquet'",
        f"SELECT i.item_id, i.year, i.genres FROM '{_SMALL_MOVIES}/items.parquet' AS i",
    ),
    Shop(
        "movielens_1m, all that they rated",
        f"SELECT i.user_id, i.item_id, 0 AS ts FROM '{_MOVIES}/interactions.parquet' AS i",
        "SELECT u.user_id, u.gender, u.age_band, u.occupation_name, u.zip FROM "
        f"'{_MOVIES}/users.parquet' AS u",
        f"SELECT i.item_id, i.year, i.genres FROM '{_MOVIES}/items.parquet' AS i",
        timed=False,
    ),
    Shop(
        "coupons, the first accepted",
        f"SELECT hash({_PERSON}) AS user_id, arg_min(s.coupon, s.row_id) AS item_id, 0 AS ts "
        f"FROM '{_COUPONS}' AS s WHERE s.label = 1 GROUP BY ALL",
        f"SELECT DISTINCT hash({_PERSON}) AS user_id, {_PERSON} FROM '{_COUPONS}' AS s",
        timed=False,
    ),
    Shop(
        "uci_online_retail, first invoice",
        "SELECT x.user_id, x.item_id, x.ts FROM (SELECT i.*, rank() OVER (PARTITION BY i.user_id "
        f"ORDER BY i.ts, i.basket_id) AS place FROM '{_RETAIL}/interactions.parquet' AS i WHERE "
        "i.quantity > 0 AND i.event_type = 'purchase' AND i.user_id IS NOT NULL) AS x "
        "WHERE x.place = 1",
        f"SELECT u.user_id, u.country FROM '{_RETAIL}/users.parquet' AS u",
    ),
)


class First(NamedTuple):
    """First baskets of customers, with what is known about customers and items.

    Attributes
    ----------
    events : one basket a customer
    users, items : Features    rows as in the events; None where nothing is known of items
    """

    events: Events
    users: Features
    items: Features | None

    def of(self, users: Array) -> First:
        """Give some of the customers, in the order given."""
        return First(self.events.of_users(users), self.users.of_rows(users), self.items)

    def purchases(self) -> Purchases:
        """Give them to learn from."""
        days, events = self.events.time // MICROSECONDS_PER_DAY, self.events
        sold = ItemDays(events.item, days, np.ones(len(days), dtype=np.int64))
        today = int(days.max(initial=0))
        history = only(events).history
        return Purchases(history, sold, today, 1_000_000, events, self.users, self.items)

    def requests(self) -> Requests:
        """Ask for them as for customers who never bought."""
        nothing = self.events.select(np.zeros(len(self.events.item), dtype=bool))
        new = np.full(self.events.n_users, -1)
        return Requests.of_customers(new, nothing, features=self.users)


def read_shop(shop: Shop) -> First:
    """Read first purchases and attributes; customers and items in order of id."""
    import recsql
    from recsql.database import Session

    con = recsql.connect(config={"threads": 2})
    con.execute(f"CREATE TABLE first AS SELECT DISTINCT * FROM ({shop.first}) AS f")
    con.execute(f"CREATE TABLE customers AS {shop.users}")
    recsql.bind_interactions(con, "first", user_id="user_id", item_id="item_id")
    recsql.bind_users(con, "customers", user_id="user_id")
    rows = con.sql(
        "SELECT dense_rank() OVER (ORDER BY f.user_id) - 1 AS u, dense_rank() OVER (ORDER BY "
        "f.item_id) - 1 AS i, min(f.ts) OVER (PARTITION BY f.user_id) AS t FROM first AS f "
        "ORDER BY u, i"
    ).fetchnumpy()
    n_items, item = int(rows["i"].max()) + 1, rows["i"].astype(np.int32)
    zero = np.zeros(len(item), dtype=np.int32)
    time = rows["t"].astype("datetime64[us]") if shop.timed else zero
    events = Events(
        n_items,
        pointers(np.bincount(rows["u"])),
        item,
        time.astype(np.int64),
        zero,
        zero,
        np.ones(len(item), dtype=np.float32),
    )
    session = Session(con)
    users, encoder = read_features(session, "users", _ids(con, "user_id"))
    print(
        f"  {shop.name}: {events.n_users} customers, {n_items} items, {len(item)} lines, "
        f"{users.n_features} features {encoder.left_out or ''}"
    )
    items = None
    if shop.items:
        con.execute(f"CREATE TABLE products AS {shop.items}")
        recsql.bind_items(con, "products", item_id="item_id")
        items, encoder = read_features(session, "items", _ids(con, "item_id"))
        print(f"    {items.n_features} features of items {encoder.left_out or ''}")
    return First(events, users, items)


def _ids(con: Any, name: str) -> pa.Array:
    table = con.sql(f"SELECT DISTINCT f.{name} FROM first AS f ORDER BY 1").to_arrow_table()
    return table.column(0).combine_chunks()


def cut(first: First, protocol: str, seed: int) -> tuple[First, First]:
    """Give customers to learn from and those to answer.

    'paper': a random 70 and 30 percent of the customers. 'time': the last 30 percent by their
    first purchase are answered from those before them.
    """
    n_users = first.events.n_users
    if protocol == "paper":
        order = np.random.default_rng(seed).permutation(n_users)
        n_test = round(SHARE_TEST * n_users)
        return first.of(np.sort(order[n_test:])), first.of(np.sort(order[:n_test]))
    begun = first.events.time[first.events.user_ptr[:-1]]
    at = np.quantile(begun, 1 - SHARE_TEST)
    return first.of(np.flatnonzero(begun < at)), first.of(np.flatnonzero(begun >= at))


def judge(model: Recommender, hidden: First) -> dict[str, float]:
    """Give hit rates, NDCG (binary gains, the ideal list cut at 10) and the share of items shown.

    Truth is the whole first basket; a hit is any item of it. Lists that have ended count as
    misses.
    """
    found = model.recommend(hidden.requests(), K).item
    events = hidden.events
    width = events.n_items + 1
    truth = events.user.astype(np.int64) * width + events.item
    asked = np.arange(len(found))[:, None] * width + np.where(found < 0, width - 1, found)
    hit = np.isin(asked, truth)
    discount = 1.0 / np.log2(np.arange(K) + 2.0)
    size = np.diff(events.user_ptr)
    ideal = np.cumsum(discount)[np.minimum(size, K) - 1]
    return {
        "HR@1": float(hit[:, 0].mean()),
        "HR@10": float(hit.any(axis=1).mean()),
        "NDCG@10": float(((hit * discount).sum(axis=1) / ideal).mean()),
        "coverage@10": len(np.unique(found[found >= 0])) / events.n_items,
    }
