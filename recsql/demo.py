"""The demonstration: a retailer's raw orders become recommendations, one SQL statement a step."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb

from recsql.data.sample import SAMPLE_NAMES, sample_path


@dataclass(frozen=True)
class Step:
    """One statement of the story.

    Attributes
    ----------
    text : what the statement does; ``{name}`` stands for a value that an earlier step picked
    sql : the statement; ``{name}`` likewise
    chapter : opens a chapter; '' continues the one before
    picks : column of the first row by the name under which later steps use it
    shown : columns that the table shows; None: all
    listed : a name and a text that stand as paragraphs below the table
    grouped : show a value of the first column once for the rows that repeat it
    """

    text: str
    sql: str
    chapter: str = ""
    picks: Mapping[str, str] = field(default_factory=dict)
    shown: tuple[str, ...] | None = None
    listed: tuple[str, str] | None = None
    grouped: bool = False


@dataclass(frozen=True)
class Told:
    """A step that ran: its texts with the values filled in, and its rows."""

    step: Step
    text: str
    sql: str
    columns: list[str]
    rows: list[tuple[Any, ...]]
    seconds: float


STORY = (
    Step(
        "Order lines of a year, as they lie in the shop's own database.",
        """
        CREATE TABLE orders AS
        SELECT user_id AS customer_id, item_id AS sku, ts AS ordered_at, event_type,
            basket_id AS invoice, quantity, price
        FROM read_parquet({interactions});
        """,
        chapter="A retailer's tables",
    ),
    Step(
        "Its products.",
        """
        CREATE TABLE products AS
        SELECT item_id AS sku, title AS name, median_price AS price
        FROM read_parquet({items});
        """,
    ),
    Step(
        "Its customers: where they are, since when they buy, what they spent.",
        """
        CREATE TABLE customers AS
        SELECT u.user_id AS customer_id, u.country, strftime(min(o.ordered_at), '%Y-%m') AS since,
            round(sum(o.quantity * o.price::DECIMAL(12, 2)))::BIGINT AS spent
        FROM read_parquet({users}) AS u
        JOIN orders AS o ON o.customer_id = u.user_id
        GROUP BY u.user_id, u.country;
        """,
    ),
    Step(
        "Say which column is what. Nothing is copied, and a column may be an expression.",
        """
        CALL recsql.bind_interactions('orders', user_id := 'customer_id', item_id := 'sku',
            ts := 'ordered_at', basket_id := 'invoice', quantity := 'quantity',
            value := 'quantity * price', filter := $$event_type <> 'adjust'$$,
            net_returns := true);
        """,
        chapter="Bind",
    ),
    Step(
        "Postage, fees, vouchers and stock corrections are no goods: never recommend them.",
        """
        CALL recsql.bind_items('products', item_id := 'sku', title := 'name',
            available := $$name IS NOT NULL AND regexp_matches(sku, '^([0-9]{{5}}|DCGS)')
                AND NOT regexp_matches(name, 'Voucher|Carriage|CHARGE$|adjust')$$);
        """,
    ),
    Step(
        "What is known about customers finds those who are alike.",
        "CALL recsql.bind_users('customers', user_id := 'customer_id');",
    ),
    Step(
        "What is worth knowing before training; for warnings with the remedy, ready to paste.",
        "CALL recsql.validate();",
        chapter="Validate",
        shown=("check_name", "severity", "rows_affected", "share", "example"),
        listed=("check_name", "advice"),
    ),
    Step(
        "Every model of every task competes on orders it has not seen; the best is promoted.",
        "CALL recsql.train();",
        chapter="Train",
        shown=(),
    ),
    Step(
        "How they fared: the score on a validation part decides, the others are of a test part.",
        """
        SELECT l.task, l.algorithm AS model,
            concat_ws(' ', l.params ->> 'weighting',
                (l.params ->> 'half_life_days')::DOUBLE::INTEGER || 'd',
                (l.params ->> 'days')::DOUBLE::INTEGER || 'd') AS setting,
            l.status,
            round(l.score, 3) AS score,
            round(max(l.value) FILTER (l.metric = 'ndcg'), 3) AS ndcg,
            round(max(l.value) FILTER (l.metric = 'recall'), 3) AS recall,
            round(max(l.value) FILTER (l.metric = 'coverage'), 2) AS cover,
            round(max(l.value) FILTER (l.metric = 'interval_mae'), 1) AS days_off,
            round(l.train_seconds, 2) AS secs
        FROM recsql.leaderboard AS l
        WHERE l.part = 'test'
        GROUP BY l.task, l.model_id, l.algorithm, l.params, l.status, l.score, l.score_rank,
            l.train_seconds
        ORDER BY l.task, l.score_rank, l.model_id;
        """,
        grouped=True,
    ),
    Step(
        "What goes into the same basket as the five best sellers.",
        """
        SELECT s.name AS best_seller, b.rank, p.name AS bought_with_it, round(b.score, 3) AS score,
            b.support AS baskets
        FROM popular(k := 5, days := 365) AS best
        CROSS JOIN LATERAL recommend_bundle(best.item_id, k := 5) AS b
        JOIN products AS s ON s.sku = best.item_id
        JOIN products AS p ON p.sku = b.item_id
        ORDER BY best.rank, b.rank;
        """,
        chapter="Recommend",
        grouped=True,
    ),
    Step(
        "What the same customers buy, whenever they buy it.",
        """
        SELECT s.name AS best_seller, r.rank, p.name AS also_bought, round(r.score, 3) AS score,
            r.support AS customers
        FROM popular(k := 5, days := 365) AS best
        CROSS JOIN LATERAL recommend_related(best.item_id, k := 5) AS r
        JOIN products AS s ON s.sku = best.item_id
        JOIN products AS p ON p.sku = r.item_id
        ORDER BY best.rank, r.rank;
        """,
        grouped=True,
    ),
    Step(
        "What sells furthest above its own usual level.",
        """
        SELECT t.rank, p.name AS product, t.score, t.z_score, t.acceleration
        FROM trending(k := 10) AS t
        JOIN products AS p ON p.sku = t.item_id
        ORDER BY t.rank;
        """,
    ),
    Step(
        "The newest small order of a customer who buys often.",
        """
        SELECT o.customer_id, o.invoice, max(o.ordered_at) AS ordered_at,
            list(p.name ORDER BY p.name) AS cart
        FROM orders AS o
        JOIN products AS p ON p.sku = o.sku
        WHERE o.quantity > 0 AND o.customer_id IN (SELECT h.customer_id FROM orders AS h
            GROUP BY h.customer_id HAVING count(DISTINCT h.invoice) >= 5)
        GROUP BY o.customer_id, o.invoice
        HAVING count(*) BETWEEN 2 AND 4
        ORDER BY max(o.ordered_at) DESC, o.invoice
        LIMIT 1;
        """,
        chapter="One customer",
        picks={"customer": "customer_id", "invoice": "invoice"},
    ),
    Step(
        "What to offer with it that this customer never bought.",
        """
        SELECT r.item_id AS sku, p.name AS product, round(r.score, 3) AS score,
            r.support AS customers
        FROM recommend_cart((SELECT list(o.sku) FROM orders AS o WHERE o.invoice = '{invoice}'),
            k := 50, task := 'related') AS r
        JOIN products AS p ON p.sku = r.item_id
        WHERE r.item_id NOT IN (SELECT o.sku FROM orders AS o WHERE o.customer_id = {customer})
        ORDER BY r.rank
        LIMIT 3;
        """,
        picks={"sku": "sku", "product": "product"},
    ),
    Step(
        "Why {product}? The customer's own purchases that speak for it most.",
        """
        SELECT e.kind, e.detail, round(e.contribution, 5) AS contribution
        FROM explain({customer}, '{sku}') AS e
        ORDER BY e.rank
        LIMIT 3;
        """,
    ),
    Step(
        "Who is like this customer and bought it: names for the sales talk.",
        """
        SELECT r.rank, r.user_id, round(r.match_score, 2) AS score, r.matches,
            r.attributes['spent'] AS spent, r.bought_at
        FROM reference_customers({customer}, '{sku}', k := 5) AS r
        ORDER BY r.rank;
        """,
    ),
    Step(
        "How much the customer and the product matter, and what is lost by not offering it.",
        """
        SELECT user_transaction_score({customer}) AS customer,
            product_transaction_score('{sku}') AS product,
            product_choice_score('{sku}') AS choice,
            trend_score('{sku}') AS trend,
            impact_score('{sku}') AS impact;
        """,
    ),
    Step(
        "What this customer will most likely buy next, from all they bought so far.",
        """
        SELECT r.rank, p.name AS product, round(r.score, 4) AS score, r.model
        FROM recommend_next({customer}, k := 5) AS r
        JOIN products AS p ON p.sku = r.item_id
        ORDER BY r.rank;
        """,
    ),
    Step(
        "What they will buy again, and when.",
        """
        SELECT r.rank, p.name AS product, r.due_on, r.due_low, r.due_high,
            round(r.probability, 2) AS probability
        FROM recommend_repeat({customer}, k := 3) AS r
        JOIN products AS p ON p.sku = r.item_id
        ORDER BY r.rank;
        """,
    ),
    Step(
        "What to show somebody from France who has never bought anything.",
        """
        SELECT r.rank, p.name AS product, r.model
        FROM recommend_first_for({{'country': 'France'}}, k := 3) AS r
        JOIN products AS p ON p.sku = r.item_id
        ORDER BY r.rank;
        """,
    ),
    Step(
        "Keep the present answer, to see what a new order changes.",
        """
        CREATE TEMP TABLE before AS
        FROM recommend_bundle('{sku}', k := 50);
        """,
        chapter="Live",
    ),
    Step(
        "The customer takes it, and with it the three that go best with it.",
        """
        INSERT INTO orders
        SELECT {customer}, line.sku, last.ts + INTERVAL 1 MINUTE, 'purchase', 'new order', 1,
            line.price
        FROM products AS line, (SELECT max(o.ordered_at) AS ts FROM orders AS o) AS last
        WHERE line.sku = '{sku}'
            OR line.sku IN (SELECT b.item_id FROM before AS b WHERE b.rank <= 3);
        """,
    ),
    Step(
        "At once, without training or refreshing: what they will buy next now.",
        """
        SELECT r.rank, p.name AS product, round(r.score, 4) AS score, r.model
        FROM recommend_next({customer}, k := 5) AS r
        JOIN products AS p ON p.sku = r.item_id
        ORDER BY r.rank;
        """,
    ),
    Step(
        "Bring the stored answers up to date: equal to a full rebuild, from what changed alone.",
        "CALL recsql.refresh();",
    ),
    Step(
        "What changed for {product}.",
        """
        SELECT p.name AS bought_with_it, b.support AS baskets_before, a.support AS baskets,
            round(b.score, 5) AS score_before, round(a.score, 5) AS score
        FROM recommend_bundle('{sku}', k := 50) AS a
        JOIN before AS b ON b.item_id = a.item_id
        JOIN products AS p ON p.sku = a.item_id
        WHERE a.support <> b.support
        ORDER BY a.rank;
        """,
    ),
)


def tell(con: duckdb.DuckDBPyConnection) -> Iterator[Told]:
    """Run the story on an empty database, one step at a time.

    What a step shows comes from its SQL alone; values that later statements name are taken from
    the rows of earlier ones, so that each can be pasted.
    """
    values = {name: _text(str(sample_path(name))) for name in SAMPLE_NAMES}
    for step in STORY:
        sql = textwrap.dedent(step.sql).strip().format_map(values)
        started = time.perf_counter()
        con.execute(sql)
        columns = [column[0] for column in con.description or ()]
        rows = con.fetchall()
        seconds = time.perf_counter() - started
        for name, column in step.picks.items():
            values[name] = str(rows[0][columns.index(column)])
        yield Told(step, step.text.format_map(values), sql, columns, rows, seconds)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
