"""Commands made of the statements: arguments, types and help are those of the SQL header."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from recsql.cli.output import print_filled, print_json, records
from recsql.cli.shared import DatabaseArgument, JsonOption, open_database
from recsql.headers import Field, Header, read_header
from recsql.result import Result

Command = Callable[..., None]

_TYPES: dict[str, Any] = {
    "VARCHAR": str | None,
    "VARCHAR[]": list[str] | None,
    "BOOLEAN": bool,
    "BIGINT": int | None,
    "DOUBLE": float | None,
}


def statement_command(
    name: str,
    *,
    read_only: bool = False,
    shown: tuple[str, ...] | None = None,
    after: Callable[[Result, dict[str, Any]], None] | None = None,
    extra: tuple[inspect.Parameter, ...] = (),
) -> Command:
    """Give a command that runs a statement on a database file.

    Parameters
    ----------
    name : of the statement, for example 'train'
    shown : columns that the table shows, where all are too many; JSON has all
    after : looks at what was printed, with the values of ``extra``; may raise typer.Exit
    extra : options of the command that are no argument of the statement; ``quiet`` hides how far
        it is
    """
    header = read_header("statements", name)

    def command(**given: Any) -> None:
        as_json = given.pop("json")
        path = given.pop("database")
        kept = {parameter.name: given.pop(parameter.name) for parameter in extra}
        progress = not kept.get("quiet", False)
        result = run_statement(name, path, given, read_only=read_only, progress=progress)
        _show(result, as_json, shown)
        if after is not None:
            after(result, kept)

    database = _parameter("database", DatabaseArgument)
    return _shaped(command, header, [database, *_parameters(header), *extra, _json()])


def bind_command(source: str) -> Command:
    """Give the command that binds a source in the database of the group above it."""
    name = f"bind_{source}"
    header = read_header("statements", name)

    def command(ctx: typer.Context, **given: Any) -> None:
        as_json = given.pop("json")
        _show(run_statement(name, ctx.obj, given), as_json)

    context = inspect.Parameter(
        "ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    return _shaped(command, header, [context, *_parameters(header), _json()])


def run_statement(
    name: str,
    path: Path,
    given: dict[str, Any],
    *,
    read_only: bool = False,
    progress: bool = True,
) -> Result:
    """Run the Python twin of a statement on a file, and show how far it is."""
    with open_database(path, read_only=read_only) as con:
        # Here and not above: what a statement needs (numba, …) is loaded when it runs.
        twin = getattr(importlib.import_module("recsql"), name)
        arguments = {key: value for key, value in given.items() if value not in (None, [], ())}
        result: Result = twin(con, **arguments, progress=progress)
        return result


def _show(result: Result, as_json: bool, shown: tuple[str, ...] | None = None) -> None:
    if as_json:
        print_json(records(result.columns, result.rows))
        return
    print_filled(result.columns, result.rows, shown)


def _parameters(header: Header) -> list[inspect.Parameter]:
    """Give an argument for each value that must be given, an option for each that may be."""
    optional = _defaults(header)
    made = []
    for field in header.arguments:
        if field.name in optional:
            made.append(_option(field, optional[field.name]))
        else:
            shape = typer.Argument(help=field.meaning, show_default=False)
            made.append(_parameter(field.name, Annotated[str, shape]))
    return made


def _option(field: Field, default: str) -> inspect.Parameter:
    is_list = field.type.endswith("[]")
    name = field.name.replace("_", "-")
    can_be_off = field.type == "BOOLEAN" and default == "true"
    shape = typer.Option(
        f"--{name}/--no-{name}" if can_be_off else f"--{name}",
        help=field.meaning + (" (repeat for more)" if is_list else ""),
        show_default=default != "NULL",
    )
    if field.type == "BOOLEAN":
        value: Any = can_be_off
    else:
        value = None if default == "NULL" else int(default)
    return _parameter(field.name, Annotated[_TYPES[field.type], shape], value)


def _defaults(header: Header) -> dict[str, str]:
    parts = [part.split(":=") for part in header.signature.split(",")]
    return {part[0].strip(): part[1].strip() for part in parts if len(part) == 2}


def _parameter(
    name: str, annotation: Any, default: Any = inspect.Parameter.empty
) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default
    )


def _json() -> inspect.Parameter:
    return _parameter("json", JsonOption, False)


def _shaped(command: Command, header: Header, parameters: list[inspect.Parameter]) -> Command:
    """Give the command the signature and help that typer reads."""
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = header.summary.partition(". ")[0].rstrip(".") + "."
    return command
