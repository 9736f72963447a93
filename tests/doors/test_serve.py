"""A server process, asked by DuckDB's own command line."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import shop
from served import ANSWER_SECONDS, CAN_SERVE, WHY_NOT, RefusedError, Served, answers, served

import recsql

pytestmark = [
    pytest.mark.skipif(not CAN_SERVE, reason=WHY_NOT),
    pytest.mark.xdist_group("serve"),
]

TOKEN = "a-token-of-this-test-0123456789"
SLOW = "SELECT count(*) AS n FROM range({n}) AS a(x), range(1000) AS b(y) WHERE (a.x + b.y) % 7 = 3"
CALLS = (
    "SELECT r::VARCHAR AS row FROM recommend_bundle('i01') AS r",
    "SELECT r::VARCHAR AS row FROM recommend_related('i01', k := 3) AS r",
    "SELECT r::VARCHAR AS row FROM recommend_cart(['i01', 'i02']) AS r",
    "SELECT r::VARCHAR AS row FROM popular(days := NULL) AS r",
    "SELECT r::VARCHAR AS row FROM recommend_next(1, k := 5) AS r",
    "SELECT r::VARCHAR AS row FROM recommend_for_you(1) AS r",
    "SELECT r::VARCHAR AS row FROM recommend_repeat(1) AS r",
    "SELECT r::VARCHAR AS row FROM reference_customers(1, 'i01') AS r",
    "SELECT r::VARCHAR AS row FROM explain(1, 'i01') AS r",
    "SELECT trend_score('i01')::VARCHAR AS score, user_transaction_score(1)::VARCHAR AS other",
    "SELECT p.sku, r.rank, r.item_id FROM products AS p, recommend_bundle(p.sku, k := 2) AS r "
    "ORDER BY ALL",
    "SELECT c.id, r.rank, r.item_id FROM customers AS c, recommend_next(c.id, k := 2) AS r "
    "ORDER BY ALL",
    "SELECT l.task, l.algorithm, l.status FROM recsql.leaderboard AS l ORDER BY ALL",
    "SELECT v::VARCHAR AS row FROM recsql.validate() AS v",
)


MARK = "INSERT INTO orders VALUES (-1, 'i01', '2024-06-01', 'mark', 1, 1)"


def busy(running: Served, *queries: str) -> subprocess.Popen[str]:
    """Start a client and wait until it comes to its queries, of which the first takes long."""
    client = running.client(MARK, *queries)
    end = time.monotonic() + ANSWER_SECONDS
    marked = "SELECT count(*) AS n FROM orders WHERE invoice = 'mark'"
    while running.ask(marked) == [[{"n": 0}]]:
        assert time.monotonic() < end, "the client did not begin"
    time.sleep(0.5)
    return client


@pytest.fixture(scope="module")
def bound_template(trained_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained shop with its customers and products bound; copy it, never open it."""
    file = tmp_path_factory.mktemp("bound") / "shop.duckdb"
    file.write_bytes(trained_template.read_bytes())
    with recsql.connect(str(file)) as con:
        recsql.bind_users(con, "customers", user_id="id", attributes=["country"])
        recsql.bind_items(con, "products", item_id="sku", title="label")
        recsql.train(con)
    return file


@pytest.fixture(scope="module")
def server(bound_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that the tests of this file share; they leave its data as they are."""
    file = tmp_path_factory.mktemp("served") / "shop.duckdb"
    file.write_bytes(bound_template.read_bytes())
    with served(file) as running:
        yield running


def test_every_kind_of_function_answers_as_in_process(
    server: Served, bound_template: Path, tmp_path: Path
) -> None:
    file = tmp_path / "same.duckdb"
    file.write_bytes(bound_template.read_bytes())
    with recsql.connect(str(file)) as con:
        expected = []
        for call in CALLS:
            found = con.execute(call)
            names = [column[0] for column in found.description]
            expected.append([dict(zip(names, row, strict=True)) for row in found.fetchall()])
    assert all(expected)
    assert server.ask(*CALLS) == expected


def test_a_wrong_token_and_no_token_are_refused(server: Served) -> None:
    with pytest.raises(RefusedError, match="Authentication failed"):
        server.ask("SELECT 1", token="x" * 32)
    with pytest.raises(RefusedError, match="token"):
        server.ask("SELECT 1", token="")
    assert server.ask("SELECT 1 AS one") == [[{"one": 1}]]


def test_a_purchase_that_a_client_inserts_is_counted_after_a_refresh(trained_file: Path) -> None:
    with served(trained_file) as running:
        inserted, refreshed, counted = running.ask(
            "INSERT INTO orders VALUES (777, 'i01', '2024-06-01', 'new', 1, 1)",
            "CALL recsql.refresh()",
            "SELECT u.transactions FROM recsql.user_scores AS u WHERE u.user_id = 777",
        )
        assert inserted == [{"Count": 1}]
        assert "changed only" in refreshed[0].values()
        assert counted == [{"transactions": 1}]
        assert running.stop() == 0
    with recsql.connect(str(trained_file)) as con:
        assert con.execute("SELECT count(*) FROM orders WHERE customer = 777").fetchall() == [(1,)]


def test_statements_train_over_the_wire(trained_file: Path) -> None:
    with served(trained_file) as running:
        runs = "SELECT count(*) AS n FROM recsql.runs"
        before, board, after = running.ask(runs, "CALL recsql.train(task := 'popular')", runs)
        assert {row["task"] for row in board} == {"popular"}
        assert after[0]["n"] == before[0]["n"] + 1


def test_a_read_only_server_answers_and_changes_nothing(trained_file: Path) -> None:
    before = trained_file.read_bytes()
    with served(trained_file, "--read-only") as running:
        assert running.ready["read_only"] is True
        assert running.ask("FROM recommend_next(1, k := 2)")[0]
        for change in (
            "DELETE FROM orders",
            "CREATE TABLE mine AS SELECT 1",
            "CALL recsql.train()",
        ):
            with pytest.raises(RefusedError, match=r"read-only|open for writing"):
                running.ask(change)
        assert running.stop() == 0
    assert trained_file.read_bytes() == before


def test_the_token_comes_from_a_file_or_the_environment_and_is_told_to_nobody(
    trained_file: Path,
) -> None:
    secret = trained_file.parent / "token"
    secret.write_text(f"{TOKEN}\n")
    with served(trained_file, token=TOKEN) as running:
        assert running.ready["token"] is None
        assert running.ask("SELECT 1 AS one") == [[{"one": 1}]]
        command = Path(f"/proc/{running.process.pid}/cmdline")
        assert not command.exists() or TOKEN not in command.read_text()
    with served(trained_file, "--token-file", str(secret), token="another-0123456789") as running:
        running.token = TOKEN
        assert running.ask("SELECT 1 AS one") == [[{"one": 1}]]


def test_the_log_has_a_line_for_each_query_and_never_the_token(trained_file: Path) -> None:
    log = trained_file.parent / "queries.log"
    with served(trained_file, "--log", str(log)) as running:
        running.ask("FROM recommend_bundle('i01', k := 3)")
        running.ask(SLOW.format(n=20_000))
        running.ask(f"SELECT '{running.token}' AS told")
        with pytest.raises(RefusedError):
            running.ask("FROM nowhere")
        with pytest.raises(RefusedError):
            running.ask("ATTACH ':memory:' AS recsql")
        with pytest.raises(RefusedError):
            running.ask("SELECT 1", token="y" * 32)
        token = running.token
        assert running.stop() == 0
    text = log.read_text()
    lines = [re.split(r"  +", line) for line in text.splitlines()]
    told = {line[3]: line for line in lines}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", lines[0][0])
    assert re.fullmatch(r"[0-9A-F]{8}", told["FROM recommend_bundle('i01', k := 3)"][2])
    assert int(told[SLOW.format(n=20_000)][1].removesuffix(" ms")) > 0
    assert told["FROM nowhere"][4].startswith("failed: Catalog Error: Table with name nowhere")
    assert told["ATTACH ':memory:' AS recsql"][4] == "refused: the statement must not be ATTACH"
    assert "failed: Authentication failed" in text or "Authentication failed" in text
    assert "SELECT '***' AS told" in told
    assert token not in text
    assert len([line for line in lines if line[3] == "FROM nowhere"]) == 1


def test_a_stop_lets_a_query_end_and_leaves_a_file_without_a_log(trained_file: Path) -> None:
    with served(trained_file, "--grace", "110") as running:
        client = busy(running, SLOW.format(n=1_000_000))
        assert running.stop(signal.SIGINT) == 0
        assert answers(client)[1][0]["n"] > 0
    assert not trained_file.with_name("shop.duckdb.wal").exists()


def test_a_query_beyond_the_grace_is_cut_off(trained_file: Path) -> None:
    with served(trained_file, "--grace", "0.5") as running:
        client = busy(running, SLOW.format(n=500_000_000))
        assert running.stop() == 0
        with pytest.raises(RefusedError):
            answers(client)
        assert "1 query that was still running cut off" in running.errors.read_text()
    with recsql.connect(str(trained_file)) as con:
        assert con.execute("FROM recommend_bundle('i01')").fetchall()


def test_a_server_goes_on_when_a_client_is_killed_in_its_query(trained_file: Path) -> None:
    with served(trained_file, "--grace", "110") as running:
        client = busy(running, SLOW.format(n=1_000_000))
        client.kill()
        client.communicate()
        assert running.ask("FROM recommend_next(1, k := 2)")[0]
        reader = running.client("FROM range(30000000)")
        assert reader.stdout is not None
        reader.stdout.read(10)
        reader.kill()
        reader.communicate()
        assert running.ask("FROM recommend_next(1, k := 2)")[0]
        assert running.stop() == 0


def test_shop_tasks_are_all_served(server: Served) -> None:
    (rows,) = server.ask(
        "SELECT DISTINCT m.task FROM recsql.models AS m WHERE m.status = 'incumbent' ORDER BY 1"
    )
    assert tuple(row["task"] for row in rows) == shop.TASKS
