"""The tables of a published file: copied, or computed for everyone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recsql.columns import REAL_TIME_TYPES
from recsql.data.attributes import public_attributes
from recsql.data.bind import bound_types, id_types, is_bound, readable_sources
from recsql.database import Session, body, fill, literal, quote, sql_names, sql_text
from recsql.errors import BindError, UnknownNameError, did_you_mean
from recsql.publishing.macros import LIST_TASKS
from recsql.serving.customers import Asked, answer_now
from recsql.serving.everyone import Each, everyone_of, lists_of_everyone
from recsql.serving.repeats import repeats_of_everyone
from recsql.serving.residents import resident_items
from recsql.serving.similar import AskedSimilar, Similar, answer_items, answer_users

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 1_000_000_000
SIMILAR_AT_A_TIME = 20_000
_STATE = {
    "settings": "SELECT * FROM recsql.settings",
    # The purchases of the file are without those that a weight takes out, and without their events.
    "event_weights": "SELECT * FROM recsql.event_weights AS w WHERE w.weight > 0",
}
_ARROW_LOSES = {"HUGEINT", "UHUGEINT", "UUID", "BIT", "TIME WITH TIME ZONE"}


@dataclass(frozen=True)
class Publication:
    """What is written and where.

    Attributes
    ----------
    live : a session in the database, within a transaction
    file : a session in the new file
    include : attributes that the file may hold
    answered : names of the functions that it answers
    each : wraps the numbers of blocks of customers, for a progress bar
    """

    live: Session
    file: Session
    k: int
    include: Sequence[str]
    answered: Sequence[str]
    each: Each
    types: dict[str, str] = field(default_factory=dict)

    def create(self, folder: str, name: str) -> None:
        """Create a table of the sql room in the file."""
        self.file.execute(fill(body(sql_text(folder, name)), self.types))

    def insert(self, name: str, rows: pa.Table) -> None:
        """Put rows into a table of the file."""
        with self.file.loaded(_recsql_rows=rows):
            self.file.execute(f"INSERT INTO recsql.{name} BY NAME FROM _recsql_rows")

    def copy(self, name: str, query: str) -> None:
        """Put what a query of the database gives into a table of the file, in its order."""
        self.insert(name, self.live.arrow(_for_arrow(self.live, query)))


def check_include(session: Session, include: Sequence[str]) -> None:
    """Refuse an attribute that is not bound, or is private.

    Raises
    ------
    UnknownNameError
    """
    known = [
        attribute.name
        for source in ("users", "items")
        for attribute in public_attributes(session, source)
        if is_bound(session, source)
    ]
    for name in include:
        if name.lower() not in {one.lower() for one in known}:
            raise UnknownNameError(
                f"include must name attributes that are bound and not private, got {name!r}."
                f"{did_you_mean(name, known)} They are {', '.join(known) or 'none'}."
            )


def check_readable(session: Session) -> None:
    """Refuse a source whose table is not as it was bound; outside of a transaction.

    Raises
    ------
    BindError
    """
    bound = session.rows("SELECT s.source FROM recsql.sources AS s ORDER BY s.source")
    readable = readable_sources(session)
    for (source,) in bound:
        if source not in readable:
            raise BindError(
                f"The table behind recsql.{source} must be as it was bound, got one gone or with "
                f"other columns. CALL recsql.bind_{source}(…) again."
            )


def write_tables(publication: Publication, wanted: Sequence[str]) -> None:
    """Write the tables that are wanted, and customers, items and the leaderboard."""
    for name in (*wanted, "users", "items", "leaderboard"):
        writer = _WRITERS.get(name)
        if writer is not None:
            writer(publication)
        elif name in sql_names("stored"):
            publication.create("stored", name)
            publication.copy(name, f"SELECT * FROM recsql.{name}")
        elif name in _STATE:
            publication.create("tables", name)
            publication.copy(name, _STATE[name])


def known_tables() -> set[str]:
    """Name the tables that a macro of a file may read."""
    return {*sql_names("stored"), *_WRITERS, *_STATE}


def _totals(publication: Publication) -> None:
    # The definition quotes the binding: it may tell names that the file must not.
    publication.create("stored", "totals")
    publication.copy("totals", "SELECT t.* REPLACE ('' AS definition) FROM recsql.totals AS t")


def _item_facts(publication: Publication) -> None:
    publication.create("stored", "item_facts")
    listed = ", ".join(literal(name.lower()) for name in publication.include) or "NULL"
    publication.copy(
        "item_facts",
        f"SELECT * FROM recsql.item_facts AS f WHERE f.attribute IN ({listed}) "
        "ORDER BY f.item_id, f.attribute, f.thing, f.fact",
    )


def _user_features(publication: Publication) -> None:
    publication.create("stored", "user_features")
    listed = ", ".join(literal(name.lower()) for name in publication.include) or "NULL"
    publication.copy(
        "user_features",
        f"SELECT * FROM recsql.user_features AS f WHERE lower(f.attribute) IN ({listed})",
    )


def _interactions(publication: Publication) -> None:
    """Write who bought what: what the macros that read the interactions would count."""
    live = publication.live
    kind = bound_types(live, "interactions")["ts"]
    real = kind in REAL_TIME_TYPES
    moment = "make_timestamp(epoch_us(i.ts))" if real else "i.ts"
    publication.types["bought_ts_type"] = "TIMESTAMP" if real else _stored_type(kind)
    publication.create("published_tables", "interactions")
    too_late = (
        f"AND NOT coalesce({moment} > (SELECT TRY_CAST(s.value AS TIMESTAMP) "
        "FROM recsql.settings AS s WHERE s.name = 'now'), false)"
    )
    publication.copy(
        "interactions",
        f"SELECT i.user_id, i.item_id, max({moment}) AS ts FROM recsql.interactions AS i "
        "WHERE i.user_id IS NOT NULL AND i.item_id IS NOT NULL AND coalesce(i.quantity, 1) > 0 "
        "AND coalesce(i.event, '') NOT IN (SELECT w.event FROM recsql.event_weights AS w "
        f"WHERE w.weight <= 0) {too_late if real else ''} GROUP BY ALL ORDER BY 2, 1",
    )


def _user_lists(publication: Publication) -> None:
    import pyarrow as pa

    publication.create("stored", "user_recommendations")
    publication.create("published_tables", "unknown_user_recommendations")
    publication.create("published_tables", "users_without_recommendations")
    tasks = sorted(LIST_TASKS[name] for name in publication.answered if name in LIST_TASKS)
    live, k = publication.live, publication.k
    with everyone_of(live, with_bound="first" in tasks) as everyone:
        for task in tasks:
            for block in lists_of_everyone(
                live,
                everyone,
                task,
                k,
                BLOCK_BYTES,
                publication.each,
                only_buyers=task != "first",
            ):
                publication.insert("user_recommendations", block.table)
                empty = {"user_id": block.users.filter(pa.array(block.sizes == 0))}
                _insert_columns(publication, "users_without_recommendations", empty, task)
    for task in tasks:
        rows = answer_now(live, task, [Asked(None, k)]).columns()
        _insert_columns(publication, "unknown_user_recommendations", rows, task)


def _insert_columns(
    publication: Publication, name: str, columns: dict[str, pa.Array], task: str
) -> None:
    import pyarrow as pa

    table = pa.table(columns)
    tasks = pa.array([task] * len(table), pa.string())
    publication.insert(name, table.append_column("task", tasks))


def _user_repeats(publication: Publication) -> None:
    publication.create("published_tables", "user_repeats")
    publication.insert("user_repeats", repeats_of_everyone(publication.live))


def _similar_items(publication: Publication) -> None:
    publication.create("published_tables", "similar_items")
    ids = list(resident_items(publication.live).ids)
    _similar(publication, "item", ids, answer_items)


def _similar_users(publication: Publication) -> None:
    publication.create("published_tables", "similar_users")
    rows = publication.live.rows(
        "SELECT s.user_id::VARCHAR FROM recsql.user_scores AS s ORDER BY s.user_id"
    )
    _similar(publication, "user", [user for (user,) in rows], answer_users)


def _similar(
    publication: Publication,
    what: str,
    ids: Sequence[str],
    answer: Callable[[Session, Sequence[AskedSimilar]], Similar],
) -> None:
    import numpy as np
    import pyarrow as pa

    for first in range(0, len(ids), SIMILAR_AT_A_TIME):
        some = ids[first : first + SIMILAR_AT_A_TIME]
        found = answer(publication.live, [AskedSimilar(one, publication.k) for one in some])
        columns = found.columns()
        owner = pa.array(np.repeat(np.arange(len(some)), found.sizes))
        rows = {
            f"{what}_id": pa.array(some, pa.string()).take(owner),
            "rank": columns["rank"],
            f"other_{what}_id": columns[f"{what}_id"],
            "similarity": columns["similarity"],
        }
        publication.insert(f"similar_{what}s", pa.table(rows))


def _users(publication: Publication) -> None:
    _bound(publication, "users", ["user_id"])


def _items(publication: Publication) -> None:
    _bound(publication, "items", ["item_id", "title", "available"])


def _bound(publication: Publication, source: str, columns: Sequence[str]) -> None:
    """Write customers or items with the attributes that are included, in order of id."""
    listed = {name.lower() for name in publication.include}
    more = [
        attribute.name
        for attribute in public_attributes(publication.live, source)
        if attribute.name.lower() in listed
    ]
    names = ", ".join(f"v.{quote(name)}" for name in (*columns, *more))
    query = f"SELECT {names} FROM recsql.{source} AS v ORDER BY 1"
    kinds = dict(publication.live.columns(query))
    made = ", ".join(f"{quote(name)} {_stored_type(kind)}" for name, kind in kinds.items())
    publication.file.execute(f"CREATE TABLE recsql.{source} ({made})")
    publication.copy(source, query)


def _leaderboard(publication: Publication) -> None:
    query = "SELECT * FROM recsql.leaderboard"
    kinds = publication.live.columns(query)
    made = ", ".join(f"{quote(name)} {_stored_type(kind)}" for name, kind in kinds)
    publication.file.execute(f"CREATE TABLE recsql.leaderboard ({made})")
    publication.copy("leaderboard", query)


def _stored_type(kind: str) -> str:
    return "INTEGER" if kind in ('"NULL"', "NULL") else kind


def _for_arrow(session: Session, query: str) -> str:
    """Give a query whose columns Arrow carries without loss; the insert casts them back."""
    lost = [name for name, kind in session.columns(query) if kind in _ARROW_LOSES]
    if not lost:
        return query
    cast = ", ".join(f"{quote(name)}::VARCHAR AS {quote(name)}" for name in lost)
    return f"SELECT * REPLACE ({cast}) FROM ({query})"


_WRITERS: dict[str, Callable[[Publication], None]] = {
    "totals": _totals,
    "item_facts": _item_facts,
    "user_features": _user_features,
    "interactions": _interactions,
    "user_recommendations": _user_lists,
    "user_repeats": _user_repeats,
    "similar_items": _similar_items,
    "similar_users": _similar_users,
    "users": _users,
    "items": _items,
    "leaderboard": _leaderboard,
}


def publication_of(
    live: Session,
    file: Session,
    *,
    k: int,
    include: Sequence[str],
    answered: Sequence[str],
    each: Each,
) -> Publication:
    """Prepare what is written: the types of the ids are those of the database."""
    return Publication(live, file, k, include, answered, each, dict(id_types(live)))
