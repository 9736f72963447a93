"""Every command by name, with its help and an example."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from recsql.cli.answers import leaderboard, recommend, sql
from recsql.cli.server import serve
from recsql.cli.shared import DatabaseArgument, SentenceGroup, example
from recsql.cli.statements import Command, bind_command, statement_command
from recsql.cli.upkeep import demo, doctor, uninstall, watch
from recsql.result import Result
from recsql.version import __version__

_SHORT = {
    "demo": "Run the whole story on the bundled sample.",
    "bind": "Bind your own tables.",
    "validate": "Say what is worth knowing about the bound data.",
    "train": "Train the models, promote the best, store its answers.",
    "refresh": "Bring stored answers up to date.",
    "watch": "Refresh again and again.",
    "publish": "Write a file that any DuckDB answers by.",
    "forget-user": "Take a customer out of everything that is stored.",
    "serve": "Serve the database to DuckDB clients of any language.",
    "models": "Bring a network of your own.",
    "leaderboard": "Compare the models of the latest training.",
    "recommend": "Recommend items.",
    "sql": "Run SQL with every recsql function at hand.",
    "doctor": "Say what is installed and healthy.",
    "uninstall": "Remove every trace of recsql; your tables stay.",
}


class _StoryOrder(SentenceGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(_SHORT)


app = typer.Typer(
    cls=_StoryOrder,
    help="Recommendations as SQL, inside DuckDB.",
    epilog=example("recsql demo", "recsql recommend shop.duckdb bundle 85123A -k 5"),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
bind = typer.Typer(
    cls=SentenceGroup,
    help="Bind your own tables: the orders, the customers, the items, facts, what was shown.",
    epilog=example(
        "recsql bind shop.duckdb interactions orders --user-id customer --item-id sku \\",
        "    --ts ordered_at --quantity quantity --value 'quantity * price' --basket-id invoice",
        "recsql bind shop.duckdb items products --item-id sku --title name",
    ),
    rich_markup_mode=None,
)
_IMPORT_EXAMPLES = (
    "recsql models import shop.duckdb model.onnx --signature signature.json",
    "recsql train shop.duckdb --task next --models imported",
)
models = typer.Typer(
    cls=SentenceGroup,
    help="Bring a network of your own, which learned elsewhere.",
    epilog=example(*_IMPORT_EXAMPLES),
    no_args_is_help=True,
    rich_markup_mode=None,
)
_BIND_EXAMPLES = {
    "interactions": "orders --user-id customer --item-id sku --ts ordered_at",
    "users": "customers --user-id customer --attributes country --attributes segment",
    "items": "products --item-id sku --title name --available 'price > 0'",
    "knowledge": "facts --head sku --relation relation --tail thing",
    "impressions": "shown --user-id customer --item-id sku --ts shown_at",
}


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    del version  # answered by its callback


def _fail_on_errors(result: Result, given: dict[str, Any]) -> None:
    if given["strict"] and any(row["severity"] == "error" for row in result.dicts()):
        raise typer.Exit(1)


_TRAINED = (
    "task",
    "algorithm",
    "params",
    "status",
    "ndcg",
    "recall",
    "precision",
    "coverage",
    "train_seconds",
    "error",
)
_STRICT = inspect.Parameter(
    "strict",
    inspect.Parameter.KEYWORD_ONLY,
    annotation=Annotated[bool, typer.Option("--strict", help="Exit with 1 when there are errors.")],
    default=False,
)
_QUIET = inspect.Parameter(
    "quiet",
    inspect.Parameter.KEYWORD_ONLY,
    annotation=Annotated[bool, typer.Option("--quiet", help="Do not say how far it is.")],
    default=False,
)


@bind.callback()
def _bind_in(ctx: typer.Context, database: DatabaseArgument) -> None:
    ctx.obj = Path(database)


def _add(name: str, command: Command, *examples: str) -> None:
    app.command(name, short_help=_SHORT[name], epilog=example(*examples))(command)


_add("demo", demo, "recsql demo", "recsql demo --database demo.duckdb")
app.add_typer(bind, name="bind", short_help=_SHORT["bind"])
for source, arguments in _BIND_EXAMPLES.items():
    bind.command(source, epilog=example(f"recsql bind shop.duckdb {source} {arguments}"))(
        bind_command(source)
    )
_add(
    "validate",
    statement_command("validate", read_only=True, after=_fail_on_errors, extra=(_STRICT,)),
    "recsql validate shop.duckdb --strict",
)
_add(
    "train",
    statement_command("train", shown=_TRAINED, extra=(_QUIET,)),
    "recsql train shop.duckdb",
    "recsql train shop.duckdb --task bundle --seed 1",
)
_add("refresh", statement_command("refresh", extra=(_QUIET,)), "recsql refresh shop.duckdb")
_add("watch", watch, "recsql watch shop.duckdb --every '10 minutes'")
_add(
    "publish",
    statement_command("publish", read_only=True),
    "recsql publish shop.duckdb shop_recs.duckdb --include country",
)
_add("forget-user", statement_command("forget_user"), "recsql forget-user shop.duckdb 12748")
_add(
    "serve",
    serve,
    "recsql serve shop.duckdb",
    "recsql serve shop.duckdb --read-only --token-file token.txt --log queries.log",
)
app.add_typer(models, name="models", short_help=_SHORT["models"])
models.command("import", epilog=example(*_IMPORT_EXAMPLES))(statement_command("import_model"))
_add("leaderboard", leaderboard, "recsql leaderboard shop.duckdb --task related")
_add(
    "recommend",
    recommend,
    "recsql recommend shop.duckdb bundle 85123A -k 5",
    "recsql recommend shop.duckdb cart 85123A 22423 --json",
    "recsql recommend shop.duckdb popular --days 7",
)
_add(
    "sql",
    sql,
    "recsql sql shop.duckdb \"FROM recommend_bundle('85123A', k := 3)\"",
    "recsql sql shop.duckdb --file report.sql",
    "cat report.sql | recsql sql shop.duckdb - --json",
)
_add("doctor", doctor, "recsql doctor --warm", "recsql doctor shop.duckdb")
_add("uninstall", uninstall, "recsql uninstall shop.duckdb --yes")
