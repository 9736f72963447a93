"""SQLAlchemy: engines answer recsql, whatever the pool; transactions, reflection and constructs."""

from __future__ import annotations

import builtins
import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import shop
import sqlalchemy as sa
from processes import in_threads, run
from sqlalchemy import func, select, text, true
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import NullPool, QueuePool, SingletonThreadPool, StaticPool

import recsql
from recsql.sqlalchemy import create_engine, duckdb_connection, listen

BUNDLE = text("FROM recommend_bundle('i01', k := 3)")
NEXT = text("FROM recommend_next(1, k := 3)")


@pytest.fixture
def engine(trained_file: Path) -> Iterator[sa.Engine]:
    made = create_engine(f"duckdb:///{trained_file}")
    yield made
    made.dispose()


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[sa.Engine]:
    """The small shop, bound and not trained."""
    made = create_engine(f"duckdb:///{tmp_path / 'bound.duckdb'}")
    with made.connect() as con:
        native = duckdb_connection(con)
        shop.fill(native)
        shop.bind(native)
    yield made
    made.dispose()


def answers(engine: sa.Engine) -> list[Any]:
    with engine.connect() as con:
        return [*con.execute(BUNDLE).all(), *con.execute(NEXT).all()]


# Engines


def test_an_engine_answers_what_a_connection_answers(trained_file: Path) -> None:
    con = recsql.connect(trained_file)
    expected = [*con.execute(str(BUNDLE)).fetchall(), *con.execute(str(NEXT)).fetchall()]
    con.close()
    engine = create_engine(f"duckdb:///{trained_file}")
    assert answers(engine) == expected != []
    engine.dispose()


def test_a_url_object_and_the_arguments_of_sqlalchemy_are_taken(trained_file: Path) -> None:
    engine = create_engine(
        sa.URL.create("duckdb", database=str(trained_file)),
        connect_args={"read_only": True, "config": {"threads": 1}},
        poolclass=NullPool,
        echo=False,
    )
    assert answers(engine)
    with engine.connect() as con:
        assert con.scalar(text("SELECT current_setting('threads')")) == 1
        with pytest.raises(sa.exc.DBAPIError, match="must be open for writing, got a read-only"):
            con.execute(text("CALL recsql.train()"))


@pytest.mark.parametrize("pool", [QueuePool, NullPool, SingletonThreadPool, StaticPool])
def test_every_pool_gives_connections_that_answer(trained_file: Path, pool: Any) -> None:
    engine = create_engine(f"duckdb:///{trained_file}", poolclass=pool)
    expected = answers(engine)
    assert expected
    for _ in range(2):
        assert answers(engine) == expected
    engine.dispose()
    assert answers(engine) == expected  # a disposed engine opens anew
    engine.dispose()


@pytest.mark.parametrize("pool", [QueuePool, NullPool])
def test_connections_of_one_engine_are_open_side_by_side(trained_file: Path, pool: Any) -> None:
    engine = create_engine(f"duckdb:///{trained_file}", poolclass=pool)
    with engine.connect() as first, engine.connect() as second:
        assert first.execute(NEXT).all() == second.execute(NEXT).all() != []
        first.execute(text("CALL recsql.refresh()"))
        assert first.execute(NEXT).all() == second.execute(NEXT).all() != []
    engine.dispose()


def test_an_engine_of_duckdb_sqlalchemy_listens_and_may_be_told_twice(trained_file: Path) -> None:
    engine = sa.create_engine(f"duckdb:///{trained_file}")
    with engine.connect() as con, pytest.raises(sa.exc.DBAPIError, match="_recsql_runtime_next"):
        con.execute(NEXT)
    assert listen(engine) is engine  # its pool holds a connection by now
    assert listen(engine) is engine
    assert answers(engine)
    engine.dispose()


def test_two_engines_of_one_file_share_what_they_write(trained_file: Path) -> None:
    url = f"duckdb:///{trained_file}"
    first, second = create_engine(url), create_engine(url)
    before = answers(second)
    with first.connect() as con:
        con.execute(text("CALL recsql.refresh()"))
    first.dispose()
    assert answers(second) == before
    with second.connect() as con:
        assert con.execute(text("CALL recsql.refresh()")).scalar() == "nothing changed"
    second.dispose()


def test_nothing_holds_the_file_after_disposal(trained_file: Path) -> None:
    engine = create_engine(f"duckdb:///{trained_file}")
    assert answers(engine)
    engine.dispose()
    gc.collect()
    script = (
        "import duckdb; print(len(duckdb.connect(sys.argv[1]).execute('SHOW TABLES').fetchall()))"
    )
    assert int(run(trained_file.parent, script, trained_file)) == 3


def test_a_file_that_an_engine_holds_is_refused_to_other_options_with_the_remedy(
    engine: sa.Engine,
) -> None:
    with engine.connect() as con:
        with pytest.raises(
            recsql.StateError,
            match=r"must be opened with one set of options in a process, got others than those of "
            r"a connection that is open\. Use a cursor of that one, for an SQLAlchemy engine",
        ):
            recsql.connect(engine.url.database or "")
        assert duckdb_connection(con).execute(str(NEXT)).fetchall() == con.execute(NEXT).all()


def test_threads_ask_at_once(engine: sa.Engine) -> None:
    expected = answers(engine)
    assert in_threads(lambda _: answers(engine), 6) == [expected] * 6


def test_a_database_in_memory_is_one_per_thread_unless_the_pool_is_static() -> None:
    engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)
    with engine.connect() as con:
        native = duckdb_connection(con)
        shop.fill(native)
        shop.bind(native)
        recsql.train(native, task="bundle")
        expected = con.execute(BUNDLE).all()
    assert expected

    def ask(_: int) -> list[Any]:
        with engine.connect() as con:
            return list(con.execute(BUNDLE).all())

    assert [ask(0), *[in_threads(ask, 1)[0] for _ in range(2)]] == [expected] * 3
    engine.dispose()


def test_a_named_database_in_memory_is_shared() -> None:
    first, second = (create_engine("duckdb:///:memory:alchemy_shared") for _ in range(2))
    with first.connect() as one, second.connect() as two:
        shop.fill(duckdb_connection(one))
        shop.bind(duckdb_connection(one))
        two.execute(text("CALL recsql.train(task := 'bundle')"))
        assert two.execute(BUNDLE).all() == one.execute(BUNDLE).all() != []
    first.dispose()
    second.dispose()


# What is refused


@pytest.mark.parametrize("url", ["postgresql://me:secret@there/shop", "sqlite:///shop.db"])
def test_a_url_of_another_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(
        recsql.ParameterError,
        match=r"^The engine must be one of DuckDB, got \w+\. Use a URL such as duckdb:///shop",
    ) as caught:
        create_engine(url)
    assert "secret" not in str(caught.value)


def test_what_is_no_engine_of_duckdb_is_refused() -> None:
    for wrong in (sa.create_engine("sqlite://"), "duckdb:///shop.duckdb", None):
        with pytest.raises(recsql.ParameterError, match=r"^The engine must be one of DuckDB, got "):
            listen(wrong)  # type: ignore[arg-type]


def test_a_file_called_recsql_is_refused_before_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(recsql.StateError, match=r"got the file recsql\.duckdb"):
        create_engine(f"duckdb:///{tmp_path / 'recsql.duckdb'}")
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_was_never_prepared_is_refused_read_only(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    duckdb.connect(str(path)).close()
    engine = create_engine(f"duckdb:///{path}", connect_args={"read_only": True})
    for _ in range(2):
        with pytest.raises(recsql.StateError, match="must have been prepared by recsql"):
            engine.connect()
    engine.dispose()


def test_only_an_sqlalchemy_connection_has_a_duckdb_connection(engine: sa.Engine) -> None:
    with pytest.raises(
        recsql.ParameterError,
        match=r"^con must be an SQLAlchemy connection, got Engine\. Use one of engine\.connect\(\)",
    ):
        duckdb_connection(engine)  # type: ignore[arg-type]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "duckdb_sqlalchemy":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(
        recsql.MissingExtraError,
        match=r"must be installed to make an engine, got no module duckdb_sqlalchemy\. "
        r"pip install 'duckdb-recsql\[sqlalchemy\]'\.$",
    ):
        create_engine("duckdb://")


def test_the_module_loads_no_sqlalchemy_before_it_is_used(tmp_path: Path) -> None:
    script = "import recsql, recsql.sqlalchemy; print('sqlalchemy' in sys.modules)"
    assert run(tmp_path, script).strip() == "False"
    assert sys.modules["sqlalchemy"] is sa


# Transactions


def test_what_follows_a_call_sees_what_it_did(bound: sa.Engine) -> None:
    for begin in (bound.connect, bound.begin):
        with begin() as con:
            con.execute(text("SELECT count(*) FROM orders"))
            rows = con.execute(text("CALL recsql.train(task := 'bundle')"))
            assert con.in_transaction()
            assert con.execute(BUNDLE).all()
            assert rows.keys()  # its own rows are still there
            assert "basket_copurchase" in {row.algorithm for row in rows}


def test_a_result_half_read_before_a_call_stays_whole(engine: sa.Engine) -> None:
    with engine.connect() as con:
        result = con.execute(text("FROM range(10000)"))
        assert result.fetchone() == (0,)
        con.execute(text("CALL recsql.refresh()"))
        assert len(result.all()) == 9_999


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO orders SELECT * FROM orders LIMIT 1",
        "UPDATE recsql.settings SET value = '30' WHERE name = 'stored_depth'",
        "WITH o AS (SELECT * FROM orders LIMIT 1) INSERT INTO orders FROM o",
        "/* a */ -- b\nCREATE TABLE t AS SELECT 1 AS a",
        "SELECT 1; DELETE FROM orders",
    ],
)
def test_a_call_after_an_uncommitted_change_is_refused(engine: sa.Engine, change: str) -> None:
    with engine.connect() as con:
        con.execute(text("SELECT 1"))
        con.execute(text(change))
        with pytest.raises(
            recsql.StateError,
            match=r"^CALL recsql\.refresh must see committed data, got a transaction that has run: "
            r".*\. Commit it before the CALL\.$",
        ):
            con.execute(text("  -- now\nCALL recsql.refresh()"))
        con.commit()
        assert con.execute(text("CALL recsql.refresh()")).all()


@pytest.mark.parametrize(
    "reading",
    [
        "SELECT 1;",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "WITH o AS (SELECT 1) FROM o",
        "-- why\nFROM orders LIMIT 1",
        "DESCRIBE orders",
        "SET threads = 1",
        "CALL recsql.validate()",
    ],
)
def test_a_call_after_reading_is_run(engine: sa.Engine, reading: str) -> None:
    with engine.connect() as con:
        con.execute(text(reading))
        assert con.execute(text("CALL recsql.refresh()")).scalar() == "nothing changed"


def test_a_change_by_a_construct_counts_as_one(engine: sa.Engine) -> None:
    orders = sa.Table("orders", sa.MetaData(), autoload_with=engine)
    with engine.begin() as con:
        con.execute(orders.delete().where(orders.c.customer == 1))
        with pytest.raises(recsql.StateError, match="has run: DELETE FROM orders WHERE orders"):
            con.execute(text("CALL recsql.refresh()"))


def test_a_call_that_fails_leaves_a_transaction_that_can_be_rolled_back(engine: sa.Engine) -> None:
    with engine.connect() as con:
        with pytest.raises(sa.exc.DBAPIError, match="Did you mean 'bundle'"):
            con.execute(text("CALL recsql.train(task := 'bundel')"))
        n = con.scalar(text("SELECT count(*) FROM orders"))
        con.execute(text("DELETE FROM orders"))
        con.rollback()
        assert con.scalar(text("SELECT count(*) FROM orders")) == n > 0


def test_a_call_in_autocommit_is_run_as_it_is(bound: sa.Engine) -> None:
    with bound.connect().execution_options(isolation_level="AUTOCOMMIT") as con:
        con.execute(text("DELETE FROM orders WHERE customer = 1"))
        con.execute(text("CALL recsql.train(task := 'bundle')"))
        assert con.execute(BUNDLE).all()


def test_a_purchase_inserted_and_committed_changes_the_next_answer(engine: sa.Engine) -> None:
    wanted = text("SELECT r.item_id FROM recommend_for_you(1, k := 20) AS r ORDER BY r.rank")
    with engine.connect() as con:
        before = con.scalars(wanted).all()
        con.execute(
            text("INSERT INTO orders VALUES (1, :sku, TIMESTAMP '2024-07-01', 'n999', 1, 1)"),
            [{"sku": before[0]}],
        )
        con.commit()
        assert before[0] not in con.scalars(wanted).all()


# Reflection and constructs


def test_tables_and_views_of_the_shop_and_of_recsql_are_reflected(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)
    assert inspector.get_table_names() == ["customers", "orders", "products"]
    assert {"models", "metrics", "runs", "top_items"} <= set(inspector.get_table_names("recsql"))
    assert {"interactions", "leaderboard"} <= set(inspector.get_view_names("recsql"))
    columns = {c["name"]: c["type"] for c in inspector.get_columns("interactions", "recsql")}
    assert isinstance(columns["user_id"], sa.Integer)
    assert isinstance(columns["ts"], sa.DateTime)
    assert inspector.get_pk_constraint("models", "recsql")["constrained_columns"] == ["model_id"]


def test_every_table_and_view_of_recsql_is_loaded_and_can_be_read(engine: sa.Engine) -> None:
    known = sa.MetaData()
    known.reflect(engine, schema="recsql", views=True)
    assert len(known.tables) > 25
    with engine.connect() as con:
        for table in known.tables.values():
            con.execute(select(table).limit(1)).all()


def test_a_reflected_leaderboard_is_queried(engine: sa.Engine) -> None:
    board = sa.Table("leaderboard", sa.MetaData(), schema="recsql", autoload_with=engine)
    query = select(board.c.algorithm).where(
        board.c.task == "bundle", board.c.status == "incumbent", board.c.part == "test"
    )
    with engine.connect() as con:
        assert set(con.scalars(query.distinct())) == {"basket_copurchase"}


def test_a_table_function_is_a_from_clause_with_bound_parameters(engine: sa.Engine) -> None:
    bundle = func.recommend_bundle("i01", 3).table_valued("rank", "item_id", "score", name="b")
    query = select(bundle.c.rank, bundle.c.item_id).where(bundle.c.score > 0)
    cart = func.recommend_cart(["i01", "i02"], 2).table_valued("rank", "item_id")
    with engine.connect() as con:
        by_text = con.execute(
            text("FROM recommend_bundle(:item, k := :k)"), {"item": "i01", "k": 3}
        )
        assert con.execute(query).all() == [row[:2] for row in by_text]
        assert [row.rank for row in con.execute(select(cart))] == [1, 2]


def test_a_table_function_is_joined_laterally(engine: sa.Engine) -> None:
    customers = sa.Table("customers", sa.MetaData(), autoload_with=engine)
    then = func.recommend_next(customers.c.id, 2).table_valued("rank", "item_id").lateral("n")
    query = (
        select(customers.c.id, then.c.rank, then.c.item_id)
        .select_from(customers.join(then, true()))
        .where(customers.c.id < 3)
        .order_by(customers.c.id, then.c.rank)
    )
    with engine.connect() as con:
        rows = con.execute(query).all()
        assert [(row.id, row.rank) for row in rows] == [(i, r) for i in (0, 1, 2) for r in (1, 2)]
        scores = select(customers.c.id, func.user_transaction_score(customers.c.id))
        assert all(0 < score <= 1 for _, score in con.execute(scores))


class Base(DeclarativeBase):
    pass


class Model(Base):
    """A trained model, as a row of the stored table."""

    __tablename__ = "models"
    __table_args__ = {"schema": "recsql"}  # noqa: RUF012

    model_id: Mapped[str] = mapped_column(primary_key=True)
    task: Mapped[str]
    algorithm: Mapped[str]
    status: Mapped[str]


def test_a_stored_table_is_mapped(engine: sa.Engine) -> None:
    with Session(engine) as session:
        incumbents = session.scalars(select(Model).where(Model.status == "incumbent")).all()
        assert {model.task for model in incumbents} == set(shop.TASKS)
        session.execute(text("CALL recsql.refresh()"))
        assert session.get(Model, incumbents[0].model_id) is incumbents[0]
