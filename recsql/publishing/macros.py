"""The macros of a published file: names, arguments and columns are those of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recsql.database import Session, body, fill, literal, sql_names, sql_text
from recsql.errors import UnknownNameError, did_you_mean
from recsql.functions import macro_text, missing_calls, refusing_macro, template_values
from recsql.headers import Header, read_header
from recsql.store.forgotten import is_removal_pending

IDENTICAL, MATERIALIZED, ABSENT, LEFT_OUT = "identical", "materialized", "absent", "left out"
LIST_TASKS = {
    "recommend_first": "first",
    "recommend_for_you": "for_you",
    "recommend_next": "next",
}
_TEMPLATES = {
    **dict.fromkeys(LIST_TASKS, "user_lists"),
    **dict.fromkeys(("similar_items", "similar_users"), "similar"),
}
NAMES_CUSTOMERS = "similar_users"  # out of what a model learned
_CHOSEN_BY_CALLER = ("user_id", "item_id", "k", "from_date", "to_date", "min_probability")


@dataclass(frozen=True)
class Macro:
    """A function of the file: how it answers, what is to be known about that, and its text."""

    name: str
    answers: str
    note: str | None
    text: str


def macros_of_file(session: Session, k: int, functions: Sequence[str] | None) -> list[Macro]:
    """Give the macros of a file, in order of name.

    Parameters
    ----------
    functions : those that the file answers; None: all that can be

    Raises
    ------
    UnknownNameError
        There is no such function, or a file cannot answer it.
    """
    headers = [read_header("functions", name) for name in sql_names("functions")]
    _check_functions(headers, functions)
    values = template_values(session) | {"published_k": str(k)}
    missing = missing_calls(session)
    if is_removal_pending(session):
        missing[NAMES_CUSTOMERS] = (
            "Models must learn without the customers who were forgotten. CALL recsql.refresh()."
        )
    return [_macro(header, values, missing, functions, k) for header in headers]


def _check_functions(headers: Sequence[Header], functions: Sequence[str] | None) -> None:
    known = [header.name for header in headers if header.in_a_file != ABSENT]
    absent = {header.name: header.file_note for header in headers if header.in_a_file == ABSENT}
    for name in functions or ():
        if name in absent:
            raise UnknownNameError(
                f"functions must be those that a file can answer, got {name!r}: {absent[name]}. "
                "Leave it out."
            )
        if name not in known:
            raise UnknownNameError(
                f"functions must be among {', '.join(known)}, got {name!r}."
                f"{did_you_mean(name, known)}"
            )


def _macro(
    header: Header,
    values: dict[str, str],
    missing: Mapping[str, str],
    functions: Sequence[str] | None,
    k: int,
) -> Macro:
    name, note = header.name, header.file_note or None
    if header.in_a_file == ABSENT:
        sentence = (
            f"{name} must be asked where recsql runs, got a published file: {note}. "
            "Connect by recsql.connect, or to recsql serve."
        )
        return Macro(name, ABSENT, note, refusing_macro(header, sentence, values))
    if functions is not None and name not in functions:
        sentence = (
            f"{name} must be in the file to be asked, got one that was written without it. "
            "CALL recsql.publish(…) with it among functions, where the file is written."
        )
        return Macro(name, LEFT_OUT, None, refusing_macro(header, sentence, values))
    reasons = [missing[need] for need in (*header.needs, name) if need in missing]
    if reasons:
        text = refusing_macro(header, f"{name}: {reasons[0]}", values)
        return Macro(name, LEFT_OUT, reasons[0], text)
    if header.in_a_file == IDENTICAL:
        return Macro(name, IDENTICAL, note, macro_text("functions", header, values, missing))
    template = _TEMPLATES.get(name, name)
    what = name.removeprefix("similar_").removesuffix("s")
    text = fill(
        body(sql_text("published", template)),
        values
        | {
            "name": name,
            "signature": _signature(header, k) if name in _TEMPLATES else header.signature,
            "task": LIST_TASKS.get(name, ""),
            "what": what,
            "what_type": values.get(f"{what}_id_type", ""),
            "refused": "\n        ".join(_refused(header)),
        },
    )
    return Macro(name, MATERIALIZED, note, text)


def _signature(header: Header, k: int) -> str:
    """Give the arguments of a function over lists of ``k``: a call without k asks for no more."""
    return header.signature.replace("k := 10", f"k := {min(10, k)}")


def _refused(header: Header) -> list[str]:
    """Give the branches that refuse the arguments which only a model could follow."""
    branches = []
    for argument in header.arguments:
        if argument.name not in _CHOSEN_BY_CALLER:
            sentence = literal(
                f"{argument.name} must be left out of {header.name} in a published file. "
                "Ask where recsql runs: recsql.connect, or recsql serve."
            )
            branches.append(f"WHEN {argument.name} IS NOT NULL THEN error({sentence})")
    return branches
