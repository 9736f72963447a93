"""What is left when things go wrong: the answers of before, and a file that opens."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
import shop
from processes import run

import recsql

Con = duckdb.DuckDBPyConnection
KILLS = 100 if os.environ.get("RECSQL_FULL_TESTS") else 15

EXTRA = (
    "INSERT INTO orders SELECT o.* REPLACE ('z' || o.invoice AS invoice, 'i00' AS sku) "
    "FROM orders AS o WHERE o.qty = 1"
)


def answers(path: Path) -> tuple[Any, ...]:
    """Open the file as a user would; give every stored row and what a function answers."""
    con = recsql.connect(str(path))
    found = (shop.stored(con), con.execute("FROM recommend_bundle('i01')").fetchall())
    con.close()
    return found


# The process dies

KILL_MANY = """
import json, os, random, shutil, signal, time
import duckdb, recsql, shop
from recsql.serving import instances

template, folder, kills, extra = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]

def answers(path):
    con = recsql.connect(path)
    found = shop.stored(con), con.execute("FROM recommend_bundle('i01')").fetchall()
    con.close()
    return found

def turn(con, number):
    if number % 2 == 0:
        con.execute(extra)
    else:
        con.execute("DELETE FROM orders WHERE invoice LIKE 'z%'")
    call = "train()" if number % 4 < 2 else "refresh()"
    con.execute(f"CALL recsql.{call}").fetchall()

def turns(path, ready, first):
    con = recsql.connect(path)
    os.write(ready, b"x")
    for number in range(first, 1000):
        turn(con, number)

# The states after the turns are all that may ever be seen. Which model serves depends on the one
# that served before, so both beginnings are played through.
known = {"before": answers(template)}
started = time.perf_counter()
for first in (0, 2):
    example = os.path.join(folder, f"example{first}.duckdb")
    shutil.copy(template, example)
    for number in range(first, first + 6):
        con = recsql.connect(example)
        turn(con, number)
        con.close()
        known[f"turn {number} from {first}"] = answers(example)
duration = (time.perf_counter() - started) / 3
assert known["before"] != known["turn 0 from 0"]
chance = random.Random(4)
seen = dict.fromkeys(known, 0)
wrong = []
for kill in range(kills):
    path = os.path.join(folder, f"kill{kill}.duckdb")
    shutil.copy(template, path)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        turns(path, writing, 2 * (kill % 2))  # half of them begin with a refresh
        os._exit(0)
    os.close(writing)
    assert os.read(reading, 1) == b'x'
    os.close(reading)
    time.sleep(chance.random() * duration / 2)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    try:
        found = answers(path)
    except Exception as error:
        wrong.append(f"{kill}: {error!r}")
        continue
    which = next((name for name, state in known.items() if state == found), None)
    if which is None:
        wrong.append(f"{kill}: mixed")
    else:
        seen[which] += 1
    if kill % 5 == 0:
        con = recsql.connect(path)
        con.execute("CALL recsql.refresh()").fetchall()  # and it goes on
        con.close()
    for file in (path, path + ".wal"):
        if os.path.exists(file):
            os.remove(file)
print(json.dumps([seen, wrong]))
"""


def test_a_process_killed_while_it_trains_or_refreshes_leaves_the_answers_before_or_after(
    trained_template: Path, tmp_path: Path
) -> None:
    printed = run(
        tmp_path, KILL_MANY, trained_template, tmp_path, KILLS, EXTRA, seconds=60 + 8 * KILLS
    )
    seen, wrong = json.loads(printed.splitlines()[-1])
    assert wrong == []
    assert sum(seen.values()) == KILLS
    assert seen["before"] > 0
    assert seen["before"] < KILLS


# The disk is full, or may not be written

FULL_DISK = """
import resource, signal
import duckdb, recsql, shop
path, room, extra = sys.argv[1], int(sys.argv[2]), sys.argv[3]
con = recsql.connect(path)
before = shop.stored(con)
con.execute(extra)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
try:
    con.execute("CALL recsql.train()")
except duckdb.Error as error:
    print("File too large" in str(error))
print(shop.stored(con) == before)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(con.execute("CALL recsql.refresh()").fetchall()[0][0])
con.close()
"""


@pytest.mark.parametrize("room", [20_000, 60_000])
def test_a_full_disk_leaves_the_old_answers_and_room_lets_it_go_on(
    trained_file: Path, room: int
) -> None:
    printed = run(trained_file.parent, FULL_DISK, trained_file, room, EXTRA)
    assert printed.split("\n")[:3] == ["True", "True", "changed only"]


def test_a_full_disk_leaves_the_old_answers_after_a_reopen(trained_file: Path) -> None:
    before = answers(trained_file)
    script = FULL_DISK.split("resource.setrlimit(resource.RLIMIT_FSIZE, (resource")[0]
    printed = run(
        trained_file.parent, script + "import os; os._exit(0)", trained_file, 20_000, EXTRA
    )
    assert answers(trained_file) == before
    assert "False" not in printed


AS_NOBODY = """
import os
import duckdb, recsql, shop
path = sys.argv[1]
con = recsql.connect()  # everything is imported before the rights go
shop.fill(con, baskets=20)
shop.bind(con)
con.execute("CALL recsql.train()").fetchall()
con.close()
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
"""


@pytest.fixture
def open_folder(trained_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder that anyone may enter, with the trained shop in it."""
    folder = Path(f"/tmp/recsql_{os.getpid()}_{tmp_path_factory.getbasetemp().name}")
    folder.mkdir(exist_ok=True)
    shutil.copy(trained_file, folder / "shop.duckdb")
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_file_that_may_only_be_read_is_refused_and_answers_when_opened_read_only(
    open_folder: Path, tmp_path: Path
) -> None:
    file = open_folder / "shop.duckdb"
    file.chmod(0o444)
    open_folder.chmod(0o555)
    script = """
try:
    recsql.connect(path)
except duckdb.IOException as error:
    print("Permission denied" in str(error))
con = recsql.connect(path, read_only=True)
print(len(con.execute("FROM recommend_bundle('i01')").fetchall()) > 0)
try:
    con.execute("CALL recsql.train()")
except duckdb.InvalidInputException as error:
    print("must be open for writing, got a read-only one" in str(error))
con.close()
"""
    assert run(tmp_path, AS_NOBODY + script, file).split() == ["True"] * 3


def test_a_folder_that_may_only_be_read_leaves_the_old_answers(
    open_folder: Path, tmp_path: Path
) -> None:
    file = open_folder / "shop.duckdb"
    before = answers(file)
    file.chmod(0o666)
    open_folder.chmod(0o555)  # the log of what is written cannot be created
    script = """
con = recsql.connect(path)
before = con.execute("FROM recommend_bundle('i01')").fetchall()
try:
    con.execute("CALL recsql.train()")
except duckdb.Error as error:
    print("Permission denied" in str(error))
print(con.execute("FROM recommend_bundle('i01')").fetchall() == before)
os._exit(0)
"""
    assert run(tmp_path, AS_NOBODY + script, file).split() == ["True"] * 2
    open_folder.chmod(0o755)
    assert answers(file) == before


# Something in the middle of a training fails


def test_an_error_while_the_answers_are_written_leaves_the_old_ones(
    trained: Con, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shop.stored(trained)
    rows = trained.execute("FROM recsql.models ORDER BY ALL").fetchall()
    trained.execute(EXTRA)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("pulled the plug")

    monkeypatch.setattr("recsql.selection.rebuild.insert_run", fail)
    with pytest.raises(RuntimeError, match="pulled the plug"):
        recsql.train(trained)
    with pytest.raises(duckdb.InvalidInputException, match="pulled the plug"):
        trained.execute("CALL recsql.train()")
    assert shop.stored(trained) == before
    assert trained.execute("FROM recsql.models ORDER BY ALL").fetchall() == rows
    monkeypatch.undo()
    recsql.train(trained)
    assert shop.stored(trained) != before


def test_an_interrupted_training_leaves_the_old_answers_and_frees_the_lock(
    trained: Con, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shop.stored(trained)
    trained.execute(EXTRA)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("recsql.selection.rebuild.write_scores", interrupt)
    with pytest.raises(KeyboardInterrupt):
        recsql.train(trained)
    monkeypatch.undo()
    assert shop.stored(trained) == before
    assert recsql.refresh(trained).rows[0][0] == "changed only"


def test_the_reason_of_a_failed_write_is_not_hidden_by_the_rollback(
    trained: Con, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed statement ends the transaction, and cleaning up in it must not fail louder."""
    from recsql.database import Session

    session = Session(trained.cursor())
    import pyarrow as pa

    with (
        pytest.raises(duckdb.ConversionException, match="'tea'"),
        session.transaction(),
        session.loaded(_recsql_rows=pa.table({"a": ["tea"]})),
    ):
        session.execute("SELECT a::INTEGER FROM _recsql_rows")
    assert session.rows("SELECT 1") == [(1,)]


# Small and odd shops


@pytest.mark.parametrize(
    "rows",
    [
        [(1, "a", "n1")],
        [(1, "a", "n1"), (1, "b", "n1")],
        [(None, "a", "n1"), (None, "b", "n1")],
        [(None, "a", None)],
        [(1, "a", "n1")] * 50,
        [(1, f"i{n}", f"n{n}") for n in range(50)],
        [(n, "a", f"n{n}") for n in range(50)],
    ],
    ids=["one row", "one basket", "one anonymous basket", "one row of nobody", "duplicates",
         "one customer", "one item"],
)  # fmt: skip
@pytest.mark.parametrize("dated", [True, False], ids=["dated", "undated"])
def test_a_shop_of_hardly_anything_is_trained_answered_and_refreshed(
    con: Con, rows: list[Any], dated: bool
) -> None:
    con.execute("CREATE TABLE t (customer INTEGER, sku VARCHAR, basket VARCHAR, bought_at DATE)")
    con.executemany(
        "INSERT INTO t VALUES (?, ?, ?, ?)",
        [[*row, f"2024-01-{1 + n % 28:02}" if dated else None] for n, row in enumerate(rows)],
    )
    arguments = {"ts": "bought_at"} if dated else {}
    recsql.bind_interactions(
        con, "t", user_id="customer", item_id="sku", basket_id="basket", **arguments
    )
    ids = {row[1] for row in rows}
    assert con.execute("CALL recsql.train()").fetchall() != []
    popular = con.execute("FROM popular(k := 100, days := NULL)").fetchall()
    assert {row[1] for row in popular} == ids
    for function in ("recommend_bundle", "recommend_related"):
        found = con.execute(f"FROM {function}('{rows[0][1]}')").fetchall()
        assert {row[1] for row in found} <= ids
    recsql.bind_users(con, "t", user_id="customer", attributes=["basket"])
    for call in ("recommend_cart([$1])", "reference_customers(2, $1)", "explain(1, $1)"):
        con.execute(f"FROM {call}", [rows[0][1]]).fetchall()
    if dated:
        assert {row[1] for row in con.execute("FROM trending()").fetchall()} <= ids
    else:
        with pytest.raises(duckdb.Error, match="got none: there are no dates: bind ts"):
            con.execute("FROM trending()")
    for score in ("product_transaction_score", "product_choice_score", "impact_score"):
        finite = f"SELECT coalesce(isfinite({score}(t.sku)), t.customer IS NULL) FROM t"
        assert set(con.execute(finite).fetchall()) == {(True,)}
    con.execute("DELETE FROM t WHERE sku <> 'a'")
    assert con.execute("CALL recsql.refresh()").fetchall() != []
    assert con.execute("SELECT count(*) FROM recommend_bundle('a')").fetchall() == [(0,)]


@pytest.mark.parametrize(
    "column", ["user_id", "ts", "event", "quantity", "value", "rating", "basket_id", "session_id"]
)
def test_a_bound_column_of_nothing_but_null_counts_as_one_that_is_not_bound(
    con: Con, column: str
) -> None:
    kinds = {"ts": "DATE", "quantity": "INTEGER", "value": "DOUBLE", "rating": "DOUBLE"}
    con.execute(
        f"CREATE TABLE t AS SELECT ['a', 'b'][1 + r % 2] AS sku, r // 2 AS basket, r % 3 AS who, "
        f"NULL::{kinds.get(column, 'VARCHAR')} AS missing FROM range(12) AS n(r)"
    )
    found = []
    for extra in ({}, {column: "missing"}):
        arguments = {"user_id": "who", "basket_id": "basket"} | dict.fromkeys([column]) | extra
        recsql.bind_interactions(con, "t", item_id="sku", **arguments)
        con.execute("CALL recsql.train()").fetchall()
        con.execute("INSERT INTO t BY NAME SELECT 'a' AS sku, 1 AS who, 100 AS basket")
        assert con.execute("CALL recsql.refresh()").fetchall() != []
        con.execute("DELETE FROM t WHERE basket = 100")
        con.execute("CALL recsql.refresh()").fetchall()
        again = con.execute("CALL recsql.refresh()").fetchall()
        assert again[0][0] == "nothing changed"
        calls = ("recommend_bundle('a')", "recommend_related('a')", "popular(days := NULL)")
        found.append([con.execute(f"FROM {call}").fetchall() for call in calls])
    assert found[0] == found[1]
    assert [row[1:4:2] for row in found[0][2]] == [("a", 6), ("b", 6)]


def test_customers_and_items_may_share_ids_and_names_with_anything(con: Con) -> None:
    ids = [
        "",
        " ",
        "O'Brien",
        'x"y',
        "🛒",
        "é" * 500,
        "NULL",
        "--",
        "/*",
        "%s",
        "$1",
        "{{x}}",
        "\\",
    ]
    con.execute("CREATE TABLE t (customer VARCHAR, sku VARCHAR, basket VARCHAR)")
    con.executemany(
        "INSERT INTO t VALUES (?, ?, ?)", [[who, item, who] for who in ids for item in ids]
    )
    recsql.bind_interactions(con, "t", user_id="customer", item_id="sku", basket_id="basket")
    con.execute("CALL recsql.train()").fetchall()
    for item in ids:
        rows = con.execute("SELECT b.item_id FROM recommend_bundle(?, k := 50) AS b", [item])
        assert {other for (other,) in rows.fetchall()} == set(ids) - {item}
    assert con.execute("SELECT user_transaction_score(?) > 0", ["O'Brien"]).fetchall() == [(True,)]
