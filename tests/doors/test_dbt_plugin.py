"""The plugin of dbt-duckdb by itself, the copy of the dbt package, and the page about dbt."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dbt_runs
import duckdb
import processes
import pytest
from dbt.adapters.duckdb.plugins import BasePlugin

import recsql
from recsql.dbt.__main__ import main, package_path


def plugin(credentials: Any = None, **options: Any) -> BasePlugin:
    return BasePlugin.create("recsql.dbt", config=options, alias="recsql", credentials=credentials)


def source(**meta: Any) -> Any:
    return SimpleNamespace(name="orders", get=meta.get)


def test_every_cursor_of_a_registered_connection_has_the_functions(tmp_path: Path) -> None:
    con = duckdb.connect(str(tmp_path / "shop.duckdb"))
    plugin().configure_connection(con)
    plugin().configure_connection(con)
    said = con.cursor().execute("SELECT count(*) FROM recsql.settings").fetchall()
    assert said[0][0] > 0
    with pytest.raises(duckdb.Error, match="interactions must be bound first"):
        con.cursor().execute("FROM recommend_next(1)").fetchall()
    con.close()


def test_prefix_and_settings_are_written() -> None:
    con = duckdb.connect()
    options = {"prefix": "rec_", "settings": {"stored_depth": 20, "now": None}}
    plugin(**options).configure_connection(con)
    depth = "SELECT s.value FROM recsql.settings AS s WHERE s.name = 'stored_depth'"
    assert con.execute(depth).fetchall() == [("20",)]
    with pytest.raises(duckdb.Error, match="interactions must be bound first"):
        con.execute("FROM rec_popular()").fetchall()
    con.close()


def test_settings_of_duckdb_are_no_options_of_the_plugin() -> None:
    credentials = SimpleNamespace(settings={"threads": "2"}, is_motherduck=False, remote=None)
    assert plugin(credentials, threads="2", prefix="rec_").prefix == "rec_"


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"prefx": "a"}, recsql.UnknownNameError, "must be one of prefix, settings, got 'prefx'"),
        ({"settings": {"depth": 3}}, recsql.UnknownNameError, "Did you mean 'stored_depth'"),
        ({"settings": 3}, recsql.ParameterError, "settings must map names"),
        ({"prefix": 3}, recsql.ParameterError, "prefix must be a text, got 3"),
    ],
)
def test_an_option_that_is_none_is_refused(
    options: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        plugin(**options)


@pytest.mark.parametrize(
    ("credentials", "sentence"),
    [
        (SimpleNamespace(is_motherduck=True, path="md:shop", remote=None), "got MotherDuck"),
        (SimpleNamespace(remote=SimpleNamespace(host="db.example")), "got the server db.example"),
    ],
)
def test_a_database_elsewhere_is_refused(credentials: Any, sentence: str) -> None:
    with pytest.raises(recsql.StateError, match=f"in the process that runs dbt, {sentence}"):
        plugin(credentials)


def test_a_file_called_recsql_is_refused(tmp_path: Path) -> None:
    con = duckdb.connect(str(tmp_path / "recsql.duckdb"))
    with pytest.raises(recsql.StateError, match="must not be called recsql"):
        plugin().configure_connection(con)
    con.close()


def test_a_source_is_a_table_of_the_sample() -> None:
    assert plugin().load(source(sample="users")).column_names[0] == "user_id"
    with pytest.raises(
        recsql.ParameterError, match="orders of the plugin recsql must name a table"
    ):
        plugin().load(source())
    with pytest.raises(recsql.UnknownNameError, match="Did you mean 'items'"):
        plugin().load(source(sample="item"))


def test_importing_recsql_does_not_load_dbt(tmp_path: Path) -> None:
    script = (
        "import recsql\nrecsql.connect().close()\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'dbt'])"
    )
    assert processes.run(tmp_path, script).strip() == "[]"


def test_without_dbt_the_extra_is_named(tmp_path: Path) -> None:
    script = (
        "sys.modules['dbt'] = None\nimport recsql\n"
        "try:\n    import recsql.dbt\nexcept recsql.MissingExtraError as error:\n    print(error)"
    )
    said = processes.run(tmp_path, script)
    assert "must have the packages dbt-core and dbt-duckdb, got none." in said
    assert "pip install 'duckdb-recsql[dbt]'" in said


def test_another_module_that_is_missing_is_told_as_it_is(tmp_path: Path) -> None:
    script = (
        "sys.modules['duckdb'] = None\n"
        "try:\n    import recsql.dbt\nexcept ModuleNotFoundError as error:\n    print(error)"
    )
    assert "duckdb" in processes.run(tmp_path, script)


def test_the_dbt_package_is_copied_and_copied_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "recsql_dbt"
    assert main([str(folder)]) == 0
    assert f"- local: {folder}" in capsys.readouterr().out
    (folder / "macros/old.sql").write_text("")
    assert main([str(folder)]) == 0
    copied = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert copied == {
        path.relative_to(package_path()) for path in package_path().rglob("*") if path.is_file()
    }


def test_a_folder_of_something_else_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert main([str(tmp_path)]) == 1
    assert "must be new or an earlier copy" in capsys.readouterr().err
    assert main([]) == 2
    assert "usage: python -m recsql.dbt recsql_dbt" in capsys.readouterr().err


PAGE = (dbt_runs.ROOT / "docs/dbt.md").read_text("utf-8")
INSTALL = ["python -m venv .venv", ". .venv/bin/activate", "pip install 'duckdb-recsql[dbt]'"]


def test_the_page_about_dbt_is_true_from_an_empty_folder(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert blocks[0].splitlines() == INSTALL  # what the tests run in has done that
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "".join(blocks[1:])],
        cwd=tmp_path,
        env=dbt_runs.ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "85123A" in done.stdout
    con = recsql.connect(tmp_path / "shop" / "shop.duckdb")
    assert con.execute("SELECT count(*) > 10000 FROM offers").fetchall() == [(True,)]
    con.close()
