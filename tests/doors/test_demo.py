"""The demonstration: it runs, it is true to its SQL, and its SQL can be pasted."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

import recsql
from recsql.cli import app, story
from recsql.cli.output import plain, records
from recsql.data.sample import SAMPLE_NAMES, sample_path
from recsql.demo import STORY, Step, Told
from recsql.errors import UnknownNameError
from recsql.tasks import TASKS

pytestmark = pytest.mark.xdist_group("demo")
CHAPTERS = [
    "A retailer's tables",
    "Bind",
    "Validate",
    "Train",
    "Recommend",
    "One customer",
    "Live",
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "demo.duckdb"


@pytest.fixture(scope="module")
def told(database: Path) -> list[dict[str, Any]]:
    """Give the steps of a demonstration that was kept in ``database``."""
    done = subprocess.run(
        [Path(sys.executable).parent / "recsql", "demo", "--database", database, "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    steps: list[dict[str, Any]] = json.loads(done.stdout)
    return steps


@pytest.fixture(scope="module")
def printed(told: list[dict[str, Any]]) -> str:
    """Give what people see of the same demonstration."""
    steps = [
        Told(step, one["text"], one["sql"], list((one["rows"] or [{}])[0]),
             [tuple(row.values()) for row in one["rows"]], one["seconds"])
        for step, one in zip(STORY, told, strict=True)
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(story, "tell", lambda con: iter(steps))
        done = CliRunner().invoke(app, ["demo"])
    assert done.exit_code == 0, done.output
    return done.stdout


def rows(told: list[dict[str, Any]], word: str) -> list[dict[str, Any]]:
    """Give the rows of the one step whose SQL has a word."""
    (found,) = [step["rows"] for step in told if word in step["sql"]]
    return list(found)


def test_the_demo_tells_every_step(told: list[dict[str, Any]]) -> None:
    assert len(told) == len(STORY)
    assert list(dict.fromkeys(step["chapter"] for step in told)) == CHAPTERS


def test_every_step_that_asks_gets_rows(told: list[dict[str, Any]]) -> None:
    silent = ("CREATE", "INSERT")
    empty = [s["sql"] for s in told if not s["rows"] and not s["sql"].startswith(silent)]
    assert empty == []


def test_the_printed_sql_runs_again_and_gives_the_same(told: list[dict[str, Any]]) -> None:
    with recsql.connect() as con:
        for step in told:
            con.execute(step["sql"])
            columns = [column[0] for column in con.description or ()]
            again = records(columns, con.fetchall())
            if not {"seconds", "secs", "train_seconds"} & set(columns):
                assert plain(again) == step["rows"], step["sql"]


def test_what_is_printed_is_the_sql_and_its_rows(told: list[dict[str, Any]], printed: str) -> None:
    for step in told:
        assert step["sql"] in printed
        assert step["text"] in printed
    bundle = rows(told, "AS bought_with_it, round")
    assert all(row["bought_with_it"] in printed for row in bundle)


def test_it_fits_into_100_columns(printed: str) -> None:
    wide = [line for line in printed.splitlines() if len(line.rstrip()) > 100]
    assert [line for line in wide if "read_parquet(" not in line] == []  # a path is not folded


def test_no_table_cell_is_cut(printed: str) -> None:
    assert "…" not in re.sub(r"Progress.*", "", printed)


def test_each_task_has_an_incumbent(told: list[dict[str, Any]]) -> None:
    board = rows(told, "FROM recsql.leaderboard")
    assert [row["task"] for row in board if row["status"] == "incumbent"] == sorted(
        set(TASKS) - {"rating"}  # nobody rates what a supermarket sells
    )


def test_five_best_sellers_have_five_bundles_and_related_items_each(
    told: list[dict[str, Any]],
) -> None:
    for word in ("AS bought_with_it, round", "AS also_bought"):
        found = rows(told, word)
        assert len(found) == 25
        assert len({row["best_seller"] for row in found}) == 5


def test_nothing_that_is_no_good_is_recommended(told: list[dict[str, Any]]) -> None:
    names = {row["product"] for row in rows(told, "FROM trending")}
    names |= {row["bought_with_it"] for row in rows(told, "AS bought_with_it, round")}
    assert not [name for name in names if re.search("POSTAGE|CARRIAGE|Manual|Voucher", name)]


def test_the_refresh_finds_the_one_changed_customer(told: list[dict[str, Any]]) -> None:
    (done,) = rows(told, "CALL recsql.refresh()")
    assert (done["how"], done["changed_buyers"]) == ("changed only", 1)


def test_one_basket_more_is_all_that_changed(told: list[dict[str, Any]]) -> None:
    changed = rows(told, "AS score_before")
    assert len(changed) == 3
    assert all(row["baskets"] == row["baskets_before"] + 1 for row in changed)
    assert all(row["score"] > row["score_before"] for row in changed)


def test_a_kept_demo_answers_later(told: list[dict[str, Any]], database: Path) -> None:
    assert told
    done = CliRunner().invoke(app, ["recommend", str(database), "bundle", "85123A", "--json"])
    assert len(json.loads(done.stdout)) == 10


def test_the_demo_does_not_touch_a_file_that_exists(tmp_path: Path) -> None:
    path = tmp_path / "mine.duckdb"
    path.write_bytes(b"")
    done = CliRunner().invoke(app, ["demo", "--database", str(path)])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "--database must be a new file" in done.stderr


# How a step is printed


def shown(step: Step, columns: list[str], rows: list[tuple[Any, ...]]) -> str:
    screen = Console(width=100, markup=False)
    with screen.capture() as capture:
        story._print_step(screen, Told(step, step.text, step.sql, columns, rows, 0.0))
    return capture.get()


def test_a_repeated_first_value_is_shown_once() -> None:
    text = shown(Step("a", "b", grouped=True), ["x", "n"], [("cup", 1), ("cup", 2), ("jug", 3)])
    assert text.count("cup") == 1
    assert text.count("jug") == 1


def test_advice_is_listed_for_what_is_no_mere_information() -> None:
    text = shown(
        Step("a", "b", shown=("check", "severity"), listed=("check", "advice")),
        ["check", "severity", "advice"],
        [("rows", "info", "All is [well]."), ("twins", "warning", "Look [here].")],
    )
    assert "twins: Look [here]." in text
    assert "All is" not in text


# The sample


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_the_sample_is_bundled(name: str) -> None:
    assert sample_path(name).is_file()


def test_the_sample_is_small_and_names_its_source() -> None:
    folder = sample_path("items").parent
    assert sum(path.stat().st_size for path in folder.glob("*.parquet")) < 3_000_000
    attribution = (folder / "ATTRIBUTION.md").read_text("utf-8")
    for words in ("CC BY 4.0", "10.24432/C5BW33", "D. Chen", "What was changed"):
        assert words in attribution


def test_an_unknown_sample_table_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'items'"):
        sample_path("item")
