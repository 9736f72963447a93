"""Look at the bound data and say what a good recommender should know about it first."""

from __future__ import annotations

from collections.abc import Callable

import duckdb

from recsql.data.checks import attributes, events, goods, groups, homes, ids, rows, tasks, totals
from recsql.data.checks.evidence import Evidence
from recsql.data.checks.finding import Finding
from recsql.database import Session
from recsql.errors import BindError

Check = Callable[[Evidence], list[Finding]]

# A new check is a function of one file of recsql/data/checks, and a line here.
CHECKS: tuple[Check, ...] = (
    totals.overview,
    totals.uncommitted,
    rows.empty_sources,
    rows.empty_columns,
    tasks.related_has_customers,
    tasks.bundle_has_baskets,
    tasks.popular_has_rows,
    tasks.trending_has_time,
    tasks.customers_are_known,
    tasks.repeat_has_time,
    tasks.rating_has_ratings,
    tasks.references_have_attributes,
    rows.null_items,
    rows.null_users,
    rows.null_times,
    rows.future_times,
    rows.duplicates,
    rows.zero_quantities,
    rows.negative_quantities,
    events.event_kinds,
    events.null_events,
    ids.surrounding_blanks,
    ids.mixed_ids,
    ids.ids_in_two_cases,
    ids.ids_with_leading_zeros,
    ids.dominating_ids,
    homes.ids_without_a_row,
    homes.rows_never_seen,
    homes.null_ids,
    homes.duplicate_ids,
    attributes.useless_attributes,
    goods.likely_non_goods,
    groups.shared_baskets,
    groups.large_groups,
    totals.filtered,
    totals.left_out,
)
_FIRST, _LAST = totals.overview, totals.left_out
# What reading a view raises when its table changed, or an expression meets a value it cannot take.
_UNREADABLE = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.IOException,
    duckdb.OutOfRangeException,
)
_ORDER = ("error", "warning", "info")


def find_all(
    session: Session, *, schema: str | None = None, visible_rows: int | None = None
) -> list[Finding]:
    """Run every check on one snapshot of the bound data.

    Parameters
    ----------
    schema : the caller's current schema, where table names are looked up
    visible_rows : interactions that the caller sees; None unknown

    Returns
    -------
    the overview, then errors, warnings and infos in the order of ``CHECKS``, and last what
    training leaves out

    Raises
    ------
    ParameterError
        A setting that training needs is not as it must be.
    BindError
        A bound table changed so that its view cannot be read.
    """
    try:
        with session.transaction():
            evidence = Evidence(session, schema, visible_rows)
            found = {check: check(evidence) for check in CHECKS}
            evidence.forget()
    except _UNREADABLE as error:
        reason = str(error).splitlines()[0]
        raise BindError(
            f"The bound columns must be readable, got: {reason}. Correct the data or the "
            "expression, and bind again."
        ) from error
    middle = [f for check in CHECKS if check not in (_FIRST, _LAST) for f in found[check]]
    middle.sort(key=lambda finding: _ORDER.index(finding.severity))
    return [*found[_FIRST], *middle, *found[_LAST]]
