"""Checks of each task: whether the data suffice to train it."""

from __future__ import annotations

from recsql.columns import MICROSECONDS_PER_DAY, REAL_TIME_TYPES
from recsql.data.checks.evidence import Evidence
from recsql.data.checks.finding import Finding, Severity, counted

_LEAST_GROUPS = 2
_TREND_DAYS = 14


def related_has_customers(evidence: Evidence) -> list[Finding]:
    """Tell when too few customers bought two items."""
    if not evidence.interactions.is_given("user_id"):
        call = evidence.interactions.bind_call(user_id="…")
        return [_task(evidence, "related", "error", "a user_id", "none bound", f"{call}.")]
    customers = evidence.session.value(
        f"SELECT count(*) FROM {evidence.seen['user_id']} AS s WHERE s.mixed"
    )
    return _pairs(evidence, "related", customers, "customer")


def bundle_has_baskets(evidence: Evidence) -> list[Finding]:
    """Tell when too few baskets hold two items."""
    source = evidence.interactions
    windows = evidence.reader.baskets == "windows" and source.is_given("user_id")
    if not (source.is_given("basket_id") or windows):
        need = "a basket_id, or a user_id and a ts that is a date or timestamp"
        call = source.bind_call(basket_id="…")
        return [_task(evidence, "bundle", "error", need, "none bound", f"{call}.")]
    return _pairs(evidence, "bundle", _baskets(evidence), "basket")


def trending_has_time(evidence: Evidence) -> list[Finding]:
    """Tell when the purchases have no real time or cover few days."""
    source, facts = evidence.interactions, evidence.facts
    if not (source.is_given("ts") and source.types["ts"] in REAL_TIME_TYPES):
        need = "a ts that is a date or timestamp"
        got = source.types["ts"] if source.is_given("ts") else "none bound"
        return [_task(evidence, "trending", "error", need, got, f"{source.bind_call(ts='…')}.")]
    if facts["first purchase"] is None:
        need, remedy = "purchases with a time", "Load more history."
        return [_task(evidence, "trending", "error", need, "none", remedy)]
    days = (facts["last purchase"] - facts["first purchase"]) / MICROSECONDS_PER_DAY
    if days >= _TREND_DAYS:
        return []
    need, got = f"purchases over {_TREND_DAYS} days or more", f"{days:.1f} days"
    remedy = "Load more history, or take the trends as a first guess."
    return [_task(evidence, "trending", "warning", need, got, remedy)]


def customers_are_known(evidence: Evidence) -> list[Finding]:
    """Tell when nobody's purchases can be told from those of others: first, next, for_you."""
    source = evidence.interactions
    if source.is_given("user_id") or source.is_given("session_id"):
        return []
    need, remedy = "a user_id, or a session_id", f"{source.bind_call(user_id='…')}."
    return [
        _task(evidence, task, "error", need, "none bound", remedy) for task in ("next", "for_you")
    ]


def repeat_has_time(evidence: Evidence) -> list[Finding]:
    """Tell when there are no days between the purchases of a customer."""
    source = evidence.interactions
    timed = source.is_given("ts") and source.types["ts"] in REAL_TIME_TYPES
    if timed and source.is_given("user_id"):
        return []
    need = "a user_id, and a ts that is a date or timestamp"
    given = [name for name in ("user_id", "ts") if source.is_given(name)]
    got = "none bound" if not given else f"{' and '.join(given)} bound"
    if source.is_given("ts") and not timed:
        got = source.types["ts"]
    call = source.bind_call(ts="…") if not timed else source.bind_call(user_id="…")
    return [_task(evidence, "repeat", "error", need, got, f"{call}.")]


def rating_has_ratings(evidence: Evidence) -> list[Finding]:
    """Tell when ratings are bound, and nothing can be learned from them."""
    source = evidence.interactions
    if not source.is_given("rating"):
        return []  # most shops have none
    need = "a user_id, and purchases whose ratings differ"
    if not source.is_given("user_id"):
        call = source.bind_call(user_id="…")
        return [_task(evidence, "rating", "error", need, "no user_id bound", f"{call}.")]
    distinct = evidence.session.value(
        "SELECT count(DISTINCT i.rating) FROM recsql.interactions AS i "
        "WHERE i.user_id IS NOT NULL AND isfinite(i.rating)"
    )
    if distinct > 1:
        return []
    got, remedy = counted(distinct, "rating"), "Bind rating to the column that holds them."
    return [_task(evidence, "rating", "error", need, got, remedy)]


def popular_has_rows(evidence: Evidence) -> list[Finding]:
    """Tell when there is no purchase."""
    if evidence.facts["purchases"]:
        return []
    remedy = "See the finding left_out for what leaves the rows out."
    return [_task(evidence, "popular", "error", "at least one purchase", "none", remedy)]


def references_have_attributes(evidence: Evidence) -> list[Finding]:
    """Tell when reference customers cannot be matched, for want of attributes."""
    source = evidence.sources.get("users")
    if source is not None and source.attributes:
        return []
    got, call = "users not bound", "CALL recsql.bind_users('your_customers', user_id := '…')"
    if source is not None:
        got, call = "users without any", source.bind_call(attributes=["…"])
    need = "attributes of customers"
    return [_task(evidence, "reference_customers", "warning", need, got, f"{call}.")]


def _baskets(evidence: Evidence) -> int:
    """Count the baskets with two items; windows as if each began a multiple after the first."""
    reader, key = evidence.reader, "i.user_id, i.basket_id"
    source, condition = f"({evidence.rows_sql}) AS i", "i.basket_id IS NOT NULL"
    if reader.baskets == "windows":
        if reader.basket_microseconds <= 0:
            return 0
        key = (
            "s.id, floor((i.time::DOUBLE - s.first_time::DOUBLE) / "
            f"{float(reader.basket_microseconds)}::DOUBLE)"
        )
        source += f" JOIN {evidence.seen['user_id']} AS s ON s.id = i.user_id"
        condition = "i.time IS NOT NULL"
    return int(
        evidence.session.value(
            f"SELECT count(*) FROM (SELECT 1 AS one FROM {source} WHERE i.left_out_by = 0 "
            f"AND {condition} GROUP BY {key} HAVING min(i.item_id) <> max(i.item_id)) AS g"
        )
    )


def _pairs(evidence: Evidence, task: str, groups: int, noun: str) -> list[Finding]:
    if groups >= _LEAST_GROUPS:
        return []
    need = f"at least {_LEAST_GROUPS} {noun}s with 2 items or more"
    severity: Severity = "warning" if groups else "error"
    remedy = "Load more history, or bind with another filter."
    return [_task(evidence, task, severity, need, counted(groups, noun), remedy)]


def _task(
    evidence: Evidence, task: str, severity: Severity, need: str, got: str, remedy: str
) -> Finding:
    check, advice = f"too_little_for_{task}", f"{task} must have {need}, got {got}. {remedy}"
    if task == "reference_customers":
        return Finding(check, "users", severity, 0, 0.0, None, advice)
    return evidence.finding(check, evidence.rows, None, advice, severity=severity)
