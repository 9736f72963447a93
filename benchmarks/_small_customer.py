"""A small customer of a CRM, made from the bundled sample: the size of the paper's table 2.

235 customers of whom 183 bought once, 64 items, 657 transactions (here baskets, of several items
each), 108 attributes of customers. Every choice follows a hash of the ids, so that each run has the
same. The attributes count what else the same customers bought, never the 64 items.
"""

from __future__ import annotations

from typing import Any

N_ITEMS = 64
N_ONCE = 183
N_OFTEN = 52
N_BASKETS = 657
_EACH, _MORE = divmod(N_BASKETS - N_ONCE, N_OFTEN)  # 9 baskets each, 6 customers have one more

_GOODS = """
CREATE TEMP TABLE goods AS
SELECT o.*
FROM read_parquet('{interactions}') AS o
WHERE o.event_type = 'purchase' AND o.quantity > 0 AND o.user_id IS NOT NULL
    AND regexp_matches(o.item_id, '^[0-9]{{5}}')
"""
_PRODUCTS = f"""
CREATE TABLE products AS
SELECT i.*
FROM read_parquet('{{items}}') AS i
WHERE i.item_id IN (
    SELECT g.item_id FROM goods AS g GROUP BY g.item_id
    ORDER BY count(DISTINCT g.user_id) DESC, g.item_id LIMIT {N_ITEMS}
)
"""
_ORDERS = f"""
CREATE TABLE orders AS
WITH line AS (
    SELECT g.*, dense_rank() OVER (PARTITION BY g.user_id ORDER BY g.basket_id) AS place
    FROM goods AS g SEMI JOIN products AS p ON p.item_id = g.item_id
),
customer AS (
    SELECT l.user_id, max(l.place) AS baskets
    FROM line AS l
    GROUP BY l.user_id
),
chosen AS (
    SELECT c.user_id, c.baskets = 1 AS once, row_number() OVER (
        PARTITION BY c.baskets = 1 ORDER BY md5(c.user_id::VARCHAR), c.user_id) AS place
    FROM customer AS c
    WHERE c.baskets = 1 OR c.baskets > {_EACH}
)
SELECT l.* EXCLUDE (place)
FROM line AS l JOIN chosen AS c ON c.user_id = l.user_id
WHERE (c.once AND c.place <= {N_ONCE})
    OR (NOT c.once AND c.place <= {N_OFTEN} AND l.place <= {_EACH} + (c.place <= {_MORE})::INTEGER)
ORDER BY l.ts, l.basket_id, l.item_id
"""
_SHARES = (  # (what of a line, how many of its values, the most frequent first)
    ("hour", "hour(e.ts)", 15),
    ("weekday", "dayname(e.ts)", 6),
    ("month", "strftime(e.ts, '%Y_%m')", 13),
    ("range", "left(e.item_id, 3)", 71),
)


def make(con: Any) -> None:
    """Create the tables orders, products and customers."""
    from recsql.data.sample import SAMPLE_NAMES, sample_path

    paths = {name: str(sample_path(name)).replace("'", "''") for name in SAMPLE_NAMES}
    for statement in (_GOODS, _PRODUCTS, _ORDERS):
        con.execute(statement.format(**paths))
    con.execute(
        "CREATE TEMP TABLE elsewhere AS SELECT g.* FROM goods AS g "
        "ANTI JOIN products AS p ON p.item_id = g.item_id "
        "SEMI JOIN orders AS o ON o.user_id = g.user_id"
    )
    columns = [f"coalesce(avg(({text} = {value})::INTEGER), 0) AS {name}"
               for name, text, value in _values(con)]  # fmt: skip
    con.execute(
        "CREATE TABLE customers AS SELECT u.user_id, u.country, u.n_countries, "
        "coalesce(sum(e.quantity * e.price::DECIMAL(12, 2)), 0) AS spent_elsewhere, "
        f"count(DISTINCT e.basket_id) AS baskets_elsewhere, {', '.join(columns)} "
        f"FROM read_parquet('{paths['users']}') AS u SEMI JOIN orders AS o USING (user_id) "
        "LEFT JOIN elsewhere AS e ON e.user_id = u.user_id "
        "GROUP BY u.user_id, u.country, u.n_countries ORDER BY u.user_id"
    )
    for name in ("elsewhere", "goods"):
        con.execute(f"DROP TABLE {name}")


def _values(con: Any) -> list[tuple[str, str, str]]:
    """Give (attribute, what of a line, literal of the value whose share it is)."""
    found = []
    for name, text, n in _SHARES:
        rows = con.execute(
            f"SELECT ({text})::VARCHAR FROM elsewhere AS e GROUP BY ALL "
            f"ORDER BY count(*) DESC, 1 LIMIT {n}"
        ).fetchall()
        found += [(f"{name}_{value}".lower(), f"({text})::VARCHAR", f"'{value}'")
                  for (value,) in sorted(rows)]  # fmt: skip
    return found
