"""The user inverted index: which customers share which values of their attributes."""

from __future__ import annotations

from collections.abc import Sequence

from recsql.data.attributes import Attribute, list_elements, public_attributes
from recsql.data.bind import id_types
from recsql.database import Session, literal, quote
from recsql.settings import setting_int

_SOURCE = "recsql_user"
_FEATURE = "recsql_feature"
_NO_FEATURE = (
    f"SELECT u.user_id, '' AS attribute, '' AS feature, '' AS matched_value, '' AS own_value "
    f"FROM {_SOURCE} AS u WHERE false"
)
# Of a customer with several rows, each feature once.
_ONCE = (
    "SELECT f.user_id, f.attribute, f.feature, min(f.matched_value) AS matched_value, "
    f"min(f.own_value) AS own_value FROM {_FEATURE} AS f GROUP BY f.user_id, f.attribute, f.feature"
)
_INDEX = """
CREATE OR REPLACE TABLE recsql.user_features AS
WITH shared AS (
    SELECT f.attribute, f.feature, count(*) AS shared_by, ln(1 + ? / count(*)) AS rarity
    FROM {features} AS f
    GROUP BY f.attribute, f.feature
)
SELECT
    f.user_id,
    f.attribute,
    f.feature,
    f.matched_value,
    f.own_value,
    s.shared_by,
    s.rarity::DECIMAL(18, 9) AS rarity
FROM {features} AS f
JOIN shared AS s ON s.attribute = f.attribute AND s.feature = f.feature
ORDER BY f.user_id, f.attribute, f.feature
"""
_BINNED = """(
WITH finite AS (
    SELECT u.user_id, u.{column} AS value FROM {source} AS u WHERE isfinite(u.{column}::DOUBLE)
),
binned AS (
    SELECT f.user_id, f.value, {number} AS bin
    FROM finite AS f
    CROSS JOIN (SELECT quantile_disc(g.value, [{shares}]) AS ends FROM finite AS g) AS q
),
named AS (
    SELECT
        b.bin,
        CASE
            WHEN min(b.value) = max(b.value) THEN {lowest}
            ELSE {lowest} || ' to ' || {highest}
        END AS wording
    FROM binned AS b
    GROUP BY b.bin
)
SELECT
    b.user_id,
    {attribute} AS attribute,
    'bin ' || b.bin AS feature,
    n.wording AS matched_value,
    {own} AS own_value
FROM binned AS b
JOIN named AS n ON n.bin = b.bin
)"""


def build_user_features(session: Session) -> None:
    """Create ``recsql.user_features`` anew from the bound users; inside the caller's transaction.

    A list gives one feature an element. A number matches by quantile bin where it has more
    distinct values than the setting ``quantile_bins``. Anything else matches as text. NULL, blank
    text, NaN and infinity give no feature, and private attributes none at all. Of several rows of
    one customer every feature counts once.

    The table is empty where no users are bound, or where all their attributes are private.
    """
    bins = setting_int(session, "quantile_bins")
    attributes = public_attributes(session, "users")
    user = f"TRY_CAST(u.user_id::VARCHAR AS {id_types(session)['user_id_type']})"
    columns = "".join(f", u.{quote(attribute.name)}" for attribute in attributes)
    session.execute(
        f"CREATE OR REPLACE TEMP TABLE {_SOURCE} AS SELECT {user} AS user_id{columns} "
        f"FROM recsql.users AS u WHERE {user} IS NOT NULL"
    )
    binned = _many_valued(session, attributes, bins)
    parts = [
        _binned_sql(attribute, bins) if attribute.name in binned else _feature_sql(attribute)
        for attribute in attributes
    ]
    session.execute(
        f"CREATE OR REPLACE TEMP TABLE {_FEATURE} AS {' UNION ALL '.join(parts) or _NO_FEATURE}"
    )
    rows, customers = session.rows(
        f"SELECT count(*), count(DISTINCT u.user_id) FROM {_SOURCE} AS u"
    )[0]
    features = _FEATURE if rows == customers else f"({_ONCE})"
    session.execute(_INDEX.format(features=features), [customers])
    session.execute(f"DROP TABLE {_FEATURE}")
    session.execute(f"DROP TABLE {_SOURCE}")


def _many_valued(session: Session, attributes: Sequence[Attribute], bins: int) -> set[str]:
    """Name the numeric attributes of more values than there are bins, by one scan."""
    numeric = [a.name for a in attributes if a.is_numeric and not a.is_list]
    if not numeric:
        return set()
    counts = ", ".join(
        f"count(DISTINCT u.{quote(name)}) FILTER (isfinite(u.{quote(name)}::DOUBLE))"
        for name in numeric
    )
    found = session.rows(f"SELECT {counts} FROM {_SOURCE} AS u")[0]
    return {name for name, count in zip(numeric, found, strict=True) if count > bins}


def _feature_sql(attribute: Attribute) -> str:
    """Give SQL for (user_id, attribute, feature, matched_value, own_value) of one attribute."""
    column = f"u.{quote(attribute.name)}"
    if attribute.is_list:
        source = f"{list_elements(_SOURCE, attribute, 'user_id')} AS u"
        return _text_sql(attribute, "u.element::VARCHAR", source)
    if not attribute.is_numeric:
        return _text_sql(attribute, f"{column}::VARCHAR", f"{_SOURCE} AS u")
    finite = f"{_SOURCE} AS u WHERE isfinite({column}::DOUBLE)"
    return _text_sql(attribute, _number_text(column), finite)


def _text_sql(attribute: Attribute, text: str, source: str) -> str:
    return (
        f"SELECT v.user_id, {literal(attribute.name)} AS attribute, v.value AS feature, "
        f"v.value AS matched_value, v.value AS own_value "
        f"FROM (SELECT u.user_id, {text} AS value FROM {source}) AS v WHERE trim(v.value) <> ''"
    )


def _binned_sql(attribute: Attribute, bins: int) -> str:
    """Number the bins from 1; each ends with a quantile, which belongs to it."""
    ends = range(1, bins)
    return _BINNED.format(
        attribute=literal(attribute.name),
        column=quote(attribute.name),
        source=_SOURCE,
        shares=", ".join(f"{end}::DOUBLE / {bins}" for end in ends) or "1",
        number=" + ".join(["1", *(f"(f.value > q.ends[{end}])::INTEGER" for end in ends)]),
        lowest=_number_text("min(b.value)"),
        highest=_number_text("max(b.value)"),
        own=_number_text("b.value"),
    )


def _number_text(number: str) -> str:
    """Give SQL for a number as a person writes it: 12, not 12.0."""
    return f"regexp_replace({number}::VARCHAR, '\\.0+$', '')"
